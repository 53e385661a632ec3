"""A gateway in this process, one in a process of its own, and a proxy that cuts connections."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from ossicle.core.session import SessionSettings
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.serve import Gateway, serving

PROGRAM = Path(__file__).with_name("gateway_process.py")


class CuttingProxy:
    """Forwards TCP to a port and cuts each connection after a chosen number of bytes, wherever
    that falls: inside a frame, inside a handshake, on the way in or out."""

    def __init__(self, target: int, chance: random.Random, cuts: int, spare: int = 1) -> None:
        """`spare`: the first connections live through their first 4,000 bytes."""
        self.target, self.chance, self.left, self.spare = target, chance, cuts, spare
        self.cuts = self.connections = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._wires: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """Every connection that is there, now."""
        for wire in self._wires:
            wire.transport.abort()
        self._wires.clear()

    async def __aenter__(self) -> "CuttingProxy":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(reader, writer)
        except asyncio.CancelledError:
            pass  # by `__aexit__`, which waits for it; asyncio's streams would log it as an error
        finally:
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        budget = None
        if self.left > 0:
            self.left -= 1
            least = 4_000 if self.connections <= self.spare else 0
            budget = [least + self.chance.randrange(1, 60_000)]
        try:
            out_reader, out_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return

        async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(8_192):
                if budget is not None:
                    data = data[: budget[0]]
                    budget[0] -= len(data)
                target.write(data)
                await target.drain()
                if budget is not None and budget[0] <= 0:
                    return

        self._wires += [writer, out_writer]
        tasks = [
            asyncio.create_task(pipe(reader, out_writer)),
            asyncio.create_task(pipe(out_reader, writer)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if budget is not None and budget[0] <= 0:
                self.cuts += 1
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for each in (writer, out_writer):
                each.transport.abort()


@contextlib.asynccontextmanager
async def gateway(
    script: str = "heard", *, rpc: bool = False, **session: object
) -> AsyncGenerator[Gateway]:
    settings = GatewaySettings(
        port=0,
        tls_port=None,
        grpc_port=0 if rpc else None,
        drain_s=1.0,
        session=SessionSettings(**session),  # type: ignore[arg-type]
    )
    async with serving(settings, ScriptedEngine(script)) as running:
        if rpc:
            await running.ready()
        yield running


class GatewayProcess:
    """`kill -9` needs a process of its own."""

    def __init__(self, port: int, *, rpc: int | None = None) -> None:
        """`rpc`: a gRPC port, too; 0 = any free one."""
        self.port, self.rpc = port, rpc

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            str(self.port),
            "off" if self.rpc is None else str(self.rpc),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        self.port, rpc = map(int, line.split())
        self.rpc = rpc or None

    async def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        if self.process.returncode is None:
            await self.kill()


@pytest.fixture
async def processes() -> AsyncGenerator[list[GatewayProcess]]:
    started: list[GatewayProcess] = []
    yield started
    for each in started:
        await each.stop()
