"""ID3v2 tags in front of audio, skipped without being held: they may carry a picture.

>>> tag = Id3Skipper()
>>> tag.skip(b"ID3\\x04\\0\\0\\0\\0\\0\\2ab"), tag.skip(b"audio"), tag.pending
(b'', b'audio', False)
"""

from ossicle.core.errors import BadAudio

__all__ = ["Id3Skipper"]

_MAX = 32 << 20
"""Bytes of tags in front of a stream; albums with several large pictures stay below."""


class Id3Skipper:
    """Drops any number of tags from the front of a stream."""

    def __init__(self) -> None:
        self.pending = True
        """True while it cannot be told yet that audio has begun."""
        self._held: bytes = b""
        self._left = self._total = 0

    def skip(self, data: bytes) -> bytes:
        """`data` without what belongs to a tag.

        Raises:
            BadAudio: more tags than anybody writes.
        """
        if not self.pending:
            return data
        data = self._held + data
        self._held = b""
        while True:
            gone = min(self._left, len(data))
            data, self._left = data[gone:], self._left - gone
            if self._left or (len(data) < 10 and b"ID3".startswith(data[:3])):
                self._held = data
                return b""
            if not data.startswith(b"ID3"):
                self.pending = False
                return data
            # ID3v2.4 section 3.1: four bytes of seven bits; a footer repeats the ten header bytes.
            size = 0
            for byte in data[6:10]:
                size = size << 7 | byte & 0x7F
            self._left = 10 + size + (10 if data[5] & 0x10 else 0)
            self._total += self._left
            if self._total > _MAX:
                raise BadAudio(f"more than {_MAX >> 20} MiB of ID3 tags stand before the audio")

    def finish(self) -> bytes:
        """What is left when the input ends undecided."""
        held, self._held = self._held, b""
        return held if not self._left else b""
