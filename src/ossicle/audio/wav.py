"""WAV taken apart as it arrives: the header found, the samples handed on, the rest skipped.

Kind where senders are sloppy: streaming headers (data size 0 or 0xFFFFFFFF), any chunks before or
after the data, odd-sized chunks. Buffers one chunk header or `fmt ` chunk and nothing else. Does
not decode: G.711 inside a WAV comes out as G.711.

    >>> wav = WavDemuxer()
    >>> wav.feed(wav_header(AudioFormat("mulaw", 8000)) + b"abc"), wav.format.encoding
    ([b'abc'], 'mulaw')
"""

import struct
from collections.abc import Sequence

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Packet

__all__ = ["WavDemuxer", "wav_header"]

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE

_ENCODINGS = {
    (_PCM, 1): "pcm_u8",
    (_PCM, 2): "pcm_s16le",
    (_PCM, 3): "pcm_s24le",
    (_PCM, 4): "pcm_s32le",
    (_FLOAT, 4): "pcm_f32le",
    (_FLOAT, 8): "pcm_f64le",
    (_ALAW, 1): "alaw",
    (_MULAW, 1): "mulaw",
}

_NAMES = {
    2: "Microsoft ADPCM",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x45: "G.726",
    0x50: "MPEG layer 1 or 2",
    0x55: "MP3",
    0xFF: "AAC",
    0x161: "Windows Media Audio",
}
"""RFC 2361, for the sentence that refuses them."""

