"""Codec packets to 16-bit samples, through FFmpeg's decoders in PyAV.

Every packet gives exactly as many samples as it stands for, so time stays true whatever happens:
a damaged packet is silence of its length, and is counted. Knows no containers and no rates but
the codec's own.

    >>> decoder = Decoder(AudioFormat("opus", 48000))
    >>> len(decoder.decode(Packet(bytes([0x78]), 960))) // 2
    960
"""

import numpy as np
from av import AudioCodecContext, AudioFrame, AudioResampler, CodecContext
from av.codec import codecs_available
from av.error import FFmpegError
from av.packet import Packet as Coded

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

from . import opus, pcm

__all__ = ["PATIENCE", "Decoder"]

PATIENCE = 25
"""Bad packets in a row, with never a good one, before the stream is given up: half a second of
Opus is not bad luck."""

_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's names by channel count, in the order Vorbis, Opus and FLAC share."""


class Decoder:
    """Decodes one stream of packets into interleaved `pcm_s16le`."""

    def __init__(self, source: AudioFormat) -> None:
        self.channels = source.channels
        self.damaged = 0
        """Packets replaced by silence."""
        self._source = source
        self._opus = source.encoding == "opus"
        self._context = _open(source)
        self._worked = False
        self._fresh = True  # the next short packet is short at its front
        self._mute = 0  # bad packets in a row
        self._narrower: AudioResampler | None = None

    def decode(self, item: bytes | Packet) -> bytes:
        """The packet's samples. Bare bytes are one whole Opus packet.

        Raises:
            BadAudio: `PATIENCE` packets and not one good among them, or channels or a rate other
                than declared.
        """
        if isinstance(item, Packet):
            data, units = item.data, item.units
        else:
            data, units = item, opus.samples_of(item) if self._opus else -1
        try:
            frames = self._context.decode(Coded(data)) if data else []  # pyright: ignore[reportUnknownMemberType]  PyAV leaves Packet's stream open
        except FFmpegError as error:
            return self._conceal(units, error)
        samples = b"".join([self._samples(frame) for frame in frames])
        if not samples:
            return self._conceal(units, None)
        self._worked = True
        return self._fit(samples, units)

    def _fit(self, samples: bytes, units: int) -> bytes:
        """Cut or fill to the packet's own length. A demuxer shortens packets at the start of a
        stream (encoder delay) and at its end (padding); after an end comes a start again."""
        size = units * 2 * self.channels
        if units < 0 or len(samples) == size:
            self._fresh = False
            return samples
        if len(samples) < size:
            return samples + bytes(size - len(samples))
        if self._fresh:
            return samples[len(samples) - size :]
        self._fresh = True
        return samples[:size]

    def _conceal(self, units: int, cause: FFmpegError | None) -> bytes:
        self.damaged += 1
        self._mute += 1
        if not self._worked and self._mute >= PATIENCE:
            raise BadAudio(
                f"none of the first {PATIENCE} packets is {self._source.encoding}"
            ) from cause
        return bytes(max(units, 0) * 2 * self.channels)

    def _samples(self, frame: AudioFrame) -> bytes:
        kind, channels = frame.format.name, frame.layout.nb_channels
        if self._source.encoding == "aac" and (channels, frame.sample_rate) != (
            self.channels, self._source.sample_rate
        ):  # fmt: skip
            return self._core(frame)
        if channels != self.channels or frame.sample_rate != self._source.sample_rate:
            raise BadAudio(
                f"the {self._source.encoding} stream changed to {channels} channels at"
                f" {frame.sample_rate} Hz from {self.channels} at {self._source.sample_rate} Hz"
            )
        size = frame.samples * channels
        if kind == "s16" or (kind == "s16p" and channels == 1):
            return bytes(frame.planes[0])[: size * 2]
        if kind == "s32":
            return pcm.to_s16("pcm_s32le", bytes(frame.planes[0])[: size * 4])
        array = frame.to_ndarray()
        if frame.format.is_planar:
            array = array.T
        match array.dtype.kind:
            case "f":
                return pcm.s16_of_floats(array.astype(np.float32))
            case _ if array.dtype.itemsize == 4:
                return (array.astype(np.int32) >> 16).astype("<i2").tobytes()
            case _:
                return array.astype("<i2").tobytes()

    def _core(self, frame: AudioFrame) -> bytes:
        """HE-AAC: the header tells of the core alone, and what is decoded has twice its rate, or
        two channels where the core has one (ISO/IEC 14496-3 section 1.6.5, implicit signalling).
        Speech needs no more than the core: brought back to it, time and format stay as declared."""
        if self._narrower is None:
            self._narrower = AudioResampler(
                format="s16", layout=_LAYOUTS[self.channels - 1], rate=self._source.sample_rate
            )
        return b"".join(
            bytes(part.planes[0])[: part.samples * self.channels * 2]
            for part in self._narrower.resample(frame)
        )


def _open(source: AudioFormat) -> AudioCodecContext:
    header = source.header
    match source.encoding:
        case "opus":
            if source.channels > 2 and not header:
                raise BadAudio(
                    f"Opus of {source.channels} channels needs an OpusHead; without one there are"
                    " 1 or 2",
                    code="unsupported_audio",
                )
            # libopus gives each packet its exact length; FFmpeg's own holds SILK back.
            name = "libopus" if "libopus" in codecs_available else "opus"
            if header:
                # Pre-skip is the demuxer's business (short first packets), or a decoder built in
                # the middle of a stream would drop real audio.
                header = header[:10] + b"\0\0" + header[12:]
        case "mp3":
            name = "mp3float"
            header = b""
        case "aac":
            name = "aac"  # reads the ADTS header of each frame
        case "flac" | "speex" | "g729":
            name = source.encoding
        case "amr_nb" | "amr_wb":
            # OpenCORE's knows comfort noise and lost frames; FFmpeg's own does not.
            plain = source.encoding.replace("_", "")
            name = f"libopencore_{plain}"
            name = name if name in codecs_available else plain
        case other:
            raise BadAudio(f"no decoder for {other} packets", code="unsupported_audio")
    context = CodecContext.create(name, "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = source.sample_rate
    context.layout = _LAYOUTS[source.channels - 1]
    # One thread: frame threads delay the output by their number, and a server has its own.
    context.thread_count = 1
    if header:
        context.extradata = header
    try:
        context.open()
    except FFmpegError as error:
        raise BadAudio(
            f"the {source.encoding} decoder does not take its header of {len(header)} bytes"
        ) from error
    return context
