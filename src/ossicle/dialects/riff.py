"""A WAV header in front of audio that was declared as bare samples: some SDKs read a file from its
first byte and call it LINEAR16. It is taken off, and what it says can be compared.

    strip = Riff()
    strip.feed(wav_bytes)       # the samples in it
    strip.header                # Header(encoding='pcm_s16le', sample_rate=16000, channels=1)

Pure, bounded, and fed in pieces of any size. Bytes that are no WAV go through as they are.
"""

from typing import NamedTuple

from ossicle.core.errors import BadAudio

__all__ = ["MOST_HEADER", "Header", "Riff"]

MOST_HEADER = 64 * 1024
"""Bytes before the samples: chunks of a recorder's own remarks may be long."""

_ENCODINGS = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""Format tag and bits of a sample (RFC 2361)."""
_EXTENSIBLE = 0xFFFE
_STREAMED = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000})
"""Lengths that a writer puts in when it cannot know how long it will go on."""


class Header(NamedTuple):
    """What a WAV header says; "" = an encoding nobody here knows."""

    encoding: str
    sample_rate: int
    channels: int


class Riff:
    """Takes one header off."""

    __slots__ = ("_held", "_left", "header", "known")

    def __init__(self) -> None:
        self.header: Header | None = None
        """What it said; None = there was none, or it has not all come."""
        self.known = False
        """Whether there is a header is known, and it has all come."""
        self._held = bytearray()
        self._left: int | None = None
        """Bytes of samples still to come; None = no limit."""

    def feed(self, data: bytes) -> bytes:
        """The samples among the next bytes; empty while the header is not complete.

        Raises:
            BadAudio: it says it is a WAV, and is damaged or endless.
        """
        if self.known:
            return self._samples(data)
        held = self._held
        held += data
        start = bytes(held[:12])
        if not (b"RIFF".startswith(start[:4]) and b"WAVE".startswith(start[8:12])):
            return self._plain()
        if (place := self._data_at(held)) is None:
            if len(held) > MOST_HEADER:
                raise BadAudio(f"no samples within the first {MOST_HEADER} bytes of a WAV file")
            return b""
        self.known = True
        rest = bytes(held[place:])
        self._held = bytearray()
        return self._samples(rest)

    def finish(self) -> bytes:
        """No more will come: what was held back, which was no WAV header."""
        if self.known:
            return b""
        return self._plain()

    def _plain(self) -> bytes:
        self.known = True
        rest, self._held = bytes(self._held), bytearray()
        return rest

    def _samples(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        # behind the samples stand other chunks (a title, an artist), which are no sound
        data, self._left = data[: self._left], max(0, self._left - len(data))
        return data

    def _data_at(self, held: bytearray) -> int | None:
        """Where the samples begin, once everything before them is here."""
        place = 12
        while len(held) >= place + 8:
            name = bytes(held[place : place + 4])
            size = int.from_bytes(held[place + 4 : place + 8], "little")
            if name == b"data":
                if self.header is None:
                    raise BadAudio("a WAV file whose samples come before their format")
                self._left = None if size in _STREAMED else size
                return place + 8
            if name == b"fmt ":
                if len(held) < place + 8 + min(size, 40):
                    return None
                self.header = _format(bytes(held[place + 8 : place + 8 + min(size, 40)]))
            place += 8 + size + size % 2
        return None


def _format(chunk: bytes) -> Header:
    if len(chunk) < 16:
        raise BadAudio(f"a WAV file whose format has {len(chunk)} bytes; 16 is the least")
    tag = int.from_bytes(chunk[0:2], "little")
    channels = int.from_bytes(chunk[2:4], "little")
    rate = int.from_bytes(chunk[4:8], "little")
    bits = int.from_bytes(chunk[14:16], "little")
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    return Header(_ENCODINGS.get((tag, bits), ""), rate, channels)
