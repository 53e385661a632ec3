"""A door that closes turns nobody away who came through it already."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from ossicle.gateway.doors.door import Door, bind
from ossicle.transports.http.server import http_protocol


async def hello(scope, receive, send) -> None:
    assert scope["type"] == "http"
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[Door]:
    config = uvicorn.Config(hello, http=http_protocol(), lifespan="off", log_config=None)
    config.load()
    here = Door(config, bind("127.0.0.1", 0))
    running = asyncio.create_task(here.serve(sockets=[here.bound]))
    await here.listening.wait()
    try:
        yield here
    finally:
        here.should_exit = True
        await running


async def call(here: Door) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that the door has taken."""
    before = len(here.server_state.connections)
    wire = await asyncio.open_connection("127.0.0.1", here.port)
    while len(here.server_state.connections) == before:
        await asyncio.sleep(0)
    return wire


REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


async def test_who_has_connected_may_still_ask() -> None:
    async with door() as here:
        idle_reader, idle = await call(here)
        idle.write(REQUEST)
        assert b"hi" in await idle_reader.readuntil(b"hi")
        reader, writer = await call(here)
        leaving = asyncio.create_task(here.leave())
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", here.port)
        assert not leaving.done(), "it waits for who has not asked yet"
        writer.write(REQUEST)
        assert b"200 OK" in await reader.readuntil(b"hi")
        await asyncio.wait_for(leaving, 1)
        assert await idle_reader.read() == b"", "connections for further requests are closed"
        for each in (idle, writer):
            each.close()
        assert here.url == f"http://localhost:{here.port}"


async def test_who_never_asks_is_not_waited_for_for_ever() -> None:
    async with door() as here:
        _, writer = await call(here)
        await asyncio.wait_for(here.leave(), 3)
        writer.close()


async def test_no_answer_waits_for_an_acknowledgement() -> None:
    """Nagle's algorithm is off at every connection, whatever the event loop does about it."""
    async with door() as here:
        _, wire = await call(here)
        (protocol,) = here.server_state.connections
        taken = protocol.transport.get_extra_info("socket")
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        wire.close()
