"""FLAC cut into its frames as it arrives (RFC 9639).

A frame does not say how long it is: it ends where the next begins. The next header is accepted by
its sync code, its CRC-8, and a number that follows on; that is why output is one frame late.
Decodes nothing.

    >>> hex(crc8(b"123456789"))
    '0xf4'
"""

from collections.abc import Sequence

import msgspec

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Packet

__all__ = ["FlacDemuxer", "FlacFrame", "crc8", "parse_frame", "parse_streaminfo"]

_BLOCKS = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << n for n in range(8)))
_RATES = (
    0,
    88_200,
    176_400,
    192_000,
    8_000,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
    48_000,
    96_000,
)
_LONGEST_HEADER = 16
_FRAMES_LOST = 256
"""A next header may be this many frames ahead, when what is between was lost."""
_LONGEST_GAP = 480_000
_MAX_SKIPPED = 64 << 20
"""Bytes of metadata in front; a picture block alone may have 16 MiB."""


def _crc8_table() -> bytes:
    table = bytearray()
    for value in range(256):
        for _ in range(8):
            value = (value << 1) ^ (0x107 if value & 0x80 else 0)  # noqa: PLW2901
        table.append(value & 0xFF)
    return bytes(table)


_CRC8 = _crc8_table()


def crc8(data: bytes | bytearray) -> int:
    """Polynomial x^8 + x^2 + x + 1, from zero (RFC 9639 section 9.1.8)."""
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


class FlacFrame(msgspec.Struct, frozen=True, gc=False):
    """What a frame header says."""

    samples: int
    rate: int
    """0: as STREAMINFO says."""
    channels: int
    number: int
    """Of the frame, or of its first sample when `variable`."""
    variable: bool


def parse_streaminfo(info: bytes) -> AudioFormat:
    """The format that a STREAMINFO block describes; it becomes `AudioFormat.header`.

    Raises:
        BadAudio: damaged, or a rate or channel count that is not supported.
    """
    if len(info) != 34:
        raise BadAudio(f"FLAC STREAMINFO has {len(info)} bytes, not 34")
    packed = int.from_bytes(info[10:14], "big")
    return msgspec.structs.replace(
        parse_format("flac", packed >> 12, (packed >> 9 & 7) + 1), header=info
    )


def parse_frame(data: bytes | bytearray, at: int = 0) -> FlacFrame | None:
    """The frame header at `at` (RFC 9639 section 9.1); None when there is none, or not all."""
    end = len(data)
    if end < at + 6 or data[at] != 0xFF or data[at + 1] & 0xFE != 0xF8:
        return None
    block, rate = data[at + 2] >> 4, data[at + 2] & 15
    layout, bits = data[at + 3] >> 4, data[at + 3] >> 1 & 7
    if not block or rate == 15 or layout > 10 or bits == 3 or data[at + 3] & 1:
        return None
    first = data[at + 4]
    # The number is written as UTF-8 writes characters, up to 36 bits.
    more = 0 if first < 0x80 else 8 - (first ^ 0xFF).bit_length() - 1
    if more > 6 or (first >= 0x80 and more < 1):
        return None
    number, pos = (first if not more else first & (0x3F >> more)), at + 5
    wide = (
        (1 if block == 6 else 2 if block == 7 else 0),
        (1 if rate == 12 else 2 if rate in {13, 14} else 0),
    )
    if end < pos + more + wide[0] + wide[1] + 1:
        return None
    for byte in data[pos : pos + more]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    pos += more
    samples = _BLOCKS[block]
    if wide[0]:
        samples = int.from_bytes(data[pos : pos + wide[0]], "big") + 1
        pos += wide[0]
    if wide[1]:
        hertz = int.from_bytes(data[pos : pos + wide[1]], "big")
        hertz *= {12: 1000, 13: 1, 14: 10}[rate]
        pos += wide[1]
    else:
        hertz = _RATES[rate]
    if crc8(data[at:pos]) != data[pos]:
        return None
    channels = layout + 1 if layout < 8 else 2
    return FlacFrame(samples, hertz, channels, number, bool(data[at + 1] & 1))


