"""A real uvicorn on a free loopback port, for tests that want sockets.

async with loopback(ws=websocket_protocol(acceptor)) as port: ...
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn

__all__ = ["loopback"]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Signals belong to the test runner."""
        yield


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def loopback(app: Any = _nothing, **options: Any) -> AsyncGenerator[int]:
    """Serve `app` while the block runs; yields the port. `options` go to `uvicorn.Config`."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    options = {"http": "httptools", "lifespan": "off", "log_config": None} | options
    server = _Server(uvicorn.Config(app, **options))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.serve(sockets=[listener]))
        # uvicorn tells nobody when it has started.
        while not server.started and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
