"""Whether, and when, another engine stream is opened after one broke.

A budget of failures (`SessionSettings.replays`) that is earned back: by time, since what broke long
ago says little of today, and by audio that was settled, since an engine that goes on hearing is
none that breaks in a loop. So a session outlives any number of failures that leave it room to get
on, and one whose engine breaks at the same place again and again ends within seconds.
"""

from .errors import Fault
from .host import SessionSettings

__all__ = ["Retries"]


class Retries:
    """Counts the failures of one session's engines."""

    __slots__ = ("_earned_from", "_failures", "_settings")

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._failures: list[float] = []
        """When they were; those that are neither too old nor earned back."""
        self._earned_from = 0
        """Stream time from which settled audio counts."""

    def after(self, fault: Fault, now: float, *, fresh: bool, settled_ms: int = 0) -> float | None:
        """When to open the next stream; None = give up.

        Args:
            fault: why the last one ended.
            now: monotonic seconds.
            fresh: no engine was ever fed: no room is no reason to wait then, the client is told.
            settled_ms: stream time before which nothing will be reported again.
        """
        settings = self._settings
        self._forgive(now, settled_ms)
        self._failures.append(now)
        recent = len(self._failures)
        hopeless = not fault.retryable or (fresh and fault.code == "at_capacity")
        if hopeless or recent > settings.replays:
            return None
        waits = settings.replay_wait_s
        return now + (waits[min(recent, len(waits)) - 1] if waits else 0.0)

    def _forgive(self, now: float, settled_ms: int) -> None:
        """What is old, and the oldest of the rest for each piece of audio that was settled."""
        settings = self._settings
        self._failures = [at for at in self._failures if now - at <= settings.replay_window_s]
        if not self._failures:
            self._earned_from = settled_ms
        elif settings.replay_earned_ms:
            earned = (settled_ms - self._earned_from) // settings.replay_earned_ms
            if earned > 0:
                del self._failures[:earned]
                self._earned_from += earned * settings.replay_earned_ms
