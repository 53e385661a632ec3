"""What the table of facts claims and this code can show, measured: `facts.toml` names these tests.

Counts, not times, wherever that can be: bytes around a message, and how often a client has to wait
for an answer before its first sound may leave.
"""

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
import websockets
from h2.config import H2Configuration
from h2.connection import H2Connection

from harness import FRAME, Talk, address, chunks, gateway_with, pieces, read_head, until
from http2_peer import Peer
from ossicle.advisor import FACTS
from ossicle.core.capabilities import Capabilities
from ossicle.core.commands import Command, Configure, End
from ossicle.core.events import Ended, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.core.ports import Sink
from ossicle.dialects.native.byhand import audio_out
from ossicle.dialects.native.protobuf import write_question, write_start
from ossicle.testing.marked import marked_audio
from ossicle.transports.grpcweb.frames import frame

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

PIECE = 3_200
"""100 ms of pcm_s16le at 16 kHz."""
TELEPHONE = AudioFormat("pcm_s16le", 16_000)


class Obliging:
    """An engine that says a word for each piece at once, or takes one second and no more."""

    def __init__(self, *, stands: bool = False, says: bool = True) -> None:
        self.says = says and not stands
        self.capabilities = Capabilities(name="obliging", hears=(TELEPHONE,))
        self.stands = stands
        self.taken = 0
        self.last = 0
        """Length of the newest piece: pieces are handed on whole."""

    async def open(self, options: Options, sink: Sink) -> "Obliging._Stream":
        if self.stands:
            sink.credit(1_000)
        return Obliging._Stream(self, sink)

    class _Stream:
        def __init__(self, engine: "Obliging", sink: Sink) -> None:
            self._engine, self._sink = engine, sink

        def audio(self, data: bytes) -> None:
            self._engine.taken += len(data)
            self._engine.last = len(data)
            if self._engine.says:
                self._sink.tell(Transcript(text=f"piece {self._engine.taken}"))

        def ask(self, command: Command) -> None:
            if isinstance(command, End):
                self._sink.tell(Ended(reason="done"))

        def credit(self, until_ms: int) -> None: ...
        def abort(self) -> None: ...


