"""What is looked at in a peer's frames before the HTTP/2 library sees them.

    watch = FrameWatch()
    watch.feed(data)     the bytes to go on; what it counted stands in its attributes

Two things the library (h2 4.4) leaves to its user:

- **GOAWAY without an error.** Node's HTTP/2 client sends one as soon as it has response headers,
  and goes on streaming, as RFC 9113 6.8 allows. h2 takes it for the end of the connection. It is
  cut out here, and told of in `leaving`.
- **Floods.** Frames that cost us more than they cost the peer are counted by kind: resets
  (CVE-2023-44487), and those that carry nothing.
"""

import struct

__all__ = ["GOAWAY", "PREFACE", "FrameWatch"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first, RFC 9113 3.4."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
_HEAD = 9
_MOST_GOAWAY = 1024
"""Of its debug data; RFC 9113 6.8 has no limit, and nobody reads it."""
_END_STREAM, _END_HEADERS = 0x1, 0x4


class FrameWatch:
    """Follows the frames of one connection, from behind the preface."""

    __slots__ = ("_held", "_left", "empty", "heads_open", "last", "leaving", "resets")

    def __init__(self) -> None:
        self._held = b""
        """A head, or a GOAWAY, that is not complete."""
        self._left = 0
        """Bytes that are still to come of a frame whose head went on."""
        self.leaving = False
        """The peer opens no more streams on this connection, or takes none."""
        self.last: int | None = None
        """The last stream that it answers, as its polite GOAWAY says; None = none came."""
        self.resets: int = 0
        self.empty: int = 0
        """Frames that ask for work and bring nothing: pings, settings, priorities, no data."""
        self.heads_open = False
        """A request's headers have begun and not ended."""

    def feed(self, data: bytes) -> bytes:
        """The bytes that the library is to see."""
        data = self._held + data if self._held else data
        self._held = b""
        at, end = min(self._left, len(data)), len(data)
        self._left -= at
        kept: list[bytes] = []
        begin = 0
        while at < end:
            if end - at < _HEAD:
                break
            size, kind, flags = _head(data, at)
            if kind == GOAWAY and size <= _MOST_GOAWAY:
                if end - at < _HEAD + size:
                    break
                if _polite(data, at, size):
                    self.leaving = True
                    self.last = int.from_bytes(data[at + _HEAD : at + _HEAD + 4]) & 0x7FFFFFFF
                    kept.append(data[begin:at])
                    begin = at + _HEAD + size
                at += _HEAD + size
                continue
            self._count(kind, flags, size)
            self._left = max(0, at + _HEAD + size - end)
            at = min(at + _HEAD + size, end)
        if at < end:
            self._held = data[at:]
        if begin == 0 and at == end:
            return data
        kept.append(data[begin:at])
        return b"".join(kept)

    def _count(self, kind: int, flags: int, size: int) -> None:
        match kind:
            case 0x0 | 0x9 if size == 0 and not flags & (_END_STREAM | _END_HEADERS):
                self.empty += 1
            case 0x2 | 0x4 | 0x6:
                self.empty += 1
            case 0x3:
                self.resets += 1
            case _:
                pass
        if kind in {HEADERS, CONTINUATION}:
            self.heads_open = not flags & _END_HEADERS


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    high, low, kind, flags = struct.unpack_from(">BHBB", data, at)
    return (high << 16) | low, kind, flags


def _polite(data: bytes, at: int, size: int) -> bool:
    """A GOAWAY whose code is NO_ERROR."""
    return size >= 8 and data[at + _HEAD + 4 : at + _HEAD + 8] == b"\0\0\0\0"
