"""Who may come in: keys compared in constant time, and browsers kept to pages we know.

Without keys the gateway is for this machine only; then any web page in a browser here could
talk to it, so `Origin` and `Host` must be loopback or listed.
"""

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ossicle.core.endpoint import Minted
from ossicle.core.errors import Denied, Refused
from ossicle.core.wire import Opening

from ..fetching.loopback import loopback
from .judges import Judge, ask
from .keyfile import KeyEntry, KeyFile, KeyLimits, digest_of
from .minting import Mint, is_token

__all__ = ["HASHED", "Access", "Verdict", "keys_from_environment", "loopback"]

log = logging.getLogger("ossicle.gateway")

_KEPT = "the keys read before stay in force"

HASHED = "sha256="
"""Begins a key that is given as the hexadecimal digits of its SHA-256."""


class Verdict(NamedTuple):
    """Who comes in, and what they may use."""

    owner: str = ""
    key: str = ""
    """Id of the key; "" = keys are off."""
    limits: KeyLimits = KeyLimits()
    token: str = ""
    """Name of the token that has limits or a use of its own; "" = a key, or a token like one."""
    own: KeyLimits = KeyLimits()
    """Of the token."""
    once: bool = False
    """The token opens one session."""
    ends: float = 0.0
    """Of the token, in seconds of the epoch."""


class _Held(NamedTuple):
    """A key in force."""

    id: str
    owner: str
    digest: bytes
    limits: KeyLimits = KeyLimits()


def keys_from_environment(name: str = "OSSICLE_KEYS") -> tuple[tuple[str, str], ...]:
    """`owner:key` pairs, comma-separated; a bare key belongs to `default`. A key may be given as
    `sha256=` and 64 hexadecimal digits."""
    pairs: list[tuple[str, str]] = []
    for item in os.environ.get(name, "").split(","):
        owner, _, key = item.strip().rpartition(":")
        if key:
            pairs.append((owner or "default", key))
    return tuple(pairs)


