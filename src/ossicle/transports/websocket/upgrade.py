"""From uvicorn's HTTP connection to a WebSocket, with the handshake held until somebody decides.

uvicorn 0.54 hands an upgrade over by building `Config.ws` with three keywords, calling
`connection_made`, `data_received(request head)` and only then `transport.set_protocol`. Here the
connection waits, and what the peer sends early is kept, until the receiver's first message:

    Accept   a picows 2.3.1 protocol is built, fed a canonical request head and what came early
    Close    an ordinary HTTP response is written and the connection ends

Both versions are pinned; `tests/interop/test_upgrade_canary.py` says what to look at when one
moves.
"""

import asyncio
import base64
import binascii
import http
import logging
import re
import time
import uuid
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from ossicle.core.errors import ConnectionLost, OssicleError, Overloaded, TimedOut
from ossicle.core.ports import Acceptor
from ossicle.core.wire import Accept, Close, Message, Opening
from ossicle.transports.faults import report_fault

from .channel import WebSocketChannel, WebSocketSettings
from .closing import http_status
from .parser import feed, picows_protocol

__all__ = ["Door", "HeldUpgrade"]

log = logging.getLogger("ossicle.transports.websocket")

EARLY_LIMIT = 64 * 1024
"""Bytes kept of a peer that sends before the 101; beyond it reading is paused."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(
    {
        "connection",
        "upgrade",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "content-length",
        "transfer-encoding",
    }
)
"""Headers of the handshake itself: a receiver does not set them."""


class Door:
    """What every connection of one server shares: who decides, the limits, how many wait."""

    def __init__(self, acceptor: Acceptor, settings: WebSocketSettings) -> None:
        self.acceptor = acceptor
        self.settings = settings
        self.traits = settings.traits()
        self.held = 0


class _Refusal(Exception):
    """An upgrade request that nobody needs to be asked about."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class HeldUpgrade(asyncio.Protocol):
    """One upgrade request on its way to an answer. `server.websocket_protocol` names the door."""

    door: ClassVar[Door]

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._state = server_state
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._channel: WebSocketChannel | None = None
        self._early = bytearray()
        self._asked = False
        self._answered = False
        self._timer: asyncio.TimerHandle | None = None
        self._settled = False
        self._end: OssicleError | None = ConnectionLost(
            "the peer left while its handshake was held"
        )
        self._key = ""
        self._offered: tuple[str, ...] = ()

    # What uvicorn and the event loop call -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """uvicorn's protocol is still the transport's: its timer must not outlive it."""
        self._transport = wire = cast("asyncio.Transport", transport)
        self._state.connections.add(self)
        before: Any = wire.get_protocol()
        timer = getattr(before, "timeout_keep_alive_task", None)
        if timer is not None:
            timer.cancel()
            before.timeout_keep_alive_task = None
        cycle = getattr(before, "cycle", None)
        if cycle is not None and not cycle.response_complete:
            # A response is still being written on this connection: 101 would land inside it.
            log.warning("upgrade behind an unanswered request, connection dropped")
            self._answered = True
            wire.abort()

    def data_received(self, data: bytes) -> None:
        """The request head first, in one piece; then what comes before the 101."""
        if not self._asked:
            self._asked = True
            if not self._answered:
                self._ask(data)
        elif not self._answered:
            self.early(data)

    def early(self, data: bytes) -> None:
        """Frames of a client that did not wait for the 101 (RFC 6455 4.1 says it must)."""
        self._early += data
        if len(self._early) >= EARLY_LIMIT and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A peer that shut down its side will not take a 101."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before it was a WebSocket."""
        self._settle()
        self._state.connections.discard(self)
        if self._channel is not None:
            self._channel.gone(self._end)

    def pause_writing(self) -> None:
        """Nothing but one small response is ever written here."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def shutdown(self) -> None:
        """uvicorn stops: who still waits is turned away."""
        self._refuse(
            503,
            "server is shutting down",
            (("retry-after", "1"),),
            Overloaded("the server is shutting down", code="draining"),
        )

    # Asking -----------------------------------------------------------------------------------

    def _ask(self, head: bytes) -> None:
        door, wire = self.door, self._transport
        if wire is None:
            return
        try:
            opening = self._opening(head)
            limit = self._config.limit_concurrency
            if limit is not None and len(self._state.connections) > limit:
                raise _Refusal(503, f"more than {limit} connections", (("retry-after", "1"),))
            if door.held >= door.settings.max_held:
                raise _Refusal(
                    503,
                    f"{door.held} handshakes are waiting already, try again",
                    (("retry-after", "1"),),
                )
        except _Refusal as refusal:
            self._refuse(refusal.status, str(refusal), refusal.headers)
            return
        door.held += 1
        self._timer = self._loop.call_later(door.settings.handshake_timeout, self._overdue)
        channel = WebSocketChannel(door.settings, door.traits, wire, ends_tcp=True)
        channel.on_first = self._first
        self._channel = channel
        try:
            receiver = door.acceptor(opening, channel)
        except Exception as fault:  # noqa: BLE001  one connection's trouble: refused with 500
            report_fault(log, "acceptor", fault)
            self._refuse(500, "internal error", (), OssicleError.wrap(fault))
            return
        channel.listen(receiver)

    def _opening(self, head: bytes) -> Opening:
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ", 2)
        headers = tuple(
            (name.lower(), value)
            for name, _, value in (line.partition(": ") for line in lines[1:] if line)
        )
        opening = _opening(method, target, headers, self.door, self._transport)
        # RFC 6455 4.2.1
        if method != "GET" or version != "HTTP/1.1":
            raise _Refusal(400, f"a WebSocket opens with GET and HTTP/1.1, not {method} {version}")
        wanted = opening.header("sec-websocket-version")
        if wanted != "13":
            raise _Refusal(
                426,
                f"Sec-WebSocket-Version is {wanted[:20]!r}; this server speaks 13",
                (("sec-websocket-version", "13"), ("upgrade", "websocket")),
            )
        keys = [value for name, value in headers if name == "sec-websocket-key"]
        if len(keys) != 1:
            raise _Refusal(400, f"one Sec-WebSocket-Key is needed, {len(keys)} came")
        try:
            size = len(base64.b64decode(keys[0], validate=True))
        except (binascii.Error, ValueError):
            size = 0
        if size != 16:
            raise _Refusal(400, "Sec-WebSocket-Key is not 16 bytes in base64")
        self._key = keys[0]
        self._offered = tuple(
            token.strip()
            for name, value in headers
            if name == "sec-websocket-protocol"
            for token in value.split(",")
        )
        return opening

    def _overdue(self) -> None:
        limit = self.door.settings.handshake_timeout
        error = TimedOut(
            f"nobody answered the handshake within {limit:g} s", code="handshake_timeout"
        )
        self._refuse(
            503, f"no answer within {limit:g} s, try again", (("retry-after", "1"),), error
        )

    # Answering ----------------------------------------------------------------------------------

    def _first(self, message: Message) -> None:
        # uvicorn calls set_protocol after data_received returns, and the acceptor may still be
        # running: the answer waits for the next turn of the loop.
        self._loop.call_soon(self._answer, message)

    def _answer(self, message: Message) -> None:
        if self._answered or self._transport is None or self._transport.is_closing():
            return
        match message:
            case Accept():
                self._accept(message)
            case Close():
                body = message.body or message.reason.encode(errors="replace")
                self._refuse(http_status(message.code), body, message.headers)
            case _:
                log.error("%s was sent before Accept or Close", type(message).__name__)
                error = OssicleError("a message was sent before Accept or Close")
                self._refuse(500, "internal error", (), error)

    def _accept(self, message: Accept) -> None:
        channel, wire = self._channel, self._transport
        if channel is None or wire is None:
            return
        response = cast("WSUpgradeResponse", WSUpgradeResponse.create_101_response())
        try:
            for name, value in message.headers:
                if _checked(name, value) not in _OURS:
                    response.headers.add(name, value)
            if message.subprotocol:
                if message.subprotocol in self._offered:
                    response.headers.add("Sec-WebSocket-Protocol", message.subprotocol)
                else:  # RFC 6455 4.2.2: a client must fail on what it did not offer
                    log.warning("the subprotocol accepted was not offered, left out")
        except ValueError as fault:
            log.warning("response header refused: %s", fault)
            self._refuse(500, "internal error", (), OssicleError(str(fault)))
            return
        self._answered = True
        self._settle()
        state = self._state
        state.connections.discard(self)
        state.connections.add(channel)
        channel.opening_over(lambda: state.connections.discard(channel))

        def listener(_request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
            return WSUpgradeResponseWithListener(response, cast("WSListener", channel))

        early, self._early = bytes(self._early), bytearray()
        settings = channel.widen(message.max_message)
        protocol = picows_protocol(channel, settings, listener)
        channel.tune()
        wire.resume_reading()
        protocol.connection_made(wire)
        wire.set_protocol(protocol)
        # A canonical head: picows wants `Connection: Upgrade` alone, browsers send more, and
        # what it keeps of the request stays in memory as long as the connection.
        feed(
            protocol,
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % self._key.encode(),
        )
        if early:
            feed(protocol, early)

    def _refuse(
        self,
        status: int,
        body: bytes | str,
        headers: tuple[tuple[str, str], ...] = (),
        error: OssicleError | None = None,
    ) -> None:
        """An HTTP response instead of 101. `error` is what the receiver hears when the refusal
        was not its own."""
        wire = self._transport
        if self._answered or wire is None:
            return
        self._settle()
        self._answered, self._end = True, error
        if not wire.is_closing():
            wire.write(_response(status, body, headers))
            wire.close()
        # A peer that does not take even this must not keep the socket.
        self._timer = self._loop.call_later(self.door.settings.close_timeout, wire.abort)

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._channel is not None and not self._settled:
            self._settled = True
            self.door.held -= 1


def _checked(name: str, value: str) -> str:
    """The lower-case name of a header that may be written.

    Raises:
        ValueError: a name or value that would break the response apart (RFC 9110 5.5).
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} is not a token")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of header {name!r} has a character not allowed there")
    return name.lower()


