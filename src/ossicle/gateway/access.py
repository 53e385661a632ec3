"""Who may come in: keys compared in constant time, and browsers kept to pages we know.

Without keys the gateway is for this machine only; then any web page in a browser here could
talk to it, so `Origin` and `Host` must be loopback or listed.
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from ossicle.core.endpoint import Minted
from ossicle.core.errors import Denied, Refused
from ossicle.core.wire import Opening

from .minting import Mint, is_token

__all__ = ["Access", "keys_from_environment", "loopback"]


def keys_from_environment(name: str = "OSSICLE_KEYS") -> tuple[tuple[str, str], ...]:
    """`owner:key` pairs, comma-separated; a bare key belongs to `default`."""
    pairs: list[tuple[str, str]] = []
    for item in os.environ.get(name, "").split(","):
        owner, _, key = item.strip().rpartition(":")
        if key:
            pairs.append((owner or "default", key))
    return tuple(pairs)


def loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Access:
    """The gateway's verdicts."""

    def __init__(
        self,
        keys: Iterable[tuple[str, str]],
        allow_hosts: Iterable[str] = (),
        mint: Callable[[], Mint] | None = None,
    ) -> None:
        """
        Args:
            keys: (owner, key) pairs; none = keys are off.
            allow_hosts: host names and origins besides loopback.
            mint: makes and reads tokens, asked for at the first one; None = none are made here.
        """
        self._keys = tuple((owner, _digest(key)) for owner, key in keys)
        self._vouched: dict[str, str] = {}
        self._hosts = frozenset(host.lower() for host in allow_hosts)
        self._make_mint = mint

    @property
    def on(self) -> bool:
        """Keys are asked for."""
        return bool(self._keys)

    def vouch(self, owner: str) -> str:
        """A key that never leaves this process, for peers whose signature a dialect has verified:
        their sessions belong to `owner`."""
        key = self._vouched.get(owner)
        if key is None:
            key = self._vouched[owner] = secrets.token_urlsafe(32)
            if self._keys:  # off stays off
                self._keys = (*self._keys, (owner, _digest(key)))
        return key

    def owner(self, credential: str | None) -> str:
        """Whose key this is; "" while keys are off.

        Raises:
            Denied: none was given, it is not known, or it is a token that is over.
        """
        if credential is not None and is_token(credential):
            return self._of_token(credential)
        return self._of_key(credential)[0]

    def mint(self, credential: str | None, ttl_s: float) -> Minted:
        """A token for the owner of a key, good wherever the key is.

        Raises:
            Denied: the key is not known, or is a token: tokens mint no tokens.
            Refused: no tokens are made here, or the time is out of bounds.
        """
        if credential is not None and is_token(credential):
            raise Denied("a token makes no tokens; use an API key")
        owner, fingerprint = self._of_key(credential)
        return self._mint().issue(owner, fingerprint, ttl_s)

    def _of_token(self, token: str) -> str:
        claims = self._mint().read(token)
        if not self._keys:
            return ""
        for owner, digest in self._keys:
            if owner == claims.owner and _fingerprint(digest) == claims.key:
                return owner
        raise Denied("the key that made this token is no longer in force")

    def _mint(self) -> Mint:
        if self._make_mint is None:
            raise Refused("this gateway makes no tokens; use a key", code="not_found")
        return self._make_mint()

    def _of_key(self, credential: str | None) -> tuple[str, str]:
        """Whose key, and its fingerprint."""
        if not self._keys:
            return "", ""
        if credential is None:
            raise Denied(
                "a key is needed: send `Authorization: Bearer KEY`, or offer the subprotocols "
                "`ossicle.v1, token, KEY`"
            )
        given = _digest(credential)
        found: tuple[str, str] | None = None
        for owner, digest in self._keys:  # all of them, so that time tells nothing
            if hmac.compare_digest(given, digest):
                found = owner, _fingerprint(digest)
        if found is None:
            raise Denied("this key is not known")
        return found

    def check_page(self, opening: Opening) -> None:
        """Keep out web pages and names that are not ours, while no key is asked for.

        Raises:
            Refused: the page's origin, or the host name the request was sent to, is not listed.
        """
        if self.on:
            return
        origin = opening.header("origin")
        # A sandboxed frame of any page says "null": no better than an origin we do not know.
        if origin and not self._listed("null" if origin == "null" else _host_of(origin)):
            raise Refused(
                f"pages of {origin[:100]} may not use this gateway; start it with --allow-host, or "
                "with keys",
                code="forbidden",
            )
        host = opening.header("host")
        if host and not self._listed(_host_of("//" + host)):
            raise Refused(
                f"this gateway is not known as {host[:100]}; start it with --allow-host and "
                "that name",
                code="forbidden",
            )

    def _listed(self, host: str) -> bool:
        return loopback(host) or host.lower() in self._hosts


def _host_of(url: str) -> str:
    """Its host name; "" where there is none or it cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _digest(key: str) -> bytes:
    """Keys are held and compared as digests: equal length, and not readable in a core dump."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _fingerprint(digest: bytes) -> str:
    """Names a key in a token without telling it."""
    return hashlib.sha256(b"fingerprint " + digest).hexdigest()[:16]
