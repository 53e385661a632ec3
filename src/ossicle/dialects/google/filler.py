"""Silence of our own making: the service ends a stream that gets no audio for ten seconds, and has
no keep-alive. So a client that says nothing is lent some silence, and the times that come back are
corrected by it (contracts M29).

    filler = Filler(AudioFormat("pcm_s16le", 16_000))
    filler.sent(32_000)          # a second of real audio
    filler.silence()             # 100 ms of zeros, counted
    filler.real_ms(1_100)        # 1000
"""

from ossicle.core.formats import AudioFormat

__all__ = ["Filler"]

_SILENT = {"pcm_s16le": b"\0", "mulaw": b"\xff", "alaw": b"\xd5"}
_PIECE_MS = 100


class Filler:
    """One stream's."""

    __slots__ = ("_format", "_made", "_real", "_sample")

    def __init__(self, source: AudioFormat) -> None:
        self._format = source
        self._sample = _SILENT.get(source.encoding, b"")
        self._real = 0
        """Bytes of real audio."""
        self._made: list[tuple[int, int]] = []
        """(real ms before it, ms of silence made), in order; one entry for each pause."""

    def sent(self, size: int) -> None:
        """So much real audio went out."""
        self._real += size

    def silence(self) -> bytes:
        """Some silence; empty where it cannot be made: in containers, and within a sample."""
        if not self._sample or self._real % self._format.frame_bytes:
            return b""
        data = self._sample * self._format.units(_PIECE_MS)
        real_ms = self._format.ms(self._real)
        if self._made and self._made[-1][0] == real_ms:
            self._made[-1] = (real_ms, self._made[-1][1] + _PIECE_MS)
        else:
            self._made.append((real_ms, _PIECE_MS))
        return data

    def real_ms(self, service_ms: int) -> int:
        """Stream time of a time of the service. Within a made silence: where it began."""
        shift = 0
        for real_ms, made_ms in self._made:
            begins = real_ms + shift
            if service_ms <= begins:
                break
            if service_ms < begins + made_ms:
                return real_ms
            shift += made_ms
        return service_ms - shift
