"""The vendor's rules for audio messages, for gateways that are to keep them.

Off by default: file tails and test rigs break both rules, and a wire that pauses a fast client
does the same with less harm.

    >>> rules = AudioRules(AudioFormat(), shortest_ms=50, longest_ms=1000)
    >>> rules.broken(bytes(640), 0.0)
    'Input Duration Violation: 20 ms. Expected between 50 and 1000 ms'
"""

from ossicle.core.formats import AudioFormat

__all__ = ["AudioRules"]

_AHEAD_S = 3.0
"""How far audio may be ahead of the clock. The vendor names no figure; this bears the buffers
between a client that keeps time and us."""


class AudioRules:
    """Judges each audio message of one session."""

    def __init__(self, source: AudioFormat, *, shortest_ms: int, longest_ms: int) -> None:
        self.source, self._shortest, self._longest = source, shortest_ms, longest_ms
        self._began: float | None = None
        self._units = 0

    def broken(self, data: bytes, now: float) -> str:
        """Which rule this message breaks, in words; empty = none. Only samples have a length
        that can be seen; packets and containers pass."""
        if not self.source.width:
            return ""
        ms = self.source.ms(len(data))
        if not self._shortest <= ms <= self._longest:
            return (
                f"Input Duration Violation: {ms} ms. Expected between {self._shortest} and "
                f"{self._longest} ms"
            )
        if self._began is None:
            self._began = now
        self._units += len(data)
        ahead = self._units / self.source.units_per_second - (now - self._began)
        if ahead > _AHEAD_S:
            return f"Audio Transmission Rate Exceeded: {ahead:.1f} s ahead of real time"
        return ""
