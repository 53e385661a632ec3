import re
import stat

import pytest

from ossicle.core.errors import Denied, Refused
from ossicle.gateway.access import Access
from ossicle.gateway.minting import LONGEST_S, Mint, is_token, secret_in


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
    first = secret_in(tmp_path)
    assert len(first) >= 32
    assert secret_in(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets" / "token_signing").stat().st_mode) == 0o600


def test_a_secret_that_is_too_short_is_named(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token_signing").write_bytes(b"short")
    with pytest.raises(Refused, match="too short to sign with"):
        secret_in(tmp_path)
