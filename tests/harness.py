"""A gateway with real sockets, and clients that do not trust it.

The clients here are not Ossicle's own: the `websockets` library and bare sockets, so that a
mistake made on both ends of the project is seen. Deadlines everywhere, no sleep that hides a race.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import websockets
from websockets.asyncio.client import connect

from ossicle.core.session import SessionSettings
from ossicle.engines.scripted import ScriptedEngine, parse_script
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.serve import Gateway, serving
from ossicle.testing.marked import marked_audio

__all__ = [
    "FRAME",
    "Answer",
    "GatewayProcess",
    "Proxy",
    "Talk",
    "ask",
    "beside",
    "chunks",
    "gateway_with",
    "heard",
    "missing",
    "pieces",
    "read_head",
    "refusal",
    "resident",
    "until",
    "words_of",
]

FRAME = 640
"""20 ms of pcm_s16le at 16 kHz."""


def missing(what: str) -> None:
    """Skip, or fail where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


async def until(true: Callable[[], Any], seconds: float = 10.0, what: str = "") -> None:
    """Wait for something that nobody tells."""
    try:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"not within {seconds:g} s: {what or true}")


def heard() -> ScriptedEngine:
    """The engine that reads marked audio."""
    return ScriptedEngine(parse_script("heard"))


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that a process holds, now."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        missing("/proc is needed to measure memory")
        raise


@contextlib.asynccontextmanager
async def gateway_with(
    tmp_path: Path, engine: Any = None, *, session: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Gateway]:
    """A gateway in this process, on a free port of loopback."""
    values: dict[str, Any] = {
        "port": 0,
        "tls_port": None,
        "grpc_port": None,
        "grpc_tls_port": None,
        "state_dir": tmp_path / "state",
        "drain_s": 2.0,
        "session": SessionSettings(**({"resume_window_s": 0.5} | (session or {}))),
    }
    async with serving(GatewaySettings(**(values | settings)), engine or heard()) as gateway:
        yield gateway


def address(url: str) -> tuple[str, int]:
    """Host and port of a loopback URL."""
    return "127.0.0.1", int(url.rpartition(":")[2])


class Talk:
    """One client of `/v1/stream` over WebSocket; reads all the time unless told otherwise."""

    def __init__(self, wire: Any, *, reading: bool = True) -> None:
        self.socket = wire
        self.messages: list[dict[str, Any]] = []
        self.sounds: list[bytes] = []
        self.over = asyncio.Event()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read()) if reading else None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, *, reading: bool = True, headers: Any = None, **query: Any
    ) -> "AsyncIterator[Talk]":
        """Connected, and the first message is there. Without `reading` the kernel keeps little:
        what is not read stands at the gateway."""
        host, port = address(url)
        where = f"ws://{host}:{port}/v1/stream"
        if query:
            where += "?" + urlencode(query)
        sock = socket.socket()
        if not reading:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
        async with connect(
            where, sock=sock, compression=None, proxy=None, max_size=None, close_timeout=2,
            additional_headers=headers,
        ) as wire:  # fmt: skip
            talk = cls(wire, reading=reading)
            try:
                if reading:
                    await talk.until("began")
                yield talk
            finally:
                await talk.stop()

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.sounds.append(message)
                else:
                    self.messages.append(json.loads(message))
                self._news.set()
        except websockets.ConnectionClosed:
            pass  # the codes are in `close`
        finally:
            self.over.set()
            self._news.set()

    def read(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """No more reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def until(self, kind: str, seconds: float = 10.0, **fields: Any) -> dict[str, Any]:
        """The first message of that type with those fields."""
        seen = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for message in self.messages[seen:]:
                        if message["type"] == kind and fields.items() <= message.items():
                            return message
                    seen = len(self.messages)
                    if self.over.is_set():
                        break
                    self._news.clear()
                    if len(self.messages) == seen:
                        await self._news.wait()
        except TimeoutError:
            pass
        kinds = [m["type"] for m in self.messages][-20:]
        pytest.fail(f"no {kind} {fields} within {seconds:g} s; {self.close}, last: {kinds}")

    async def say(self, kind: str, **fields: Any) -> None:
        """One JSON message."""
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def audio(self, data: bytes, step: int = FRAME) -> None:
        """Audio in pieces."""
        for at in range(0, len(data), step):
            await self.socket.send(data[at : at + step])

    async def ended(self, seconds: float = 10.0) -> dict[str, Any]:
        """The last message, and the closed connection behind it."""
        message = await self.until("ended", seconds)
        async with asyncio.timeout(seconds):
            await self.over.wait()
        return message

    @property
    def close(self) -> tuple[int | None, str | None]:
        """Code and reason of the Close, if there was one."""
        return self.socket.close_code, self.socket.close_reason

    @property
    def began(self) -> dict[str, Any]:
        """The first message."""
        return self.messages[0]

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Messages of a type."""
        return [m for m in self.messages if m["type"] == kind and fields.items() <= m.items()]

    def words(self, channel: int = 0) -> list[str]:
        """The words of all finals, doubles included."""
        return words_of(self.messages, channel)


def words_of(messages: Iterable[dict[str, Any]], channel: int = 0) -> list[str]:
    """The words of all finals in these messages."""
    return [
        word
        for m in messages
        if m["type"] == "transcript" and m["final"] and m.get("channel", 0) == channel
        for word in m["text"].split()
    ]


@contextlib.asynccontextmanager
async def beside(
    url: str, *, every_s: float = 0.01, headers: Any = None, **query: Any
) -> AsyncIterator[Talk]:
    """A session that talks while the block runs and must be understood whole.

    Twice real time by default: a word and a silence after it about every 110 ms.
    """
    count = 0

    async def talk_on(talk: Talk) -> None:
        nonlocal count
        while True:
            for frame in pieces(marked_audio([count % 30_000 + 1, 0])):
                await talk.socket.send(frame)
                await asyncio.sleep(every_s)
            count += 1

    query = {"encoding": "pcm_s16le", "sample_rate": 16000} | query
    async with Talk.open(url, headers=headers, **query) as talk:
        talking = asyncio.create_task(talk_on(talk))
        try:
            await talk.until("transcript")
            yield talk
        finally:
            talking.cancel()
            await asyncio.wait([talking])
        assert talking.cancelled(), talking.exception()
        await talk.say("end")
        ended = await talk.ended()
        assert "error" not in ended, ended
        said = talk.words()
        assert said[:count] == [f"w{number + 1}" for number in range(count)]
        assert len(said) <= count + 1  # the one that was cut off
        assert not talk.of("notice")
        assert talk.close[0] == 1000


def pieces(data: bytes, step: int = FRAME) -> list[bytes]:
    """Cut in frames."""
    return [data[at : at + step] for at in range(0, len(data), step)]


async def refusal(url: str, *, headers: Any = None, path: str = "/v1/stream", **query: Any) -> Any:
    """The status and the JSON body that refuse a WebSocket."""
    host, port = address(url)
    where = f"ws://{host}:{port}{path}?{urlencode(query)}"
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(where, proxy=None, compression=None, additional_headers=headers):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"")


