"""What waits to be written on one call: bounded, and written one after another.

    box = Outbox(settings, writable=receiver.writable, begin=begin, broke=broke)
    box.put(b"message")                 # False: over the bound, the call has to be dropped

`writable(False)` is told above one mark, `writable(True)` at or below another. `begin` makes the
coroutine that writes an item (None: nothing to wait for), which is driven from here: its first
step runs inside `put`, where the answer to a message is still in one system call with grpc's own
window updates, and no task is woken for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, TypeAlias

from ossicle.core.wire import Accept, Close, Fin

from .settings import GrpcSettings

__all__ = ["Item", "Outbox"]

Item: TypeAlias = bytes | Accept | Fin | Close


class Outbox:
    """See the module."""

    __slots__ = (
        "_begin", "_broke", "_item", "_items", "_loop", "_settings", "_work", "_writable",
        "full", "since", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        settings: GrpcSettings,
        *,
        writable: Callable[[bool], None],
        begin: Callable[[Item], Coroutine[Any, Any, object] | None],
        broke: Callable[[Exception], None],
    ) -> None:
        """`broke`: a write failed; nothing more is written."""
        self._settings = settings
        self._writable = writable
        self._begin = begin
        self._broke = broke
        self._loop = asyncio.get_running_loop()
        self._items: deque[Item] = deque()
        self._work: Coroutine[Any, Any, object] | None = None
        self._item: Item = b""
        self.full = False
        """`writable(False)` was told."""
        self.since = inf
        """When the write began that is not done."""
        self.waiting = 0
        """Bytes here and in the hands of grpc."""

    def put(self, item: Item) -> bool:
        """One more. False: more waits than may, and it was not taken."""
        if isinstance(item, bytes):
            waiting = self.waiting + len(item)
            if waiting > self._settings.max_backlog and self.waiting:
                return False
            self.waiting = waiting
            if not self.full and waiting > self._settings.write_high:
                self.full = True
                self._writable(False)
        self._items.append(item)
        if self._work is None:
            self._next()
        return True

    def clear(self) -> None:
        """Nothing of it is sent any more; a message that stands in the peer's window is forgotten.
        Metadata is let out: it does not stand, and grpc would send it again with the status."""
        self._items.clear()
        if self._work is not None and isinstance(self._item, bytes):
            self._work.close()
            self._work, self.since = None, inf

    def _next(self) -> None:
        while self._items and self._work is None:
            self._item = self._items.popleft()
            self._work = self._begin(self._item)
            if self._work is None:
                self._written()
            else:
                self.since = self._loop.time()
                self._step()

    def _step(self, _landed: object = None) -> None:
        """As a task would: until it waits for something, or is done."""
        work = self._work
        if work is None:
            return  # forgotten meanwhile
        try:
            future: Any = work.send(None)
        except StopIteration:
            self._work, self.since = None, inf
            self._written()
        except Exception as error:  # noqa: BLE001  told to whoever owns the call
            self._work, self.since = None, inf
            self._items.clear()
            self._broke(error)
        else:
            if future is None:
                self._loop.call_soon(self._step)
                return
            future._asyncio_future_blocking = False  # noqa: SLF001  what a task says, too
            future.add_done_callback(self._landed)

    def _landed(self, future: "asyncio.Future[object]") -> None:
        if self._work is None and not future.cancelled():
            future.exception()  # of a write that was forgotten: known to whoever dropped the call
        self._step()
        if self._work is None:
            self._next()

    def _written(self) -> None:
        if isinstance(self._item, bytes):
            self.waiting -= len(self._item)
            self._item = b""
            if self.full and self.waiting <= self._settings.write_low:
                self.full = False
                self._writable(True)
