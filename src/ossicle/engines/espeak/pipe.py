"""The protocol between the espeak engine and its helper process: length-prefixed messages.

    length u32 | kind u8 | job u32 | payload          (little endian; length counts from kind on)

To the helper: SAY (a JSON object: text, voice, rate) and STOP. From it: READY (JSON: version,
sample_rate), SOUND (s16le samples), WORD (ms u32, offset u32, length u32, in characters of the
text), DONE, FAILED (a sentence: it cannot work), REFUSED (a sentence: not as it was asked).
Standard library only, so that the helper starts fast.
"""

import struct
from collections.abc import Iterator

__all__ = [
    "DONE",
    "FAILED",
    "MAX_MESSAGE",
    "READY",
    "REFUSED",
    "SAY",
    "SOUND",
    "STOP",
    "WORD",
    "WORD_MARK",
    "Unpacker",
    "pack",
]

SAY, STOP, READY, SOUND, WORD, DONE, FAILED, REFUSED = range(1, 9)
MAX_MESSAGE = 1 << 16
"""Bytes of one message; a piece of text or 60 ms of sound are far below."""
WORD_MARK = struct.Struct("<III")
_HEAD = struct.Struct("<IBI")


def pack(kind: int, job: int, payload: bytes = b"") -> bytes:
    """One message.

    Raises:
        ValueError: longer than `MAX_MESSAGE`.
    """
    if len(payload) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(payload)} bytes is over the limit of {MAX_MESSAGE}")
    return _HEAD.pack(len(payload) + 5, kind, job) + payload


class Unpacker:
    """Messages out of a byte stream, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """(kind, job, payload) of every message completed by `data`.

        Raises:
            ValueError: a length or kind no peer of ours sends; the stream cannot be trusted.
        """
        self._held += data
        while len(self._held) >= _HEAD.size:
            length, kind, job = _HEAD.unpack_from(self._held)
            if not 5 <= length <= MAX_MESSAGE + 5 or not SAY <= kind <= REFUSED:
                raise ValueError(f"no message has kind {kind} and {length} bytes")
            if len(self._held) < length + 4:
                return
            payload = bytes(self._held[_HEAD.size : length + 4])
            del self._held[: length + 4]
            yield kind, job, payload
