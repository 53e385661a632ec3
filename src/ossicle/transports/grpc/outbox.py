"""What waits to be written on one call: bounded, and written one after another.

    box = Outbox(settings, writable=receiver.writable, write=call.write, begin=begin, broke=broke)
    box.put(b"message")                 # False: over the bound, the call has to be dropped

`writable(False)` is told above one mark, `writable(True)` at or below another. `write` makes the
coroutine that writes a message, `begin` that of anything else (None: nothing to wait for); it is
driven from here: its first step runs inside `put`, where the answer to a message is still in one
system call with grpc's own window updates, and no task is woken for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, TypeAlias

from ossicle.core.wire import Accept, Close, Fin

from .settings import GrpcSettings

__all__ = ["Item", "Outbox", "Work"]

Item: TypeAlias = bytes | Accept | Fin | Close
Work: TypeAlias = Coroutine[Any, Any, object]


class Outbox:
    """See the module."""

    __slots__ = (
        "_begin", "_broke", "_high", "_item", "_items", "_loop", "_low", "_most", "_now",
        "_work", "_writable", "_write", "full", "since", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        settings: GrpcSettings,
        *,
        writable: Callable[[bool], None],
        write: Callable[[bytes], Work],
        begin: Callable[[Item], Work | None],
        broke: Callable[[Exception], None],
    ) -> None:
        """`write` begins a message, `begin` anything else; `broke`: a write failed, nothing more
        is written."""
        self._high, self._low = settings.write_high, settings.write_low
        self._most = settings.max_backlog
        self._writable = writable
        self._write = write
        self._begin = begin
        self._broke = broke
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._items: deque[Item] = deque()
        self._work: Work | None = None
        self._item: Item = b""
        self.full = False
        """`writable(False)` was told."""
        self.since = inf
        """When the write began that is not done."""
        self.waiting = 0
        """Bytes here and in the hands of grpc."""

    def put(self, item: Item) -> bool:
        """One more. False: more waits than may, and it was not taken."""
        if type(item) is bytes:
            waiting = self.waiting + len(item)
            if waiting > self._most and self.waiting:
                return False
            self.waiting = waiting
            if waiting > self._high and not self.full:
                self.full = True
                self._writable(False)
        if self._work is None and not self._items:
            self._start(item)  # nearly always
            return True
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
            self._start(self._items.popleft())

    def _start(self, item: Item) -> None:
        self._item = item
        work = self._work = self._write(item) if type(item) is bytes else self._begin(item)
        if work is None:
            self._written()
        else:
            self.since = self._now()
            self._step(work)

    def _step(self, work: Work) -> None:
        """As a task would: until it waits for something, or is done."""
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
                self._loop.call_soon(self._again)
                return
            future._asyncio_future_blocking = False  # noqa: SLF001  what a task says, too
            future.add_done_callback(self._landed)

    def _again(self) -> None:
        if self._work is not None:  # not forgotten meanwhile
            self._step(self._work)
        if self._work is None:
            self._next()

    def _landed(self, future: "asyncio.Future[object]") -> None:
        work = self._work
        if work is not None:
            self._step(work)
        elif not future.cancelled():
            future.exception()  # of a write that was forgotten: known to whoever dropped the call
        if self._items and self._work is None:
            self._next()

    def _written(self) -> None:
        item = self._item
        if type(item) is bytes:
            self.waiting -= len(item)
            self._item = b""
            if self.full and self.waiting <= self._low:
                self.full = False
                self._writable(True)
