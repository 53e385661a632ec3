"""What an engine may do before its first stream and after its last: both are optional.

An engine that keeps tasks or processes has `start`, `aclose` and `warm`; one that keeps nothing
leaves them out. Who runs an engine (the gateway, a test) uses `running`, which works for both.

    async with running(engine):
        stream = await engine.open(options, sink)
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, runtime_checkable

from ..core.errors import EngineFailed
from ..core.ports import Engine

__all__ = ["Children", "Managed", "aclose", "is_warm", "running", "start"]


@runtime_checkable
class Managed(Protocol):
    """The optional part of an engine."""

    @property
    def warm(self) -> bool:
        """A stream opened now begins at once; `/readyz` waits for it."""
        ...

    async def start(self) -> None:
        """Load what the first stream would wait for. Idempotent. Raises `EngineFailed` or
        `MissingExtra` when the engine cannot work. `open` works without it, only slower."""
        ...

    async def aclose(self) -> None:
        """Abort what runs, end every task and process. Idempotent; nothing opens afterwards."""
        ...


async def start(engine: Engine) -> None:
    """Start an engine that has something to start."""
    if isinstance(engine, Managed):
        await engine.start()


async def aclose(engine: Engine) -> None:
    """Close an engine that has something to close."""
    if isinstance(engine, Managed):
        await engine.aclose()


def is_warm(engine: Engine) -> bool:
    """Whether a stream opened now begins at once."""
    # Asked ten times a second; whether it is `Managed` takes twenty times as long to find out.
    return bool(getattr(engine, "warm", True))


@asynccontextmanager
async def running(engine: Engine) -> AsyncGenerator[Engine, None]:
    """The engine, started here and closed on the way out, whatever happens between."""
    try:
        await start(engine)
        yield engine
    finally:
        await aclose(engine)


class Children:
    """The tasks of one engine. `aclose` cancels and awaits them, so none outlives its parent.

    Not an `asyncio.TaskGroup`, which must be entered and left by one task: a gateway starts and
    closes an engine from different ones. A child reports its own errors and never raises.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` as a child.

        Raises:
            EngineFailed: the engine is closed.
        """
        if self._closed:
            work.close()
            raise EngineFailed("the engine is closed", code="engine_unavailable")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def aclose(self) -> None:
        """Cancel and await every child. Idempotent."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
