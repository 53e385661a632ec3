"""One request and its response on an HTTP/2 connection, as an ASGI application sees them.

What came and was not asked for stays within the stream's window: the window is given back when
the application takes the bytes, so an application that does not read stops its peer, and nobody
else on the connection. What the application sends waits here until the peer has room for it, and
`send` waits with it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ossicle.transports.faults import report_fault

__all__ = ["Connection", "Http2Stream"]

log = logging.getLogger("ossicle.transports.http2")

_NOT_IN_HTTP2 = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""RFC 9113 8.2.2: applications written for HTTP/1.1 may say them."""


class Connection(Protocol):
    """What a stream needs of its connection."""

    def respond(self, number: int, headers: list[tuple[bytes, bytes]], *, over: bool) -> None: ...
    def pump(self, stream: "Http2Stream") -> None: ...
    def taken(self, stream: "Http2Stream", count: int) -> None: ...
    def reset(self, number: int, code: int) -> None: ...
    def answered(self, stream: "Http2Stream") -> None: ...


class Http2Stream:
    """See above. Also lent to the application as the transport of its request: `abort`."""

    def __init__(self, number: int, connection: Connection, *, head: bool) -> None:
        """`head`: the response has no body (HEAD)."""
        self.number = number
        self._connection = connection
        self._head = head
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._came: deque[bytes] = deque()
        self._came_bytes: int = 0
        self.owed: int = 0
        """Bytes taken whose window was not given back yet."""
        self._told_end = False
        self.finished = False
        """The peer has sent everything."""
        self.gone = False
        """Nothing can be sent or will come any more."""
        self.out: deque[bytes] = deque()
        """Of the response, waiting for room."""
        self.out_bytes: int = 0
        self.started = False
        self.ended = False
        """The application has sent everything."""
        self.complete = False
        """And all of it has gone out."""
        self.on_lost: Callable[[], None] | None = None
        """Called when the peer took the request back, or is gone: for who does not read now."""

    # ── by the connection ──

    def data(self, data: bytes) -> None:
        """A piece of the request's body."""
        if data:
            self._came.append(data)
            self._came_bytes += len(data)
            self._news.set()

    def finish(self) -> None:
        """The request is complete."""
        self.finished = True
        self._news.set()

    def lose(self) -> None:
        """The peer took the request back, or is gone."""
        if self.gone:
            return
        self.gone = True
        self.out.clear()
        self.out_bytes = 0
        self._news.set()
        self._room.set()
        tell, self.on_lost = self.on_lost, None
        if tell is not None:
            tell()

    def roomy(self) -> None:
        """Everything that waited has gone out."""
        self._room.set()

    # ── by the application ──

    async def run(self, app: Any, scope: Any) -> None:
        """Answer the request. What the application breaks, it breaks for itself."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as fault:  # noqa: BLE001  one request's trouble
            report_fault(log, "application", fault)
            if not self.started and not self.gone:
                await self._broken()
        if not self.complete and not self.gone:
            self.abort()

    async def _broken(self) -> None:
        text = b"internal error\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": text})

    async def receive(self) -> dict[str, Any]:
        """The ASGI callable. What it returns is taken: the peer may send as much again."""
        while not self._came and not self.gone and not self.complete:
            if self.finished and not self._told_end:
                break
            self._news.clear()
            await self._news.wait()
        if self.complete or (self.gone and not self._came):
            return {"type": "http.disconnect"}
        body = b"".join(self._came)
        self._came.clear()
        self._came_bytes = 0
        self._connection.taken(self, len(body))
        if self.finished:
            self._told_end = True
        more = not self.finished
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(self, message: dict[str, Any]) -> None:
        """The ASGI callable. Returns when the peer's windows had room for it."""
        if self.gone:
            return
        match message["type"]:
            case "http.response.start" if not self.started:
                self.started = True
                headers = [
                    (name.lower(), value.strip())
                    for name, value in message.get("headers", ())
                    if name.lower() not in _NOT_IN_HTTP2
                ]
                status = b"%d" % message["status"]
                self._connection.respond(self.number, [(b":status", status), *headers], over=False)
            case "http.response.body" if self.started and not self.ended:
                body: bytes = b"" if self._head else message.get("body", b"")
                if body:
                    self.out.append(body)
                    self.out_bytes += len(body)
                self.ended = not message.get("more_body", False)
                self._connection.pump(self)
                while self.out and not self.gone:
                    self._room.clear()
                    await self._room.wait()
            case kind:
                raise RuntimeError(f"an application sent {kind} out of order")

    def abort(self) -> None:
        """Drop the request; its peer can see that the response is not complete."""
        if not self.gone and not self.complete:
            self._connection.reset(self.number, 0x2)  # INTERNAL_ERROR
            self.lose()

    def done(self) -> None:
        """The response is out, to its end."""
        self.complete = True
        self._news.set()
        self._connection.answered(self)
