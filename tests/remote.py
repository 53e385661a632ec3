"""A web server that somebody else runs: it gives what a test tells it to, whole, cut, slowly, or
from somewhere else. Plain asyncio streams, so that nothing of the project is on both ends."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

from ossicle.gateway.doors.certificates import local_certificates

__all__ = ["Page", "Remote", "cut", "endless", "identity", "page", "redirect", "silent", "wav"]

Page = Callable[[asyncio.StreamWriter], Awaitable[None]]


def wav(data: bytes) -> bytes:
    """A recording, from samples of 16 kHz."""
    size = len(data).to_bytes(4, "little")
    head = b"RIFF" + (len(data) + 36).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0"
    return head + b"\x80\x3e\0\0\x00\x7d\0\0\2\0\x10\0data" + size + data


def page(
    body: bytes = b"", status: int = 200, headers: Iterable[str] = ("content-type: audio/wav",)
) -> Page:
    """A whole answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        fields = "".join(f"{field}\r\n" for field in headers)
        writer.write(f"HTTP/1.1 {status} x\r\n{fields}content-length: {len(body)}\r\n\r\n".encode())
        writer.write(body)

    return answer


def redirect(where: str, status: int = 302) -> Page:
    """It is somewhere else."""
    return page(b"over there", status, (f"location: {where}",))


def cut(body: bytes, of: int) -> Page:
    """It promises more than it sends."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 x\r\ncontent-length: {of}\r\n\r\n".encode() + body)

    return answer


def silent(body: bytes = b"", head: bool = True) -> Page:
    """It begins and says nothing more."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        if head:
            writer.write(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")
        if body:
            writer.write(b"%x\r\n%b\r\n" % (len(body), body))
        await writer.drain()
        await asyncio.Event().wait()

    return answer


def endless(piece: bytes, first: bytes = b"") -> Page:
    """It sends as long as somebody reads."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 x\r\n\r\n" + first)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    return answer


def identity(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for this machine's names, and the authority that vouches for it."""
    files = local_certificates(folder)
    assert files.authority is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context, files.authority


class Remote:
    """The server. `pages` by path, without the query."""

    def __init__(self, pages: dict[str, Page] | None = None) -> None:
        self.pages: dict[str, Page] = pages or {}
        self.heads: list[str] = []
        """Requests, as they came."""
        self.open = 0
        """Connections."""
        self.ended = 0
        self.port = 0
        self.authority: Path | None = None
        """What to trust, where it speaks TLS."""
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(
        self, tls: Path | None = None, host: str = "127.0.0.1"
    ) -> "AsyncIterator[Remote]":
        """Listening; with TLS where a folder for an authority of its own is given."""
        context = None
        if tls is not None:
            context, self.authority = identity(tls)
        server = await asyncio.start_server(self._serve, host, 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Of a page."""
        scheme = "https" if self.authority is not None else "http"
        return f"{scheme}://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, queries included."""
        return [head.split(" ")[1] for head in self.heads]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            answer = self.pages.get(head.split(" ")[1].partition("?")[0], page(b"nothing", 404))
            async with asyncio.TaskGroup() as group:
                gone = group.create_task(self._gone(reader, writer))
                await answer(writer)
                await writer.drain()
                gone.cancel()
        except* (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._tasks.discard(task)
            self.open -= 1
            self.ended += 1
            writer.close()

    async def _gone(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Whoever asked hung up: a page that waits is to end."""
        await reader.read()
        writer.transport.abort()
        raise ConnectionResetError
