"""The calling end of a chunked HTTP stream, with the same channel and receiver contracts.

    channel = await connect(opening, Leg, url="https://host/v1/stream")

`connect` returns as soon as the request head is out, because a server may hold its status until
it has heard enough. A 2xx is told as `Accept`; any other status as `Close(status, reason,
headers, body)` and `closed(None)`. A body of text or JSON is told in lines: one `Text` for each
`\\n`, which it keeps, and one for what is left at the end. Any other body is told as `binary`.
Its end is told as `Close()` and `closed(None)`.

`Text` and `Binary` are sent as pieces of the request body, `Fin` ends it. `Close` ends it too and
hangs up. Redirects are not followed.
"""

import asyncio
import enum
import logging
import ssl as tls
from collections.abc import Callable
from typing import ClassVar, TypeAlias, cast
from urllib.parse import urlsplit

import h11
import msgspec

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

__all__ = ["HttpClientChannel", "HttpClientSettings", "ReceiverFactory", "connect"]

log = logging.getLogger("ossicle.transports.http")

MAX_BODY = 64 * 1024
"""What is kept of the body of a refusal."""

ReceiverFactory: TypeAlias = Callable[[Channel], Receiver]


class HttpClientSettings(msgspec.Struct, frozen=True):
    """Limits of a client's channel. Seconds and bytes."""

    max_message: int = 1 << 20
    """Longest line taken."""
    write_high: int = 64 * 1024
    write_low: int = 16 * 1024
    max_backlog: int = 16 << 20
    """What may wait for a server whose client goes on sending; then the channel is dropped."""
    silence_s: float = 90.0
    """A server that says nothing for so long, once its answer has begun or the request is whole, is
    gone. A gateway says something every 20 s (`heartbeat_s`). Before that it may be silent: some
    proxies hand on no request before its end."""
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
    settings: HttpClientSettings | None = None,
) -> Channel:
    """Send a request head and hand the exchange to a receiver.

    Args:
        opening: method, path, query and headers.
        receiver_factory: makes the receiver once the connection stands.
        url: `http://` or `https://`; see `ossicle.transports.target` for its path.
        ssl: None checks certificates as the platform does.
        timeout: seconds until the connection has to stand.
        proxy: what to go through.
        settings: limits of the channel.

    Raises:
        Refused: the URL is not one of HTTP.
        ConnectionLost: nobody there, or no TLS.
        TimedOut: no connection within `timeout`.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused("the URL of an HTTP stream is http://host/path or https://host/path")
    secure = parts.scheme == "https"
    host, port = parts.hostname, parts.port or (443 if secure else 80)
    context = (ssl or platform_trust()) if secure else None
    headers = [(n, v) for n, v in opening.headers if n.lower() not in _OURS]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.insert(0, ("host", parts.netloc.rpartition("@")[2]))
    method = opening.method if opening.method != "GET" else "POST"
    request = h11.Request(
        method=method,
        target=request_target(url, opening),
        headers=[*headers, ("transfer-encoding", "chunked")],
    )
    limits = settings or HttpClientSettings()
    channel = HttpClientChannel(request, receiver_factory, limits)
    await reached(lambda: channel, host, port, ssl=context, proxy=proxy, timeout=timeout)
    return channel


_OURS = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "expect"})
"""Headers of the exchange itself."""


class Phase(enum.Enum):
    """Where a channel is in its life. It only moves down this list."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Close was sent or told; nothing more is."""
    CLOSED = enum.auto()


