"""Streaming over plain HTTP: the request body in, the response body out, both at once.

    app.router.routes.append(Route("/v1/stream", stream_endpoint(acceptor), methods=["POST"]))
    config = uvicorn.Config(app, http=http_protocol())

Pieces of the body are told as `binary` (a byte stream has no frames), its end as `Fin`. The
first message out is `Accept`, which begins a 200, or `Close`, which is the whole answer; the
body is read meanwhile, so a status may wait until somebody has understood the audio. `Text` and
`Binary` go out as they are: line ends are the dialect's. `Close` after `Accept` ends the
response, its code has no place on this wire. Content codings are refused with 415.

`http_protocol` gives uvicorn what ASGI has no word for: a limit for slow request heads, small
socket buffers, an abort, and an end for bodies that go on after the answer.
"""

import asyncio
import enum
import logging
import socket
import sys
import time
import uuid
from collections import deque
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ossicle.core.errors import ConnectionLost, OssicleError, Overloaded
from ossicle.core.ports import Acceptor, Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.transports.faults import report_fault

__all__ = ["HttpChannel", "HttpSettings", "http_protocol", "stream_endpoint"]

log = logging.getLogger("ossicle.transports.http")

PIECE = 64 * 1024
"""Largest piece of a response handed to the server at once."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""With this, and nothing of HTTP/1.1, a connection that knows begins: RFC 9113 3.4."""
TRANSPORT = "ossicle.transport"
"""Name of the ASGI extension by which `http_protocol` lends its transport: it has `abort`, and over
HTTP/2 it calls `on_lost` when the client is gone."""


class HttpSettings(msgspec.Struct, frozen=True):
    """Limits of the HTTP door. Seconds and bytes."""

    write_high: int = 64 * 1024
    """`writable(False)` above this many bytes waiting..."""
    write_low: int = 16 * 1024
    """...and `writable(True)` at or below this."""
    max_backlog: int = 4 << 20
    """What may wait for a client whose receiver goes on sending; then it is dropped."""
    slow_reader_s: float = 30.0
    """A client that takes nothing for so long is dropped."""
    head_timeout: float = 10.0
    """From the connection, or the first byte of a further request, to the end of its head; and
    from the connection to the end of its TLS handshake, which comes before."""
    max_head: int = 64 * 1024
    """Largest request line and headers together; beyond it: 431."""
    linger_s: float = 5.0
    """How long a body may go on after its answer before the connection is closed."""
    linger_bytes: int = 1 << 20
    """How much of such a body is still read and thrown away; then it is left standing."""
    receive_buffer: int = 128 * 1024
    """SO_RCVBUF: what a client can push while reading is paused."""
    send_buffer: int = 64 * 1024
    """SO_SNDBUF: what gets stale in the kernel when a client does not read."""


class Phase(enum.Enum):
    """Where a channel is in its life. It only moves down this list."""

    HELD = enum.auto()
    """No status yet."""
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Close was sent, or the connection is lost; nothing more is taken or told."""
    CLOSED = enum.auto()


class StreamEndpoint:
    """An ASGI application for one acceptor."""

    def __init__(self, acceptor: Acceptor, settings: HttpSettings) -> None:
        self._acceptor = acceptor
        self._settings = settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request. Returns when it is answered or its client has left."""
        opening = _opening(scope)
        coding = opening.header("content-encoding", "identity").strip().lower()
        if coding != "identity":
            text = f"content-encoding {coding[:40]!r} is not taken here; send the body as it is\n"
            await _answer(send, Close(415, body=text.encode()))
            return
        channel = HttpChannel(self._settings, scope, receive, send)
        try:
            receiver = self._acceptor(opening, channel)
        except Exception as fault:  # noqa: BLE001  one request's trouble: answered with 500
            report_fault(log, "acceptor", fault)
            await _answer(send, Close(500, body=b"internal error\n"))
            return
        await channel.run(receiver)


def stream_endpoint(acceptor: Acceptor, settings: HttpSettings | None = None) -> StreamEndpoint:
    """An ASGI application that gives every request to `acceptor`."""
    return StreamEndpoint(acceptor, settings or HttpSettings())


