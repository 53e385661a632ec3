"""The time a client waits at most, and the session that ends before it.

    deadline = Deadline(timers, near, passed)
    deadline.set(seconds_of("30S"))       # `near` is called after 29 s, `passed` after 29.75
    deadline.cancel()

A client that gives a deadline (gRPC: `grpc-timeout`) hears nothing after it. So a session is asked
to end before: what was heard by then still arrives, and the status that says why. Engine streams
that do not end are aborted, and calls to providers are cancelled by that.
"""

import re
from collections.abc import Callable

from .errors import TimedOut
from .ports import Timer, Timers

__all__ = ["LONGEST_S", "Deadline", "header_of", "seconds_of", "too_late"]

LONGEST_S = 86_400.0
"""Longest deadline of a client of ours: a day; who waits longer waits for ever."""

_NEAR_S = 1.0
"""Before the end: for an engine's last words, a fifth of the time at most..."""
_LAST_S = 0.25
"""...and for these to reach the client."""
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

    __slots__ = ("_near", "_passed", "_timer", "_timers", "ends_at", "forced", "within_s")

    def __init__(
        self, timers: Timers, near: Callable[[], None], passed: Callable[[], None]
    ) -> None:
        """
        Args:
            timers: the clock.
            near: asks what is going on to end; sets `forced` if there was something.
            passed: ends it whatever happens.
        """
        self._timers = timers
        self._near = near
        self._passed = passed
        self._timer: Timer | None = None
        self.forced = False
        """The session ends because of it, and not because its client had asked for that."""
        self.within_s: float | None = None
        """What was set last."""
        self.ends_at: float | None = None
        """When that is, on the clock; None = never."""

    def set(self, within_s: float | None) -> None:
        """From now on, for whoever owns the session now; None = it waits for ever."""
        self.cancel()
        self.within_s = within_s
        self.ends_at = None
        if within_s is not None:
            end = self.ends_at = self._timers.now() + within_s
            last = end - min(_LAST_S, within_s / 20)
            self._timer = self._timers.call_at(
                end - min(_NEAR_S, within_s / 5), lambda: self._is_near(last)
            )

    def _is_near(self, last: float) -> None:
        self._timer = self._timers.call_at(last, self._passed)
        self._near()

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


def header_of(within_s: float | None) -> tuple[tuple[str, str], ...]:
    """The same as a header, in whole milliseconds; nothing for ever."""
    if within_s is None:
        return ()
    return (("grpc-timeout", f"{max(1, min(round(within_s * 1000), 99_999_999))}m"),)
