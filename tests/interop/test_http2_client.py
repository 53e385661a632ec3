"""The HTTP/2 client against our own door, and against a server in the test's hands: the laws of a
transport, windows both ways, GOAWAY, resets, silence, and servers that speak something else."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingReceived, RequestReceived

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError, Overloaded, Refused
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text
from ossicle.gateway.doors.certificates import local_certificates
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.testing.transport import Answer, Pair, check_transport
from ossicle.transports.http.server import http_protocol, stream_endpoint
from ossicle.transports.http2.client import Http2ClientSettings, connect
from ossicle.transports.http2.protocol import http2_protocol

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

ASK = Opening(method="POST", path="/x", headers=(("x-asked", "1"), ("host", "speech.example")))


class Lines(Recorder):
    """The kit's answers are lines of text where messages have no bounds; this wire tells bytes."""

    rest = b""

    def binary(self, data: bytes) -> None:  # type: ignore[override]
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in whole:
            self.received(Text(line.decode() + "\n"))

    def received(self, message: Message) -> None:
        if isinstance(message, Close) and self.rest:
            super().received(Text(self.rest.decode()))
        super().received(message)


async def test_the_laws_of_a_transport() -> None:
    @asynccontextmanager
    async def make_pair(answer: Answer) -> AsyncIterator[Pair]:
        far: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

        def accept(opening: Opening, channel: Any) -> Recorder:
            assert opening.method == "POST"
            assert opening.header("x-asked") == "1"
            assert opening.header("host") == "speech.example"
            leg = Recorder(channel)
            far.set_result(leg)
            answer(channel)
            return leg

        http = http_protocol(None, http2_protocol())
        async with loopback(stream_endpoint(accept), http=http) as port:
            near = await connect(ASK, Lines, url=f"http://127.0.0.1:{port}")
            leg: Any = near._receiver  # type: ignore[attr-defined]
            try:
                yield Pair(leg, await far)
            finally:
                near.abort()
                await leg.until(lambda: leg.over)

    await check_transport(make_pair, half_close=True, pause_bound=128 * 1024)


# ── a server in our hands ──


