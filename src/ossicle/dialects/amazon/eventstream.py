"""Event-stream frames: how Amazon's streaming services cut bytes into messages, both ways.

    u32 total | u32 headers | u32 CRC32 of these | headers | payload | u32 CRC32 of all before

Big endian. A header is a name, a type and a value. Knows what a frame is and nothing of what it
says; a wrong byte anywhere is an error, because both sums are looked at.

    >>> frame = Frame((text(":message-type", "event"),), b"sound")
    >>> FrameReader().feed(encode(frame))[0].text(":message-type")
    'event'
"""

import struct
import zlib
from typing import NamedTuple, TypeAlias

from ossicle.core.errors import BadMessage

__all__ = [
    "MOST_BYTES",
    "Frame",
    "FrameReader",
    "Header",
    "blob",
    "encode",
    "encode_header",
    "read_frames",
    "stamp",
    "text",
]

MOST_BYTES = 1 << 20
"""Largest frame taken. The format allows 16 MiB; a second of the largest audio is 192 KB."""
_MOST_HEADERS = 128 << 10
"""Of the format."""
_PRELUDE = struct.Struct(">III")
_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")
_OVERHEAD = 16
_LEAST = 12
"""The sizes and their sum: with them the size of a frame is known."""

TRUE, FALSE, BYTES, STRING, TIMESTAMP, UUID = 0, 1, 6, 7, 8, 9
_INTEGERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"),
             5: struct.Struct(">q"), TIMESTAMP: struct.Struct(">q")}  # fmt: skip

Value: TypeAlias = bool | int | bytes | str


class Header(NamedTuple):
    """A name, the number of its type, and its value. A timestamp is milliseconds of the epoch."""

    name: str
    kind: int
    value: Value


class Frame(NamedTuple):
    """One message."""

    headers: tuple[Header, ...] = ()
    payload: bytes = b""

    def text(self, name: str) -> str:
        """The value of a header that is a string; empty = there is none."""
        return next(
            (str(each.value) for each in self.headers if each.name == name and each.kind == STRING),
            "",
        )

    def header(self, name: str, kind: int) -> Value | None:
        """The value of a header of that type; None = there is none."""
        return next(
            (each.value for each in self.headers if each.name == name and each.kind == kind), None
        )


def text(name: str, value: str) -> Header:
    """A string header."""
    return Header(name, STRING, value)


def blob(name: str, value: bytes) -> Header:
    """A header of bytes."""
    return Header(name, BYTES, value)


def stamp(name: str, ms: int) -> Header:
    """A timestamp header: milliseconds of the epoch."""
    return Header(name, TIMESTAMP, ms)


def encode_header(header: Header) -> bytes:
    """A header as it is on the wire, and as a chunk's signature covers it.

    Raises:
        BadMessage: it has no form there.
    """
    name, kind, value = header
    encoded = name.encode()
    if not 0 < len(encoded) < 256:
        raise BadMessage(f"a header name has 1-255 bytes, not {len(encoded)}")
    head = bytes((len(encoded),)) + encoded + bytes((kind,))
    try:
        match kind, value:
            case (0, True) | (1, False):
                return head
            case (2 | 3 | 4 | 5 | 8, int()) if not isinstance(value, bool):
                return head + _INTEGERS[kind].pack(value)
            case (6, bytes()):
                return head + _U16.pack(len(value)) + value
            case (7, str()):
                data = value.encode()
                return head + _U16.pack(len(data)) + data
            case (9, bytes()) if len(value) == 16:
                return head + value
            case _:
                raise BadMessage(f"header {name[:40]!r} of type {kind} has a value of another kind")
    except struct.error:
        raise BadMessage(f"the value of header {name[:40]!r} is too large") from None


