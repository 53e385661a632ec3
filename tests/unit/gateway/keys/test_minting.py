import re
import stat

import pytest

from ossicle.core.errors import Denied, Refused
from ossicle.gateway.keys.access import Access
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.gateway.keys.minting import LONGEST_S, Mint, is_token, signing_secret
from ossicle.gateway.keys.secrets import Secrets


class Clock:
    def __init__(self):
        self.at = 1_000.0

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def mint(clock):
    return Mint(b"s" * 32, clock)


def access(mint, *keys):
    return Access(keys, mint=lambda: mint)


def test_a_token_opens_what_its_key_opens_until_it_ends(mint, clock):
    house = access(mint, ("ann", "key-a"), ("bob", "key-b"))
    minted = house.mint("key-b", 30)
    assert (minted.expires_in_s, minted.expires_at) == (30, 1_030.0)
    assert house.owner(minted.token) == "bob"
    clock.at += 29.9
    assert house.owner(minted.token) == "bob"
    clock.at += 0.1
    with pytest.raises(Denied, match="ended 0 seconds ago; ask for a new one"):
        house.owner(minted.token)


def test_a_token_is_legal_as_a_subprotocol_and_tells_no_key(mint):
    token = access(mint, ("ann", "key-a")).mint("key-a", 30).token
    assert re.fullmatch(r"[A-Za-z0-9._-]+", token)  # RFC 9110, section 5.6.2
    assert is_token(token)
    assert not is_token("key-a")


def test_a_token_makes_no_tokens(mint):
    house = access(mint, ("ann", "key-a"))
    token = house.mint("key-a", 30).token
    with pytest.raises(Denied, match="a token makes no tokens"):
        house.mint(token, 30)


def test_a_key_that_is_withdrawn_takes_its_tokens_along(mint):
    token = access(mint, ("ann", "key-a")).mint("key-a", 30).token
    with pytest.raises(Denied, match="no longer in force"):
        access(mint, ("ann", "another")).owner(token)


def test_with_keys_off_tokens_end_all_the_same(mint, clock):
    house = access(mint)
    token = house.mint(None, 5).token
    assert house.owner(token) == ""
    clock.at += 5
    with pytest.raises(Denied, match="ended"):
        house.owner(token)


@pytest.mark.parametrize("ttl_s", [0, 0.9, LONGEST_S + 1, float("nan"), float("inf"), -5])
def test_a_life_out_of_bounds_is_refused(mint, ttl_s):
    with pytest.raises(Refused, match=r"lives 1 to 360000 seconds"):
        mint.issue("ann", "", ttl_s)


def test_what_another_secret_signed_is_refused(mint, clock):
    token = Mint(b"t" * 32, clock).issue("ann", "", 30).token
    with pytest.raises(Denied, match="not made by this gateway"):
        mint.read(token)


def test_a_gateway_without_a_mint_says_so():
    with pytest.raises(Refused, match="makes no tokens"):
        Access([("ann", "key-a")]).mint("key-a", 30)


def test_the_secret_is_made_once_and_only_we_can_read_it(tmp_path):
    held = Secrets(tmp_path, {})
    first = signing_secret(held)
    assert len(first) >= 32
    assert signing_secret(held) == first
    assert stat.S_IMODE((tmp_path / "secrets" / "token_signing").stat().st_mode) == 0o600


def test_a_secret_that_is_too_short_is_named(tmp_path):
    (tmp_path / "secrets").mkdir()
    path = tmp_path / "secrets" / "token_signing"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(Refused, match="of 5 bytes is too short to sign with"):
        signing_secret(Secrets(tmp_path, {}))
    path.chmod(0o640)
    with pytest.raises(Refused, match=r"secret token_signing .* has mode 0640; make it 0600"):
        signing_secret(Secrets(tmp_path, {}))


def test_limits_of_a_token_survive_and_cost_nothing_where_there_are_none(mint):
    plain = mint.issue("ann", "k", 30).token
    bound = mint.issue("ann", "k", 30, KeyLimits(sessions=2, session_s=9.5), once=True).token
    claims = mint.read(bound)
    assert (claims.limits, claims.once) == (KeyLimits(sessions=2, session_s=9.5), True)
    assert len(claims.name) == 16
    assert claims.name != mint.read(mint.issue("ann", "k", 30, once=True).token).name
    assert (mint.read(plain).name, mint.read(plain).limits) == ("", KeyLimits())
    assert len(plain) < 200


@pytest.fixture
def bounded(mint, tmp_path):
    book = KeyFile(tmp_path / "keys.json")
    key = book.add("ann", KeyLimits(sessions=4, audio_s_per_day=60)).key
    return Access((), (), lambda: mint, book), key


def test_a_token_may_be_narrower_than_its_key(bounded):
    access, key = bounded
    token = access.mint(key, 30, {"sessions": 4, "session_s": 5}, once=True).token
    verdict = access.verdict(token)
    assert verdict.limits == KeyLimits(sessions=4, audio_s_per_day=60)
    assert verdict.own == KeyLimits(sessions=4, session_s=5)
    assert (verdict.owner, verdict.once, bool(verdict.token)) == ("ann", True, True)
    assert access.verdict(access.mint(key, 30).token).own == KeyLimits()


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"sessions": 5}, "limits.sessions of 5 is more than the 4 of the key"),
        ({"audio_s_per_day": 60.5}, "limits.audio_s_per_day of 60.5 is more than the 60"),
        ({"session": 1}, "there are sessions, session_s"),
        ({"sessions": -1}, "limits: "),
        ({"sessions": 1.5}, "limits: "),
    ],
)
def test_a_token_is_never_wider(bounded, limits, says):
    access, key = bounded
    with pytest.raises(Refused, match=re.escape(says)) as caught:
        access.mint(key, 30, limits)
    assert caught.value.code == "bad_option"


def test_the_smaller_of_each_limit():
    one = KeyLimits(sessions=4, session_s=10, max_message=100)
    two = KeyLimits(sessions=2, session_s=20, audio_s_per_day=9)
    both = KeyLimits(sessions=2, session_s=10, audio_s_per_day=9, max_message=100)
    assert one.narrowed(two) == two.narrowed(one) == both
    assert one.narrowed(KeyLimits()) == one
