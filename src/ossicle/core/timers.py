"""The event loop as `core.ports.Timers`."""

import asyncio
from collections.abc import Callable

from .ports import Timer

__all__ = ["LoopTimers"]


class LoopTimers:
    """Made inside a running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = self._loop.time

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """At a monotonic time."""
        return self._loop.call_at(when, callback)

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        """On the next turn of the loop."""
        return self._loop.call_soon(callback)
