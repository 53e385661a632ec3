"""Signs JSON Web Tokens, as an identity provider does."""

import base64
import json

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
