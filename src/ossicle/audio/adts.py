"""AAC cut into its frames as it arrives, from anywhere in a stream: ADTS framing.

Follows ISO/IEC 13818-7 section 6.2 and 14496-3 annex 1.A. Every frame stands behind a header of 7
bytes, 9 with a checksum, that says its length; FFmpeg's decoder wants the header too. Decodes
nothing. The delay of an encoder is written nowhere in ADTS, so it stays in the sound.

    >>> frame = parse_header(bytes.fromhex("fff15080017ffc"))
    >>> frame.size, frame.samples, frame.rate, frame.channels
    (11, 1024, 44100, 2)
"""

from collections.abc import Sequence

import msgspec

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Packet

from .id3 import Id3Skipper

__all__ = ["AdtsDemuxer", "AdtsFrame", "parse_header"]

_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
          8_000, 7_350)  # fmt: skip
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)
"""By channel configuration; 0 says that the layout is inside the frame."""
_HEADER = 7
_SAMPLES = 1024
"""Of one raw data block; a frame has one to four."""
_SEARCH = 64 << 10
"""Bytes without a frame before the input is given up; a frame is at most 8,191."""


class AdtsFrame(msgspec.Struct, frozen=True, gc=False):
    """What a header says."""

    size: int
    """Bytes, the header's own included."""
    samples: int
    rate: int
    channels: int


def parse_header(data: bytes | bytearray, at: int = 0) -> AdtsFrame | None:
    """The header at `at`; None when there is none of a stream that can be played."""
    if len(data) < at + _HEADER or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate = data[at + 2] >> 2 & 15
    channels = _CHANNELS[(data[at + 2] & 1) << 2 | data[at + 3] >> 6]
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    least = _HEADER if data[at + 1] & 1 else _HEADER + 2
    if rate >= len(_RATES) or not channels or size <= least:
        return None
    return AdtsFrame(size, _SAMPLES * (1 + (data[at + 6] & 3)), _RATES[rate], channels)


class AdtsDemuxer:
    """See the module. Emits `Packet`s of one frame each, with its header."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._tag = Id3Skipper()
        self._held: bytearray = bytearray()
        self._synced = False
        self._noise = 0  # bytes in a row that are in no frame

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Frames completed by `data`.

        Raises:
            BadAudio: 64 KiB without a frame, or a sample rate that is not taken.
        """
        self._held += self._tag.skip(data)
        return self._cut(last=False)

    def finish(self) -> Sequence[bytes | Packet]:
        """The last frame, if it is whole.

        Raises:
            BadAudio: there was no frame at all.
        """
        self._held += self._tag.finish()
        packets = self._cut(last=True)
        if self.format is None:
            raise BadAudio("the input ended before one whole AAC frame (ADTS)")
        return packets

    def _cut(self, *, last: bool) -> list[bytes | Packet]:
        out: list[bytes | Packet] = []
        held, at = self._held, 0
        while len(held) - at >= _HEADER:
            frame = self._frame(at)
            if frame is None:
                at = self._lose(at)
                continue
            end = at + frame.size
            if len(held) < end + (0 if self._synced or last else _HEADER):
                break
            # Two headers in the right distance are a frame; one may be noise.
            if not self._synced and len(held) >= end + _HEADER and self._frame(end, frame) is None:
                at = self._lose(at)
                continue
            self._synced, self._noise = True, 0
            if self.format is None:
                self.format = parse_format("aac", frame.rate, frame.channels)
            out.append(Packet(bytes(held[at:end]), frame.samples))
            at = end
        del held[:at]
        return out

    def _frame(self, at: int, like: AdtsFrame | None = None) -> AdtsFrame | None:
        """The header there, when it fits the stream: rate and channels never change in one."""
        frame = parse_header(self._held, at)
        if frame is None:
            return None
        known = like or self.format
        if known is None:
            return frame
        rate = known.rate if isinstance(known, AdtsFrame) else known.sample_rate
        return frame if (frame.rate, frame.channels) == (rate, known.channels) else None

    def _lose(self, at: int) -> int:
        """Where the next frame may begin."""
        self._synced = False
        found = self._held.find(0xFF, at + 1)
        # Six bytes may be the front of a header.
        after = len(self._held) - _HEADER + 1 if found < 0 else found
        after = max(after, at + 1)
        self._noise += after - at
        if self._noise > _SEARCH:
            raise BadAudio(f"{_SEARCH >> 10} KiB without an AAC frame (ADTS)")
        return after
