"""G.729 cut into its frames as it arrives: 10 bytes are 10 ms, always, and nothing marks them.

The comfort noise of Annex B (2 bytes) cannot be told from speech in a stream of bytes, so a sender
has to leave silence suppression off. Decodes nothing.

    >>> g729 = G729Demuxer()
    >>> [len(g729.feed(bytes(25))), len(g729.feed(bytes(5)))]
    [2, 1]
"""

from collections.abc import Sequence

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

__all__ = ["RATE", "G729Demuxer"]

RATE = 8_000
"""Samples per second; there is no other G.729."""

_BYTES, _SAMPLES = 10, 80
"""Of a frame (ITU-T G.729, table 8). RFC 3551 section 4.5.6 packs them the same way."""


class G729Demuxer:
    """See the module. Emits `Packet`s of one frame each."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = AudioFormat("g729", RATE)
        self._held = b""
        self._began = False

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Frames completed by `data`.

        Raises:
            BadAudio: the first bytes are a WAV or Ogg file: any bytes at all are sound to G.729,
                and a header would be heard.
        """
        data = self._held + data
        if not self._began and len(data) >= _BYTES:
            self._began = True
            if data.startswith((b"RIFF", b"OggS")):
                name = "wav" if data[0] == ord("R") else "ogg"
                raise BadAudio(f"declared g729, but the bytes are {name}; send bare frames")
        whole = len(data) - len(data) % _BYTES
        self._held = data[whole:]
        return [Packet(data[at : at + _BYTES], _SAMPLES) for at in range(0, whole, _BYTES)]

    def finish(self) -> Sequence[bytes | Packet]:
        """A frame cut off is dropped: it is no sound."""
        return []