class Counter:
    """A TCP proxy that counts what goes up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.up = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Counter"]:
        writers: list[asyncio.StreamWriter] = []

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            writers.extend((writer, far_writer))
            await asyncio.gather(
                self._pump(reader, far_writer, counted=True), self._pump(far_reader, writer)
            )

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        self.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            for writer in writers:
                writer.transport.abort()
            server.close()
            await server.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.up += len(data) if counted else 0
                writer.write(data)
                await writer.drain()


async def test_overhead_of_a_websocket_message(tmp_path: Path) -> None:
    engine = Obliging()
    async with (
        gateway_with(tmp_path, engine) as gateway,
        Counter(address(gateway.url)[1]).listening() as counter,
        Talk.open(counter.url, encoding="pcm_s16le") as talk,
    ):
        costs: dict[int, float] = {}
        for size, count in ((100, 40), (PIECE, 40), (65_536, 4)):
            before, taken = counter.up, engine.taken
            for _ in range(count):
                await talk.socket.send(bytes(size))
            await until(lambda t=taken, n=size * count: engine.taken >= t + n)
            costs[size] = (counter.up - before) / count - size
        assert costs == {100: 6, PIECE: 8, 65_536: 14}  # RFC 6455 section 5.2, masked
    assert FACTS["websocket.overhead"].value == f"8 bytes in {PIECE + 8:,}"


async def test_overhead_of_an_http_chunk(tmp_path: Path) -> None:
    engine = Obliging()
    async with (
        gateway_with(tmp_path, engine) as gateway,
        Counter(address(gateway.url)[1]).listening() as counter,
    ):
        reader, writer = await asyncio.open_connection(*address(counter.url))
        writer.write(head("?encoding=pcm_s16le"))
        chunk(writer, bytes(PIECE))
        await until(lambda: engine.taken == PIECE)
        before = counter.up
        for _ in range(40):
            chunk(writer, bytes(PIECE))
            await writer.drain()
        await until(lambda: engine.taken == 41 * PIECE)
        assert (counter.up - before) / 40 - PIECE == 7
        writer.transport.abort()
        del reader
    assert FACTS["http.overhead"].value == f"7 bytes in {PIECE + 7:,}"


async def test_overhead_of_an_http2_frame(tmp_path: Path) -> None:
    engine = Obliging()
    async with (
        gateway_with(tmp_path, engine) as gateway,
        Counter(address(gateway.url)[1]).listening() as counter,
        Peer.open(address(counter.url)[1]) as peer,
    ):
        asked = peer.ask("POST", "/v1/stream?encoding=pcm_s16le")
        asked.send(bytes(PIECE))
        peer.flush()
        await until(lambda: engine.taken == PIECE)
        before = counter.up
        for number in range(2, 12):
            await peer.until(lambda: asked.room >= PIECE)
            asked.send(bytes(PIECE))
            peer.flush()
            await until(lambda n=number: engine.taken == n * PIECE)
        assert (counter.up - before) / 10 - PIECE == 9
    assert FACTS["http2.overhead"].value == f"9 bytes in {PIECE + 9:,}"


async def test_overhead_of_a_grpc_message(tmp_path: Path) -> None:
    engine = Obliging(says=False)  # an answer would be acknowledged, and that is no message
    async with gateway_with(tmp_path, engine, grpc_port=0) as gateway:
        port = int(gateway.house.address.grpc.rpartition(":")[2])
        async with (
            Counter(port).listening() as counter,
            grpc.aio.insecure_channel(counter.url.removeprefix("http://")) as channel,
        ):
            call = channel.stream_stream("/ossicle.v1.Speech/Stream")()
            await call.write(write_start(Configure(format=TELEPHONE)))
            await call.read()  # it began
            await call.write(audio_out(bytes(PIECE)))
            await until(lambda: engine.taken == PIECE)
            costs: list[int] = []
            for number in range(2, 22):
                before = counter.up
                await call.write(audio_out(bytes(PIECE)))
                await until(lambda n=number: engine.taken == n * PIECE)
                costs.append(counter.up - before - PIECE)
            call.cancel()
    # now and then the library asks how wide the line is, or grants a window: not each time
    assert statistics.mode(costs) == 17, costs
    assert FACTS["grpc.overhead"].value == f"17 bytes in {PIECE + 17:,}"


async def test_overhead_of_a_grpc_web_message(tmp_path: Path) -> None:
    """A recording in one message; what is around it in the body."""
    asked = Configure(format=TELEPHONE)
    body = frame(write_question(asked, bytes(PIECE)))
    options = len(write_question(asked, b""))  # which come once, however long the recording is
    assert len(body) - PIECE - options == 8
    engine = Obliging()
    async with gateway_with(tmp_path, engine) as gateway:
        reader, writer = await asyncio.open_connection(*address(gateway.url))
        writer.write(
            b"POST /ossicle.v1.Speech/Recognize HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/grpc-web+proto\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        async with asyncio.timeout(10):
            status, _ = await read_head(reader)
            told = b"".join([piece async for piece in chunks(reader)])
        writer.transport.abort()
    assert status == 200
    assert b"grpc-status:0" in told
    assert engine.taken == PIECE
    assert FACTS["grpcweb.overhead"].value == f"8 bytes in {PIECE + 8:,}"


def test_what_base64_costs() -> None:
    kilobits = 16_000 * 16 / 1_000
    grown = len(base64.b64encode(bytes(PIECE * 3))) / (PIECE * 3)
    assert grown == pytest.approx(4 / 3)
    assert f"{kilobits:.0f} kbit/s" in FACTS["base64.cost"].text
    assert f"become {kilobits * grown:.0f}" in FACTS["base64.cost"].text


async def test_the_default_limit_of_a_message(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, Obliging()) as gateway:
        async with Talk.open(gateway.url, encoding="pcm_s16le") as talk:
            await talk.socket.send(bytes(1 << 20))
            await talk.until("transcript")
        async with Talk.open(gateway.url, encoding="pcm_s16le") as talk:
            with contextlib.suppress(websockets.ConnectionClosed):
                await talk.socket.send(bytes((1 << 20) + 2))
            async with asyncio.timeout(10):
                await talk.over.wait()
            assert talk.close[0] == 1009
    assert "1 MiB" in FACTS["websocket.message_limit"].text


@pytest.mark.parametrize("wire", ["websocket", "http"])
async def test_words_come_back_while_sound_still_goes_in(tmp_path: Path, wire: str) -> None:
    sound = pieces(marked_audio([1, 2, 0, 3, 0]))
    async with gateway_with(tmp_path) as gateway:
        if wire == "websocket":
            async with Talk.open(gateway.url, encoding="pcm_s16le") as talk:
                await talk.audio(b"".join(sound[: len(sound) // 2]))
                await talk.until("transcript")
                await talk.audio(b"".join(sound[len(sound) // 2 :]))
                await talk.say("end")
                await talk.ended()
                assert talk.words() == ["w1", "w2", "w3"]
            return
        reader, writer = await asyncio.open_connection(*address(gateway.url))
        writer.write(head("?encoding=pcm_s16le"))
        for piece in sound[: len(sound) // 2]:
            chunk(writer, piece)
        async with asyncio.timeout(10):
            status, _ = await read_head(reader)
            lines = chunks(reader)
            heard = [await anext(lines)]
            while b'"transcript"' not in heard[-1]:
                heard.append(await anext(lines))
            for piece in sound[len(sound) // 2 :]:
                chunk(writer, piece)
            writer.write(b"0\r\n\r\n")
            heard += [line async for line in lines]
        writer.transport.abort()
    events = [json.loads(line) for line in b"".join(heard).splitlines()]
    words = [e["text"] for e in events if e["type"] == "transcript" and e["final"]]
    assert (status, " ".join(words).split()) == (200, ["w1", "w2", "w3"])


def small(url: str) -> socket.socket:
    """A connection whose own kernel buffer holds little, so that it is the gateway that counts."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    peer.connect(address(url))
    peer.setblocking(False)
    return peer


