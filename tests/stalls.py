"""How long the machine kept this process from running, so that a gap in sound can be told from a
gap in time.

    async with Stalls() as stalls:
        ...
    stalls.between(before, after)      seconds of it that were the machine's

A task looks at the clock every few milliseconds. What is missing between two looks and was not
spent by this thread on the processor was taken from it: other work ran. Slowness of our own, which
does spend it, is never counted.
"""

import asyncio
import time
from typing import Self

__all__ = ["Stalls"]

_EVERY_S = 0.005
_USUAL_S = 0.002
"""A timer may be this late on a quiet machine."""


class Stalls:
    """See the module."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        """(monotonic end, seconds) of each."""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _look(self) -> None:
        now, spent = time.monotonic(), time.thread_time()
        while True:
            await asyncio.sleep(_EVERY_S)
            before, used = now, spent
            now, spent = time.monotonic(), time.thread_time()
            taken = (now - before) - (spent - used) - _EVERY_S
            if taken > _USUAL_S:
                self.seen.append((now, taken))

    def between(self, begin: float, end: float) -> float:
        """Seconds that were taken between two moments."""
        return sum(
            min(taken, end - begin, max(0.0, at - begin), max(0.0, end - (at - taken)))
            for at, taken in self.seen
            if at > begin and at - taken < end
        )

    @property
    def worst_ms(self) -> float:
        """The longest one."""
        return max((taken * 1000 for _, taken in self.seen), default=0.0)
