"""What can be read from Opus without decoding it: how long a packet lasts, what OpusHead says.

Also the demuxer for raw `opus`, where every message of the wire is one packet. Knows no container.

    >>> samples_of(bytes([0x78, 0, 0]))
    960
"""

from collections.abc import Sequence

import msgspec

from ossicle.core.errors import BadAudio
from ossicle.core.formats import MAX_CHANNELS, AudioFormat
from ossicle.core.ports import Packet

__all__ = ["RATE", "OpusHead", "OpusPackets", "missing", "parse_head", "redundant", "samples_of"]

RATE = 48_000
"""Opus counts time in 48 kHz samples whatever the encoder was fed (RFC 7845 section 4)."""

_MAX_PACKET = 5760
"""120 ms, the longest packet there is (RFC 6716 section 3.2.5, R5)."""

_LOST = b"\xf8"
"""A full-band packet of 20 ms with nothing in it."""

_FRAMES = (
    *(480, 960, 1920, 2880) * 3,  # SILK, narrow to wide band: 10, 20, 40, 60 ms
    *(480, 960) * 2,  # hybrid: 10, 20 ms
    *(120, 240, 480, 960) * 4,  # CELT: 2.5, 5, 10, 20 ms
)
"""Samples per frame by TOC configuration (RFC 6716 section 3.1, table 2)."""


def samples_of(packet: bytes) -> int:
    """How many 48 kHz samples a packet stands for; 0 when it is not an Opus packet."""
    if not packet:
        return 0
    code = packet[0] & 3
    if code == 3:
        count = packet[1] & 0x3F if len(packet) > 1 else 0
    else:
        count = 1 if code == 0 else 2
    samples = count * _FRAMES[packet[0] >> 3]
    return samples if samples <= _MAX_PACKET else 0


def redundant(packet: bytes) -> bool:
    """Whether it carries the frame before it, for when that was lost (RFC 6716 section 4.2.4: the
    LBRR flag stands behind the voice activity flags, one for each 20 ms)."""
    if not samples_of(packet) or packet[0] & 0x80:  # CELT knows no such thing
        return False
    first = _first_frame(packet)
    if first is None:
        return False
    activity = max(1, _FRAMES[packet[0] >> 3] // 960)
    if first >> (7 - activity) & 1:
        return True
    stereo = packet[0] & 4
    return bool(stereo and first >> max(0, 6 - 2 * activity) & 1)


def _first_frame(packet: bytes) -> int | None:
    """The first byte of the first frame; None = it has none (RFC 6716 section 3.2)."""
    place, code = 1, packet[0] & 3
    if code == 3:
        count = packet[1] if len(packet) > 1 else 0
        place = 2
        if count & 0x40:  # padding
            while place < len(packet) and packet[place] == 255:
                place += 1
            place += 1
        if count & 0x80:  # each frame has a length, but the last
            for _ in range((count & 0x3F) - 1):
                place += 2 if place < len(packet) and packet[place] >= 252 else 1
    elif code == 2:
        place += 2 if len(packet) > 1 and packet[1] >= 252 else 1
    return packet[place] if place < len(packet) else None


def missing(like: bytes, samples: int) -> list[Packet]:
    """Packets that stand for `samples` lost after the packet `like`. A TOC byte alone is a legal
    packet of one empty frame, which every decoder conceals (RFC 6716 section 3.2.1)."""
    toc = bytes([like[0] & 0xFC]) if like else _LOST
    if samples_of(toc) < 960:
        toc = _LOST  # not thousands of packets for a long gap
    unit = samples_of(toc)
    whole, rest = divmod(samples, unit)
    return [Packet(toc, unit)] * whole + ([Packet(toc, rest)] if rest else [])


class OpusHead(msgspec.Struct, frozen=True):
    """The identification header (RFC 7845 section 5.1)."""

    channels: int
    pre_skip: int
    """48 kHz samples to drop at the start: the encoder's delay."""
    raw: bytes
    """The header itself, for a decoder."""

    @property
    def format(self) -> AudioFormat:
        return AudioFormat("opus", RATE, self.channels, self.raw)


def parse_head(data: bytes) -> OpusHead:
    """Read an OpusHead.

    Raises:
        BadAudio: not one, or a version or channel count that is not supported.
    """
    if not data.startswith(b"OpusHead") or len(data) < 19:
        raise BadAudio(f"the Opus header is damaged: {len(data)} bytes, beginning {data[:8]!r}")
    if data[8] >> 4:
        raise BadAudio(
            f"Opus header version {data[8]} is not supported; 0-15 are", code="unsupported_audio"
        )
    channels, family = data[9], data[18]
    if not 1 <= channels <= (MAX_CHANNELS if family else 2):
        raise BadAudio(
            f"Opus with {channels} channels in mapping family {family} is not supported",
            code="unsupported_audio",
        )
    if family and len(data) < 21 + channels:
        raise BadAudio(f"the Opus header's table for {channels} channels is cut off")
    return OpusHead(channels, int.from_bytes(data[10:12], "little"), data)


class OpusPackets:
    """The demuxer of raw `opus`: one call, one packet. Framing is the wire's."""

    def __init__(self, source: AudioFormat) -> None:
        self.format: AudioFormat | None = AudioFormat("opus", RATE, source.channels, source.header)

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """`data` as the packet it is.

        Raises:
            BadAudio: the first message is a container, or is no Opus packet.
        """
        if data.startswith((b"OggS", b"\x1aE\xdf\xa3")):
            name = "ogg" if data[0] == ord("O") else "webm"
            raise BadAudio(
                f"declared opus (one packet per message), but the bytes are {name}; declare {name}"
            )
        units = samples_of(data)
        if not units:
            raise BadAudio(f"a message of {len(data)} bytes is not an Opus packet (RFC 6716)")
        return [Packet(data, units)]

    def finish(self) -> Sequence[bytes | Packet]:
        """Nothing is ever held."""
        return []
