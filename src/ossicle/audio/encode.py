"""What the gateway sends out: an engine's 16-bit voice in the caller's own format, or as a WAV.

>>> voice = Encoder(AudioFormat("pcm_s16le", 8000), AudioFormat("wav", 8000))
>>> voice.encode(bytes(4))[:4], voice.encode(bytes(4)), voice.finish()
(b'RIFF', b'\\x00\\x00\\x00\\x00', b'')
"""

import msgspec

from ossicle.core.formats import AudioFormat

from .convert import AudioConverter, same_samples
from .wav import wav_header

__all__ = ["Encoder"]


class Encoder:
    """Turns one stream of speech into `target`; a `wav` target gets a streaming header first and
    16-bit samples after it."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._header = b""
        if target.encoding == "wav":
            target = msgspec.structs.replace(target, encoding="pcm_s16le")
            self._header = wav_header(target)
        self._converter = None if same_samples(source, target) else AudioConverter(source, target)

    def encode(self, data: bytes) -> bytes:
        """Bytes to send for these whole sample frames."""
        out = self._converter.convert(data) if self._converter else data
        if self._header:
            out, self._header = self._header + out, b""
        return out

    def finish(self) -> bytes:
        """What was held back; a WAV that never had a sample is its header."""
        out = self._header + (self._converter.flush() if self._converter else b"")
        self._header = b""
        return out
