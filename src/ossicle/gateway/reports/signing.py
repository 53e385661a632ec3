"""Signing what is posted, so that its receiver can tell it from anybody else's.

    ossicle-signature: t=1767225600,v1=HEX          HEX = HMAC-SHA256(secret, "1767225600." + body)

The time is signed with the body, so that an old post cannot be played again later. Two secrets,
divided by a comma, sign twice (`v1=…,v1=…`): that is how one is changed without a gap.
"""

import hashlib
import hmac
from collections.abc import Callable

from ossicle.core.errors import Refused

from ..keys.secrets import Secrets

__all__ = ["ENVIRONMENT", "FILE", "HEADER", "Signer", "sign", "verify", "webhook_secret"]

HEADER = "ossicle-signature"
ENVIRONMENT = "OSSICLE_WEBHOOK_SECRET"
FILE = "webhook.secret"
"""In the state directory."""


def sign(secrets_: tuple[bytes, ...], body: bytes, at: int) -> str:
    """The header's value."""
    signed = b"%d." % at + body
    marks = (hmac.new(secret, signed, hashlib.sha256).hexdigest() for secret in secrets_)
    return ",".join((f"t={at}", *(f"v1={mark}" for mark in marks)))


def verify(secret: bytes, header: str, body: bytes, now: float, tolerance_s: float = 300) -> bool:
    """What a receiver does: one signature fits and the time is near.

    >>> verify(b"s", sign((b"s",), b"{}", 1000), b"{}", now=1010)
    True
    """
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or not times[0].isdecimal() or abs(now - int(times[0])) > tolerance_s:
        return False
    due = hmac.new(secret, times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    given = [value for name, _, value in pairs if name == "v1"]
    return any(hmac.compare_digest(due.encode(), value.encode()) for value in given)


class Signer:
    """Signs; reads its secret when it is first needed."""

    def __init__(self, read: Callable[[], tuple[bytes, ...]]) -> None:
        self._read = read
        self._secrets: tuple[bytes, ...] = ()

    def __call__(self, body: bytes, at: int) -> str:
        """The header's value.

        Raises:
            Refused: the secret cannot be read.
        """
        if not self._secrets:
            self._secrets = self._read()
        return sign(self._secrets, body, at)


def webhook_secret(held: Secrets) -> tuple[bytes, ...]:
    """The secret: from the environment, else from a file only we can read, made when missing.

    Raises:
        Refused: others can read the file, or it cannot be read or written.
    """
    given = held.made("webhook_secret", FILE)
    found = tuple(part.strip() for part in given.split(b",") if part.strip())
    if not found:
        raise Refused(f"the webhook secret holds only commas; change it, or set {ENVIRONMENT}")
    return found
