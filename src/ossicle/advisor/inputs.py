"""The situation that is asked about, and how it is read from the words of a form or an address.

    read_inputs({"client": "browser", "latency": "100", "udp_blocked": "yes"})

Every input has a default, so an empty question has an answer. The command line and the page send
the same names (`FIELDS`). Knows no answer.
"""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from ossicle.core.errors import Refused

from .browsers import BROWSERS
from .facts import PROVIDERS, WIRES

__all__ = ["CLIENTS", "FIELDS", "LATENCIES", "Band", "Client", "Field", "Inputs", "read_inputs"]

Client: TypeAlias = Literal["browser", "mobile", "server", "telephone", "batch"]
Band: TypeAlias = Literal["interactive", "real-time", "seconds"]

CLIENTS: Mapping[Client, str] = MappingProxyType(
    {
        "browser": "a browser with a microphone",
        "mobile": "an app on a phone",
        "server": "a server or a desktop program",
        "telephone": "a telephone line",
        "batch": "recordings, one after another",
    }
)
LATENCIES: Mapping[Band, tuple[int, str]] = MappingProxyType(
    {
        "interactive": (100, "under 100 ms: two voices in a conversation"),
        "real-time": (300, "under 300 ms: words while they are spoken"),
        "seconds": (3_000, "seconds: captions, notes, minutes"),
    }
)
"""What people mean by a number, and the number that stands for it."""

_REAL_TIME_MS = 1_000
"""Above this nobody is waiting for each word."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The situation."""

    client: Client = "server"
    """Who sends the sound."""
    latency_ms: int = 300
    """Within how many milliseconds an answer is wanted."""
    provider: str = "own"
    """Who recognises: `own`, or the name of a provider."""
    conversation: bool = False
    """The client plays a voice while it listens, so that its echo has to be cancelled."""
    both_ends: bool = False
    """The client and the gateway are both yours to change, always together."""
    same_datacentre: bool = False
    """The client is in the gateway's own network."""
    udp_blocked: bool = False
    """The network of the clients lets no UDP through."""
    upgrades_blocked: bool = False
    """The network of the clients refuses or cuts WebSockets."""
    audience: bool = False
    """One speaks and many listen."""
    grpc: bool = False
    """The team knows gRPC and runs it already."""
    browsers: tuple[str, ...] = ()
    """Browsers to support, each a name alone or with its oldest version; empty = all, as they are
    now."""
    without: tuple[str, ...] = ()
    """Wires that are ruled out."""
    wire: str = ""
    """A wire that somebody has in mind; the answer says what speaks against it."""

    @property
    def band(self) -> Band:
        """What the latency means."""
        if self.latency_ms <= LATENCIES["interactive"][0]:
            return "interactive"
        return "real-time" if self.latency_ms < _REAL_TIME_MS else "seconds"

    @property
    def many(self) -> bool:
        """There is an audience, and the client is one that can have it."""
        return self.audience and self.client in {"browser", "mobile", "server"}

    @property
    def talks(self) -> bool:
        """It is a conversation: every frame counts while it is fresh, and none afterwards."""
        return self.conversation or self.band == "interactive"


class Field(msgspec.Struct, frozen=True):
    """One input, for forms."""

    name: str
    kind: Literal["choice", "whole", "switch", "list"]
    title: str
    text: str
    choices: Mapping[str, str] = MappingProxyType({})


_OWN = {"own": "an engine of my own", **PROVIDERS}

FIELDS: tuple[Field, ...] = (
    Field("client", "choice", "Who sends the sound?", "", MappingProxyType({**CLIENTS})),
    Field(
        "latency_ms", "whole", "How soon is an answer wanted?",
        "Milliseconds from a word to its text, or to the voice that answers.",
    ),
    Field("provider", "choice", "Who recognises?", "", MappingProxyType(_OWN)),
    Field(
        "conversation", "switch", "The client plays a voice while it listens",
        "Its echo has to be taken out of what the microphone hears.",
    ),
    Field(
        "both_ends", "switch", "Both ends are mine",
        "Client and gateway change together, so that a protocol still in draft is no risk.",
    ),
    Field("same_datacentre", "switch", "The client is in the gateway's own network", ""),
    Field("udp_blocked", "switch", "Their network blocks UDP", ""),
    Field("upgrades_blocked", "switch", "Their network refuses or cuts WebSockets", ""),
    Field("audience", "switch", "One speaks, many listen", ""),
    Field("grpc", "switch", "The team knows gRPC", ""),
    Field(
        "browsers", "list", "Browsers to support",
        "Names, each alone or with its oldest version: safari 26.3, firefox. None = all, as they "
        "are now.",
    ),
    Field("without", "list", "Wires that are ruled out", " ".join(WIRES)),
    Field(
        "wire", "choice", "A wire I have in mind", "The answer says what speaks against it.",
        MappingProxyType({"": "none", **WIRES}),
    ),
)  # fmt: skip
"""Every input in the order in which it is asked."""

