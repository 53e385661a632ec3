"""MP3 cut into its frames as it arrives, from anywhere in a stream.

Follows ISO/IEC 11172-3 and 13818-3 layer III. The encoder's delay, where a Xing/Info frame tells
it, is honoured by shortening packets, so file and output last equally long. Decodes nothing.

    >>> frame = parse_frame(bytes.fromhex("fffb9064"))
    >>> frame.size, frame.samples, frame.rate, frame.channels
    (417, 1152, 44100, 2)
"""

from collections.abc import Sequence

import msgspec

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Packet

from .id3 import Id3Skipper

__all__ = ["Mp3Demuxer", "MpegFrame", "parse_frame"]

_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)

_SEARCH = 64 << 10
"""Bytes without a frame before the input is given up; the largest frame is 1,441."""

_DECODER_DELAY = 529
"""Samples any layer III decoder adds (LAME technical FAQ): 528 of its filters, and one."""


class MpegFrame(msgspec.Struct, frozen=True, gc=False):
    """What a layer III frame header says."""

    size: int
    samples: int
    rate: int
    channels: int
    side: int
    """Bytes of side information after the header, behind which a Xing tag may stand."""


def parse_frame(data: bytes | bytearray, at: int = 0) -> MpegFrame | None:
    """The header at `at`; None when it is not one of layer III with a fixed bit rate."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bit_rate, rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer != 1 or not 0 < bit_rate < 15 or rate == 3:
        return None
    mono = data[at + 3] >> 6 == 3
    hertz = _RATES[rate] >> (2, 0, 1, 0)[version]  # MPEG 2.5, reserved, MPEG 2, MPEG 1
    if version == 3:
        samples, kbits, side = 1152, _KBITS_1[bit_rate], 17 if mono else 32
    else:
        samples, kbits, side = 576, _KBITS_2[bit_rate], 9 if mono else 17
    size = samples // 8 * kbits * 1000 // hertz + padding
    return MpegFrame(size, samples, hertz, 1 if mono else 2, side)


class Mp3Demuxer:
    """See the module. Emits `Packet`s of one frame each."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._tag = Id3Skipper()
        self._held: bytearray = bytearray()
        self._synced = False
        self._noise = 0  # bytes in a row that are in no frame
        self._lead = 0  # samples of encoder and decoder delay still to drop
        self._frames = 0  # frames still to come, when a Xing tag counts them
        self._left = 0  # samples still to come, with them

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Frames completed by `data`.

        Raises:
            BadAudio: 64 KiB without a frame.
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
            raise BadAudio("the input ended before one whole MP3 frame")
        return packets

    def _cut(self, *, last: bool) -> list[bytes | Packet]:
        out: list[bytes | Packet] = []
        held, at = self._held, 0
        while len(held) - at >= 4:
            frame = self._frame(at)
            if frame is None:
                at = self._lose(at)
                continue
            end = at + frame.size
            if len(held) < end + (0 if self._synced or last else 4):
                break
            # Two headers in the right distance are a frame; one may be noise.
            if not self._synced and len(held) >= end + 4 and self._frame(end, frame) is None:
                at = self._lose(at)
                continue
            self._synced, self._noise = True, 0
            self._take(bytes(held[at:end]), frame, out)
            at = end
        del held[:at]
        return out

    def _frame(self, at: int, like: MpegFrame | None = None) -> MpegFrame | None:
        """The header there, when it fits the stream: rate and channels never change in one."""
        frame = parse_frame(self._held, at)
        if frame is None:
            return None
        known = like or self.format
        if known is None:
            return frame
        rate = known.rate if isinstance(known, MpegFrame) else known.sample_rate
        return frame if (frame.rate, frame.channels) == (rate, known.channels) else None

    def _lose(self, at: int) -> int:
        """Where the next frame may begin."""
        self._synced = False
        found = self._held.find(0xFF, at + 1)
        # Three bytes may be the front of a header.
        after = len(self._held) - 3 if found < 0 else found
        after = max(after, at + 1)
        self._noise += after - at
        if self._noise > _SEARCH:
            raise BadAudio(f"{_SEARCH >> 10} KiB without an MP3 frame")
        return after

    def _take(self, data: bytes, frame: MpegFrame, out: list[bytes | Packet]) -> None:
        if self.format is None:
            self.format = parse_format("mp3", frame.rate, frame.channels)
            if self._xing(data, frame):
                return
        units = frame.samples
        if self._lead:
            units = max(0, units - self._lead)
            self._lead -= frame.samples - units
        if self._frames:
            self._frames -= 1
            units = min(units, self._left)
            self._left -= units
        out.append(Packet(data, units))

    def _xing(self, data: bytes, frame: MpegFrame) -> bool:
        """Read the first frame as a Xing, Info or VBRI one, which holds no sound."""
        at = 4 + frame.side
        if data[36:40] == b"VBRI":
            return True
        if data[at : at + 4] not in {b"Xing", b"Info"}:
            return False
        flags = data[at + 7] if len(data) > at + 7 else 0
        frames = int.from_bytes(data[at + 8 : at + 12], "big") if flags & 1 else 0
        fields = (4 if flags & 1 else 0) + (4 if flags & 2 else 0)
        fields += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
        lame = at + 8 + fields
        packed = int.from_bytes(data[lame + 21 : lame + 24], "big")
        delay, padding = packed >> 12, packed & 0xFFF
        if data[lame : lame + 4].isalnum() and delay:
            self._lead = delay + _DECODER_DELAY
            length = frames * frame.samples - delay - padding
            if frames and length > 0:
                self._frames, self._left = frames, length
        return True
