"""The time a client waits at most, and the session that ends before it.

    deadline = Deadline(timers, passed)
    deadline.set(seconds_of("30S"))       # `passed` is called a little earlier than in 30 s
    deadline.cancel()

A client that gives a deadline (gRPC: `grpc-timeout`) hears nothing after it. So the session ends
before: what was heard by then still arrives, and the status that says why. Engine streams are
aborted with it, and calls to providers are cancelled by that.
"""

import re
from collections.abc import Callable

from .errors import TimedOut
from .ports import Timer, Timers

__all__ = ["Deadline", "seconds_of", "too_late"]

_PER_HOUR = {
    "H": 1,
    "M": 60,
    "S": 3_600,
    "m": 3_600_000,
    "u": 3_600_000_000,
    "n": 3_600_000_000_000,
}


class Deadline:
    """One session's; none until set."""

    __slots__ = ("_passed", "_timer", "_timers", "within_s")

    def __init__(self, timers: Timers, passed: Callable[[], None]) -> None:
        self._timers = timers
        self._passed = passed
        self._timer: Timer | None = None
        self.within_s: float | None = None
        """What was set last."""

    def set(self, within_s: float | None) -> None:
        """From now on, for whoever owns the session now; None = it waits for ever."""
        self.cancel()
        self.within_s = within_s
        if within_s is not None:
            last_words = min(0.5, within_s / 10)
            when = self._timers.now() + max(0.0, within_s - last_words)
            self._timer = self._timers.call_at(when, self._passed)

    def cancel(self) -> None:
        """It matters no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def too_late(within_s: float | None) -> TimedOut:
    """Why such a session ends."""
    return TimedOut(f"the client's deadline of {within_s or 0:g} s passed before the end")


def seconds_of(timeout: str) -> float | None:
    """A `grpc-timeout` in seconds (gRPC over HTTP/2, "Timeout"); None = none that can be read."""
    if not re.fullmatch(r"[0-9]{1,8}[HMSmun]", timeout):
        return None
    return int(timeout[:-1]) * 3_600 / _PER_HOUR[timeout[-1]]