def _response(status: int, body: bytes | str, headers: tuple[tuple[str, str], ...]) -> bytes:
    data = body.encode() + b"\n" if isinstance(body, str) else body
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}"]
    names: set[str] = set()
    for name, value in headers:
        try:
            lowered = _checked(name, value)
        except ValueError as fault:
            log.warning("response header left out: %s", fault)
            continue
        if lowered not in _OURS or (lowered == "upgrade" and status == 426):
            names.add(lowered)
            lines.append(f"{lowered}: {value}")
    if data and "content-type" not in names:
        lines.append("content-type: text/plain; charset=utf-8")
    lines += [f"content-length: {len(data)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + data


def _opening(
    method: str,
    target: str,
    headers: tuple[tuple[str, str], ...],
    door: Door,
    wire: asyncio.Transport | None,
) -> Opening:
    if not target.startswith("/"):  # absolute form, RFC 9112 3.2.2
        parts = urlsplit(target)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path, _, query = target.partition("#")[0].partition("?")
    peer: Any = wire.get_extra_info("peername") if wire is not None else None
    if wire is not None:  # uvicorn's protocol is there still, and may know of a PROXY header
        peer = getattr(wire.get_protocol(), "proxied", None) or peer
    return Opening(
        id=str(uuid.uuid4()),
        at=time.time(),
        transport="websocket",
        traits=door.traits,
        method=method,
        path=unquote(path, errors="replace"),
        query=tuple(parse_qsl(query, keep_blank_values=True, errors="replace")),
        headers=headers,
        peer=f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or ""),
        secure=wire is not None and wire.get_extra_info("sslcontext") is not None,
    )
