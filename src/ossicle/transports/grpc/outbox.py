"""What waits to be written on one call, bounded. Both ends have one.

    box = Outbox(settings, writable=receiver.writable)
    box.put(b"message")                 # False: over the bound, the call has to be dropped
    item = await box.next()
    box.written(item)

`writable(False)` is told above one mark, `writable(True)` at or below another.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from ossicle.core.wire import Accept, Close, Fin

from .settings import GrpcSettings

__all__ = ["Item", "Outbox"]

Item: TypeAlias = bytes | Accept | Fin | Close


class Outbox:
    """See the module."""

    __slots__ = ("_items", "_settings", "_wake", "_writable", "full", "waiting")

    def __init__(self, settings: GrpcSettings, writable: Callable[[bool], None]) -> None:
        self._settings = settings
        self._writable = writable
        self._items: deque[Item] = deque()
        self.full = False
        """`writable(False)` was told."""
        self._wake = asyncio.Event()
        self.waiting = 0
        """Bytes here and in the hands of grpc."""

    def put(self, item: Item) -> bool:
        """One more. False: more waits than may, and it was not taken."""
        if isinstance(item, bytes):
            waiting = self.waiting + len(item)
            if waiting > self._settings.max_backlog and self.waiting:
                return False
            self.waiting = waiting
            self._items.append(item)
            if not self.full and waiting > self._settings.write_high:
                self.full = True
                self._writable(False)
        else:
            self._items.append(item)
        self._wake.set()
        return True

    def clear(self) -> None:
        """Nothing of it is sent any more."""
        self._items.clear()

    async def next(self) -> Item:
        """The oldest, when there is one."""
        while not self._items:
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()

    def written(self, item: Item) -> None:
        """grpc took it."""
        if not isinstance(item, bytes):
            return
        self.waiting -= len(item)
        if self.full and self.waiting <= self._settings.write_low:
            self.full = False
            self._writable(True)
