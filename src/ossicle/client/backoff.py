"""When to knock again after a connection broke: exponential, with full jitter, for a bounded time.

Full jitter (a wait anywhere between nothing and the bound) keeps a thousand clients of one
gateway from coming back in the same instant.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

import msgspec

__all__ = ["Backoff", "Clock", "LoopClock", "Reconnect"]


class Reconnect(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream survives a broken connection."""

    first_s: float = 0.1
    """Bound of the first wait; it doubles with each attempt..."""
    most_s: float = 5.0
    """...up to here."""
    total_s: float = 120.0
    """How long to try without any progress; 0 = never reconnect."""
    buffer_s: float = 30.0
    """Audio held while nobody takes it; then `send` waits."""
    keep_s: float = 60.0
    """Audio kept after the gateway took it and before it is final, for another gateway to hear
    again if this one dies."""


class Clock(Protocol):
    """Monotonic time and waiting: the event loop's, or a hand-moved one."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class LoopClock:
    """The running event loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Backoff:
    """Attempts since the last progress."""

    def __init__(self, plan: Reconnect, chance: Callable[[], float] = random.random) -> None:
        """`chance`: a number in [0, 1)."""
        self._plan = plan
        self._chance = chance
        self._since: float | None = None
        self.attempts = 0
        """Since the last progress."""

    def progress(self) -> None:
        """Something came through: the next break starts from the shortest wait."""
        self._since = None
        self.attempts = 0

    def wait(self, now: float, least: float = 0.0) -> float | None:
        """Seconds until the next attempt; None = give up.

        Args:
            now: monotonic seconds.
            least: what the other end said to wait; to wait longer than we try at all is no use.
        """
        plan = self._plan
        if self._since is None:
            self._since = now
        left = plan.total_s - (now - self._since)
        if left <= 0 or least > left:
            return None
        bound = min(plan.most_s, plan.first_s * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return min(left, least + self._chance() * bound)
