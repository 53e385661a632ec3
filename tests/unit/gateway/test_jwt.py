"""JSON Web Tokens: signed by keys of a file that may change, and nothing else."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ossicle.core.errors import Denied, Refused
from ossicle.gateway.jwt import JwtKeys

NOW = 1_800_000_000.0
GOOD = {"sub": "ann", "exp": NOW + 60, "iss": "https://id.example", "aud": ["speech", "other"]}


def packed(data):
    data = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return packed(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


class Signer:
    def __init__(self, alg, kid="one"):
        self.alg, self.kid = alg, kid
        make = {
            "RS256": lambda: rsa.generate_private_key(65_537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        self.private = make[alg]()

    @property
    def jwk(self):
        public = self.private.public_key()
        match self.alg:
            case "RS256":
                found = public.public_numbers()
                own = {"kty": "RSA", "n": number(found.n), "e": number(found.e)}
            case "ES256":
                found = public.public_numbers()
                own = {"kty": "EC", "crv": "P-256", "x": packed(found.x.to_bytes(32, "big")),
                       "y": packed(found.y.to_bytes(32, "big"))}  # fmt: skip
            case _:
                raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
                own = {"kty": "OKP", "crv": "Ed25519", "x": packed(raw)}
        return own | {"kid": self.kid, "use": "sig", "alg": self.alg}

    def token(self, claims=GOOD, **header):
        head = packed({"alg": self.alg, "typ": "JWT", "kid": self.kid} | header)
        text = f"{head}.{packed(claims)}"
        match self.alg:
            case "RS256":
                mark = self.private.sign(text.encode(), padding.PKCS1v15(), SHA256())
            case "ES256":
                r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(SHA256())))
                mark = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            case _:
                mark = self.private.sign(text.encode())
        return f"{text}.{packed(mark)}"


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
    return JwtKeys(path, "https://id.example", "speech", lambda: NOW)


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
    keys = JwtKeys(path, "https://id.example", "speech", lambda: NOW)
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
        JwtKeys(path, "i", "a")


def test_issuer_and_audience_have_to_be_named(tmp_path):
    with pytest.raises(Refused, match="jwt_audience"):
        JwtKeys(tmp_path / "jwks.json", "i", "")
