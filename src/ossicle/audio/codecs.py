"""What a session needs of this package, in one object: `core.ports.Codecs`.

>>> codecs = AudioCodecs()
>>> codecs.demuxer(AudioFormat("mulaw", 8000)) is None
True
>>> codecs.converter(AudioFormat("mulaw", 8000), AudioFormat()).convert(bytes(80)) != b""
True
"""

from ossicle.core.formats import CONTAINERS, AudioFormat
from ossicle.core.ports import Converter, Demuxer

from .convert import AudioConverter, same_samples
from .opus import OpusPackets
from .sniff import SniffingDemuxer

__all__ = ["AudioCodecs"]


class AudioCodecs:
    """Stateless; one for the whole process."""

    def demuxer(self, source: AudioFormat) -> Demuxer | None:
        """None for samples. `auto` recognises the container; a named one must be that one. Raw
        `opus` gets one too: it tells how long each message lasts."""
        if source.encoding in CONTAINERS:
            return SniffingDemuxer(source.encoding)
        return OpusPackets(source) if source.encoding == "opus" else None

    def converter(self, source: AudioFormat, target: AudioFormat) -> Converter | None:
        """None when both are the same.

        Raises:
            BadAudio: nothing converts between the two.
        """
        return None if same_samples(source, target) else AudioConverter(source, target)
