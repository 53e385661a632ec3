"""What stands in a body of gRPC-Web: messages with five bytes in front, and trailers as the last.

    >>> frame(b"abc")
    b'\\x00\\x00\\x00\\x00\\x03abc'
    >>> trailers(0, "", ())
    b'\\x80\\x00\\x00\\x00\\x0fgrpc-status:0\\r\\n'

gRPC's PROTOCOL-WEB.md. It knows bytes; what a status means is the dialect's.
"""

import base64
import binascii
import re
import struct
from collections.abc import Iterable
from urllib.parse import quote

from ossicle.core.errors import BadMessage, Refused

__all__ = ["COMPRESSED", "TRAILERS", "Base64Reader", "FrameReader", "frame", "metadata", "trailers"]

COMPRESSED, TRAILERS = 0x01, 0x80
"""Flags of a frame: its message is compressed; it holds trailers."""
_HEAD = struct.Struct(">BI")
_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
"""What `grpc-message` may hold as it is (gRPC over HTTP/2, "Status-Message")."""
_OURS = frozenset({"content-type", "content-length", "transfer-encoding", "connection"})
_GROUPS = re.compile(rb"[^=]+={0,2}|=+")


def frame(data: bytes) -> bytes:
    """A message."""
    return _HEAD.pack(0, len(data)) + data


def metadata(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What may go out as metadata; names of HTTP's and of gRPC's own are left out. Values of names
    in `-bin` stand in base64, here as on the wire."""
    return tuple(
        (name.lower(), value)
        for name, value in headers
        if _NAME.fullmatch(name.lower())
        and _VALUE.fullmatch(value)
        and name.lower() not in _OURS
        and not name.lower().startswith("grpc-")
    )


def trailers(status: int, message: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The last frame: how the call ended."""
    lines = [("grpc-status", str(status))]
    if message:
        lines.append(("grpc-message", quote(message, safe=_PLAIN)))
    lines += metadata(headers)
    data = "".join(f"{name}:{value}\r\n" for name, value in lines).encode("ascii")
    return _HEAD.pack(TRAILERS, len(data)) + data


class FrameReader:
    """Takes a body apart as it comes."""

    def __init__(self, max_message: int) -> None:
        self._most = max_message
        self._held = bytearray()

    @property
    def torn(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._held)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now, each with its flags.

        Raises:
            Refused: one is larger than may be.
        """
        held, frames = self._held, list[tuple[int, bytes]]()
        held += data
        while len(held) >= _HEAD.size:
            flags, size = _HEAD.unpack_from(held)
            if size > self._most:
                text = f"a message of {size} bytes is larger than the limit of {self._most}"
                raise Refused(text, code="too_large")
            end = _HEAD.size + size
            if len(held) < end:
                break
            frames.append((flags, bytes(held[_HEAD.size : end])))
            del held[:end]
        return frames


class Base64Reader:
    """The body of `application/grpc-web-text`. Padding may stand within it, where one piece ended
    and the next began."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def torn(self) -> int:
        """Characters of a group of four that is not complete."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """The bytes that are complete now.

        Raises:
            BadMessage: it is not base64.
        """
        data = self._held + data
        whole = len(data) - len(data) % 4
        self._held = data[whole:]
        try:
            groups = _GROUPS.findall(data[:whole])
            return b"".join(base64.b64decode(group, validate=True) for group in groups)
        except (binascii.Error, ValueError) as error:
            raise BadMessage("a body of grpc-web-text is not base64") from error
