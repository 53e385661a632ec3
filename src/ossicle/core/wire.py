"""Ten messages in three families: what any wire can carry, in terms of none of them.

the channel itself   Accept  Close  Fin  Ping
messages             Text  Binary
live media           Media  Mark  Clear  Signal
"""

from typing import Any, TypeAlias

import msgspec

__all__ = [
    "MESSAGES",
    "Accept",
    "Binary",
    "ChannelTraits",
    "Clear",
    "Close",
    "Fin",
    "Mark",
    "Media",
    "Message",
    "Opening",
    "Part",
    "Ping",
    "Signal",
    "Text",
]


class ChannelTraits(msgspec.Struct, frozen=True):
    """What a channel guarantees."""

    ordered: bool = True
    reliable: bool = True
    framed: bool = True
    """Message boundaries survive; False for a byte stream (an HTTP body)."""
    flow_controlled: bool = True
    """`pause` really stops the peer."""
    datagrams: bool = False
    media: bool = False
    """Carries Media, Mark and Clear, paced by itself."""
    max_message: int = 1 << 20
    """Largest message taken, in bytes."""
    duplex: bool = True
    """Both ends may send at once."""


class Part(msgspec.Struct, frozen=True):
    """One part of a multipart request."""

    name: str
    data: bytes
    filename: str = ""
    content_type: str = ""


class Opening(msgspec.Struct, frozen=True):
    """How a channel was asked for. `id` and `at` are the only clock and chance a dialect gets."""

    id: str = ""
    """A UUID; further ids are counters under it."""
    at: float = 0.0
    """Epoch seconds."""
    transport: str = "memory"
    traits: ChannelTraits = ChannelTraits()
    method: str = "GET"
    path: str = "/"
    query: tuple[tuple[str, str], ...] = ()
    """In order, decoded, repeated names kept."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case."""
    parts: tuple[Part, ...] = ()
    peer: str = ""
    """Address of the other end."""
    secure: bool = False
    """Over TLS or the like."""
    shared: Any = None
    """One object per (session, dialect), made by the dialect, given to each of its legs."""

    def header(self, name: str, default: str = "") -> str:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), default)

    def param(self, name: str, default: str = "") -> str:
        """The last query parameter of that name, as most servers read it."""
        return next((value for key, value in reversed(self.query) if key == name), default)


class Accept(msgspec.Struct, frozen=True, gc=False):
    """Take the channel. The first message out is this or Close."""

    headers: tuple[tuple[str, str], ...] = ()
    subprotocol: str = ""
    flush: bool = False
    """Send the head now even where the wire would wait for a first byte of body."""
    max_message: int = 0
    """The peer's messages may be this large, where that is more than the wire takes by itself."""


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close politely; before Accept: refuse. Also how a transport tells that the peer closed."""

    code: int | None = None
    """Status or close code of the wire; None = the wire's normal end."""
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Fin(msgspec.Struct, frozen=True, gc=False):
    """The sender has no more to send; the other direction stays open."""


class Ping(msgspec.Struct, frozen=True, gc=False):
    """A ping came, or should be sent. The transport answers by itself."""

    data: bytes = b""


class Text(msgspec.Struct, frozen=True, gc=False):
    """A text message, valid UTF-8 by the transport's word."""

    data: str


class Binary(msgspec.Struct, frozen=True, gc=False):
    """A binary message, or a piece of a byte stream where the channel is not framed."""

    data: bytes
    reliable: bool = True
    """False = it came, or shall go, as a datagram."""


class Media(msgspec.Struct, frozen=True, gc=False):
    """Sound on a media track."""

    data: bytes
    at_ms: int | None = None
    channel: int = 0


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A place in the media sent; it comes back when played, or at once after Clear."""

    name: str


class Clear(msgspec.Struct, frozen=True, gc=False):
    """Throw away media not yet played."""


class Signal(msgspec.Struct, frozen=True, gc=False):
    """Something beside the media: digits, hold, refer. `rtt_ms` is a transport's own measurement
    of the round trip; it goes to the session's ledger and no dialect sees it."""

    name: str
    value: str = ""


Message: TypeAlias = Accept | Close | Fin | Ping | Text | Binary | Media | Mark | Clear | Signal

MESSAGES = frozenset({Accept, Close, Fin, Ping, Text, Binary, Media, Mark, Clear, Signal})
"""Their types, to tell a message from a command or an event by its exact type."""