async def stopped(sent: Callable[[], int]) -> int:
    """What was sent once nothing more goes out."""
    last = -1
    while last != sent():
        last = sent()
        await asyncio.sleep(0.3)  # longer than a piece that can go out waits to do so
    return last


A_MINUTE = 60 * 32_000


async def test_a_gateway_that_cannot_follow_stops_a_websocket(tmp_path: Path) -> None:
    engine = Obliging(stands=True)
    async with gateway_with(tmp_path, engine) as gateway:
        url = gateway.url.replace("http", "ws") + "/v1/stream?encoding=pcm_s16le"
        async with websockets.connect(url, sock=small(gateway.url), proxy=None) as peer:
            sent = 0

            async def talk() -> None:
                nonlocal sent
                while True:
                    await peer.send(bytes(PIECE))
                    sent += PIECE

            talking = asyncio.create_task(talk())
            await until(lambda: sent > 32_000)
            assert await stopped(lambda: sent) < A_MINUTE
            assert not talking.done()
            talking.cancel()
            await asyncio.wait([talking])
            peer.transport.abort()
    assert engine.taken - engine.last < 32_000, "more than the piece that passed the grant"


async def test_a_gateway_that_cannot_follow_stops_a_request(tmp_path: Path) -> None:
    engine = Obliging(stands=True)
    async with gateway_with(tmp_path, engine) as gateway:
        _, writer = await asyncio.open_connection(sock=small(gateway.url))
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(head("?encoding=pcm_s16le"))
        sent = 0

        async def talk() -> None:
            nonlocal sent
            while True:
                chunk(writer, bytes(PIECE))
                await writer.drain()
                sent += PIECE

        talking = asyncio.create_task(talk())
        await until(lambda: sent > 32_000)
        assert await stopped(lambda: sent) < A_MINUTE
        assert not talking.done()
        talking.cancel()
        await asyncio.wait([talking])
        writer.transport.abort()
    assert engine.taken - engine.last < 32_000, "more than the piece that passed the grant"


class Client:
    """A client that counts how often it has to wait for the other end."""

    def __init__(self, context: ssl.SSLContext | None, session: ssl.SSLSession | None = None):
        self.waits = 0
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context and context.wrap_bio(
            self._in, self._out, server_hostname="localhost", session=session
        )
        self._sent = False

    async def connect(self, url: str) -> None:
        self.reader, self.writer = await asyncio.open_connection(*address(url))
        self.waits = 1  # SYN and its answer
        while self.tls is not None:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._more()

    async def _more(self) -> None:
        self._flush()
        self.waits += self._sent  # several pieces of one answer are one wait
        self._sent = False
        async with asyncio.timeout(10):
            data = await self.reader.read(65_536)
        assert data, "closed"
        self._in.write(data)

    def _flush(self) -> None:
        if data := self._out.read():
            self.writer.write(data)
            self._sent = True

    def write(self, data: bytes) -> None:
        if self.tls is None:
            self.writer.write(data)
            self._sent = True
        else:
            self.tls.write(data)
            self._flush()

    async def read_until(self, end: bytes) -> bytes:
        found = b""
        while end not in found:
            if self.tls is None:
                await self._more()
                found += self._in.read()
                continue
            try:
                found += self.tls.read(65_536)
            except ssl.SSLWantReadError:
                await self._more()
        return found

    def close(self) -> None:
        self.writer.transport.abort()