_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in a WAVE_FORMAT_EXTENSIBLE sub-format."""

_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF})
"""What writers put that cannot seek back: the data lasts until the end."""

_MAX_FMT = 4096
_MAX_SKIPPED = 16 << 20
"""Bytes of other chunks before the data: tags with a picture are below this."""


class WavDemuxer:
    """See the module. Emits `bytes` of whole sample frames."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._found: AudioFormat | None = None
        self._held: bytearray = bytearray()
        self._started = False
        self._skip = self._skipped = 0
        self._left: int | None = None  # bytes of data to come; None: until the end
        self._over = False

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Samples completed by `data`.

        Raises:
            BadAudio: not a WAV, a damaged header, or an encoding that is not supported.
        """
        if self._over:
            return []
        if self.format is None:
            self._held += data
            if not self._header():
                return []
            data = b""
        return self._samples(data)

    def finish(self) -> Sequence[bytes | Packet]:
        """Nothing is left but the piece of a sample frame cut off at the end.

        Raises:
            BadAudio: the header was not complete.
        """
        if self.format is None:
            if not self._started:
                missing = "the RIFF header"
            elif self._found is None:
                missing = "the 'fmt ' chunk"
            else:
                missing = "the 'data' chunk"
            raise BadAudio(f"the WAV ended before {missing}; send the whole header")
        return []

    def _samples(self, data: bytes) -> list[bytes | Packet]:
        assert self.format is not None
        frame = self.format.frame_bytes
        if self._held:
            data = bytes(self._held) + data
            self._held.clear()
        if self._left is not None and len(data) >= self._left:
            data, self._over = data[: self._left], True
        cut = len(data) - len(data) % frame
        if cut < len(data):
            self._held += data[cut:]
            data = data[:cut]
        if self._left is not None:
            self._left -= len(data)
        return [data] if data else []

    def _header(self) -> bool:
        """Walk the chunks; True once the data begins."""
        held = self._held
        if not self._started:
            if len(held) < 12:
                return False
            _check_riff(bytes(held[:12]))
            del held[:12]
            self._started = True
        while True:
            if self._skip:
                gone = min(self._skip, len(held))
                del held[:gone]
                self._skip -= gone
                if self._skip:
                    return False
            if len(held) < 8:
                return False
            name, size = struct.unpack_from("<4sI", held)
            if name == b"data":
                if self._found is None:
                    raise BadAudio("the WAV has a 'data' chunk before any 'fmt ' chunk")
                del held[:8]
                self._left = None if size in _UNKNOWN_SIZES else size
                self.format = self._found
                return True
            padded = size + size % 2  # chunks start at even offsets
            if name == b"fmt ":
                if not 16 <= size <= _MAX_FMT:
                    raise BadAudio(f"the WAV 'fmt ' chunk has {size} bytes, not 16-{_MAX_FMT}")
                if len(held) < 8 + padded:
                    return False
                self._found = _parse_fmt(bytes(held[8 : 8 + size]))
                del held[: 8 + padded]
                continue
            self._skipped += padded
            if self._skipped > _MAX_SKIPPED or not name.isascii():
                raise BadAudio(
                    f"the WAV has no 'data' chunk in its first {_MAX_SKIPPED >> 20} MiB, or its"
                    f" chunk {name!r} of {size} bytes is damaged"
                )
            del held[:8]
            self._skip = padded


def wav_header(format: AudioFormat, data_bytes: int | None = None) -> bytes:  # noqa: A002
    """The header before `data_bytes` of samples; None writes the streaming size 0xFFFFFFFF.

    Raises:
        BadAudio: WAV has no name for the encoding.
    """
    known = [key for key, encoding in _ENCODINGS.items() if encoding == format.encoding]
    if not known:
        raise BadAudio(f"WAV cannot hold {format.encoding}", code="unsupported_audio")
    tag, width = known[0]
    fmt = struct.pack(
        "<HHIIHH",
        tag,
        format.channels,
        format.sample_rate,
        format.units_per_second,
        format.frame_bytes,
        width * 8,
    )
    if tag != _PCM:
        # Any other tag carries a cbSize and a 'fact' chunk (RIFF "New Multimedia Types", 1994).
        frames = 0xFFFFFFFF if data_bytes is None else data_bytes // format.frame_bytes
        fact = struct.pack("<4sII", b"fact", 4, frames)
        fmt += struct.pack("<H", 0)
    else:
        fact = b""
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + fact
    size = 0xFFFFFFFF if data_bytes is None else data_bytes
    riff = min(len(body) + 8 + size, 0xFFFFFFFF)
    return struct.pack("<4sI", b"RIFF", riff) + body + struct.pack("<4sI", b"data", size)


def _check_riff(head: bytes) -> None:
    kind, form = head[:4], head[8:12]
    if kind == b"RIFX":
        raise BadAudio(
            "RIFX (big-endian WAV) is not supported; send RIFF, or raw pcm_s16be",
            code="unsupported_audio",
        )
    if kind not in {b"RIFF", b"RF64"} or form != b"WAVE":
        raise BadAudio(f"not a WAV: it begins with {kind!r}, not RIFF....WAVE")


def _parse_fmt(fmt: bytes) -> AudioFormat:
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE:
        if len(fmt) < 40:
            raise BadAudio(f"the WAV 'fmt ' chunk is extensible but has {len(fmt)} bytes, not 40")
        if fmt[26:40] != _GUID_TAIL:
            raise BadAudio(
                f"the WAV holds sub-format {fmt[24:40].hex()}, which is not PCM, float or G.711",
                code="unsupported_audio",
            )
        tag = int.from_bytes(fmt[24:26], "little")
    # The container's width, not the valid bits: 20 bits may stand in 24 or 32.
    width = align // channels if channels and align else (bits + 7) // 8
    encoding = _ENCODINGS.get((tag, width))
    if encoding is None:
        name = {_PCM: "PCM", _FLOAT: "float"}.get(tag) or _NAMES.get(tag, f"format {tag:#06x}")
        raise BadAudio(
            f"the WAV holds {name} of {bits} bits, which is not supported; use PCM of 8, 16, 24"
            " or 32 bits, float of 32 or 64, mu-law or A-law",
            code="unsupported_audio",
        )
    return parse_format(encoding, rate, channels)
