"""The calling end of one HTTP/2 stream, with the same channel and receiver contracts.

    channel = await connect(opening, Leg, url="https://host/stream-transcription")

A connection of its own for each channel. Over TLS the server has to choose `h2` by ALPN; with
`http://` HTTP/2 is spoken at once (RFC 9113 3.3, prior knowledge). `connect` returns as soon as the
request's headers are out, because a server may hold its status until it has heard enough. A 2xx is
told as `Accept`; any other status as `Close(status, reason, headers, body)` and `closed(None)`. The
body is told as `binary`, as it comes; its end as `Close()` and `closed(None)`.

`Text` and `Binary` are sent as pieces of the request's body, `Fin` ends it. `Close` ends it too,
and hangs up when it is out. Flow control is kept both ways: what is sent beyond the server's window
waits here, and while paused a window is not given back, so that at most one window comes still.
Redirects are not followed.
"""

import asyncio
import enum
import logging
import socket
import ssl as tls
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, cast
from urllib.parse import urlsplit

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from ossicle.core.errors import (
    BadMessage,
    ConnectionLost,
    OssicleError,
    Overloaded,
    Refused,
)
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.transports.faults import report_fault
from ossicle.transports.target import request_target
from ossicle.transports.trust import platform_trust
from ossicle.transports.tunnel import Proxy, reached

from .watch import FrameWatch

__all__ = ["Http2ClientChannel", "Http2ClientSettings", "ReceiverFactory", "connect"]

log = logging.getLogger("ossicle.transports.http2")

_HEAD, _SETTINGS = 9, 0x4
"""Of a frame: the size of its head, and a type."""
MAX_BODY = 64 * 1024
"""What is kept of the body of a refusal."""

ReceiverFactory: TypeAlias = Callable[[Channel], Receiver]


class Http2ClientSettings(msgspec.Struct, frozen=True):
    """Limits of a client's channel. Seconds and bytes."""

    window: int = 64 * 1024 - 1
    """What the server may send before its receiver reads."""
    max_head: int = 64 * 1024
    """Largest header list of an answer."""
    write_high: int = 64 * 1024
    """`writable(False)` above this many bytes waiting..."""
    write_low: int = 16 * 1024
    """...and `writable(True)` at or below this."""
    max_backlog: int = 16 << 20
    """What may wait for a server whose client goes on sending; then the channel is dropped."""
    keepalive_s: float = 20.0
    """A server that is silent for so long is pinged; silent for twice as long, it is dropped."""
    close_timeout: float = 5.0
    """How long what was sent before a Close may take to leave."""


async def connect(
    opening: Opening,
    receiver_factory: ReceiverFactory,
    *,
    url: str,
    ssl: tls.SSLContext | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109  one limit for TCP, proxy and TLS
    proxy: Proxy | None = None,
    settings: Http2ClientSettings | None = None,
) -> Channel:
    """Send a request's headers and hand the exchange to a receiver.

    Args:
        opening: method, path, query and headers.
        receiver_factory: makes the receiver once the connection stands.
        url: `http://` or `https://`; see `ossicle.transports.target` for its path.
        ssl: its certificates are believed, and it is made to offer HTTP/2: nothing else may share
            it. None = the platform's.
        timeout: seconds until the connection has to stand.
        proxy: what to go through.
        settings: limits of the channel.

    Raises:
        Refused: the URL is not one of HTTP.
        ConnectionLost: nobody there, no TLS, or nobody who speaks HTTP/2.
        TimedOut: no connection within `timeout`.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused("the URL of an HTTP/2 stream is http://host/path or https://host/path")
    secure = parts.scheme == "https"
    host, port = parts.hostname, parts.port or (443 if secure else 80)
    head = _head(opening, url, "https" if secure else "http", parts.netloc.rpartition("@")[2])
    limits = settings or Http2ClientSettings()
    channel = Http2ClientChannel(head, receiver_factory, limits)
    await reached(
        lambda: channel,
        host,
        port,
        ssl=_offering_h2(ssl) if secure else None,
        proxy=proxy,
        timeout=timeout,
    )
    if not channel.spoken:
        channel.abort()
        raise ConnectionLost(f"{host}:{port} did not choose HTTP/2 (ALPN h2)")
    return channel


_OURS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te"}
    | {"transfer-encoding", "upgrade"}
)
"""Headers of the exchange itself; `host` is `:authority` here."""


def _head(opening: Opening, url: str, scheme: str, netloc: str) -> list[tuple[str, str]]:
    method = opening.method if opening.method != "GET" else "POST"
    return [
        (":method", method),
        (":scheme", scheme),
        (":authority", opening.header("host", netloc)),
        (":path", request_target(url, opening)),
        *((n.lower(), v) for n, v in opening.headers if n.lower() not in _OURS),
    ]


def _offering_h2(given: tls.SSLContext | None) -> tls.SSLContext:
    """A context that offers HTTP/2 only. A given one is changed, so nothing else may share it."""
    if given is None:
        return platform_trust("h2")
    given.set_alpn_protocols(["h2"])
    return given


class Phase(enum.Enum):
    """Where a channel is in its life. It only moves down this list."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Close was sent or told; nothing more is."""
    CLOSED = enum.auto()