class FlacDemuxer:
    """See the module. Emits `Packet`s of one frame each."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._held: bytearray = bytearray()
        self._started = False
        self._last = False  # the metadata block being skipped is the last
        self._audio = False
        self._skip = self._skipped = 0
        self._frame: FlacFrame | None = None  # the one at the front of `_held`
        self._seen = 0  # up to where the next header was looked for
        self._limit = 0  # bytes a frame can have

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Frames completed by `data`.

        Raises:
            BadAudio: not FLAC, or damaged beyond finding the next frame.
        """
        self._held += data
        if not self._audio and not self._metadata():
            return []
        return self._cut()

    def finish(self) -> Sequence[bytes | Packet]:
        """The last frame.

        Raises:
            BadAudio: the input ended before the first frame.
        """
        if self.format is None or not self._audio:
            raise BadAudio("the FLAC stream ended inside its metadata")
        if self._frame is None:
            return []
        last, self._frame = Packet(bytes(self._held), self._frame.samples), None
        self._held.clear()
        return [last]

    def _metadata(self) -> bool:
        """Walk the metadata blocks (RFC 9639 section 8); True when the frames begin."""
        held = self._held
        if not self._started:
            if len(held) < 4:
                return False
            if not held.startswith(b"fLaC"):
                raise BadAudio(f"not FLAC: it begins with {bytes(held[:4])!r}, not fLaC")
            del held[:4]
            self._started = True
        while True:
            gone = min(self._skip, len(held))
            del held[:gone]
            self._skip -= gone
            if self._skip:
                return False
            if self._last:
                self._audio = True
                return True
            if len(held) < 4:
                return False
            kind, size = held[0] & 0x7F, int.from_bytes(held[1:4], "big")
            if self.format is None:
                if kind != 0:
                    raise BadAudio(f"FLAC begins with metadata block {kind}, not STREAMINFO")
                if len(held) < 38:
                    return False
                self._describe(bytes(held[4 : 4 + size]))
            self._last = bool(held[0] & 0x80)
            self._skip = 4 + size
            self._skipped += size
            if self._skipped > _MAX_SKIPPED or kind == 127:
                raise BadAudio("the FLAC metadata is damaged or larger than 64 MiB")

    def _describe(self, info: bytes) -> None:
        self.format = parse_streaminfo(info)
        most = int.from_bytes(info[2:4], "big") or 65_535
        bits = ((info[12] & 1) << 4 | info[13] >> 4) + 1
        # A frame that does not compress is stored as it is; one bit more for the side channel.
        self._limit = most * self.format.channels * (bits + 1) // 8 + 1024

    def _cut(self) -> list[bytes | Packet]:
        out: list[bytes | Packet] = []
        held = self._held
        while True:
            at = self._next_header()
            if at is None:
                break
            following = parse_frame(held, at)
            assert following is not None
            if self._frame is not None:
                out.append(Packet(bytes(held[:at]), self._frame.samples))
                out += self._gap(self._frame, following)
            del held[:at]
            self._frame, self._seen = following, 6
        if len(held) > self._limit:
            raise BadAudio(
                f"no FLAC frame begins within {self._limit} bytes: the stream is damaged"
            )
        return out

    def _next_header(self) -> int | None:
        held, at = self._held, self._seen
        while True:
            at = held.find(0xFF, at)
            if at < 0:
                self._seen = len(held)
                return None
            if len(held) < at + _LONGEST_HEADER:
                self._seen = at
                return None
            frame = parse_frame(held, at)
            if frame is not None and self._follows(frame):
                return at
            at += 1

    def _follows(self, frame: FlacFrame) -> bool:
        assert self.format is not None
        if frame.channels != self.format.channels:
            return False
        if frame.rate not in {0, self.format.sample_rate}:
            return False
        last = self._frame
        if last is None:
            return True
        step = last.samples if last.variable else 1
        ahead = frame.number - last.number - step
        return frame.variable == last.variable and 0 <= ahead < _FRAMES_LOST * step

    def _gap(self, last: FlacFrame, following: FlacFrame) -> list[Packet]:
        """Silence for frames that were lost: an empty packet, which the decoder conceals."""
        if last.variable:
            lost = following.number - last.number - last.samples
        else:
            lost = (following.number - last.number - 1) * last.samples
        return [Packet(b"", min(lost, _LONGEST_GAP))] if lost > 0 else []