class Server:
    """One connection of an HTTP/2 server that does nothing by itself but the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=False))
        self.h2.initiate_connection()
        self.number = 0
        self.body = bytearray()
        self.pings = 0
        self.closed = False
        self.news = asyncio.Event()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def answer(self, status: int = 200, *, end: bool = False) -> None:
        self.h2.send_headers(self.number, [(":status", str(status))], end_stream=end)
        self.flush()

    async def read(self) -> None:
        while data := await self.reader.read(65_536):
            for event in self.h2.receive_data(data):
                match event:
                    case RequestReceived(stream_id=number):
                        self.number = number or 0
                    case DataReceived(data=piece):
                        self.body += piece or b""
                    case PingReceived():
                        self.pings += 1
                    case _:
                        pass
            self.flush()
            self.news.set()
        self.closed = True
        self.news.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not ready():
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def called(
    settings: Http2ClientSettings | None = None,
) -> AsyncIterator[tuple[Recorder, Server]]:
    """A request, and the server that got it."""
    made: asyncio.Future[Server] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = Server(reader, writer)
        made.set_result(server)
        with contextlib.suppress(ConnectionError):
            await server.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    legs: list[Recorder] = []

    def leg(channel: Any) -> Recorder:
        legs.append(Recorder(channel))
        return legs[0]

    channel = await connect(ASK, leg, url=f"http://127.0.0.1:{port}", settings=settings)
    server = await made
    await server.until(lambda: server.number != 0)
    try:
        yield legs[0], server
    finally:
        channel.abort()
        await legs[0].until(lambda: legs[0].over)
        listening.close()
        server.writer.close()


async def test_a_server_that_gives_no_window_stops_the_sender() -> None:
    async with called() as (leg, server):
        sent = 0
        while leg.can_write:
            leg.channel.send(Binary(b"x" * 1_000))
            sent += 1_000
        assert sent < 65_535 + 66_000 + 1_000
        await server.until(lambda: len(server.body) == 65_535)
        server.h2.increment_flow_control_window(200_000)
        server.h2.increment_flow_control_window(200_000, server.number)
        server.flush()
        await leg.until(lambda: leg.can_write)
        await server.until(lambda: len(server.body) == sent)


async def test_a_paused_reader_gives_no_window_back_and_loses_nothing() -> None:
    async with called() as (leg, server):
        server.answer()
        await leg.until(lambda: bool(leg.told))
        leg.channel.pause()
        room = server.h2.local_flow_control_window(server.number)
        assert room == 64 * 1024 - 1
        while room := min(server.h2.local_flow_control_window(server.number), 16_384):
            server.h2.send_data(server.number, b"y" * room)
            server.flush()
        # it lives meanwhile: a ping is answered, and nothing was told
        server.h2.ping(b"12345678")
        server.flush()
        leg.channel.send(Binary(b"still sending"))
        await server.until(lambda: bytes(server.body) == b"still sending")
        assert leg.size == 0
        assert server.h2.local_flow_control_window(server.number) == 0
        leg.channel.resume()
        await leg.until(lambda: leg.size == 64 * 1024 - 1)
        await server.until(lambda: server.h2.local_flow_control_window(server.number) > 0)


async def test_more_than_may_wait_ends_the_channel() -> None:
    async with called(Http2ClientSettings(max_backlog=100_000)) as (leg, _server):
        leg.channel.send(Binary(b"x" * 65_535))
        leg.channel.send(Binary(b"x" * 100_001))
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, Overloaded)


async def test_a_polite_goaway_lets_the_stream_finish() -> None:
    async with called() as (leg, server):
        # made by hand: h2 takes its own for the end
        server.writer.write(_goaway(server.number, 0))
        server.answer()
        server.h2.send_data(server.number, b"words", end_stream=True)
        server.flush()
        await leg.until(lambda: leg.over)
        assert leg.error is None
        assert leg.told[1:] == [Binary(b"words"), Close()]


@pytest.mark.parametrize(("last", "code"), [(0, 0), (1, 11)], ids=["not taken", "with an error"])
async def test_a_goaway_that_ends_it_is_a_loss(last: int, code: int) -> None:
    async with called() as (leg, server):
        server.writer.write(_goaway(last, code))
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)


@pytest.mark.parametrize("code", [ErrorCodes.CANCEL, ErrorCodes.REFUSED_STREAM])
async def test_a_reset_is_a_loss_that_names_its_code(code: ErrorCodes) -> None:
    async with called() as (leg, server):
        server.answer()
        server.h2.reset_stream(server.number, code)
        server.flush()
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)
        assert code.name in str(leg.error)


async def test_an_answer_that_does_not_want_the_rest_is_the_answer() -> None:
    async with called() as (leg, server):
        server.answer(403)
        server.h2.send_data(server.number, b"no", end_stream=True)
        server.h2.reset_stream(server.number, ErrorCodes.NO_ERROR)
        server.flush()
        await leg.until(lambda: leg.over)
        assert leg.error is None
        (close,) = leg.told
        assert isinstance(close, Close)
        assert (close.code, close.body) == (403, b"no")


async def test_a_server_that_hangs_up_is_a_loss() -> None:
    async with called() as (leg, server):
        server.answer()
        await leg.until(lambda: bool(leg.told))
        assert isinstance(leg.told[0], Accept)
        server.writer.close()
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)


async def test_a_server_that_answers_no_ping_is_dropped() -> None:
    async with called(Http2ClientSettings(keepalive_s=0.5)) as (leg, server):
        reading = server.h2.receive_data
        server.h2.receive_data = lambda data: []  # type: ignore[method-assign]
        await leg.until(lambda: leg.over)
        server.h2.receive_data = reading  # type: ignore[method-assign]
        assert isinstance(leg.error, ConnectionLost)
        assert "ping" in str(leg.error)


async def test_bytes_that_are_no_http2_are_refused() -> None:
    async with called() as (leg, server):
        server.answer()
        server.writer.write(b"\0\0\x08\0\0" + bytes(4) + b"data at 0")  # DATA on stream 0
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, BadMessage)


async def test_a_server_of_http1_is_named() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        leg: Any = await connect(ASK, Recorder, url=f"http://127.0.0.1:{port}")
        leg = leg._receiver
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)
        assert "HTTP/2" in str(leg.error)


async def test_close_sends_what_was_sent_before() -> None:
    async with called() as (leg, server):
        leg.channel.send(Binary(b"last words"))
        leg.channel.send(Close())
        leg.channel.send(Binary(b"never"))
        await server.until(lambda: server.closed)
        assert bytes(server.body) == b"last words"
        await leg.until(lambda: leg.over)
        assert leg.error is None


async def test_who_takes_nothing_is_left_when_the_time_is_up() -> None:
    async with called(Http2ClientSettings(close_timeout=0.2)) as (leg, _server):
        leg.channel.send(Binary(b"x" * 80_000))  # over the window
        leg.channel.send(Fin())
        leg.channel.send(Close())
        await leg.until(lambda: leg.over)
        assert leg.error is None


async def test_a_server_without_http2_is_named(tmp_path: Path) -> None:
    files = local_certificates(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    listening = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    trusted = ssl.create_default_context(cafile=str(files.authority))
    with pytest.raises(ConnectionLost, match="ALPN"):
        await connect(ASK, Recorder, url=f"https://localhost:{port}", ssl=trusted)
    with pytest.raises(ConnectionLost, match="certificate"):
        await connect(ASK, Recorder, url=f"https://localhost:{port}")
    listening.close()
    await listening.wait_closed()
    with pytest.raises(OssicleError):
        await connect(ASK, Recorder, url=f"http://localhost:{port}")
    with pytest.raises(Refused):
        await connect(ASK, Recorder, url="ws://localhost")


def _goaway(last: int, code: int) -> bytes:
    payload = last.to_bytes(4) + code.to_bytes(4)
    return len(payload).to_bytes(3) + b"\x07\0" + bytes(4) + payload
