"""One stream from the format it comes in to the one somebody wants: decode, mix, resample, write.

    samples or packets → 16-bit → fewer channels → other rate → more channels → target encoding

Built once from two formats; what is not needed is not there, so the common cases are one table
look-up or one resampler call. Everything between is 16 bit, which is what speech engines take.

    >>> telephone = AudioConverter(AudioFormat("mulaw", 8000), AudioFormat("pcm_s16le", 8000))
    >>> telephone.convert(bytes([0xFF])).hex()
    '0000'
"""

from collections.abc import Callable
from functools import partial

from ossicle.core.errors import BadAudio
from ossicle.core.formats import PACKETS, WIDTHS, AudioFormat
from ossicle.core.ports import Packet

from . import pcm
from .decode import Decoder
from .resample import Resampler

__all__ = ["AudioConverter", "same_samples"]

_Stage = Callable[[bytes], bytes]


def same_samples(source: AudioFormat, target: AudioFormat) -> bool:
    """Nothing has to be done. A header is how to decode, not what is heard."""
    return (source.encoding, source.sample_rate, source.channels) == (
        target.encoding,
        target.sample_rate,
        target.channels,
    )


class AudioConverter:
    """See the module. Keeps state; one per stream. Implements `core.ports.Converter`."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        if target.encoding not in WIDTHS:
            raise BadAudio(
                f"nothing here writes {target.encoding}; ask for one of {', '.join(WIDTHS)}",
                code="unsupported_audio",
            )
        if source.encoding not in PACKETS and source.encoding not in WIDTHS:
            raise BadAudio(
                f"{source.encoding} must be taken apart before it is converted",
                code="unsupported_audio",
            )
        self._decoder = Decoder(source) if source.encoding in PACKETS else None
        before: list[_Stage] = []
        after: list[_Stage] = []
        if source.encoding in WIDTHS and source.encoding != "pcm_s16le":
            before.append(partial(pcm.to_s16, source.encoding))
        channels = source.channels
        if target.channels == 1 < channels:
            before.append(partial(pcm.mix, channels=channels))
            channels = 1
        if channels == 1 < target.channels:
            after.append(partial(pcm.spread, channels=target.channels))
        elif channels != target.channels:
            raise BadAudio(
                f"{channels} channels cannot become {target.channels}; mix them to 1, or keep them",
                code="unsupported_audio",
            )
        if target.encoding != "pcm_s16le":
            after.append(partial(pcm.from_s16, target.encoding))
        self._resampler = (
            Resampler(source.sample_rate, target.sample_rate, channels)
            if source.sample_rate != target.sample_rate
            else None
        )
        self._after = tuple(after)
        self._stages = (
            *before,
            *((self._resampler.push,) if self._resampler else ()),
            *after,
        )

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded and are silence in the output."""
        return self._decoder.damaged if self._decoder else 0

    def convert(self, item: bytes | Packet) -> bytes:
        """Whole sample frames of the target; may be empty while the resampler fills.

        Raises:
            BadAudio: the packets are not what was declared.
        """
        if self._decoder is not None:
            data = self._decoder.decode(item)
        else:
            data = item.data if isinstance(item, Packet) else item
        if not data:
            return b""
        for stage in self._stages:
            data = stage(data)
        return data

    def flush(self) -> bytes:
        """The 1-2 ms the resampler held. Nothing can be converted afterwards."""
        data = self._resampler.flush() if self._resampler else b""
        if data:
            for stage in self._after:
                data = stage(data)
        return data
