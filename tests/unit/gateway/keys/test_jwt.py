"""JSON Web Tokens: signed by keys of a file that may change, and nothing else."""

import hashlib
import hmac
import json

import pytest

from jwt_signer import GOOD, NOW, Signer, packed
from ossicle.core.errors import Denied, Refused
from ossicle.gateway.keys.jwt import JwtKeys, TokenCheck


def write(path, *signers):
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"keys": [each.jwk for each in signers]}))
    new.replace(path)


@pytest.fixture(scope="module", params=["RS256", "ES256", "EdDSA"])
def signer(request):
    return Signer(request.param)


@pytest.fixture
def keys(tmp_path, signer):
    path = tmp_path / "jwks.json"
    write(path, signer)
    return JwtKeys(path, TokenCheck("https://id.example", "speech", lambda: NOW))


def test_a_token_names_its_owner(keys, signer):
    assert keys.owner(signer.token()) == "ann"
    assert keys.owner(signer.token(GOOD | {"aud": "speech"})) == "ann"


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        (GOOD | {"exp": NOW - 31}, "ended 31 seconds ago"),
        (GOOD | {"nbf": NOW + 90}, "begins in 90 seconds"),
        (GOOD | {"iss": "https://evil.example"}, "another issuer"),
        (GOOD | {"aud": "other"}, "another audience"),
        (GOOD | {"aud": []}, "another audience"),
        (GOOD | {"sub": ""}, "names nobody"),
        ({k: v for k, v in GOOD.items() if k != "exp"}, "cannot be read"),
        ({k: v for k, v in GOOD.items() if k != "sub"}, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 3_000, "cannot be read"),
    ],
)
def test_claims_that_do_not_do(keys, signer, claims, says):
    with pytest.raises(Denied, match=says):
        keys.owner(signer.token(claims))


def test_every_changed_character_is_seen(keys, signer):
    token = signer.token()
    for at in range(0, len(token) - 2, 3):  # the last characters may hold bits that mean nothing
        other = "A" if token[at] != "A" else "B"
        with pytest.raises(Denied):
            keys.owner(token[:at] + other + token[at + 1 :])
    for cut in range(0, len(token), 7):
        with pytest.raises(Denied):
            keys.owner(token[:cut])


def test_the_token_does_not_choose_the_algorithm(keys, signer):
    bare = signer.token(alg="none").rpartition(".")[0] + "."
    with pytest.raises(Denied, match="not signed"):
        keys.owner(bare)
    # the public key as the secret of an HMAC: anybody has that
    text = f"{packed({'alg': 'HS256', 'kid': 'one'})}.{packed(GOOD)}"
    for secret in (json.dumps(signer.jwk).encode(), b""):
        mark = hmac.digest(secret, text.encode(), hashlib.sha256) if secret else b""
        with pytest.raises(Denied, match="not signed"):
            keys.owner(f"{text}.{packed(mark)}")
    with pytest.raises(Denied, match="extensions"):
        keys.owner(signer.token(crit=["exp"]))


def test_keys_rotate_while_it_runs(tmp_path, signer, caplog):
    path, newer = tmp_path / "jwks.json", Signer("ES256", "two")
    write(path, signer)
    keys = JwtKeys(path, TokenCheck("https://id.example", "speech", lambda: NOW))
    with pytest.raises(Denied):
        keys.owner(newer.token())
    write(path, signer, newer)
    assert keys.owner(newer.token()) == keys.owner(signer.token()) == "ann"
    write(path, newer)
    with pytest.raises(Denied):
        keys.owner(signer.token())
    path.write_text('{"keys": [{"kty": "R')
    assert keys.owner(newer.token()) == "ann", "half a file changes nothing"
    assert "cut off" in caplog.text
    path.unlink()
    assert keys.owner(newer.token()) == "ann"


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}',
             '{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQ"}]}',
             '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}',
             '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}]}'],
)  # fmt: skip
def test_files_that_are_no_key_sets(tmp_path, text):
    path = tmp_path / "jwks.json"
    path.write_text(text)
    with pytest.raises(Refused, match=r"access\.jwks"):
        JwtKeys(path, TokenCheck("i", "a"))


def test_issuer_and_audience_have_to_be_named():
    with pytest.raises(Refused, match="jwt_audience"):
        TokenCheck("i", "")
