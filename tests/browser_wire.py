"""A browser told what to do over a WebSocket of its own: Chromium and Firefox are alike in this.

async with listening(arguments, "DevTools listening on ", variables) as address: ...
wire = Wire(socket); await wire.ask({"method": "Page.enable", "params": {}})
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection

__all__ = ["Wire", "listening"]

_STARTS_S, _LEAVES_S, _ANSWERS_S = 60, 10, 60


@contextlib.asynccontextmanager
async def listening(
    arguments: Sequence[str], marker: str, variables: Mapping[str, str]
) -> AsyncIterator[str]:
    """A browser from its start to its end; the address that it names behind `marker`."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )
    assert process.stderr is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(_STARTS_S):
            while marker not in (
                line := (await process.stderr.readline()).decode(errors="replace")
            ):
                assert line, f"{arguments[0]} ended before it listened"
        drain = asyncio.create_task(process.stderr.read())
        yield line.split(marker)[1].strip()
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(_LEAVES_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if drain is not None:
            await drain


class Wire:
    """Questions and their answers; what is no answer is told to somebody."""

    def __init__(
        self, socket: ClientConnection, told: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self._socket = socket
        self._told = told
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            answer = self._answers.pop(message.get("id") or 0, None)
            if answer is None:
                if self._told is not None:
                    self._told(message)
            elif answer.done():
                continue
            elif "error" in message:
                answer.set_exception(AssertionError(message))
            else:
                answer.set_result(message["result"])

    async def ask(self, message: dict[str, Any]) -> Any:
        """One call of the protocol."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": self._number, **message}))
        async with asyncio.timeout(_ANSWERS_S):
            return await answer

    async def stop(self) -> None:
        """No more reading."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
