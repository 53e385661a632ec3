"""The codecs of media tracks by their RTP names: Opus and G.711, to and from 16 kHz mono samples.

One object per direction and stream. Every decoder can stand in for what was lost; every encoder
takes 20 ms. Implements what a media transport asks for as `Decoder` and `Encoder`; knows no RTP.

    >>> len(media_decoder("pcmu").decode(bytes(160))) in range(560, 641)
    True
"""

from collections.abc import Callable
from typing import Protocol

from ossicle.core.errors import BadAudio

from .g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from .libopus import RATE, OpusDecoder, OpusEncoder
from .opus import redundant, samples_of
from .resample import Resampler

__all__ = ["MediaCodecs", "MediaDecoder", "MediaEncoder", "media_decoder", "media_encoder"]

_TELEPHONE = 8_000


class MediaDecoder(Protocol):
    """Packets in, `pcm_s16le` at 16 kHz mono out."""

    def decode(self, packet: bytes) -> bytes: ...
    def recover(self, samples: int, following: bytes) -> bytes: ...
    def conceal(self, samples: int) -> bytes: ...


class MediaEncoder(Protocol):
    """20 ms of `pcm_s16le` at 16 kHz mono in, a packet out."""

    def adapt(self, bitrate: int, loss_percent: int) -> None: ...
    def encode(self, frame: bytes) -> bytes: ...


class _G711Decoder:
    """Telephone samples, raised to 16 kHz. What is lost is the last piece again, fading."""

    def __init__(self, expand: Callable[[bytes], bytes]) -> None:
        self._expand = expand
        self._resampler = Resampler(_TELEPHONE, RATE)
        self._last = b""
        self._repeats = 0

    def decode(self, packet: bytes) -> bytes:
        self._repeats = 0
        self._last = self._expand(packet)
        return self._resampler.push(self._last)

    def recover(self, samples: int, following: bytes) -> bytes:
        return self.conceal(samples)

    def conceal(self, samples: int) -> bytes:
        """G.711 appendix I repeats pitch periods; a whole piece that fades is enough for 20 ms."""
        size = samples // 2 * 2  # at half the rate
        self._repeats += 1
        if not self._last or self._repeats > 3:
            return self._resampler.push(bytes(size))
        piece = (self._last * (size // len(self._last) + 1))[:size]
        shift = self._repeats
        faded = memoryview(bytearray(piece)).cast("h")
        for place, value in enumerate(faded):
            faded[place] = value >> shift
        return self._resampler.push(faded.tobytes())


class _G711Encoder:
    """Nothing to adapt: 64 kbit/s, always."""

    def __init__(self, compress: Callable[[bytes], bytes]) -> None:
        self._compress = compress
        self._resampler = Resampler(RATE, _TELEPHONE)
        self._held = b""
        self._primed = False

    def adapt(self, bitrate: int, loss_percent: int) -> None: ...

    def encode(self, frame: bytes) -> bytes:
        self._held += self._resampler.push(frame)
        if not self._primed:
            # The resampler holds 1-2 ms back: once, so that every packet is whole from then on.
            self._primed = True
            self._held = bytes(len(frame) // 2 - len(self._held)) + self._held
        size = len(frame) // 2
        piece, self._held = self._held[:size], self._held[size:]
        return self._compress(piece + bytes(size - len(piece)))


def media_decoder(name: str) -> MediaDecoder:
    """A decoder for `opus`, `pcmu` or `pcma`.

    Raises:
        BadAudio: another codec.
    """
    match name.lower():
        case "opus":
            return OpusDecoder()
        case "pcmu":
            return _G711Decoder(decode_mulaw)
        case "pcma":
            return _G711Decoder(decode_alaw)
        case _:
            raise BadAudio(
                f"{name[:40]!r} is no codec of media tracks here; opus, pcmu and pcma are",
                code="unsupported_audio",
            )


def media_encoder(
    name: str, *, bitrate: int = 24_000, complexity: int = 5, fec: bool = True, dtx: bool = False
) -> MediaEncoder:
    """An encoder for `opus`, `pcmu` or `pcma`; the options are those of Opus.

    Raises:
        BadAudio: another codec.
    """
    match name.lower():
        case "opus":
            return OpusEncoder(bitrate=bitrate, complexity=complexity, fec=fec, dtx=dtx)
        case "pcmu":
            return _G711Encoder(encode_mulaw)
        case "pcma":
            return _G711Encoder(encode_alaw)
        case _:
            raise BadAudio(
                f"{name[:40]!r} is no codec of media tracks here; opus, pcmu and pcma are",
                code="unsupported_audio",
            )


class MediaCodecs:
    """All of it in one object, to be handed to a transport."""

    def decoder(self, name: str) -> MediaDecoder:
        """See `media_decoder`."""
        return media_decoder(name)

    def encoder(
        self, name: str, *, bitrate: int, complexity: int, fec: bool, dtx: bool
    ) -> MediaEncoder:
        """See `media_encoder`."""
        return media_encoder(name, bitrate=bitrate, complexity=complexity, fec=fec, dtx=dtx)

    def ticks(self, name: str) -> Callable[[bytes], int]:
        """What tells how long a packet is, in ticks of its RTP clock: 48 kHz for Opus (RFC 7587
        section 4.1), 8 kHz for G.711."""
        return samples_of if name == "opus" else len

    def redundant(self, name: str, packet: bytes) -> bool:
        """It carries the packet before it."""
        return name == "opus" and redundant(packet)
