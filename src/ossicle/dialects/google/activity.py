"""When nobody speaks for too long: the voice activity time-outs (wire note, §5).

    silence = Silence(start_ms=3000, end_ms=1000, units_per_second=32_000)
    silence.begin(now=0.0)
    silence.due          # 3.0: not before
    silence.over(now)    # both the clock and the audio have passed it

The service counts in audio. A client in real time makes no difference; one that stands still has
sent no silence, and one that sends a file at once must be heard first. So both have to pass: the
clock, and as much audio, where bytes tell how much that is.
"""

from math import inf

__all__ = ["Silence"]


class Silence:
    """One stream's time-outs."""

    __slots__ = ("_bytes", "_end_ms", "_open", "_rate", "_start_ms", "_wait_ms", "due")

    def __init__(self, start_ms: int | None, end_ms: int | None, units_per_second: int) -> None:
        """`units_per_second`: bytes of audio; 0 = a container, whose time is inside."""
        self._start_ms, self._end_ms, self._rate = start_ms, end_ms, units_per_second
        self._bytes = 0
        """Audio since the wait began."""
        self._wait_ms = 0
        self._open: set[int] = set()
        """Channels on which somebody speaks."""
        self.due = inf
        """When to look; inf = nothing is waited for."""

    def begin(self, now: float) -> None:
        """The stream begins."""
        self._wait(self._start_ms, now)

    def spoke(self, channel: int) -> None:
        """Somebody speaks."""
        self._open.add(channel)
        self.due = inf

    def stopped(self, channel: int, now: float) -> None:
        """Somebody stopped."""
        self._open.discard(channel)
        if not self._open:
            self._wait(self._end_ms, now)

    def audio(self, size: int) -> None:
        """So much audio came."""
        self._bytes += size

    def over(self, now: float) -> bool:
        """It was silent for too long. Sets when to look again where it was not."""
        if now < self.due:
            return False
        missing = self._wait_ms * self._rate / 1000 - self._bytes
        if missing > 0:
            # it comes in real time at the fastest
            self.due = now + max(0.1, missing / self._rate)
            return False
        self.due = inf
        return True

    def _wait(self, ms: int | None, now: float) -> None:
        self._wait_ms, self._bytes = ms or 0, 0
        self.due = inf if ms is None else now + ms / 1000
