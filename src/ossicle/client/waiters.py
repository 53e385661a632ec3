"""Coroutines that wait for something to become true, woken whenever anything changed.

    while not ready(): await waiters.changed()

A condition variable without its lock: everything here runs on one event loop.
"""

import asyncio

__all__ = ["Waiters"]


class Waiters:
    """See the module."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def changed(self) -> None:
        """Until the next `wake`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def wake(self) -> None:
        """Something changed: everybody looks again."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
