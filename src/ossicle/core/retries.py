"""Whether, and when, another engine stream is opened after one broke."""

from .errors import Fault
from .host import SessionSettings

__all__ = ["Retries"]


class Retries:
    """Counts the failures of one session's engines; bounded by `SessionSettings.replays`."""

    __slots__ = ("_failures", "_settings")

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._failures: list[float] = []

    def after(self, fault: Fault, now: float, *, fresh: bool) -> float | None:
        """When to open the next stream; None = give up.

        Args:
            fault: why the last one ended.
            now: monotonic seconds.
            fresh: no engine was ever fed: no room is no reason to wait then, the client is told.
        """
        settings = self._settings
        window = settings.replay_window_s
        self._failures = [at for at in (*self._failures, now) if now - at <= window]
        recent = len(self._failures)
        hopeless = not fault.retryable or (fresh and fault.code == "at_capacity")
        if hopeless or recent > settings.replays:
            return None
        waits = settings.replay_wait_s
        return now + (waits[min(recent, len(waits)) - 1] if waits else 0.0)