class HttpChannel:
    """The channel of one request and its response. See `ossicle.core.ports.Channel`."""

    TRAITS: ClassVar[ChannelTraits] = ChannelTraits(framed=False)

    def __init__(self, settings: HttpSettings, scope: Any, receive: Any, send: Any) -> None:
        self.traits = self.TRAITS
        self._settings = settings
        self._receive, self._send = receive, send
        extensions: dict[str, Any] = scope.get("extensions") or {}
        self._transport: Any = extensions.get(TRANSPORT)
        if hasattr(self._transport, "on_lost"):
            self._transport.on_lost = self._left
        self._phase = Phase.HELD
        self._receiver: Receiver | None = None
        self._outbox: deque[Accept | Close | bytes] = deque()
        self._waiting = 0
        """Bytes in the outbox and in the hands of the server."""
        self._full = False
        self._error: OssicleError | None = None
        self._lost = False
        self._aborted = False
        self._wake = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()

    # What a receiver may do -----------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self._phase in {Phase.CLOSING, Phase.CLOSED}:
            return
        match message:
            case Text(data):
                self._queue(data.encode(errors="replace"))
            case Binary(data):
                self._queue(data)
            case Accept() if self._phase is Phase.HELD:
                self._phase = Phase.OPEN
                self._outbox.append(message)
            case Close():
                self._phase = Phase.CLOSING
                self._reading.set()
                self._outbox.append(message)
            case _:
                log.debug("%s has no form in a response, ignored", type(message).__name__)
                return
        self._wake.set()

    def _queue(self, data: bytes) -> None:
        self._outbox.append(data)
        self._waiting += len(data)
        if self._waiting > self._settings.max_backlog:
            self._drop(
                Overloaded(
                    f"more than {self._settings.max_backlog} bytes wait for a client that does "
                    "not read them",
                    code="slow_reader",
                )
            )
        elif not self._full and self._waiting > self._settings.write_high:
            self._full = True
            self._tell_writable(False)

    def pause(self) -> None:
        """Stop reading. At most one piece (64 KiB) still comes."""
        if self._phase in {Phase.HELD, Phase.OPEN}:
            self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    def abort(self) -> None:
        """Drop the connection; the client can see that the response is not complete."""
        if self._phase is not Phase.CLOSED:
            self._drop(ConnectionLost("aborted from this side"))

    # Running ----------------------------------------------------------------------------------

    async def run(self, receiver: Receiver) -> None:
        """Read and write until the answer is complete or the client is gone."""
        self._receiver = receiver
        try:
            async with asyncio.TaskGroup() as group:
                # A refusal that is known already goes out before the body is asked for, so a
                # client that waits for 100 Continue (RFC 9110 10.1.1) does not send it.
                reader = None if self._phase is Phase.CLOSING else group.create_task(self._read())
                await self._write()
                if reader is not None:
                    reader.cancel()
            if self._aborted and self._transport is not None:
                # uvicorn complains of an unfinished response unless it knows of the abort.
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except asyncio.CancelledError:
            self._error = self._error or ConnectionLost("the server stopped")
            raise
        except Exception as fault:
            self._error = self._error or OssicleError.wrap(fault)
            raise
        finally:
            self._phase = Phase.CLOSED
            self._receiver = None
            try:
                receiver.closed(self._error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)

    async def _read(self) -> None:
        more = True
        while True:
            await self._reading.wait()
            event = await self._receive()
            if event["type"] != "http.request":
                # After our Close this is only the server saying that it is done.
                if self._phase is not Phase.CLOSING:
                    self._drop(ConnectionLost("the client left"))
                return
            if self._phase is Phase.CLOSING:
                return
            body = event.get("body", b"")
            if body:
                self._tell_binary(body)
            if more and not event.get("more_body", False):
                more = False
                self._tell(Fin())

    async def _write(self) -> None:
        first = await self._next()
        if first is None:
            return
        if isinstance(first, Close):
            await self._to_server(_answer(self._send, first))
            return
        if not isinstance(first, Accept):
            log.error("a message was sent before Accept or Close")
            self._phase = Phase.CLOSING
            self._error = OssicleError("a message was sent before Accept or Close")
            await self._to_server(_answer(self._send, Close(500, body=b"internal error\n")))
            return
        await self._to_server(self._start(first))
        while (message := await self._next()) is not None:
            if isinstance(message, Close):
                await self._to_server(
                    self._send({"type": "http.response.body", "body": b"", "more_body": False})
                )
                return
            if isinstance(message, bytes):
                piece = self._piece(message)
                await self._to_server(
                    self._send({"type": "http.response.body", "body": piece, "more_body": True})
                )
                self._written(len(piece))

    async def _next(self) -> Accept | Close | bytes | None:
        while not self._outbox and not self._lost:
            self._wake.clear()
            await self._wake.wait()
        return None if self._lost else self._outbox.popleft()

    def _piece(self, first: bytes) -> bytes:
        """These bytes and those behind them, as one write."""
        pieces, size = [first], len(first)
        while self._outbox and size < PIECE and isinstance(self._outbox[0], bytes):
            data = cast("bytes", self._outbox.popleft())
            pieces.append(data)
            size += len(data)
        return b"".join(pieces)

    def _written(self, size: int) -> None:
        self._waiting -= size
        if self._full and self._waiting <= self._settings.write_low:
            self._full = False
            self._tell_writable(True)

    async def _start(self, accept: Accept) -> None:
        headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in accept.headers]
        if not any(name == b"x-accel-buffering" for name, _ in headers):
            headers.append((b"x-accel-buffering", b"no"))  # nginx would hold results back
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _to_server(self, sending: Any) -> None:
        limit = self._settings.slow_reader_s
        try:
            async with asyncio.timeout(limit):
                await sending
        except TimeoutError:
            self._drop(Overloaded(f"the client read nothing for {limit:g} s", code="slow_reader"))
        except OSError:
            self._drop(ConnectionLost("the client left"))

    def _left(self) -> None:
        """Called where a transport can tell it (HTTP/2). A reader that is paused would not see; one
        that reads is told in its turn, after what came before."""
        if self._phase in {Phase.HELD, Phase.OPEN} and not self._reading.is_set():
            self._drop(ConnectionLost("the client left"))

    def _drop(self, error: OssicleError) -> None:
        if self._error is None:
            self._error = error
        self._phase = Phase.CLOSING
        self._lost = self._aborted = True
        self._outbox.clear()
        self._wake.set()
        self._reading.set()
        if self._transport is not None:
            self._transport.abort()

    # Telling --------------------------------------------------------------------------------

    def _tell(self, message: Message) -> None:
        if self._receiver is not None:
            try:
                self._receiver.received(message)
            except Exception as fault:  # noqa: BLE001  ends this request, told by closed(error)
                self._broke("received", fault)

    def _tell_binary(self, data: bytes) -> None:
        if self._receiver is not None:
            try:
                self._receiver.binary(data)
            except Exception as fault:  # noqa: BLE001  ends this request, told by closed(error)
                self._broke("binary", fault)

    def _tell_writable(self, yes: bool) -> None:
        if self._receiver is not None and self._phase is not Phase.CLOSED:
            try:
                self._receiver.writable(yes)
            except Exception as fault:  # noqa: BLE001  ends this request, told by closed(error)
                self._broke("writable", fault)

    def _broke(self, where: str, fault: Exception) -> None:
        report_fault(log, f"receiver.{where}", fault)
        held = self._phase is Phase.HELD
        if self._error is None:
            self._error = OssicleError.wrap(fault)
        if held:
            self.send(Close(500, body=b"internal error\n"))
        else:
            self._drop(self._error)


