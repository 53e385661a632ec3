"""What can be read from Speex without decoding it: how long a packet lasts, what its header says.

Also the demuxer for raw `speex`, where every message of the wire is one packet (RFC 5574). Knows
no container; Speex in Ogg is `ogg`.

    >>> samples_of(bytes.fromhex("1e9d66"), 8_000)  # too short for its mode: no packet
    0
"""

import struct
from collections.abc import Sequence

import msgspec

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Packet

__all__ = ["BANDS", "SpeexHead", "SpeexPackets", "parse_head", "samples_of"]

BANDS = {8_000: 0, 16_000: 1, 32_000: 2}
"""Layers above the narrow one, by sample rate (RFC 5574 section 3)."""

_NARROW = (5, 43, 119, 160, 220, 300, 364, 492, 79)
"""Bits of a narrow-band frame with its five of header, by mode (Speex manual, table 9.1)."""

_HIGH = (4, 36, 112, 192, 352)
"""The same of the layer above it, with its four (table 10.1)."""

_SAMPLES = 160
"""Of a narrow-band frame, 20 ms; each band doubles them."""

_TERMINATOR, _SIGNAL, _PRIVATE = 15, 14, 13
_SIGNALS = ((2, 1), (8, 4), (10, 8), (12, 16), (14, 32), (16, 64))
"""Bits behind a signal inside the stream: for numbers below the first, the second."""


class _Bits:
    """A packet read bit by bit, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._size, self.at = int.from_bytes(data), len(data) * 8, 0

    @property
    def left(self) -> int:
        return self._size - self.at

    def take(self, count: int) -> int:
        self.at += count
        return self._value >> max(0, self._size - self.at) & ((1 << count) - 1)


def samples_of(packet: bytes, rate: int) -> int:
    """How many samples of `rate` a packet stands for; 0 when it is not a Speex packet."""
    bits, frames = _Bits(packet), 0
    while bits.left >= 5:
        if bits.take(1):
            return 0  # a layer without the narrow band under it
        mode = bits.take(4)
        if mode == _TERMINATOR:
            break
        if mode == _SIGNAL:
            number = bits.take(4)
            bits.at += next(size for below, size in _SIGNALS if number < below)
        elif mode == _PRIVATE:
            size = bits.take(4)
            bits.at += 5 + 8 * size
        elif mode < len(_NARROW):
            bits.at += _NARROW[mode] - 5
            if not _skip_layers(bits):
                return 0
            frames += 1
        else:
            return 0
        if bits.left < 0:
            return 0
    return frames * (_SAMPLES << BANDS[rate])


def _skip_layers(bits: _Bits) -> bool:
    """Whether they are sound; more of them than the rate needs are legal, and not heard."""
    for _ in range(max(BANDS.values())):
        if bits.left < 4:
            return True
        if not bits.take(1):
            bits.at -= 1
            return True  # the layer is not there
        mode = bits.take(3)
        if mode >= len(_HIGH):
            return False
        bits.at += _HIGH[mode] - 4
    return True


class SpeexHead(msgspec.Struct, frozen=True):
    """The identification header, as Ogg has it (Speex manual, table 7.1)."""

    format: AudioFormat
    samples: int
    """Of every packet, of the format's rate."""
    headers: int
    """More packets before the sound: comments, and what else is counted."""


def parse_head(data: bytes) -> SpeexHead:
    """Read a Speex header.

    Raises:
        BadAudio: not one, or a rate or channel count that is not supported.
    """
    if not data.startswith(b"Speex   ") or len(data) < 80:
        raise BadAudio(f"the Speex header is damaged: {len(data)} bytes, beginning {data[:8]!r}")
    rate, _, _, channels, _, frame, _, frames, extra = struct.unpack_from("<3I3i3I", data, 36)
    if channels not in {1, 2} or rate not in BANDS:
        raise BadAudio(
            f"Speex at {rate} Hz with {channels} channels is not supported; 8000, 16000 or 32000"
            " Hz and 1 or 2 channels are",
            code="unsupported_audio",
        )
    samples = frame * max(1, frames)
    if not 0 < samples <= rate:
        raise BadAudio(f"the Speex header claims {samples} samples in a packet at {rate} Hz")
    found = parse_format("speex", rate, channels)
    return SpeexHead(msgspec.structs.replace(found, header=data[:80]), samples, 1 + extra)


class SpeexPackets:
    """The demuxer of raw `speex`: one call, one packet. Framing is the wire's."""

    def __init__(self, source: AudioFormat) -> None:
        if source.sample_rate not in BANDS:
            raise BadAudio(
                f"Speex at {source.sample_rate} Hz does not exist; 8000, 16000 or 32000",
                code="unsupported_audio",
            )
        self._rate = source.sample_rate
        self.format: AudioFormat | None = source

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """`data` as the packet it is.

        Raises:
            BadAudio: the first message is a container, or is no Speex packet.
        """
        if data.startswith(b"OggS"):
            raise BadAudio(
                "declared speex (one packet per message), but the bytes are ogg; declare ogg"
            )
        units = samples_of(data, self._rate)
        if not units:
            raise BadAudio(f"a message of {len(data)} bytes is not a Speex packet (RFC 5574)")
        return [Packet(data, units)]

    def finish(self) -> Sequence[bytes | Packet]:
        """Nothing is ever held."""
        return []
