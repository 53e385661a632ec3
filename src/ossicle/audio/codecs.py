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
from .g729 import G729Demuxer
from .opus import OpusPackets
from .sniff import SniffingDemuxer
from .speex import SpeexPackets

__all__ = ["AudioCodecs"]


class AudioCodecs:
    """Stateless; one for the whole process."""

    def demuxer(self, source: AudioFormat) -> Demuxer | None:
        """None for samples. `auto` recognises the container; a named one must be that one. Raw
        packets get one too: it tells how long each of them lasts."""
        if source.encoding in CONTAINERS:
            return SniffingDemuxer(source.encoding)
        match source.encoding:
            case "opus":
                return OpusPackets(source)
            case "speex":
                return SpeexPackets(source)
            case "g729":
                return G729Demuxer()
            case _:
                return None

    def converter(self, source: AudioFormat, target: AudioFormat) -> Converter | None:
        """None when both are the same.

        Raises:
            BadAudio: nothing converts between the two.
        """
        return None if same_samples(source, target) else AudioConverter(source, target)