def http_protocol(
    settings: HttpSettings | None = None, http2: type[asyncio.Protocol] | None = None
) -> type[HttpToolsProtocol]:
    """What to hand to `uvicorn.Config(http=...)`.

    Args:
        settings: limits.
        http2: takes the connections that speak HTTP/2, by ALPN or by their first bytes; made as
            uvicorn makes a protocol. None = nobody does.
    """
    return type("Http", (_Http,), {"settings": settings or HttpSettings(), "http2": http2})


class _TooLarge(Exception):
    """A request head over the limit."""


class _Http(HttpToolsProtocol):
    """uvicorn's protocol with the limits it has no options for."""

    settings: ClassVar[HttpSettings]
    http2: ClassVar[type[asyncio.Protocol] | None] = None

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        self._first = b"" if self.http2 is not None else None
        """What came of a connection whose protocol is not known yet; None = it is."""
        self.proxied: tuple[str, int] | None = None
        """Who the connection is from, by a PROXY header that was read before; None = its peer."""
        self._timer: asyncio.TimerHandle | None = None
        self._segment = b""
        self._in_head = True
        self._head = 0
        self._lingered: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        secured: Any = transport.get_extra_info("ssl_object")
        if self.http2 is not None and secured and secured.selected_alpn_protocol() == "h2":
            self.transport = transport
            self._hand_over(b"")
            return
        super().connection_made(transport)
        if self.proxied is not None:
            self.client = self.proxied
        sock: Any = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.settings.receive_buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.settings.send_buffer)
        self._arm(self.settings.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            data = self._first + data
            if _PREFACE.startswith(data[: len(_PREFACE)]):
                self._first = data
                if len(data) >= len(_PREFACE):
                    self.connections.discard(self)
                    self._disarm()
                    self._hand_over(data)
                return
            self._first = None
        self._segment = data
        super().data_received(data)
        self._segment = b""
        if self._in_head:
            self._head += len(data)
            if self._head > self.settings.max_head:
                self._refuse_head()
        elif self._lingered is not None:
            self._lingered += len(data)
            if self._lingered > self.settings.linger_bytes and not self.transport.is_closing():
                self.transport.pause_reading()  # the timer ends it

    def _hand_over(self, data: bytes) -> None:
        """To the protocol that speaks HTTP/2, with what came of it."""
        assert self.http2 is not None
        make = cast("Any", self.http2)
        other = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        other.proxied = self.proxied
        self.transport.set_protocol(other)
        other.connection_made(self.transport)
        if data:
            other.data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """uvicorn drops what came in the same segment behind the head. It calls this while it
        handles the parser's exception, which says where the head ends."""
        self._disarm()
        upgrade = sys.exception()
        segment = self._segment
        super().handle_websocket_upgrade()
        early = getattr(self.transport.get_protocol(), "early", None)
        if early is not None and isinstance(upgrade, httptools.HttpParserUpgrade):
            rest = segment[cast("int", upgrade.args[0]) :]
            if rest:
                early(rest)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0
        cast("dict[str, Any]", self.scope)["extensions"] = {TRANSPORT: self.transport}
        if self._timer is None:
            self._arm(self.settings.head_timeout)

    def on_headers_complete(self) -> None:
        self._disarm()
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.settings.max_head:
            self._refuse_head()
            raise _TooLarge  # ends parsing; uvicorn's own answer finds the connection closed
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        """RFC 6585 section 5. Nobody has asked for more than 64 KiB of headers in good faith."""
        self._disarm()
        if self.transport.is_closing():
            return
        text = b"the request line and headers are over the limit of %d bytes\n" % (
            self.settings.max_head
        )
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (len(text), text)
        )
        self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._lingered = None
        self._disarm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The answer is complete and the body is not: uvicorn would read and discard it for as
        # long as it comes.
        if self.cycle.more_body and self._timer is None:
            self._lingered = 0
            self._arm(self.settings.linger_s)

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()


async def _answer(send: Any, close: Close) -> None:
    """A response that is all there is."""
    status = close.code or 200
    if not 200 <= status < 600:  # a close code of another wire
        status = 500
    body = close.body or (close.reason + "\n" if close.reason else "").encode(errors="replace")
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in close.headers
    ]
    if body and not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _opening(scope: Any) -> Opening:
    client = scope.get("client")
    return Opening(
        id=str(uuid.uuid4()),
        at=time.time(),
        transport="http",
        traits=HttpChannel.TRAITS,
        method=scope["method"],
        path=scope["path"],
        query=tuple(
            parse_qsl(
                scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace"
            )
        ),
        headers=tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        ),
        peer=f"{client[0]}:{client[1]}" if client else "",
        secure=scope.get("scheme") == "https",
    )
