"""The held handshake on real sockets: who is turned away, what early clients send, what a server
does with peers that do not read, do not answer or do not live."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from ossicle.core.errors import ConnectionLost, Overloaded, TimedOut
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.transports.http.server import HttpSettings, http_protocol
from ossicle.transports.websocket.server import WebSocketSettings, websocket_protocol

pytestmark = pytest.mark.interop

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
HEAD = b"GET /x HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
HELLO = HEAD + KEY + VERSION + b"\r\n"


def frame(data: bytes, op: int = 2) -> bytes:
    assert len(data) < 126
    return bytes([0x80 | op, 0x80 | len(data)]) + b"\0\0\0\0" + data


class Door(NamedTuple):
    port: int
    legs: list[Recorder]
    openings: list[Opening]

    async def call(self, data: bytes = HELLO):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer

    async def arrived(self, count: int = 1) -> Recorder:
        async with asyncio.timeout(5):
            while len(self.legs) < count:
                await asyncio.sleep(0)
        return self.legs[count - 1]


def accept(channel) -> None:
    channel.send(Accept())


@asynccontextmanager
async def door(
    answer: Callable = accept, app=None, http: HttpSettings | None = None, **limits
) -> AsyncIterator[Door]:
    legs: list[Recorder] = []
    openings: list[Opening] = []

    def acceptor(opening, channel) -> Recorder:
        openings.append(opening)
        legs.append(Recorder(channel))
        answer(channel)
        return legs[-1]

    options = {"app": app} if app else {}
    async with loopback(
        **options,
        http=http_protocol(http),
        ws=websocket_protocol(acceptor, WebSocketSettings(**limits)),
    ) as port:
        yield Door(port, legs, openings)
        for leg in legs:
            leg.channel.abort()


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (HEAD + VERSION, 400, b"one Sec-WebSocket-Key is needed, 0 came"),
        (HEAD + VERSION + KEY + KEY, 400, b"one Sec-WebSocket-Key is needed, 2 came"),
        (HEAD + VERSION + b"Sec-WebSocket-Key: short\r\n", 400, b"not 16 bytes in base64"),
        (HEAD + VERSION + b"Sec-WebSocket-Key: \xc3\xa9\r\n", 400, b"not 16 bytes in base64"),
        (HEAD + KEY + b"Sec-WebSocket-Version: 8\r\n", 426, b"'8'; this server speaks 13"),
        (HEAD + KEY, 426, b"this server speaks 13"),
        (HEAD.replace(b"GET", b"PUT") + KEY + VERSION, 400, b"opens with GET"),
    ],
)
async def test_a_malformed_request_is_refused_in_words(head, status, words) -> None:
    async with door() as here:
        reader, writer = await here.call(head + b"\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert words in answer
        assert not here.legs
        if status == 426:  # RFC 6455 4.4
            assert b"\r\nsec-websocket-version: 13\r\n" in answer


async def test_frames_sent_before_the_101_are_not_lost() -> None:
    """Behind the head in one segment, and while the handshake is held."""
    async with door(lambda channel: None) as here:
        reader, writer = await here.call(HELLO + frame(b"one") + frame(b"two")[:3])
        leg = await here.arrived()
        writer.write(frame(b"two")[3:])
        await writer.drain()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not leg.told
        leg.channel.send(Accept())
        await leg.until(lambda: len(leg.told) == 2)
        assert leg.told == [Binary(b"one"), Binary(b"two")]
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.close()


async def test_a_head_in_single_bytes_and_after_another_request() -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with door(app=app) as here:
        reader, writer = await here.call(b"GET /plain HTTP/1.1\r\nHost: test\r\n\r\n")
        assert b" 204 " in await reader.readuntil(b"\r\n\r\n")
        for byte in HELLO:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(b"x"))
        leg = await here.arrived()
        await leg.until(lambda: leg.told == [Binary(b"x")])
        assert here.openings[0].path == "/x"
        writer.close()


async def test_held_handshakes_are_counted() -> None:
    async with door(lambda channel: None, max_held=2) as here:
        first = await here.call()
        second = await here.call()
        await here.arrived(2)
        reader, writer = await here.call()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        assert b"2 handshakes are waiting" in answer
        here.legs[0].channel.send(Close(403))  # one leaves, the next may come
        assert (await first[0].read()).startswith(b"HTTP/1.1 403 ")
        fourth = await here.call()
        await here.arrived(3)
        for _, each in (first, second, fourth):
            each.close()
        writer.close()


async def test_a_peer_that_leaves_while_held_is_noticed() -> None:
    async with door(lambda channel: None) as here:
        _, writer = await here.call()
        leg = await here.arrived()
        writer.close()
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)


async def test_an_abort_while_held() -> None:
    async with door(lambda channel: channel.abort()) as here:
        reader, writer = await here.call()
        with pytest.raises(ConnectionResetError):
            assert await reader.read() == b""
            raise ConnectionResetError
        leg = await here.arrived()
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)
        assert not leg.broken
        writer.close()


@pytest.mark.parametrize("headers", [(("x-a", "1\r\nx-b: 2"),), (("bad name", "1"),)])
async def test_a_header_that_would_split_the_response_is_our_error(headers) -> None:
    async with door(lambda channel: channel.send(Accept(headers))) as here:
        reader, writer = await here.call()
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"x-b" not in answer
        await here.legs[0].until(lambda: here.legs[0].over)
        assert here.legs[0].error is not None


async def test_a_message_before_accept_is_our_error() -> None:
    async with door(lambda channel: channel.send(Text("early"))) as here:
        reader, writer = await here.call()
        assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
        writer.close()


async def test_an_acceptor_that_raises_is_a_500_and_the_server_lives() -> None:
    def fail(channel) -> None:
        raise ValueError("on purpose")

    async with door(fail) as here:
        for _ in range(2):
            reader, writer = await here.call()
            assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
            writer.close()


async def test_a_request_head_that_never_ends_is_cut() -> None:
    async with door(http=HttpSettings(head_timeout=0.05)) as here:
        for start in (b"", b"GET /x HTT"):
            reader, writer = await here.call(start)
            with pytest.raises(ConnectionResetError):
                assert await reader.read() == b""
                raise ConnectionResetError
            writer.close()


async def test_a_close_nobody_answers_ends_in_time() -> None:
    async with door(close_timeout=0.05) as here:
        reader, writer = await here.call()
        await reader.readuntil(b"\r\n\r\n")
        leg = await here.arrived()
        leg.channel.pause()  # a Close must find its answer all the same
        leg.channel.send(Close(429, "later"))
        assert await reader.readexactly(4) == b"\x88\x07" + struct.pack("!H", 1013)
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, TimedOut)
        writer.close()


async def test_a_peer_that_never_reads_is_unwritable_and_then_dropped() -> None:
    async with door(slow_reader_s=0.2) as here:
        reader, writer = await here.call()
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        leg = await here.arrived()
        sent = 0
        while leg.can_write:
            leg.channel.send(Text("r" * 200))
            sent += 202
            if sent % 20200 == 0:
                await asyncio.sleep(0)
            assert sent < 4 << 20, "writable(False) has to come while results are still fresh"
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, Overloaded)
        assert leg.error.code == "slow_reader"
        writer.close()


async def test_a_receiver_that_ignores_writable_meets_the_backlog_bound() -> None:
    async with door(max_backlog=300_000) as here:
        reader, writer = await here.call()
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        leg = await here.arrived()
        for _ in range(100):
            leg.channel.send(Binary(b"z" * 100_000))
        await leg.until(lambda: leg.over)
        assert leg.error.code == "slow_reader"
        writer.close()


async def test_pings_go_out_and_a_silent_peer_is_dropped() -> None:
    async with door(keepalive_s=0.5, silence_s=2.5) as here:
        reader, writer = await here.call()
        await reader.readuntil(b"\r\n\r\n")
        leg = await here.arrived()
        assert await reader.readexactly(2) == b"\x89\x00"
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)
        writer.close()


async def test_limit_concurrency_counts_websockets() -> None:
    def acceptor(opening, channel) -> Recorder:
        channel.send(Accept())
        return Recorder(channel)

    async with loopback(
        http=http_protocol(), ws=websocket_protocol(acceptor), limit_concurrency=1
    ) as port:
        reader, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(HELLO)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        for head in (HELLO, b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            writer.close()
        first.close()
