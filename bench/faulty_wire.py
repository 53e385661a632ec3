"""A TCP proxy whose connections are reset, half closed, stalled and slowed when told to.

    async with FaultyWire(8080) as wire:
        wire.port                       leads to port 8080
        wire.cut(random.Random(1))      one of the connections through it, whatever is on its way

Knows nothing of what goes through it.
"""

import asyncio
import contextlib
import random
import time

__all__ = ["FaultyWire"]


class _Connection:
    def __init__(self) -> None:
        self.stalled_until = self.slow_until = 0.0
        self.writers: list[asyncio.StreamWriter] = []
        self.pumps: list[asyncio.Task[None]] = []


class FaultyWire:
    """A TCP proxy whose connections go wrong when told to."""

    def __init__(self, port: int) -> None:
        """`port`: of loopback, where it leads to."""
        self._target = port
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> "FaultyWire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self, chance: random.Random) -> bool:
        """Reset one connection, whatever is on its way. False: there is none."""
        if (one := self._one(chance)) is None:
            return False
        for writer in one.writers:
            writer.transport.abort()
        return True

    def half_close(self, chance: random.Random) -> bool:
        """End one direction of one connection."""
        if (one := self._one(chance)) is None or len(one.pumps) < 2:
            return False
        one.pumps[chance.randrange(2)].cancel()
        return True

    def stall(self, chance: random.Random) -> bool:
        """Nothing moves on one connection for a while."""
        if (one := self._one(chance)) is None:
            return False
        one.stalled_until = time.monotonic() + chance.uniform(0.2, 4.0)
        return True

    def slow(self, chance: random.Random) -> bool:
        """One connection takes less than real time for a while."""
        if (one := self._one(chance)) is None:
            return False
        one.slow_until = time.monotonic() + chance.uniform(0.5, 3.0)
        return True

    def _one(self, chance: random.Random) -> _Connection | None:
        return chance.choice(list(self._open)) if self._open else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection()
        connection.writers.append(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            connection.writers.append(far_writer)
            connection.pumps += [
                asyncio.create_task(_pump(connection, reader, far_writer)),
                asyncio.create_task(_pump(connection, far_reader, writer)),
            ]
            self._open.add(connection)
            await asyncio.wait(connection.pumps)
        except OSError:
            pass  # nobody is behind it now: a process was killed
        except asyncio.CancelledError:
            pass  # by `__aexit__`, which waits for it; asyncio's streams would log it as an error
        finally:
            self._open.discard(connection)
            for pump in connection.pumps:
                pump.cancel()
            await asyncio.gather(*connection.pumps, return_exceptions=True)
            for each in connection.writers:
                each.transport.abort()
            self._tasks.discard(task)


async def _pump(
    connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while data := await reader.read(4_096):
            while (wait := connection.stalled_until - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            writer.write(data)
            await writer.drain()
            if connection.slow_until > time.monotonic():
                await asyncio.sleep(len(data) / 16_000)  # half of what a session sends
    except OSError:
        pass  # the other end is gone: the end of this direction is told below
    except asyncio.CancelledError:
        pass  # half closed, or the end
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