class Answer:
    """An HTTP response as it came."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The whole body as one value."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The body as JSON lines."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def words(self) -> list[str]:
        """The words of all finals."""
        return words_of(self.lines)


async def ask(
    url: str,
    body: bytes | Sequence[bytes] = b"",
    *,
    method: str = "POST",
    path: str = "/v1/stream",
    headers: dict[str, str] | None = None,
    seconds: float = 10.0,
) -> Answer:
    """One request on a connection of its own. A sequence of pieces goes out chunked."""
    host, port = address(url)
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            sent = asyncio.create_task(_send(writer, method, path, body, headers or {}))
            answer = await _receive(reader)
            sent.cancel()
            await asyncio.wait([sent])
        finally:
            writer.transport.abort()
    return answer


async def _send(
    writer: asyncio.StreamWriter,
    method: str,
    path: str,
    body: bytes | Sequence[bytes],
    headers: dict[str, str],
) -> None:
    fields = {"host": "localhost", "connection": "close"} | headers
    if isinstance(body, bytes):
        fields["content-length"] = str(len(body))
    else:
        fields["transfer-encoding"] = "chunked"
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        if isinstance(body, bytes):
            writer.write(body)
        else:
            for piece in body:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        await writer.drain()
    except ConnectionError:
        pass  # answered before it had everything: the answer says why


async def _receive(reader: asyncio.StreamReader) -> Answer:
    status, headers = await read_head(reader)
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([piece async for piece in chunks(reader)])
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = await reader.read()
    return Answer(status, headers, body)


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of a response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    return int(head[0].split(" ")[1]), headers


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The pieces of a chunked body."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()


class Proxy:
    """A TCP proxy that can cut what goes through it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.StreamWriter] = set()
        self.connections = 0

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://localhost:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Reset every connection, whatever is on its way."""
        for writer in self._pairs:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        both = {writer, far_writer}
        self._pairs |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))
        finally:
            self._pairs -= both
            for one in both:
                one.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class GatewayProcess:
    """`ossicle serve` as people start it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self.secure_url = ""
        self.grpc = ""
        """host:port of the gRPC door."""
        self.authority: Path | None = None
        """Certificate of its local authority, where a test has looked for it."""

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, *flags: str, tmp_path: Path, port: int = 0, **environment: str
    ) -> "AsyncIterator[GatewayProcess]":
        """Running and ready; killed at the end if a test left it running."""
        process = await cls.spawn(*flags, tmp_path=tmp_path, port=port, **environment)
        it = cls(process)
        reading = asyncio.create_task(it._read())
        try:
            await until(lambda: "try" in it.text or it.process.returncode is not None, 30)
            yield it
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading

    @staticmethod
    async def spawn(
        *flags: str, tmp_path: Path, port: int = 0, **environment: str
    ) -> asyncio.subprocess.Process:
        """Just the process."""
        flags = (*flags, *(f for door in ("--tls-port", "--grpc-port", "--grpc-tls-port")
                           if door not in flags for f in (door, "off")))  # fmt: skip
        return await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ossicle"), "serve", "--port", str(port),
            "--state-dir", str(tmp_path / "state"),
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        )  # fmt: skip

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            text = line.decode(errors="replace").rstrip()
            self.lines.append(text)
            if found := re.search(r"grpc://(localhost:\d+)", text):
                self.grpc = found[1]
            for found in re.findall(r"(https?)://localhost:(\d+)", text):
                if found[0] == "https":
                    self.secure_url = self.secure_url or f"https://localhost:{found[1]}"
                else:
                    self.url = self.url or f"http://localhost:{found[1]}"

    @property
    def text(self) -> str:
        """Everything it has printed so far."""
        return "\n".join(self.lines)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def exited(self, seconds: float) -> int:
        """Its exit code."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()
