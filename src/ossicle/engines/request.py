"""One HTTP request of an engine's: POST a body, read the answer as it comes.

    async with posted(url, headers, body, limits) as answer:
        async for piece in answer.pieces(): ...

HTTP/1.1 over asyncio streams, a connection for each request. The way to the server is handed in: a
gateway's leads through the proxy of its environment. An answer that is no 2xx is an `EngineFailed`
or what its status says; its text is shortened and holds no header. Where engines may reach is for
whoever configures them: nothing a client says becomes an address here.
"""

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import h11
import msgspec

from ..core.errors import EngineFailed, OssicleError, Overloaded, Refused, TimedOut

__all__ = ["Answer", "Limits", "Streams", "Way", "directly", "posted"]

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_MOST_ERROR = 4 << 10
_PIECE = 64 << 10


class Limits(msgspec.Struct, frozen=True):
    """Patience and bounds of one request. Seconds and bytes."""

    connect_s: float = 10.0
    answer_s: float = 60.0
    """From the request to the head of its answer."""
    quiet_s: float = 30.0
    """Between two pieces of it."""
    most: int = 16 << 20
    """Bytes of an answer."""


class Way(Protocol):
    """How a connection is made. Who asks bounds the time."""

    async def __call__(self, scheme: str, host: str, port: int) -> Streams:
        """A connection, with TLS where the scheme is https.

        Raises:
            OSError: nobody is there.
            OssicleError: a proxy on the way does not lead there.
        """
        ...


class Answer:
    """What came back. `pieces` may be read once."""

    def __init__(
        self, wire: "_Wire", status: int, headers: Mapping[str, str], limits: Limits
    ) -> None:
        self.status = status
        self.headers = headers
        self._wire = wire
        self._limits = limits

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body, as it comes.

        Raises:
            OssicleError: it broke off, took too long, or is too large.
        """
        size = 0
        while True:
            event = await self._wire.next(self._limits.quiet_s, "said nothing")
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limits.most:
                    raise EngineFailed(f"the answer is over {self._limits.most} bytes")
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    async def whole(self) -> bytes:
        """All of it."""
        return b"".join([piece async for piece in self.pieces()])

    async def lines(self) -> AsyncGenerator[str, None]:
        """Its lines, without their ends; for server-sent events."""
        rest = b""
        async for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > self._limits.most:
                raise EngineFailed("a line of the answer has no end")
            for line in whole:
                yield line.rstrip(b"\r").decode("utf-8", "replace")
        if rest:
            yield rest.decode("utf-8", "replace")


class _Wire:
    """A connection and its parser."""

    def __init__(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.name, self.reader, self.writer = name, reader, writer
        self.parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=64 << 10)

    async def send(self, *events: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        for event in events:
            self.writer.write(self.parser.send(event) or b"")
        await self.writer.drain()

    async def next(self, seconds: float, what: str) -> h11.Event:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    event = self.parser.next_event()
                    if isinstance(event, h11.Event):
                        return event
                    self.parser.receive_data(await self.reader.read(_PIECE))
        except TimeoutError as error:
            raise TimedOut(f"{self.name} {what} for {seconds:g} s") from error
        except (h11.RemoteProtocolError, OSError) as error:
            raise EngineFailed(f"{self.name} broke off its answer") from error


@functools.cache
def _platform_trust() -> ssl.SSLContext:
    """Reading it takes 30 ms, in which no other session is heard: once is enough."""
    return ssl.create_default_context()


async def directly(scheme: str, host: str, port: int) -> Streams:
    """The `Way` past every proxy."""
    context = _platform_trust() if scheme == "https" else None
    return await asyncio.open_connection(host, port, ssl=context)


@contextlib.asynccontextmanager
async def posted(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    limits: Limits | None = None,
    *,
    way: Way = directly,
) -> AsyncGenerator[Answer, None]:
    """Send a request; the connection is gone on the way out.

    Raises:
        OssicleError: nobody is there, or the answer is a refusal.
    """
    limits = limits or Limits()
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused(f"{url[:100]!r} is no http:// or https:// address", code="bad_option")
    name, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(limits.connect_s):
            reader, writer = await way(parts.scheme, name, port)
    except (OSError, TimeoutError, OssicleError) as error:
        why = str(error) if isinstance(error, OssicleError) else type(error).__name__
        raise EngineFailed(
            f"{name}:{port} cannot be reached: {why}", code="engine_unavailable"
        ) from error
    try:
        wire = _Wire(name, reader, writer)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {
            "host": parts.netloc.rpartition("@")[2],
            "content-length": str(len(body)),
            "connection": "close",
            **headers,
        }
        request = h11.Request(method="POST", target=target, headers=list(fields.items()))
        try:
            await wire.send(request, h11.Data(data=body), h11.EndOfMessage())
        except OSError as error:
            raise EngineFailed(f"{name} took only a part of the request") from error
        yield await _answer(wire, limits)
    finally:
        writer.transport.abort()


async def _answer(wire: _Wire, limits: Limits) -> Answer:
    while True:
        event = await wire.next(limits.answer_s, "did not answer")
        if isinstance(event, h11.Response):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
    answer = Answer(wire, event.status_code, headers, limits)
    if 200 <= event.status_code < 300:
        return answer
    raise await _refusal(wire.name, answer)


async def _refusal(name: str, answer: Answer) -> OssicleError:
    """What a status means for who asked. Its body may say why; no key is ever in it."""
    said = bytearray()
    async for piece in answer.pieces():
        said += piece
        if len(said) > _MOST_ERROR:
            break
    text = f"{name} answered {answer.status}: {_why(bytes(said))}".rstrip(": ")
    match answer.status:
        case 429 | 503:
            return Overloaded(text, code="at_capacity")
        case 401 | 403 | 404:
            return EngineFailed(text, code="engine_unavailable")
        case _:
            return EngineFailed(text)


class _Error(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error | str = ""


def _why(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return ""
    return (error if isinstance(error, str) else error.message)[:200]