class Http2ClientChannel(asyncio.Protocol):
    """The channel of one request and its response. See `ossicle.core.ports.Channel`."""

    TRAITS: ClassVar[ChannelTraits] = ChannelTraits(framed=False)

    def __init__(
        self,
        head: list[tuple[str, str]],
        receiver_factory: ReceiverFactory,
        settings: Http2ClientSettings,
    ) -> None:
        self.traits = self.TRAITS
        self.spoken = False
        """The server speaks HTTP/2."""
        self._head = head
        self._receiver_factory = receiver_factory
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._wire: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._phase = Phase.OPEN
        self._error: OssicleError | None = None
        self._finished = False
        """The answer came to its end, or we hung up politely."""
        self._number = 0
        self._watch = FrameWatch()
        self._first: bytes | None = b""
        """The beginning of the first frame; None = it was seen."""
        self._out: deque[bytes] = deque()
        self._waiting = 0
        """Bytes of the body that wait for the server's window, or for the socket."""
        self._full = self._stuck = False
        self._body_over = self._sent_end = False
        """`Fin` was asked for; it has gone out."""
        self._paused = self._ended = self._leaving = False
        self._kept: deque[tuple[bytes, int]] = deque()
        """What came while paused, each with the window it takes; within one window."""
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._refusal: bytearray | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._pinged_at = 0.0
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: settings.window,
                SettingCodes.MAX_HEADER_LIST_SIZE: settings.max_head,
            },
        )
        self._h2.decoder.max_header_list_size = settings.max_head

    # What a receiver may do -----------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self._phase is not Phase.OPEN:
            return
        match message:
            case Text(data):
                self._send_body(data.encode(errors="replace"))
            case Binary(data):
                self._send_body(data)
            case Fin():
                self._body_over = True
                self._pump()
            case Close():
                self._body_over = self._finished = True
                self._phase = Phase.CLOSING
                self._pump()
                self._hang_up()
            case _:
                log.debug("%s has no form in a request, ignored", type(message).__name__)

    def pause(self) -> None:
        """Stop reading: the window is not given back. Pings and the server's windows still come."""
        self._paused = True

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._read_kept)

    def abort(self) -> None:
        """Drop the connection; `closed` comes on a later turn of the loop."""
        if self._phase is not Phase.CLOSED:
            self._drop(ConnectionLost("aborted from this side"))

    # What the event loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = wire = cast("asyncio.Transport", transport)
        secured: Any = wire.get_extra_info("ssl_object")
        if secured is not None and secured.selected_alpn_protocol() != "h2":
            return  # `connect` says so
        self.spoken = True
        sock: Any = wire.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.write_high)
        wire.set_write_buffer_limits(self._settings.write_high, self._settings.write_low)
        self._h2.initiate_connection()
        self._number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(self._number, self._head)
        self._flush()
        self._timer = self._loop.call_later(1.0, self._tick)
        self._receiver = self._receiver_factory(self)

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.CLOSED or not self.spoken:
            return
        self._heard_at = self._loop.time()
        if self._first is not None:
            # RFC 9113 3.4: SETTINGS come first. h2 would wait for a frame of megabytes instead.
            data, self._first = self._first + data, None
            if len(data) < _HEAD:
                self._first = data
                return
            if data[3] != _SETTINGS:
                self._drop(ConnectionLost("the server does not speak HTTP/2 here"))
                return
        try:
            for event in self._h2.receive_data(self._watch.feed(data)):
                self._event(event)
        except H2Error as error:
            self._flush()  # h2 has said why
            self._drop(BadMessage(f"the answer is not HTTP/2: {type(error).__name__}"))
            return
        last = self._watch.last
        if self._watch.leaving and last is not None and last < self._number:
            self._drop(ConnectionLost("the server is leaving and did not take the request"))
            return
        self._pump()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._phase is Phase.CLOSED:
            return
        self._phase = Phase.CLOSED
        if self._timer is not None:
            self._timer.cancel()
        self._out.clear()
        self._kept.clear()
        receiver, self._receiver = self._receiver, None
        error = self._error
        if error is None and not self._finished:
            error = ConnectionLost("the server hung up before the end of its answer")
        if receiver is not None:
            try:
                receiver.closed(error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
        self._pump()

    # Out --------------------------------------------------------------------------------------

    def _send_body(self, data: bytes) -> None:
        if self._body_over or not data:
            return
        self._out.append(data)
        self._waiting += len(data)
        self._pump()
        if self._waiting > self._settings.max_backlog:
            text = f"more than {self._settings.max_backlog} bytes wait for a server that does "
            self._drop(Overloaded(text + "not read them", code="slow_reader"))
        elif not self._full and self._waiting > self._settings.write_high:
            self._full = True
            self._tell(lambda receiver: receiver.writable(False))

    def _pump(self) -> None:
        """As much of the body as there is room for."""
        if self._phase is Phase.CLOSED or not self._number or self._sent_end:
            self._flush()
            return
        h2, number, out = self._h2, self._number, self._out
        try:
            while out and not self._stuck:
                room = min(h2.local_flow_control_window(number), h2.max_outbound_frame_size)
                if room <= 0:
                    break
                piece = out.popleft()
                if len(piece) > room:
                    out.appendleft(piece[room:])
                    piece = piece[:room]
                self._waiting -= len(piece)
                h2.send_data(number, piece)
                self._flush()
            if self._body_over and not out:
                self._sent_end = True
                h2.end_stream(number)
        except H2Error:
            # The server ended the stream: what it said of that is on its way, and nothing more
            # can be sent.
            self._sent_end = True
            out.clear()
            self._waiting = 0
        self._flush()
        if self._full and self._waiting <= self._settings.write_low:
            self._full = False
            self._tell(lambda receiver: receiver.writable(True))
        if self._phase is Phase.CLOSING:
            self._hang_up()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._wire is not None and not self._wire.is_closing():
            self._wire.write(data)

    # In -------------------------------------------------------------------------------------

    def _event(self, event: Event) -> None:
        match event:
            case ResponseReceived(headers=headers):
                self._begin(cast("list[tuple[str, str]]", headers))
            case DataReceived(data=data, flow_controlled_length=size):
                self._kept.append((data or b"", size or 0))
                self._read_kept()
            case StreamEnded():
                self._ended = True
                self._read_kept()
            case StreamReset(error_code=code):
                self._reset(int(code or 0))
            case ConnectionTerminated(error_code=code):
                if not self._ended:
                    text = f"the server ended the connection: {_named(int(code or 0))}"
                    self._drop(ConnectionLost(text))
            case InformationalResponseReceived():
                pass
            case _:
                pass

    def _begin(self, headers: list[tuple[str, str]]) -> None:
        self._status = int(next((v for n, v in headers if n == ":status"), "0") or 0)
        self._headers = tuple((n, v) for n, v in headers if not n.startswith(":"))
        if not 200 <= self._status < 300:
            self._refusal = bytearray()
            return
        self._tell(lambda receiver: receiver.received(Accept(self._headers)))

    def _read_kept(self) -> None:
        """What came and was not told; and then the end."""
        while self._kept and not self._paused and self._phase is Phase.OPEN:
            data, size = self._kept.popleft()
            if self._refusal is not None:
                self._refusal += data[: MAX_BODY - len(self._refusal)]
            elif data:
                self._tell(lambda receiver, data=data: receiver.binary(data))
            self._taken(size)
        if self._phase is Phase.CLOSING:  # nobody reads it; the server is to come to its end
            while self._kept:
                self._taken(self._kept.popleft()[1])
        if self._ended and not self._kept and self._phase is Phase.OPEN:
            self._end()
        self._flush()

    def _taken(self, size: int) -> None:
        if size and self._phase is not Phase.CLOSED:
            try:
                self._h2.acknowledge_received_data(size, self._number)
            except H2Error:  # the stream is closed: only the connection's window is left
                return

    def _reset(self, code: int) -> None:
        if code == ErrorCodes.NO_ERROR and self._ended:
            return  # RFC 9113 8.1: the answer is complete and the rest of the request unwanted
        self._drop(ConnectionLost(f"the server reset the stream: {_named(code)}"))

    def _end(self) -> None:
        close = Close()
        if self._refusal is not None:
            close = Close(self._status, "", self._headers, bytes(self._refusal))
        self._finished = True
        self._tell(lambda receiver: receiver.received(close))
        if self._phase is Phase.OPEN:
            self._phase = Phase.CLOSING
            self._out.clear()
            self._waiting = 0
            self._sent_end = True
            self._hang_up()

    def _hang_up(self) -> None:
        """Once what was sent is out. A server that takes none of it is left when the time is up."""
        wire = self._wire
        if wire is None or wire.is_closing():
            return
        if not self._leaving:
            self._leaving = True
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self._settings.close_timeout, wire.abort)
        if not self._out:
            try:
                self._h2.close_connection()
            except H2Error:
                log.debug("the connection was over already")
            self._flush()
            wire.close()

    def _tick(self) -> None:
        """Once a second: whether the server is there still."""
        now, limit = self._loop.time(), self._settings.keepalive_s
        self._timer = self._loop.call_later(1.0, self._tick)
        if self._pinged_at > self._heard_at:
            if now - self._pinged_at > limit:
                self._drop(ConnectionLost(f"the server answered no ping for {limit:g} s"))
        elif now - self._heard_at > limit:
            self._pinged_at = now
            self._h2.ping(b"ossicle?")
            self._flush()

    def _drop(self, error: OssicleError) -> None:
        if self._error is None:
            self._error = error
        self._phase = Phase.CLOSING
        if self._wire is not None:
            self._wire.abort()

    def _tell(self, call: Callable[[Receiver], None]) -> None:
        if self._receiver is None or self._phase is not Phase.OPEN:
            return
        try:
            call(self._receiver)
        except Exception as fault:  # noqa: BLE001  ends this channel, told by closed(error)
            report_fault(log, "receiver", fault)
            self._drop(OssicleError.wrap(fault))


def _named(code: int) -> str:
    """An error code of RFC 9113 section 7."""
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"code {code}"
