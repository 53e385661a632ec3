"""What is known of wires and providers: one typed table, each fact with its source and date.

    FACTS["websocket.flow_control"].text

The table stands in `facts.toml`; browser support comes from `browsers.json`, made by `make facts`.
Docs, command line and page read the same table. Knows nothing of what follows from it (`decide`).
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from .browsers import BROWSERS

__all__ = ["ASPECTS", "FACTS", "PROVIDERS", "WIRES", "Fact", "Mark"]

Mark: TypeAlias = Literal["", "yes", "partly", "no"]
"""Is it good for streaming speech? For the eye: what it means is in the words beside it."""

WIRES: Mapping[str, str] = MappingProxyType(
    {
        "websocket": "WebSocket",
        "http": "chunked HTTP",
        "http2": "HTTP/2",
        "grpc": "gRPC",
        "grpcweb": "gRPC-Web",
        "webrtc": "WebRTC",
        "webtransport": "WebTransport",
        "moq": "Media over QUIC",
        "sip": "SIP and RTP",
    }
)
"""Every wire by its fixed name, and what people call it."""

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "deepgram": "Deepgram",
        "assemblyai": "AssemblyAI",
        "google": "Google Cloud Speech",
        "amazon": "Amazon Transcribe",
        "openai": "OpenAI Realtime",
        "riva": "NVIDIA Riva",
    }
)
"""Providers that the advice knows; an engine of one's own is none of them."""

ASPECTS: Mapping[str, str] = MappingProxyType(
    {
        "full_duplex": "both ways at once",
        "binary": "sound as bytes",
        "flow_control": "tells the sender to slow down",
        "multiplexing": "several streams on one connection",
        "head_of_line": "when a packet is lost",
        "datagrams": "may drop what is late",
        "nat": "gets through NAT and firewalls",
        "browsers": "in browsers",
        "setup": "round trips before the first sound",
        "setup_resumed": "the same, resumed",
        "overhead": "cost of a message",
        "message_limit": "largest message",
        "providers": "providers that speak it",
        "maturity": "maturity",
    }
)
"""What every wire is asked, in the order of the comparison."""


class Fact(msgspec.Struct, frozen=True):
    """One thing that is known."""

    name: str
    """`SUBJECT.ASPECT`."""
    value: str
    """A few words."""
    text: str
    """One or two sentences that stand alone."""
    source: str
    """An address, or a page or test of this project."""
    date: str
    """Of the source: `YYYY-MM` or `YYYY-MM-DD`."""
    mark: Mark = ""
    read: bool = False
    """The source bears no date; this is the day it was read."""
    test: str = ""
    """The test that measures it here; empty = none can."""

    @property
    def dated(self) -> str:
        """The date in words that say what it is."""
        return f"read {self.date}" if self.read else self.date


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    value: str
    text: str
    source: str
    date: str
    mark: Mark = ""
    read: bool = False
    test: str = ""


_BY_FEATURE = (
    ("websocket", "websocket", "yes", ""),
    (
        "http",
        "request_stream",
        "no",
        (
            " A page can post whole recordings everywhere; this is about sound that is still being "
            "made, and even there no answer is read before the last byte was sent."
        ),
    ),
    (
        "http2",
        "request_stream",
        "no",
        " Only such a request goes up as a stream, and its answer is not read before its end.",
    ),
    ("webrtc", "webrtc", "yes", ""),
    ("webtransport", "webtransport", "yes", ""),
    ("moq", "webtransport", "yes", " Media over QUIC runs on it, with a library in the page."),
)


def _of_browsers() -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    for wire, name, mark, more in _BY_FEATURE:
        feature = BROWSERS.features[name]
        found[f"{wire}.browsers"] = Fact(
            name=f"{wire}.browsers",
            value=BROWSERS.short(name),
            text=f"{feature.what}: {BROWSERS.sentence(name)}.{more}",
            source=BROWSERS.source,
            date=BROWSERS.date,
            mark=mark if not BROWSERS.lacking(name) else "no",  # pyright: ignore[reportArgumentType]  a literal of the table above
        )
    return found


def _read() -> dict[str, Fact]:
    text = (files("ossicle") / "advisor" / "facts.toml").read_text("utf-8")
    rows = msgspec.convert(tomllib.loads(text), dict[str, dict[str, _Row]])
    found = _of_browsers()
    for subject, aspects in rows.items():
        for aspect, row in aspects.items():
            name = f"{subject}.{aspect}"
            found[name] = Fact(name=name, **msgspec.structs.asdict(row))
    return found


FACTS: Mapping[str, Fact] = MappingProxyType(_read())
"""Every fact by its name."""