UPGRADE = (
    b"GET /v1/stream?encoding=pcm_s16le HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\n"
    b"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
MASKED = bytes((0x82, 0xFE)) + FRAME.to_bytes(2, "big") + bytes(4) + bytes(FRAME)
"""A binary message of 20 ms, masked with zeros (RFC 6455 section 5.2)."""


async def test_flights_before_the_first_sound(tmp_path: Path) -> None:
    """Cold, resumed and on a kept connection, over TLS 1.3 and without."""
    engine = Obliging()
    async with gateway_with(tmp_path, engine, tls_port=0) as gateway:
        secure = next(door.url for door in gateway.doors.values() if door.url.startswith("https"))
        context = ssl.create_default_context(cafile=str(tmp_path / "state" / "ca.pem"))
        plain = next(door.url for door in gateway.doors.values() if door.url.startswith("http:"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        counted: dict[str, int] = {}
        session: ssl.SSLSession | None = None
        for name, tls in (("websocket", True), ("websocket resumed", True), ("plain", False)):
            url = secure if tls else plain
            client = Client(context if tls else None, session if "resumed" in name else None)
            await client.connect(url)
            client.write(UPGRADE)
            assert b"101" in await client.read_until(b"\r\n\r\n")
            counted[name] = client.waits
            before = engine.taken
            client.write(MASKED)
            await until(lambda b=before: engine.taken == b + FRAME)
            if client.tls is not None:
                assert client.tls.version() == "TLSv1.3"
                assert client.tls.session_reused == ("resumed" in name)
                session = client.tls.session
            client.close()

        client = Client(context)
        await client.connect(secure)
        for name in ("http", "http kept"):
            waits = client.waits if "kept" in name else 0
            before = engine.taken
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (FRAME, bytes(FRAME))
            client.write(head("?encoding=pcm_s16le") + body)
            counted[name] = client.waits - waits
            await until(lambda b=before: engine.taken == b + FRAME)
            await client.read_until(b"\r\n0\r\n\r\n")
            client.waits -= 1  # for the answer itself, which no sound waits for
        client.close()
    assert counted == {
        "websocket": 3, "websocket resumed": 3, "plain": 2, "http": 2, "http kept": 0,
    }  # fmt: skip
    for wire, text in (("websocket", "3 round trips"), ("http", "2 round trips")):
        assert FACTS[f"{wire}.setup"].value == text
    assert FACTS["websocket.setup_resumed"].value.startswith("3")
    assert FACTS["http.setup_resumed"].value.startswith("0")


async def test_flights_before_the_first_sound_of_http2(tmp_path: Path) -> None:
    """TCP and TLS, which settles on h2: the preface, the head and the sound leave together. A
    second stream waits for nothing."""
    engine = Obliging()
    async with gateway_with(tmp_path, engine, tls_port=0) as gateway:
        secure = next(door.url for door in gateway.doors.values() if door.url.startswith("https"))
        context = ssl.create_default_context(cafile=str(tmp_path / "state" / "ca.pem"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["h2"])
        client = Client(context)
        await client.connect(secure)
        assert client.tls is not None
        assert client.tls.selected_alpn_protocol() == "h2"
        http = H2Connection(H2Configuration(client_side=True))
        http.initiate_connection()
        counted: list[int] = []
        for stream in (1, 3):
            waits, before = client.waits if stream > 1 else 0, engine.taken
            http.send_headers(
                stream,
                [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"),
                 (":path", "/v1/stream?encoding=pcm_s16le")],
            )  # fmt: skip
            http.send_data(stream, bytes(FRAME))
            client.write(http.data_to_send())
            counted.append(client.waits - waits)
            await until(lambda b=before: engine.taken == b + FRAME)
        client.close()
    assert counted == [2, 0]
    for wire in ("http2", "grpc", "grpcweb"):
        assert FACTS[f"{wire}.setup"].value.startswith("2 round trips")
        assert FACTS[f"{wire}.setup_resumed"].value.startswith("0")


async def test_what_the_protocol_adds(tmp_path: Path) -> None:
    """There and back through everything between a socket and an engine, and no engine."""
    async with (
        gateway_with(tmp_path, Obliging()) as gateway,
        Talk.open(gateway.url, reading=False, encoding="pcm_s16le") as talk,
    ):
        assert json.loads(await talk.socket.recv())["type"] == "began"
        took: list[float] = []
        for _ in range(100):
            start = time.perf_counter()
            await talk.socket.send(bytes(FRAME))
            while json.loads(await talk.socket.recv())["type"] != "transcript":
                pass
            took.append((time.perf_counter() - start) * 1_000)
    # others use this machine, too: the better half tells what the protocol takes
    assert statistics.quantiles(took, n=4)[0] < 5.0, sorted(took)
    assert "less than 5 ms" in FACTS["latency.protocol"].text


def head(query: str) -> bytes:
    """Of a request whose body is a stream."""
    return (
        f"POST /v1/stream{query} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()


def chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One chunk."""
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
