"""SPEEX_WITH_HEADER_BYTE taken apart: each block is a byte that says how long it is, and a packet.

    >>> blocks = Blocks()
    >>> blocks.feed(bytes([3]) + b"abc" + bytes([2]) + b"d")
    (b'abc',)
    >>> blocks.feed(b"e")
    (b'de',)

Knows nothing of what is in a packet.
"""

from ossicle.core.errors import BadAudio

__all__ = ["Blocks"]


class Blocks:
    """One stream's; a block may be cut anywhere by messages."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """The packets that are whole now.

        Raises:
            BadAudio: a block of no bytes, so this is something else.
        """
        held = self._held + data
        found: list[bytes] = []
        at = 0
        while at < len(held) and at + 1 + held[at] <= len(held):
            if not held[at]:
                raise BadAudio("a Speex block of 0 bytes: each block begins with its length, 1-255")
            found.append(held[at + 1 : at + 1 + held[at]])
            at += 1 + held[at]
        self._held = held[at:]
        return tuple(found)
