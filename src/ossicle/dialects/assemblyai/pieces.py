"""Audio in messages that the service takes: 50 to 1000 ms each (wire notes, "Client to server").

What is too short waits for more. Where it cannot wait, because the turn is to end here, silence
fills it up, and every later time of the service is that much too late: `Pieces.real_ms` takes the
fill out again.

    >>> pieces = Pieces(AudioFormat())
    >>> [len(piece) for piece in (*pieces.feed(bytes(640)), *pieces.flush())]
    [1600]
"""

from collections.abc import Sequence

from ossicle.core.formats import AudioFormat

__all__ = ["Pieces"]

_SHORTEST_MS, _LONGEST_MS = 50, 1_000
_ZEROS = {"mulaw": b"\xff"}
"""Silence in encodings where it is not zero."""


class Pieces:
    """One stream's audio on its way to the service."""

    def __init__(self, source: AudioFormat) -> None:
        self._source = source
        self._whole = bool(source.width)
        self._shortest = source.bytes(_SHORTEST_MS) if self._whole else 0
        self._longest = source.bytes(_LONGEST_MS) if self._whole else 0
        self._held: list[bytes] = []
        self._holds = 0
        """Bytes of it."""
        self.sent = 0
        """Bytes that left."""
        self._fills: list[tuple[int, int]] = []
        """Where the service's clock, in bytes, stood before a fill, and how much was filled."""

    def feed(self, data: bytes) -> Sequence[bytes]:
        """What can be sent now. Packets and containers have no length here and pass as they
        are."""
        size = self._holds + len(data)
        if size < self._shortest:  # joined once, when there is enough
            self._held.append(data)
            self._holds = size
            return ()
        if not self._whole:
            self.sent += size
            return (data,)
        if self._held:
            data = b"".join((*self._held, data))
            self._held.clear()
            self._holds = 0
        self.sent += size
        return (data,) if size <= self._longest else self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        """What is too long for one. The rest of a cut is never too short to be sent."""
        pieces: list[bytes] = []
        while data:
            size = len(data)
            if size > self._longest:
                size = min(self._longest, size - self._shortest)
                size -= size % self._source.frame_bytes
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def flush(self) -> list[bytes]:
        """What was held, filled up with silence."""
        held = b"".join(self._held)
        self._held.clear()
        self._holds = 0
        if not held:
            return []
        fill = self._shortest - len(held)
        self._fills.append((self.sent + len(held), fill))
        self.sent += len(held) + fill
        return [held + _ZEROS.get(self._source.encoding, b"\0") * fill]

    def real_ms(self, service_ms: int) -> int:
        """A time of the service as a time of the audio that was given."""
        if not self._fills:
            return service_ms
        units = self._source.units(service_ms)
        extra = sum(min(fill, units - at) for at, fill in self._fills if at < units)
        return service_ms - self._source.ms(extra)
