"""JSON Web Tokens signed by somebody else, checked against a key set in a file.

`jwks` fetches one from an address instead.

RFC 7519 (tokens), 7515 (signatures), 7517 and 7518 (keys), 8037 (EdDSA). Only public-key
algorithms: RS256, ES256, EdDSA. The algorithm comes from the key, never from the token, so that
`none`, and a public key taken for an HMAC secret, are not possible (RFC 8725 section 3.1).
"""

import base64
import binascii
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ossicle.core.errors import Denied, Refused

__all__ = [
    "MOST_BYTES",
    "Header",
    "JwtKeys",
    "KeySet",
    "TokenCheck",
    "candidates",
    "header_of",
    "parse_keys",
]

log = logging.getLogger("ossicle.gateway")

_LONGEST = 8_192
MOST_BYTES = 1 << 20
"""Of a key set."""
_LEEWAY_S = 30.0
"""Clocks of two machines differ."""

_Key: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey


KeySet: TypeAlias = tuple[tuple[str, str, _Key], ...]
"""`kid`, algorithm, key."""


class Header(msgspec.Struct):
    """What stands before what was signed."""

    alg: str
    kid: str = ""
    crit: list[str] | None = None


class _Claims(msgspec.Struct):
    sub: str
    exp: float
    nbf: float = 0.0
    iss: str = ""
    aud: str | list[str] = ""


class _Jwk(msgspec.Struct):
    kty: str
    kid: str = ""
    use: str = "sig"
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _Set(msgspec.Struct):
    keys: list[_Jwk]


class TokenCheck:
    """What has to hold of a token, whoever keeps the keys."""

    def __init__(self, issuer: str, audience: str, now: Callable[[], float] = time.time) -> None:
        """
        Raises:
            Refused: issuer or audience are not named.
        """
        if not issuer or not audience:
            raise Refused(
                "access.jwks needs access.jwt_issuer and access.jwt_audience: without them every "
                "token of that signer would do",
                code="bad_option",
            )
        self._issuer, self._audience, self._now = issuer, audience, now

    def owner(self, token: str, keys: KeySet) -> str:
        """Whose token it is: its `sub`.

        Raises:
            Denied: it is none, is over, or is for somebody else; the text says which.
        """
        header = header_of(token)
        head, payload, mark = token.split(".")
        signed, signature = f"{head}.{payload}".encode(), _bytes(mark)
        if not any(_fits(alg, key, signed, signature) for alg, key in candidates(header, keys)):
            raise Denied("this token is not signed by a key that is known here")
        claims = _decoded(payload, _Claims)
        now = self._now()
        if now >= claims.exp + _LEEWAY_S:
            raise Denied(f"this token ended {now - claims.exp:.0f} seconds ago; get a new one")
        if now < claims.nbf - _LEEWAY_S:
            raise Denied(f"this token begins in {claims.nbf - now:.0f} seconds")
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss != self._issuer or self._audience not in audience:
            raise Denied("this token is of another issuer, or for another audience")
        if not 0 < len(claims.sub) <= 200:
            raise Denied("this token names nobody (sub)")
        return claims.sub


class JwtKeys:
    """A key set in a file that is followed, and whose tokens they have to be."""

    def __init__(self, path: Path, check: TokenCheck) -> None:
        """
        Raises:
            Refused: the file cannot be used.
        """
        self._path = path.expanduser()
        self._check = check
        self._seen = self._stamp()
        self._keys = self._read()

    def owner(self, token: str) -> str:
        """Whose token it is.

        Raises:
            Denied: as `TokenCheck.owner`.
        """
        stamp = self._stamp()
        if stamp is not None and stamp != self._seen:
            self._seen = stamp
            try:
                self._keys = self._read()
            except Refused as error:
                log.warning("%s; the keys read before stay in force", error)
        return self._check.owner(token, self._keys)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> KeySet:
        try:
            with self._path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise Refused(f"access.jwks: {self._path} cannot be read: {error.strerror}") from error
        return parse_keys(data, str(self._path))


def parse_keys(data: bytes, where: str) -> KeySet:
    """The keys of a set, RFC 7517 section 5.

    Raises:
        Refused: it is none, or holds none that is taken.
    """
    try:
        found = msgspec.json.decode(data, type=_Set).keys if len(data) <= MOST_BYTES else []
        keys = [made for each in found if each.use == "sig" and (made := _key(each))]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise Refused(f"access.jwks: {where} is no JSON Web Key Set, or is cut off") from error
    if not keys:
        raise Refused(f"access.jwks: {where} holds no key for RS256, ES256 or EdDSA")
    return tuple(keys)


def header_of(token: str) -> Header:
    """Who is said to have signed it.

    Raises:
        Denied: it has not the form of a token, or needs what is not understood here.
    """
    parts = token.split(".") if len(token) <= _LONGEST else []
    if len(parts) != 3:
        raise Denied("this key is not known")
    header: Header = _decoded(parts[0], Header)
    if header.crit:
        raise Denied("this token needs extensions that are not understood here")
    return header


def candidates(header: Header, keys: KeySet) -> list[tuple[str, _Key]]:
    """The keys that may have signed it."""
    return [
        (alg, key)
        for kid, alg, key in keys
        if alg == header.alg and (not header.kid or kid == header.kid)
    ]


def _key(jwk: _Jwk) -> tuple[str, str, _Key] | None:
    """A key and its algorithm; None = of a kind that is not taken.

    Raises:
        ValueError: it is broken.
    """
    match jwk.kty, jwk.crv:
        case "RSA", _:
            numbers = rsa.RSAPublicNumbers(_number(jwk.e), _number(jwk.n))
            key = numbers.public_key()
            if key.key_size < 2048:  # RFC 7518 section 3.3
                return None
            return jwk.kid, "RS256", key
        case "EC", "P-256":
            point = ec.EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), ec.SECP256R1())
            return jwk.kid, "ES256", point.public_key()
        case "OKP", "Ed25519":
            return jwk.kid, "EdDSA", Ed25519PublicKey.from_public_bytes(_bytes(jwk.x))
        case _:
            return None


def _fits(alg: str, key: _Key, signed: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if len(signature) != 64:  # r and s, RFC 7518 section 3.4
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        else:
            key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _decoded(text: str, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(_bytes(text), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Denied("this token cannot be read") from error


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")


def _bytes(text: str) -> bytes:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""
