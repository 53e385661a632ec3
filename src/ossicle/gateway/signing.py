"""Signing what is posted, so that its receiver can tell it from anybody else's.

    ossicle-signature: t=1767225600,v1=HEX          HEX = HMAC-SHA256(secret, "1767225600." + body)

The time is signed with the body, so that an old post cannot be played again later. Two secrets,
divided by a comma, sign twice (`v1=…,v1=…`): that is how one is changed without a gap.
"""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from ossicle.core.errors import Refused

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


def webhook_secret(
    state_dir: Path, environment: Mapping[str, str] | None = None
) -> tuple[bytes, ...]:
    """The secret: from the environment, else from a file only we can read, made when missing.

    Raises:
        Refused: others can read the file, or it cannot be read or written.
    """
    given = (os.environ if environment is None else environment).get(ENVIRONMENT, "")
    path = state_dir.expanduser() / FILE
    if not given:
        try:
            given = _read(path)
        except FileNotFoundError:
            given = _make(path)
        except OSError as error:
            raise _unreadable(path, error) from error
    found = tuple(part.strip().encode() for part in given.split(",") if part.strip())
    if not found:
        raise Refused(f"{path} is empty; delete it, or set {ENVIRONMENT}")
    return found


def _read(path: Path) -> str:
    with path.open() as file:
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Refused(f"{path} can be read by others; chmod 600 it, and change the secret")
        return file.read(4_096)


def _make(path: Path) -> str:
    secret = secrets.token_urlsafe(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w") as file:
            file.write(secret + "\n")
    except FileExistsError:  # another gateway was quicker
        return _read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    return secret


def _unreadable(path: Path, error: OSError) -> Refused:
    return Refused(
        f"the webhook secret {path} cannot be read or written: {error.strerror}; or set "
        f"{ENVIRONMENT}"
    )