def encode(frame: Frame) -> bytes:
    """A frame as bytes.

    Raises:
        BadMessage: it is over a limit.
    """
    headers = b"".join(map(encode_header, frame.headers))
    total = _OVERHEAD + len(headers) + len(frame.payload)
    if len(headers) > _MOST_HEADERS or total > MOST_BYTES:
        raise BadMessage(f"a frame of {total} bytes is over the limit of {MOST_BYTES}")
    sizes = struct.pack(">II", total, len(headers))
    message = b"".join((sizes, _U32.pack(zlib.crc32(sizes)), headers, frame.payload))
    return message + _U32.pack(zlib.crc32(message))


class FrameReader:
    """Frames from a byte stream that may be cut anywhere. Holds one frame at most."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._held = bytearray()
        self._most = most
        self._wanted = _LEAST

    @property
    def torn(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now.

        Raises:
            BadMessage: a sum is wrong, a length cannot be, or a header cannot be read. The stream
                cannot be followed any further.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:  # a large frame in small pieces is copied once
                return []
            data = bytes(self._held)
            self._held.clear()
        frames: list[Frame] = []
        at, end = 0, len(data)
        self._wanted = _LEAST
        while end - at >= _LEAST:
            total = _prelude(data, at, self._most)
            if end - at < total:
                self._wanted = total
                break
            frames.append(_frame(data, at, total))
            at += total
        if at < end:
            self._held += data[at:]
        return frames


def read_frames(data: bytes) -> list[Frame]:
    """The frames of one message, whole.

    Raises:
        BadMessage: as `FrameReader.feed`, or it ends within a frame.
    """
    reader = FrameReader()
    frames = reader.feed(data)
    if reader.torn:
        raise BadMessage(f"the message ends within a frame: {reader.torn} bytes are left over")
    return frames


def _prelude(data: bytes, at: int, most: int) -> int:
    """The frame's size, its sum looked at first: a length with a wrong byte is not believed."""
    total, headers, found = _PRELUDE.unpack_from(data, at)
    if zlib.crc32(data[at : at + 8]) != found:
        raise BadMessage("the checksum of a frame's prelude is wrong")
    if headers > _MOST_HEADERS or total < _OVERHEAD + headers:
        raise BadMessage(f"a frame of {total} bytes cannot have {headers} bytes of headers")
    if total > most:
        raise BadMessage(f"a frame of {total} bytes is over the limit of {most}; send less at once")
    return int(total)


def _frame(data: bytes, at: int, total: int) -> Frame:
    end = at + total - 4
    if zlib.crc32(memoryview(data)[at:end]) != _U32.unpack_from(data, end)[0]:
        raise BadMessage("the checksum of a frame is wrong")
    headers_end = at + 12 + _U32.unpack_from(data, at + 4)[0]
    return Frame(_headers(data[at + 12 : headers_end]), data[headers_end:end])


def _headers(data: bytes) -> tuple[Header, ...]:
    found: dict[str, Header] = {}
    at, end = 0, len(data)
    try:
        while at < end:
            size = data[at]
            name = data[at + 1 : at + 1 + size].decode()
            at += 1 + size
            kind = data[at]
            value, at = _value(data, at + 1, kind)
            if at > end or not size:
                raise BadMessage("a frame's headers end within a header")
            if name in found:
                raise BadMessage(f"header {name[:40]!r} stands twice in a frame")
            found[name] = Header(name, kind, value)
    except (IndexError, struct.error):
        raise BadMessage("a frame's headers end within a header") from None
    except UnicodeDecodeError:
        raise BadMessage("a frame's header is not UTF-8") from None
    return tuple(found.values())


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    match kind:
        case 0 | 1:
            return kind == TRUE, at
        case 2 | 3 | 4 | 5 | 8:
            form = _INTEGERS[kind]
            return int(form.unpack_from(data, at)[0]), at + form.size
        case 6 | 7:
            (size,) = _U16.unpack_from(data, at)
            at += 2
            value = data[at : at + size]
            return (value if kind == BYTES else value.decode()), at + size
        case 9:
            return data[at : at + 16], at + 16
        case _:
            raise BadMessage(f"header type {kind} is not known")