_SWITCH = {"": True, "1": True, "true": True, "yes": True, "on": True,
           "0": False, "false": False, "no": False, "off": False}  # fmt: skip
_SAME = {"latency": "latency_ms", "same_datacenter": "same_datacentre",
         "one_to_many": "audience", "both": "both_ends", "browser": "browsers"}  # fmt: skip
_CLIENTS = {"phone": "telephone", "sip": "telephone", "app": "mobile", "web": "browser",
            "file": "batch"}  # fmt: skip
_PROVIDERS = {"": "own", "none": "own", "aws": "amazon", "transcribe": "amazon", "nvidia": "riva",
              "gcp": "google", "google-cloud-speech": "google"}  # fmt: skip
_MOST_MS = 3_600_000
_MOST_ITEMS = 20


def read_inputs(given: Mapping[str, str] | Iterable[tuple[str, str]]) -> Inputs:
    """The situation from words.

    Args:
        given: names as in `Inputs`, hyphens or underscores; lists are separated by commas, or the
            name comes again.

    Raises:
        Refused: an unknown name or value; the text says what there is.
    """
    values: dict[str, Any] = {}
    for name, text in _pairs(given):
        plain = name.strip().lower().replace("-", "_")
        plain = _SAME.get(plain, plain)
        field = next((each for each in FIELDS if each.name == plain), None)
        if field is None:
            raise _unknown("input", name, (each.name for each in FIELDS))
        value = _value(field, text.strip())
        values[plain] = (*values.get(plain, ()), *value) if field.kind == "list" else value
    for name in ("browsers", "without"):
        if len(values.get(name, ())) > _MOST_ITEMS:
            raise Refused(f"{name}: at most {_MOST_ITEMS} can be named", code="bad_option")
    return Inputs(**values)


def _pairs(given: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    if isinstance(given, Mapping):
        return cast("Mapping[str, str]", given).items()
    return given


def _value(field: Field, text: str) -> Any:
    lower = text.lower()
    if field.name == "client":
        return _one("client", _CLIENTS.get(lower, lower), get_args(Client))
    if field.name == "provider":
        return _one("provider", _PROVIDERS.get(lower, lower), _OWN)
    match field.kind:
        case "choice":
            return _one(field.name, lower, field.choices)
        case "switch":
            if lower not in _SWITCH:
                raise Refused(
                    f"{field.name}: {text[:40]!r} is neither yes nor no", code="bad_option"
                )
            return _SWITCH[lower]
        case "whole":
            plain = lower.removesuffix("ms").strip()
            plain = next((str(ms) for band, (ms, _) in LATENCIES.items() if band == lower), plain)
            if not (plain.isascii() and plain.isdigit() and 0 < int(plain[:9]) <= _MOST_MS):
                raise Refused(
                    f"latency {text[:40]!r} is no time: use milliseconds from 1 to {_MOST_MS}, or "
                    f"one of {', '.join(LATENCIES)}",
                    code="bad_option",
                )
            return int(plain[:9])
        case "list":
            items = tuple(each.strip().lower() for each in text.split(",") if each.strip())
            for each in items:
                if field.name == "browsers":
                    BROWSERS.read(each)
                else:
                    _one("wire", each, WIRES)
            return items


def _one(what: str, text: str, known: Iterable[str]) -> str:
    if text not in known:
        raise _unknown(what, text, known)
    return text


def _unknown(what: str, name: str, known: Iterable[str]) -> Refused:
    names = [each for each in known if each]
    near = difflib.get_close_matches(name.lower(), names, 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return Refused(
        f"{what} {name[:40]!r} is not known; {guess}there are {', '.join(names)}",
        code="bad_option",
    )