class HttpClientChannel(asyncio.Protocol):
    """The channel of one request and its response. See `ossicle.core.ports.Channel`."""

    TRAITS: ClassVar[ChannelTraits] = ChannelTraits(framed=False)

    def __init__(
        self, request: h11.Request, receiver_factory: ReceiverFactory, settings: HttpClientSettings
    ) -> None:
        self.traits = self.TRAITS
        self._request = request
        self._receiver_factory = receiver_factory
        self._settings = settings
        self._http = h11.Connection(h11.CLIENT)
        self._wire: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._phase = Phase.OPEN
        self._error: OssicleError | None = None
        self._finished = False
        """The response came to its end, or we hung up politely."""
        self._body_open = True
        self._stuck = False
        self._paused = False
        self._eof = False
        self._response: h11.Response | None = None
        self._refusal: bytearray | None = None
        self._lines: bytearray | None = None
        """The beginning of a line; None when the body is not told in lines."""
        self._timer: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

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
                self._end_body()
            case Close():
                self._end_body()
                self._finished = True
                self._hang_up()
            case _:
                log.debug("%s has no form in a request, ignored", type(message).__name__)

    def pause(self) -> None:
        """Stop reading; what was read already is kept back too."""
        self._paused = True
        if self._wire is not None and not self._wire.is_closing():
            self._wire.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            if self._wire is not None and not self._wire.is_closing():
                self._wire.resume_reading()
            asyncio.get_running_loop().call_soon(self._read)

    def abort(self) -> None:
        """Drop the connection; `closed` comes on a later turn of the loop."""
        if self._phase is not Phase.CLOSED:
            self._drop(ConnectionLost("aborted from this side"))

    # What the event loop calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = wire = cast("asyncio.Transport", transport)
        wire.set_write_buffer_limits(self._settings.write_high, self._settings.write_low)
        wire.write(self._http.send(self._request) or b"")
        self._receiver = self._receiver_factory(self)

    def data_received(self, data: bytes) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        # A body without a length or chunks ends here.
        if self._phase is Phase.OPEN and not self._eof:
            self._eof = True
            self._http.receive_data(b"")
            self._read()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._phase is Phase.CLOSED:
            return
        self._phase = Phase.CLOSED
        for timer in (self._timer, self._silence):
            if timer is not None:
                timer.cancel()
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
        self._tell(lambda receiver: receiver.writable(False))

    def resume_writing(self) -> None:
        self._stuck = False
        self._tell(lambda receiver: receiver.writable(True))

    # Out --------------------------------------------------------------------------------------

    def _send_body(self, data: bytes) -> None:
        wire = self._wire
        if wire is None or not self._body_open or not data:
            return
        wire.write(self._http.send(h11.Data(data=data)) or b"")
        if self._stuck and wire.get_write_buffer_size() > self._settings.max_backlog:
            self._drop(
                Overloaded(
                    f"more than {self._settings.max_backlog} bytes wait for a server that does "
                    "not read them",
                    code="slow_reader",
                )
            )

    def _end_body(self) -> None:
        if self._body_open and self._wire is not None:
            self._body_open = False
            self._wire.write(self._http.send(h11.EndOfMessage()) or b"")
            self._expect_words()

    # In -------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while self._phase is Phase.OPEN and not self._paused:
                match self._http.next_event():
                    case h11.Response() as response:
                        self._begin(response)
                    case h11.Data(data=data):
                        self._take(bytes(data))
                    case h11.EndOfMessage():
                        self._end()
                    case h11.InformationalResponse():
                        pass
                    case h11.ConnectionClosed():
                        self._drop(
                            ConnectionLost("the server hung up before the end of its answer")
                        )
                    case _:  # NEED_DATA, PAUSED
                        return
        except h11.RemoteProtocolError:
            self._drop(
                ConnectionLost("the server hung up before the end of its answer")
                if self._eof
                else BadMessage("the answer is not HTTP/1.1")
            )

    def _expect_words(self) -> None:
        """From now on silence means that nobody is there; but not while we do not read."""
        loop = asyncio.get_running_loop()
        if self._silence is None:
            self._heard_at = loop.time()
            self._silence = loop.call_later(self._settings.silence_s, self._listen)

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        if self._paused:
            self._heard_at = loop.time()
        limit = self._settings.silence_s
        left = self._heard_at + limit - loop.time()
        if left <= 0:
            self._drop(ConnectionLost(f"the server said nothing for {limit:g} s"))
        else:
            self._silence = loop.call_later(left, self._listen)

    def _begin(self, response: h11.Response) -> None:
        self._response = response
        self._expect_words()
        if not 200 <= response.status_code < 300:
            self._refusal = bytearray()
            return
        headers = _headers(response)
        kind = next((value for name, value in headers if name == "content-type"), "text/plain")
        if kind.startswith("text/") or "json" in kind:
            self._lines = bytearray()
        self._tell(lambda receiver: receiver.received(Accept(headers)))

    def _take(self, data: bytes) -> None:
        if self._refusal is not None:
            self._refusal += data
            if len(self._refusal) >= MAX_BODY:
                self._end()
        elif self._lines is None:
            self._tell(lambda receiver: receiver.binary(data))
        else:
            *whole, rest = data.split(b"\n")
            for line in whole:
                self._tell_line(bytes(self._lines) + line + b"\n")
                self._lines.clear()
            self._lines += rest
            if len(self._lines) > self._settings.max_message:
                limit = self._settings.max_message
                self._drop(Refused(f"a line was longer than {limit} bytes", code="too_large"))

    def _tell_line(self, line: bytes) -> None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self._drop(BadMessage("a line of the answer is not UTF-8"))
            return
        self._tell(lambda receiver: receiver.received(Text(text)))

    def _end(self) -> None:
        close = Close()
        if self._refusal is not None and self._response is not None:
            close = Close(
                self._response.status_code,
                bytes(self._response.reason).decode("latin-1"),
                _headers(self._response),
                bytes(self._refusal[:MAX_BODY]),
            )
        elif self._lines:
            self._tell_line(bytes(self._lines))
        self._finished = True
        self._tell(lambda receiver: receiver.received(close))
        self._hang_up()

    def _hang_up(self) -> None:
        if self._phase is not Phase.OPEN:
            return
        self._phase = Phase.CLOSING
        if self._wire is not None:
            self._wire.close()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._settings.close_timeout, self._wire.abort)

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


def _headers(response: h11.Response) -> tuple[tuple[str, str], ...]:
    return tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers)