class Access:
    """The gateway's verdicts."""

    def __init__(
        self,
        keys: Iterable[tuple[str, str]],
        allow_hosts: Iterable[str] = (),
        mint: Callable[[], Mint] | None = None,
        file: KeyFile | None = None,
        judge: Judge | None = None,
        judge_s: float = 5.0,
    ) -> None:
        """
        Args:
            keys: (owner, key) pairs; none, and no file = keys are off.
            allow_hosts: host names and origins besides loopback.
            mint: makes and reads tokens, asked for at the first one; None = none are made here.
            file: more keys, followed while running. An empty one is keys on, and nobody's.
            judge: gives the verdict about what is neither a key nor a token of ours.
            judge_s: how long that may take.

        Raises:
            Refused: a key or the file cannot be used.
        """
        self._given = tuple(_held(owner, key) for owner, key in keys)
        self._file = file
        found = file.read() if file is not None else None
        self._on = bool(self._given) or found is not None or judge is not None
        self._judge, self._judge_s = judge, judge_s
        self._filed = _entries(found or ())
        self._vouchers: tuple[_Held, ...] = ()
        self._vouched: dict[str, str] = {}
        self._stand_ins: dict[str, tuple[str, bytes]] = {}
        self._hosts = frozenset(host.lower() for host in allow_hosts)
        self._make_mint = mint
        self.trouble = ""
        """What is wrong with the file while its old keys are in force."""

    @property
    def on(self) -> bool:
        """Keys are asked for."""
        return self._on

    @property
    def _keys(self) -> tuple[_Held, ...]:
        return (*self._given, *self._filed, *self._vouchers)

    @property
    def ids(self) -> frozenset[str]:
        """The keys in force."""
        return frozenset(each.id for each in self._keys)

    def refresh(self) -> bool:
        """Look at the file again; whether other keys are in force now. One that cannot be used
        changes nothing, and is said in the log."""
        if self._file is None or not self._file.changed():
            return False
        try:
            found = self._file.read()
        except Refused as error:
            log.warning("%s; the keys read before stay in force", error)
            self.trouble = "the keys file cannot be used, and the log says why: " + _KEPT
            return False
        self.trouble = "" if found is not None else f"the keys file is gone: {_KEPT}"
        if found is None:
            return False
        self._filed, self._on = _entries(found), True
        log.info("keys were read again", extra={"keys": len(found)})
        return True

    def vouch(self, owner: str) -> str:
        """A key that never leaves this process, for peers whose signature a dialect has verified:
        their sessions belong to `owner`."""
        key = self._vouched.get(owner)
        if key is None:
            key = self._vouched[owner] = secrets.token_urlsafe(32)
            self._vouchers = (*self._vouchers, _held(owner, key))  # counts only while keys are on
        return key

    def stand_in(self, name: str) -> str | None:
        """A credential that never leaves this process and counts as the key of that id, or else of
        that owner, while that is in force: for peers whose signature a dialect has verified. None
        = there is no such key."""
        keys = (*self._given, *self._filed)
        held = next((each for each in keys if each.id == name), None) or next(
            (each for each in keys if each.owner == name), None
        )
        if held is None:
            return None
        credential, _ = self._stand_ins.setdefault(held.id, _credential())
        return credential

    def owner(self, credential: str | None) -> str:
        """Whose key this is; "" while keys are off.

        Raises:
            Denied: none was given, it is not known, or it is a token that is over.
        """
        return self.verdict(credential).owner

    def verdict(self, credential: str | None, *, in_query: bool = False) -> Verdict:
        """Who that is, by which key, within which limits.

        Args:
            credential: a key or a token.
            in_query: it stood in a URL, which proxies log and browsers remember: tokens only.

        Raises:
            Denied: as `owner`, or it is a key in a URL.
        """
        if credential is not None and is_token(credential):
            return self._of_token(credential)
        if in_query and self._on and credential is not None:
            raise Denied(
                "?token= takes tokens that end by themselves (POST /v1/tokens), no keys: URLs are "
                "logged; send the key as `Authorization: Bearer KEY`"
            )
        held = self._of_key(credential)
        return Verdict(held.owner, held.id, held.limits) if held is not None else Verdict()

    def judged(self, credential: str | None) -> bool:
        """Whether a verdict about this has to be waited for."""
        if self._judge is None or credential is None or is_token(credential):
            return False
        return self._known(credential) is None

    async def judgement(self, credential: str) -> Verdict:
        """The judge's verdict. What it lets in has no limits of its own here.

        Raises:
            Denied: it does not know the credential.
            Overloaded: it did not answer in time, or failed.
        """
        if self._judge is None:
            raise Denied("this key is not known")
        return Verdict(await ask(self._judge, credential, self._judge_s))

    async def owner_of(self, credential: str | None, *, in_query: bool = False) -> str:
        """As `owner`, the judge's verdict included."""
        if not in_query and credential is not None and self.judged(credential):
            return (await self.judgement(credential)).owner
        return self.verdict(credential, in_query=in_query).owner

    def mint(
        self,
        credential: str | None,
        ttl_s: float,
        limits: Mapping[str, Any] | None = None,
        *,
        once: bool = False,
    ) -> Minted:
        """A token for the owner of a key, good wherever the key is.

        Args:
            credential: the key.
            ttl_s: how long it lives.
            limits: of the token, by the names of `KeyLimits`; none above the key's.
            once: it opens one session.

        Raises:
            Denied: the key is not known, or is a token: tokens mint no tokens.
            Refused: no tokens are made here, or the time or a limit is out of bounds.
        """
        if credential is not None and is_token(credential):
            raise Denied("a token makes no tokens; use an API key")
        held = self._of_key(credential)
        own = _limits(limits or {})
        if held is None:
            return self._mint().issue("", "", ttl_s, own, once=once)
        own.check_within(held.limits)
        mark = _fingerprint(held.digest)
        return self._mint().issue(held.owner, mark, ttl_s, own, once=once)

    def _of_token(self, token: str) -> Verdict:
        claims = self._mint().read(token)
        of_token = (claims.name, claims.limits, claims.once, claims.ends)
        if not self._on:
            return Verdict("", "", KeyLimits(), *of_token)
        for held in self._keys:
            if held.owner == claims.owner and _fingerprint(held.digest) == claims.key:
                return Verdict(held.owner, held.id, held.limits, *of_token)
        raise Denied("the key that made this token is no longer in force")

    def _mint(self) -> Mint:
        if self._make_mint is None:
            raise Refused("this gateway makes no tokens; use a key", code="not_found")
        return self._make_mint()

    def _of_key(self, credential: str | None) -> _Held | None:
        """Which key; None = keys are off."""
        if not self._on:
            return None
        if credential is None:
            raise Denied(
                "a key is needed: send `Authorization: Bearer KEY`, or offer the subprotocols "
                "`ossicle.v1, token, KEY`"
            )
        found = self._known(credential)
        if found is None:
            raise Denied("this key is not known")
        return found

    def _known(self, credential: str) -> _Held | None:
        given = digest_of(credential)
        found: _Held | None = None
        for held in self._keys:  # all of them, so that time tells nothing
            if hmac.compare_digest(given, held.digest):
                found = held
        for name, (_, digest) in self._stand_ins.items():
            if hmac.compare_digest(given, digest):
                found = next((held for held in self._keys if held.id == name), None)
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


def _held(owner: str, key: str) -> _Held:
    """A key given as itself or as its digest.

    Raises:
        Refused: it says to be a digest, and is none.
    """
    if key.startswith(HASHED):
        try:
            digest = bytes.fromhex(key.removeprefix(HASHED))
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise Refused(f"the key of {owner}: after {HASHED} come 64 hexadecimal digits")
    else:
        digest = digest_of(key)
    return _Held(_fingerprint(digest)[:12], owner, digest)


def _credential() -> tuple[str, bytes]:
    """A random one, and its digest."""
    made = secrets.token_urlsafe(32)
    return made, digest_of(made)


def _limits(given: Mapping[str, Any]) -> KeyLimits:
    try:
        return msgspec.convert(dict(given), KeyLimits)
    except (msgspec.ValidationError, RecursionError) as error:
        names = ", ".join(KeyLimits.__struct_fields__)
        raise Refused(
            f"limits: {str(error)[:160]}; there are {names}", code="bad_option"
        ) from error


def _entries(found: Iterable[KeyEntry]) -> tuple[_Held, ...]:
    return tuple(_Held(each.id, each.owner, each.digest, each.limits) for each in found)


def _fingerprint(digest: bytes) -> str:
    """Names a key in a token without telling it."""
    return hashlib.sha256(b"fingerprint " + digest).hexdigest()[:16]
