"""Providers as engines: `upstream:NAME` becomes an `Upstream`, with the provider's limits met.

    upstream:deepgram                          the provider itself, its key from DEEPGRAM_API_KEY
    upstream:deepgram@wss://speech.example     the same protocol somewhere else
    upstream:native@https://other:8443         another gateway

    [upstreams]                                the same under a name of your own, with what differs
    dg-eu = "deepgram@wss://api.eu.deepgram.com key_env=DG_EU_KEY model=nova-3"

Introduces the client's parts (dialects, wires) to the engines, which know neither.
"""

import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ossicle.client.address import address
from ossicle.client.dial import dialer
from ossicle.client.dialects import PROVIDERS, Provider, provider
from ossicle.client.proxies import through
from ossicle.core.errors import EngineFailed, Refused
from ossicle.core.ports import Dial, Engine
from ossicle.engines.upstream import Upstream, UpstreamSettings
from ossicle.engines.wrap.rollover import Rollover

from ..configuration.naming import nearest
from .spread import Spread

__all__ = ["Entry", "entry", "open_upstream"]

_MOST_KEY = 16_384


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream of the configuration. Seconds; 0 = without end, None = the provider's own."""

    name: str = ""
    dialect: str
    url: str = ""
    key_env: str = ""
    """The variable its key is in; empty = the one that the provider's own SDK reads."""
    key_file: str = ""
    """A file its key is in, read for each stream."""
    model: str = ""
    """What to ask it for, whatever the client called its own."""
    ca: str = ""
    """PEM file of a CA to believe besides the platform's."""
    limit_s: float | None = None
    """How long one stream may live; the next one is opened ahead of that."""
    margin_s: float = 30.0
    """How long before that."""
    open_s: float = 10.0
    """From dialling to its first word."""
    stuck_s: float = 10.0
    """How long its wire may take nothing."""
    silent_s: float | None = None
    """How long it may say nothing at all while audio flows."""
    finish_s: float = 15.0
    """How long it may say nothing after it was asked to finish."""
    answer_s: float = 3.0
    """How long it may leave a question for finals unanswered."""
    ahead_ms: int = 2_000
    """Audio that may be on its way to it."""


_WORDS = tuple(f for f in Entry.__struct_fields__ if f not in {"name", "dialect", "url"})


def entry(name: str, text: str) -> Entry:
    """`DIALECT[@URL] [NAME=VALUE ...]` as a value.

    Raises:
        Refused: a dialect that is not spoken, an unknown word, a value out of range; the text says
            which.
    """
    try:
        first, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise Refused(f"upstream {name}: {error}", code="bad_option") from error
    dialect, _, url = first.partition("@")
    found = provider(dialect)
    given: dict[str, Any] = {"name": name, "dialect": dialect, "url": url or found.url}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in _WORDS or not equals:
            near = nearest(key, _WORDS)
            hint = f"did you mean {near}=? " if near else ""
            raise Refused(
                f"upstream {name}: {word[:40]!r} is not known; {hint}there are {', '.join(_WORDS)}",
                code="bad_option",
            )
        given[key] = value
    if not given["url"]:
        raise Refused(
            f"upstream {name} needs an address: {dialect}@https://HOST:PORT", code="bad_option"
        )
    try:
        made = msgspec.convert(given, Entry, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(f"upstream {name}: {error}", code="bad_option") from error
    _check(made)
    return made


def _check(made: Entry) -> None:
    for field in (
        "limit_s",
        "margin_s",
        "open_s",
        "stuck_s",
        "silent_s",
        "finish_s",
        "answer_s",
        "ahead_ms",
    ):
        value = getattr(made, field)
        if value is not None and not 0 <= value <= 31_536_000:
            raise Refused(
                f"upstream {made.name}: {field}={value:g} is not from 0 to 31536000",
                code="bad_option",
            )
    if made.ahead_ms < 100:
        raise Refused(
            f"upstream {made.name}: ahead_ms={made.ahead_ms} is not at least 100", code="bad_option"
        )


def open_upstream(
    argument: str,
    entries: Mapping[str, str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Engine:
    """The engine behind `upstream:ARGUMENT`.

    Args:
        argument: a name of the configuration, or `DIALECT[@URL]`.
        entries: `upstreams` of the configuration.
        environment: where keys are looked for, each time a stream is opened.

    Raises:
        Refused: as `entry`.
    """
    known = entries or {}
    if argument not in known and "@" not in argument and argument not in PROVIDERS:
        names = (*known, *PROVIDERS)
        near = nearest(argument, names)
        hint = f"did you mean {near!r}? " if near else ""
        raise Refused(
            f"upstream {argument[:60]!r} is not known; {hint}there are {', '.join(names)}",
            code="bad_option",
        )
    here = entry(argument.partition("@")[0], known.get(argument, argument))
    found = provider(here.dialect)
    engine = Upstream(
        here.name,
        found.halves(here.url),
        _way(here, found),
        capabilities=found.capabilities,
        credential=_credential(here, found, environment),
        model=here.model,
        settings=UpstreamSettings(
            open_s=here.open_s,
            stuck_s=here.stuck_s,
            silent_s=_silent_s(found, here) if here.silent_s is None else here.silent_s,
            finish_s=here.finish_s,
            answer_s=here.answer_s,
            ahead_ms=here.ahead_ms,
        ),
    )
    limit_s = found.limit_s if here.limit_s is None else here.limit_s
    return Rollover(engine, limit_s=limit_s, margin_s=here.margin_s) if limit_s else engine


def _way(here: Entry, found: Provider) -> Dial:
    """To its name, and over WebSocket to whichever of the name's addresses is well."""
    limit, ca = here.open_s or 60.0, here.ca or None
    whole = dialer(here.url, found.wire, ca=ca, timeout_s=limit)
    if found.wire != "websocket":
        return whole
    place = urlsplit(address(here.url, found.wire))
    host, port = place.hostname or "", place.port or (443 if place.scheme == "wss" else 80)
    if through(None, place.scheme, host, port, os.environ) is not None:
        return whole  # the proxy looks the name up; often nobody else can

    def at(one: str) -> Dial:
        return dialer(here.url, found.wire, ca=ca, timeout_s=limit, at=one) if one else whole

    return Spread(host, port, at, timeout_s=limit)


def _silent_s(found: Provider, here: Entry) -> float:
    own = found.own_silent_s if here.url == found.url else 0.0
    return own or found.silent_s


def _credential(
    here: Entry, found: Provider, environment: Mapping[str, str]
) -> Callable[[], str | None]:
    if here.key_file:
        return partial(_key_of_file, here.name, Path(here.key_file).expanduser())
    if here.key_env:
        return partial(_key_of, environment, here.key_env)
    return partial(found.key_from, environment)


def _key_of(environment: Mapping[str, str], variable: str) -> str | None:
    return environment.get(variable) or None


def _key_of_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return opened.read(_MOST_KEY).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise EngineFailed(
            f"the key of upstream {name} cannot be read from {path}: {reason}",
            code="engine_unavailable",
        ) from error
