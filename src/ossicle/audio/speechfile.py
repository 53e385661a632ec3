"""Speech as a file that is written while it is spoken: raw, WAV, Ogg Opus, MP3, FLAC or AAC.

>>> made = speech_file(AudioFormat("pcm_s16le", 24_000), "linear16", container="wav")
>>> made.content_type, made.encode(bytes(4))[:4], made.finish()
('audio/wav', b'RIFF', b'')

Nothing is known of the length when the first bytes leave, so headers say "until the end". Encoding
happens on the caller's thread: 100 ms of speech take a millisecond or less.
"""

from typing import Any, Final, Protocol

import av

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat

from .encode import Encoder
from .wav import wav_header

__all__ = ["SpeechFile", "speech_file"]


class SpeechFile(Protocol):
    """Samples in, bytes of a file out."""

    content_type: str

    def encode(self, data: bytes) -> bytes:
        """Bytes for these whole samples; may be empty while a frame fills up."""
        ...

    def finish(self) -> bytes:
        """The rest. Nothing can be encoded afterwards."""
        ...


_RAW: Final = {"linear16": "pcm_s16le", "mulaw": "mulaw", "alaw": "alaw"}
_RAW_TYPES: Final = {"linear16": "audio/l16", "mulaw": "audio/mulaw", "alaw": "audio/alaw"}
_PACKED: Final[dict[str, tuple[str, str, str, dict[str, str]]]] = {
    "opus": ("libopus", "ogg", "audio/ogg;codecs=opus", {"page_duration": "100000"}),
    "mp3": ("libmp3lame", "mp3", "audio/mpeg", {"write_xing": "0", "id3v2_version": "0"}),
    "flac": ("flac", "flac", "audio/flac", {}),
    "aac": ("aac", "adts", "audio/aac", {}),
}
"""Codec, muxer, type, and what makes the muxer never look back."""
_RATES: Final = {
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "aac": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
_BIT_RATES: Final = {"opus": (4_000, 650_000), "mp3": (8_000, 320_000), "aac": (4_000, 192_000)}


def speech_file(
    source: AudioFormat, encoding: str, *, container: str = "", bit_rate: int | None = None
) -> SpeechFile:
    """A file of `encoding` at the rate of `source`, which is 16 bit and mono.

    Args:
        source: the voice's samples.
        encoding: linear16, mulaw, alaw, opus, mp3, flac or aac.
        container: `wav` or `none` around samples, `ogg` around Opus; empty = the usual one.
        bit_rate: bits per second, where the codec has a choice.

    Raises:
        BadAudio: an encoding, container, rate or bit rate that is not written here.
    """
    if encoding in _RAW:
        if container not in {"", "wav", "none"}:
            raise _no(f"container {container!r} for {encoding}", "wav or none")
        return _Samples(source, encoding, wav=container != "none")
    if encoding not in _PACKED:
        raise _no(f"encoding {encoding!r}", ", ".join((*_RAW, *_PACKED)))
    fits = {"", "ogg"} if encoding == "opus" else {"", "none"}
    if container not in fits:
        raise _no(f"container {container!r} for {encoding}", " or ".join(sorted(fits - {""})))
    if encoding in _RATES and source.sample_rate not in _RATES[encoding]:
        rates = ", ".join(map(str, _RATES[encoding]))
        raise _no(f"{encoding} at {source.sample_rate} Hz", f"{rates} Hz")
    if bit_rate is not None and encoding in _BIT_RATES:
        low, high = _BIT_RATES[encoding]
        if not low <= bit_rate <= high:
            raise _no(f"bit rate {bit_rate} for {encoding}", f"{low}-{high} bit/s")
    return _Packed(source, encoding, bit_rate)


def _no(what: str, instead: str) -> BadAudio:
    return BadAudio(f"{what[:80]} is not written here; use {instead}", code="unsupported_audio")


class _Samples:
    """Raw samples, or the same behind a WAV header."""

    def __init__(self, source: AudioFormat, encoding: str, *, wav: bool) -> None:
        rate = source.sample_rate
        wanted = AudioFormat("mulaw" if encoding == "mulaw" else "alaw", rate)
        if encoding == "linear16":
            wanted = AudioFormat("wav" if wav else "pcm_s16le", rate)
        self._header = wav_header(wanted) if wav and encoding != "linear16" else b""
        self._encoder = Encoder(source, wanted)
        self.content_type = "audio/wav" if wav else f"{_RAW_TYPES[encoding]};rate={rate}"

    def encode(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + self._encoder.encode(data)

    def finish(self) -> bytes:
        header, self._header = self._header, b""
        return header + self._encoder.finish()


class _Written:
    """A file that a muxer writes to and nobody can seek in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


class _Packed:
    """Encoded and muxed by FFmpeg."""

    def __init__(self, source: AudioFormat, encoding: str, bit_rate: int | None) -> None:
        codec, muxer, self.content_type, options = _PACKED[encoding]
        self._rate = source.sample_rate
        self._file = _Written()
        # Untyped in part: PyAV's overloads and packets are generic over what it does not say.
        self._out: Any = av.open(self._file, "w", format=muxer, options=options)
        self._stream: Any = self._out.add_stream(codec, rate=self._rate, layout="mono")
        if bit_rate is not None and encoding in _BIT_RATES:
            self._stream.bit_rate = bit_rate
        self._done = False

    def encode(self, data: bytes) -> bytes:
        if data:
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(data) // 2)
            frame.planes[0].update(data)
            frame.sample_rate = self._rate
            self._out.mux(self._stream.encode(frame))
        return self._file.take()

    def finish(self) -> bytes:
        if not self._done:
            self._done = True
            self._out.mux(self._stream.encode(None))
            self._out.close()
        return self._file.take()
