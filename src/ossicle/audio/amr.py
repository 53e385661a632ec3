"""AMR and AMR-WB cut into frames as they arrive, from a file or from its middle.

Follows RFC 4867 section 5, the storage format: a magic line, then frames of 20 ms, each behind a
byte that says how it is coded. Telephones send the same frames without the line, so it may be
missing where the encoding was declared. One channel. Decodes nothing.

    >>> amr = AmrDemuxer("amr_nb")
    >>> len(amr.feed(b"#!AMR\\n" + bytes([0x3C]) + bytes(31))), amr.format.sample_rate
    (1, 8000)
"""

from collections.abc import Sequence
from typing import Final, Literal

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

__all__ = ["MAGIC", "AmrDemuxer", "AmrEncoding"]

AmrEncoding = Literal["amr_nb", "amr_wb"]

MAGIC: Final[dict[AmrEncoding, bytes]] = {"amr_nb": b"#!AMR\n", "amr_wb": b"#!AMR-WB\n"}
"""RFC 4867 section 5.1. Several channels have other lines, and hardly ever occur."""

_SPEECH: Final[dict[AmrEncoding, dict[int, int]]] = {
    "amr_nb": dict(enumerate((12, 13, 15, 17, 19, 20, 26, 31, 5))) | {15: 0},
    "amr_wb": dict(enumerate((17, 23, 32, 36, 40, 46, 50, 58, 60, 5))) | {14: 0, 15: 0},
}
"""Bytes behind the frame's first one, by frame type (3GPP TS 26.101 and 26.201, annex A): speech,
then comfort noise, then frames that were lost or never sent. The types between are reserved."""

_RATES: Final[dict[AmrEncoding, int]] = {"amr_nb": 8_000, "amr_wb": 16_000}
_FRAMES_PER_SECOND = 50
_ZERO = 0x83
"""Bits of a frame's first byte that are always zero (RFC 4867 section 5.3)."""


class AmrDemuxer:
    """See the module. Emits `Packet`s of one frame each, with the byte before it."""

    def __init__(self, encoding: AmrEncoding) -> None:
        self.format: AudioFormat | None = None
        self._encoding: AmrEncoding = encoding
        self._held = bytearray()

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Frames completed by `data`.

        Raises:
            BadAudio: a byte that begins no frame. Nothing is lost on the way here, so there is
                nothing to look for behind it.
        """
        self._held += data
        if self.format is None and not self._begin():
            return []
        return self._cut()

    def finish(self) -> Sequence[bytes | Packet]:
        """Nothing is left but a frame cut off.

        Raises:
            BadAudio: there was no frame at all.
        """
        if self.format is None:
            raise BadAudio(f"the input ended before one whole {self._encoding} frame")
        return []

    def _begin(self) -> bool:
        magic = MAGIC[self._encoding]
        if len(self._held) < len(magic) and magic.startswith(self._held):
            return False  # no frame begins with "#", so this is not one that waits
        if self._held.startswith(magic):
            del self._held[: len(magic)]
        if not self._held:
            return False
        self._size(self._held[0])
        self.format = AudioFormat(self._encoding, _RATES[self._encoding])
        return True

    def _cut(self) -> list[bytes | Packet]:
        out: list[bytes | Packet] = []
        held, at = self._held, 0
        units = _RATES[self._encoding] // _FRAMES_PER_SECOND
        while at < len(held):
            end = at + self._size(held[at])
            if end > len(held):
                break
            out.append(Packet(bytes(held[at:end]), units))
            at = end
        del held[:at]
        return out

    def _size(self, head: int) -> int:
        """The bytes of a frame with its first one."""
        behind = None if head & _ZERO else _SPEECH[self._encoding].get(head >> 3)
        if behind is None:
            raise BadAudio(
                f"no {self._encoding} frame begins with {head:02x} (RFC 4867 section 5.3); send"
                " octet-aligned frames as a file has them, one channel"
            )
        return 1 + behind
