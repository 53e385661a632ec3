"""What stands in the binary messages of `ossicle.v1.mux`: a stream's number, a kind, a payload.

    0                 4      5
    +-----------------+------+----------------
    | stream, 32 bits | kind | payload ...
    +-----------------+------+----------------

Numbers are big-endian. Pure; `docs/reference/ossicle-v1-mux.md` is its description.

    >>> parse(head(7, Kind.BINARY) + b"pcm")
    (7, <Kind.BINARY: 0>, b'pcm')
"""

import enum
from typing import TypeVar

import msgspec

from ossicle.core.errors import BadMessage
from ossicle.core.wire import Accept, Close

__all__ = [
    "HEAD",
    "MAX_CONTROL",
    "PATH",
    "STREAMS_HEADER",
    "SUBPROTOCOL",
    "Closing",
    "Kind",
    "Opened",
    "Wanted",
    "accept_of",
    "close_of",
    "credit",
    "credit_of",
    "head",
    "parse",
    "payload",
    "structured",
]

PATH = "/v1/mux"
SUBPROTOCOL = "ossicle.v1.mux"
STREAMS_HEADER = "ossicle-mux-streams"
"""In the answer to the upgrade: how many streams may be open at once."""
HEAD = 5
"""Bytes before the payload."""
MAX_CONTROL = 128 * 1024
"""Longest payload of OPEN, ACCEPT, CLOSE and RESET: heads of 16 KiB, a refusal's body of 64 KiB in
base64."""
_LAST = (1 << 32) - 1


class Kind(enum.IntEnum):
    """What a payload is."""

    BINARY = 0
    """A binary message."""
    TEXT = 1
    """A text message: UTF-8."""
    OPEN = 2
    """A client wants a stream: `Wanted`. The numbers of its streams rise."""
    ACCEPT = 3
    """It has it: `Opened`."""
    CLOSE = 4
    """No more will be sent: `Closing`. Answered with one. Before ACCEPT: a refusal."""
    RESET = 5
    """The stream is over at once: `Closing`. Not answered."""
    CREDIT = 6
    """64 bits: what may be sent on the stream, counted since it began."""
    PING = 7
    """A ping of the stream's own, for those who count it as a sign of life. Not answered."""


_KINDS = tuple(Kind)


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a stream is asked for: as a WebSocket would be."""

    path: str
    window: int
    """What the server may send before more is granted."""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Opened(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to it."""

    window: int
    """What the client may send before more is granted."""
    headers: tuple[tuple[str, str], ...] = ()
    subprotocol: str = ""


class Closing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a stream ends; a status of HTTP before it was accepted."""

    code: int | None = None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


_T = TypeVar("_T", Wanted, Opened, Closing)


def head(stream: int, kind: Kind) -> bytes:
    """What goes before a payload."""
    return stream.to_bytes(4, "big") + bytes((kind,))


def parse(data: bytes) -> tuple[int, Kind, bytes]:
    """A whole message taken apart.

    Raises:
        BadMessage: too short, or of no kind known here.
    """
    if len(data) < HEAD or data[4] >= len(_KINDS):
        raise BadMessage(f"a message of {len(data)} bytes is none of ossicle.v1.mux")
    return int.from_bytes(data[:4], "big"), _KINDS[data[4]], data[HEAD:]


def payload(value: Wanted | Opened | Closing) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)


def structured(data: bytes, kind: type[_T]) -> _T:
    """From JSON.

    Raises:
        BadMessage: it is none, too long, or something is missing.
    """
    if len(data) > MAX_CONTROL:
        raise BadMessage(f"{len(data)} bytes of {kind.__name__.lower()} are over {MAX_CONTROL}")
    try:
        found = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"what should be {kind.__name__.lower()} is not") from error
    if not isinstance(found, Closing) and not 0 <= found.window <= _LAST:
        raise BadMessage(f"a window of {found.window} bytes is not from 0 to {_LAST}")
    return found


def credit(until: int) -> bytes:
    """The payload of CREDIT."""
    return until.to_bytes(8, "big")


def credit_of(data: bytes) -> int:
    """
    Raises:
        BadMessage: it is not 64 bits.
    """
    if len(data) != 8:
        raise BadMessage(f"a credit has 8 bytes, not {len(data)}")
    return int.from_bytes(data, "big")


def close_of(closing: Closing) -> Close:
    """As a receiver is told."""
    return Close(closing.code, closing.reason, closing.headers, closing.body)


def accept_of(opened: Opened) -> Accept:
    """As a receiver is told."""
    return Accept(opened.headers, opened.subprotocol)
