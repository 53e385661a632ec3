"""A clock that stands still until a test moves it: `core.ports.Timers` by hand.

Nothing here sleeps and nothing reads the time. Callbacks run in the order of their times, those
of one time in the order they were asked for, and what a callback asks for runs too.

    >>> timers, seen = ManualTimers(), []
    >>> _ = timers.call_at(1.5, lambda: seen.append(timers.now()))
    >>> timers.advance(1)
    >>> seen
    []
    >>> timers.advance(1)
    >>> seen, timers.now()
    ([1.5], 2.0)
"""

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

__all__ = ["ManualTimer", "ManualTimers"]


class ManualTimer:
    """One callback that was asked for."""

    __slots__ = ("_callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        """When it is due, in seconds of its clock."""
        self._callback: Callable[[], None] | None = callback

    @property
    def pending(self) -> bool:
        """It has neither run nor been cancelled."""
        return self._callback is not None

    def cancel(self) -> None:
        """Do not run it. Idempotent."""
        self._callback = None

    def run(self) -> bool:
        """Run it if it is pending; whether it was."""
        callback, self._callback = self._callback, None
        if callback is None:
            return False
        callback()
        return True


class ManualTimers:
    """A hand-moved clock and its alarms. Not for threads.

    An exception from a callback goes to the test that moved the clock; what has not run yet
    stays pending.
    """

    def __init__(self, start: float = 0.0, *, max_callbacks: int = 10_000) -> None:
        """
        Args:
            start: what `now` says at first.
            max_callbacks: most callbacks of one move; beyond it they are taken for a loop that
                never ends.
        """
        self._now = start
        self._max_callbacks = max_callbacks
        self._soon: deque[ManualTimer] = deque()
        self._later: list[tuple[float, int, ManualTimer]] = []
        self._number = count()

    def now(self) -> float:
        """Seconds; moved by `advance` only."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """Run `callback` when the clock comes to `when`; a time that has passed: at the next
        move.

        Raises:
            ValueError: `when` is no time that can be put in order.
        """
        if math.isnan(when):
            raise ValueError("nan is no time; use inf for never")
        timer = ManualTimer(when, callback)
        if when < math.inf:
            heappush(self._later, (when, next(self._number), timer))
        return timer

    def call_soon(self, callback: Callable[[], None]) -> ManualTimer:
        """Run `callback` at the next move, before any alarm."""
        timer = ManualTimer(self._now, callback)
        self._soon.append(timer)
        return timer

    @property
    def pending(self) -> int:
        """Callbacks that would still run, at any time that comes."""
        return sum(timer.pending for timer in self._soon) + sum(
            timer.pending for _, _, timer in self._later
        )

    @property
    def deadline(self) -> float:
        """When the next alarm is due; inf = there is none."""
        while self._later and not self._later[0][2].pending:
            heappop(self._later)
        return self._later[0][0] if self._later else math.inf

    def run_soon(self) -> None:
        """Run what is due now, without moving the clock.

        Raises:
            RuntimeError: callbacks ask for one another without end.
        """
        self._run_until(self._now)

    def advance(self, seconds: float) -> None:
        """Move the clock, stopping at every alarm on the way.

        Raises:
            ValueError: backwards, or without end.
            RuntimeError: callbacks ask for one another without end.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"the clock cannot move by {seconds} seconds")
        until = self._now + seconds
        self._run_until(until)
        self._now = max(self._now, until)

    def _run_until(self, until: float) -> None:
        ran = 0
        while True:
            if self._soon:
                timer = self._soon.popleft()
            elif self.deadline <= until:
                when, _, timer = heappop(self._later)
                self._now = max(self._now, when)
            else:
                return
            ran += timer.run()
            if ran > self._max_callbacks:
                raise RuntimeError(
                    f"more than {self._max_callbacks} callbacks before {until} s: they ask for "
                    "one another without end"
                )
