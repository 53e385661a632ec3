"""What the gateway is compared with: servers that count frames and answer every fifth, no more.

python -m bench.rivals tcp          bare TCP on uvloop: the least a Python server can do
python -m bench.rivals grpc         a grpc.aio handler that reads and writes bytes
python -m bench.rivals websockets   the `websockets` library on uvloop, no compression,
                                        no pings (the generator answers none)
python -m bench.rivals picows       the parser that Ossicle uses, on uvloop, with a callback that
                                        counts: the least a WebSocket server in Python can do
python -m bench.rivals relay URL    the same library in front of a provider: passes messages on
"""

import asyncio
import contextlib
import os
import sys
from typing import Any, cast

import grpc
import grpc.aio
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ossicle.transports.grpc.settings import GrpcSettings, server_options
from ossicle.transports.websocket.channel import WebSocketSettings

__all__ = ["EVERY", "REPLY"]

EVERY = 5
"""Frames to a reply."""
REPLY = 200
"""Bytes of a reply."""
READ_BUFFER = WebSocketSettings().read_buffer
TEXT = WSMsgType.TEXT
ON_THE_WIRE = 640 + 8
"""A frame of 20 ms with its WebSocket header and mask: TCP gets as many bytes."""


class Sink(asyncio.Protocol):
    """Bare TCP."""

    reply = b"x" * (REPLY + 4)

    def __init__(self) -> None:
        self.taken = 0
        self.due = EVERY * ON_THE_WIRE

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        while self.taken >= self.due:
            self.due += EVERY * ON_THE_WIRE
            self.transport.write(self.reply)


async def handler(socket: ServerConnection) -> None:
    """One WebSocket."""
    count, reply = 0, "x" * REPLY
    with contextlib.suppress(ConnectionClosed):
        async for _ in socket:
            count += 1
            if count % EVERY == 0:
                await socket.send(reply)


class Counter(WSListener):
    """One WebSocket of picows: the payload is not even looked at."""

    reply = b"x" * REPLY
    count = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.count += 1
        if self.count % EVERY == 0:
            transport.send(TEXT, self.reply)


class Relay:
    """Each client to its own upstream, messages as they come."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.replace("http", "ws", 1)

    async def __call__(self, client: ServerConnection) -> None:
        request = client.request
        path = request.path if request is not None else "/"
        async with (
            connect(f"{self._upstream}{path}", compression=None, ping_interval=None) as provider,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._pass_on(client, provider))
            tasks.create_task(self._pass_on(provider, client))

    @staticmethod
    async def _pass_on(
        here: ServerConnection | ClientConnection, there: ServerConnection | ClientConnection
    ) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in here:
                await there.send(message)
        await there.close()


async def talk(_requests: object, context: Any) -> None:
    """One call, as grpc's own examples write it."""
    count, reply = 0, b"x" * REPLY
    while (await context.read()) is not grpc.aio.EOF:
        count += 1
        if count % EVERY == 0:
            await context.write(reply)


class Talk(grpc.GenericRpcHandler):
    """Any path."""

    def service(self, handler_call_details: object) -> Any:
        return grpc.stream_stream_rpc_method_handler(talk)


async def main(kind: str, upstream: str = "") -> None:
    loop = asyncio.get_running_loop()
    if kind == "tcp":
        server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=2048)
    elif kind == "grpc":
        door = grpc.aio.server(options=server_options(GrpcSettings()))
        door.add_generic_rpc_handlers((Talk(),))
        print(f"grpc://127.0.0.1:{door.add_insecure_port('127.0.0.1:0')}", flush=True)
        await door.start()
        await told_to_stop()
        await door.stop(0)
        return
    elif kind == "picows":
        # uvloop's transport, which is Ossicle's, and its read buffer.
        server = await ws_create_server(
            lambda _request: Counter(), "127.0.0.1", 0, backlog=2048,
            read_buffer_init_size=READ_BUFFER, use_aiofastnet=False,
        )  # fmt: skip
    else:
        serves = Relay(upstream) if kind == "relay" else handler
        server = await serve(
            serves, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=2048
        )
    print(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", flush=True)
    await told_to_stop()


async def told_to_stop() -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def line() -> None:
        if not os.read(0, 256) and not over.done():
            over.set_result(None)

    loop.add_reader(0, line)
    await over


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
