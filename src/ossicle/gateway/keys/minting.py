"""Tokens that end by themselves, minted by a key: for browsers, which should never hold a key.

    ossicle-t.PAYLOAD.SIGNATURE      base64url; legal as a WebSocket subprotocol

The payload names the owner, the key that minted it and when it ends; the signature is
HMAC-SHA256 under a secret of the state directory, so that every gateway with the same one agrees.
Nothing is stored: a token stays good until it ends or its key is withdrawn.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Annotated

import msgspec

from ossicle.core.endpoint import Minted
from ossicle.core.errors import Denied, Refused

from .keyfile import KeyLimits
from .secrets import Secrets

__all__ = ["LONGEST_S", "Claims", "Mint", "is_token", "signing_secret"]

LONGEST_S = 100 * 3600.0
"""The longest life a token may be asked for, in seconds: what the legacy AssemblyAI API allows."""

NAME = "token_signing"
"""Of the secret: OSSICLE_TOKEN_SIGNING, or `secrets/token_signing` of the state directory."""
_PREFIX = "ossicle-t."
_MOST_CHARACTERS = 2_048


_SHORT = {"owner": "o", "key": "k", "ends": "e", "name": "n", "limits": "l", "once": "u"}


class Claims(msgspec.Struct, frozen=True, rename=_SHORT, omit_defaults=True):
    """What a token says."""

    owner: Annotated[str, msgspec.Meta(max_length=200)]
    key: Annotated[str, msgspec.Meta(max_length=64)]
    """Fingerprint of the key that minted it; empty where keys are off."""
    ends: float
    """Seconds of the epoch."""
    name: str = ""
    """Tells it from others, where it has limits or a use of its own; no secret."""
    limits: KeyLimits = KeyLimits()
    """Its own, beside those of its key."""
    once: bool = False
    """It opens one session."""


def is_token(credential: str) -> bool:
    """Whether it has the form of a minted token. A key that looks like one is never accepted."""
    return credential.startswith(_PREFIX)


class Mint:
    """Makes and reads tokens under one secret."""

    def __init__(self, secret: bytes, now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self.now = now
        """The clock: seconds of the epoch."""

    def issue(
        self,
        owner: str,
        key: str,
        ttl_s: float,
        limits: KeyLimits | None = None,
        *,
        once: bool = False,
    ) -> Minted:
        """A token good for `ttl_s` seconds, within limits of its own, for one session or many.

        Raises:
            Refused: the time is not within 1 second and `LONGEST_S`.
        """
        if not 1.0 <= ttl_s <= LONGEST_S:
            raise Refused(f"a token lives 1 to {LONGEST_S:g} seconds, not {ttl_s:g}")
        ends = self.now() + ttl_s
        own = limits or KeyLimits()
        name = secrets.token_hex(8) if once or own != KeyLimits() else ""
        payload = _packed(msgspec.json.encode(Claims(owner, key, ends, name, own, once)))
        return Minted(f"{_PREFIX}{payload}.{_packed(self._sign(payload))}", ttl_s, ends)

    def read(self, token: str) -> Claims:
        """What a token says.

        Raises:
            Denied: it was not made here, was changed, or is over.
        """
        payload, _, signature = token.removeprefix(_PREFIX).partition(".")
        given = _unpacked(signature) if len(token) <= _MOST_CHARACTERS else b""
        if not hmac.compare_digest(given, self._sign(payload)):
            raise Denied("this token was not made by this gateway")
        try:
            claims = msgspec.json.decode(_unpacked(payload), type=Claims)
        except (msgspec.MsgspecError, UnicodeError) as error:  # signed, by another version of us
            raise Denied("this token cannot be read by this version") from error
        over = self.now() - claims.ends
        if over >= 0:
            raise Denied(f"this token ended {over:.0f} seconds ago; ask for a new one")
        return claims

    def _sign(self, payload: str) -> bytes:
        text = payload.encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, text, hashlib.sha256)


def signing_secret(held: Secrets) -> bytes:
    """The secret that tokens are signed with, made at first use.

    Raises:
        Refused: it is too short to be one, others can read it, or it cannot be read or written.
    """
    secret = held.made(NAME)
    if len(secret) < 32:
        raise Refused(
            f"the secret {NAME} of {len(secret)} bytes is too short to sign with, it needs 32; "
            "remove its file and it is made anew"
        )
    return secret


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""
