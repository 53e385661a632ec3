"""Audio formats: the one place where bytes become milliseconds and back.

Knows nothing of codecs' insides; `ossicle.audio` decodes and converts.

    >>> AudioFormat("pcm_s16le", 16000).bytes(100)
    3200
    >>> AudioFormat("mulaw", 8000).ms(160)
    20
"""

from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from .errors import BadAudio

__all__ = [
    "CONTAINERS",
    "MAX_CHANNELS",
    "MAX_RATE",
    "MIN_RATE",
    "PACKETS",
    "WIDTHS",
    "AudioFormat",
    "Encoding",
    "parse_format",
]

Encoding: TypeAlias = Literal[
    "auto",
    "pcm_u8",
    "pcm_s16le",
    "pcm_s16be",
    "pcm_s24le",
    "pcm_s32le",
    "pcm_f32le",
    "pcm_f64le",
    "mulaw",
    "alaw",
    "opus",
    "speex",
    "g729",
    "amr_nb",
    "amr_wb",
    "mp3",
    "aac",
    "flac",
    "wav",
    "webm",
    "ogg",
]
"""How samples are written. `auto` means: recognise a container by its first bytes."""

WIDTHS: dict[str, int] = {
    "pcm_u8": 1,
    "pcm_s16le": 2,
    "pcm_s16be": 2,
    "pcm_s24le": 3,
    "pcm_s32le": 4,
    "pcm_f32le": 4,
    "pcm_f64le": 8,
    "mulaw": 1,
    "alaw": 1,
}
"""Bytes per sample of the encodings that can be cut at any sample."""

PACKETS = frozenset({"opus", "speex", "g729", "amr_nb", "amr_wb", "mp3", "aac", "flac"})
"""Encodings that come in packets and can be cut only between two of them."""

CONTAINERS = frozenset({"auto", "wav", "webm", "ogg", "mp3", "aac", "flac", "amr_nb", "amr_wb"})
"""Encodings whose bytes must be demultiplexed before their format is known."""

MIN_RATE, MAX_RATE = 8_000, 48_000
"""Sample rates taken, in Hz: telephone to full band. Anything else is resampled by nobody."""

MAX_CHANNELS = 8

_ALIASES: dict[str, str] = {
    "linear16": "pcm_s16le",
    "pcm": "pcm_s16le",
    "s16le": "pcm_s16le",
    "pcm16": "pcm_s16le",
    "l16": "pcm_s16be",
    "linear32": "pcm_s32le",
    "ulaw": "mulaw",
    "pcmu": "mulaw",
    "g711_ulaw": "mulaw",
    "pcma": "alaw",
    "g711_alaw": "alaw",
    "ogg_opus": "ogg",
    "webm_opus": "webm",
    "amr": "amr_nb",
    "amrwb": "amr_wb",
    "f32le": "pcm_f32le",
}


class AudioFormat(msgspec.Struct, frozen=True):
    """What the bytes of one audio stream mean."""

    encoding: Encoding = "pcm_s16le"
    """How samples are written."""
    sample_rate: Annotated[int, msgspec.Meta(ge=1)] = 16_000
    """Samples per second of one channel; for a container, a guess until its header is read."""
    channels: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Interleaved channels."""
    header: bytes = b""
    """Codec set-up bytes a decoder needs before the first packet (OpusHead, FLAC STREAMINFO)."""

    @property
    def width(self) -> int:
        """Bytes per sample; 0 for packets and containers, which cannot be cut at a sample."""
        return WIDTHS.get(self.encoding, 0)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel; 1 where bytes have no samples."""
        return self.width * self.channels or 1

    @property
    def units_per_second(self) -> int:
        """Journal positions per second: bytes for samples, samples for packets."""
        return self.width * self.channels * self.sample_rate or self.sample_rate

    def ms(self, units: int) -> int:
        """Whole milliseconds in `units` journal positions (bytes, for samples), rounded down."""
        # Spelled out, here and in `units`: both are asked a dozen times a second by each session.
        rate = self.sample_rate
        return units * 1000 // (WIDTHS.get(self.encoding, 0) * self.channels * rate or rate)

    def units(self, ms: int) -> int:
        """Journal positions that `ms` covers, rounded down to whole sample frames."""
        frame, rate = WIDTHS.get(self.encoding, 0) * self.channels, self.sample_rate
        exact = ms * (frame * rate or rate) // 1000
        return exact - exact % (frame or 1)

    bytes = units
    """The same as `units`, for encodings whose positions are bytes."""


def parse_format(
    encoding: str = "pcm_s16le",
    sample_rate: int = 16_000,
    channels: int = 1,
) -> AudioFormat:
    """A checked format from a client's own words.

    Raises:
        BadAudio: an unknown encoding, or a rate or channel count out of range; the text names
            the value and what is taken.
    """
    name = encoding.lower().replace("-", "_")
    name = _ALIASES.get(name, name)
    if name not in get_args(Encoding):
        raise BadAudio(
            f"encoding {encoding[:40]!r} is not known; use one of {', '.join(get_args(Encoding))}",
            code="unsupported_audio",
        )
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise BadAudio(
            f"sample rate {sample_rate} Hz is outside {MIN_RATE}-{MAX_RATE} Hz",
            code="unsupported_audio",
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise BadAudio(
            f"{channels} channels are outside 1-{MAX_CHANNELS}", code="unsupported_audio"
        )
    return msgspec.convert(
        {"encoding": name, "sample_rate": sample_rate, "channels": channels}, AudioFormat
    )
