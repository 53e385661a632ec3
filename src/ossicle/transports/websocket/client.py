"""The calling end of a WebSocket, with the same channel and receiver contracts as the door.

    channel = await connect(opening, Leg, url="wss://host/v1/stream", ssl=context)

The receiver is made when the other side has answered. A 101 is told as `Accept`; any other
status as `Close(status, reason, headers, body)` followed by `closed(None)`. When nobody
answers, `connect` raises and no receiver is made. Redirects are not followed: they are a
`Close(302, …)` that names the place.

`url` says where to; `ossicle.transports.target` says how its path meets the opening's.
"""

import asyncio
import ssl as tls
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias, cast

import aiofastnet
import h11
from picows import WSError, WSListener, WSUpgradeRequest, WSUpgradeResponse
from picows.url import parse_url

from ossicle.core.errors import BadMessage, ConnectionLost, Refused, TimedOut
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Close, Opening
from ossicle.transports.target import request_target
from ossicle.transports.trust import platform_trust, untrusted
from ossicle.transports.tunnel import Proxy, connection

from .channel import WebSocketChannel, WebSocketSettings
from .parser import feed, picows_protocol

__all__ = ["ReceiverFactory", "connect"]

MAX_HEAD = 16 * 1024
"""picows' own limit for a response head."""
MAX_BODY = 64 * 1024
"""What is kept of the body of a refusal."""

ReceiverFactory: TypeAlias = Callable[[Channel], Receiver]


async def connect(
    opening: Opening,
    receiver_factory: ReceiverFactory,
    *,
    url: str,
    ssl: tls.SSLContext | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109  one limit for TCP, TLS, proxy and handshake
    proxy: Proxy | None = None,
    address: str = "",
    settings: WebSocketSettings | None = None,
) -> Channel:
    """Open a WebSocket and hand it to a receiver.

    Args:
        opening: path, query and headers, as a dialect's client half asks for them.
        receiver_factory: makes the receiver once the server has answered.
        url: `ws://` or `wss://`; says where to.
        ssl: None checks certificates as the platform does.
        timeout: seconds until the server has to have answered.
        proxy: what to go through.
        address: connect there instead of to what the URL's name stands for; not through a proxy.
        settings: limits of the channel.

    Raises:
        Refused: the URL is not one of a WebSocket.
        ConnectionLost: nobody there, no TLS, or gone before an answer; the proxy's, by its name.
        TimedOut: no answer within `timeout`.
        BadMessage: the answer is not one to a WebSocket handshake.
    """
    try:
        place = parse_url(url)
    except (WSError, ValueError) as error:
        raise Refused("the URL of a WebSocket is ws://host/path or wss://host/path") from error
    where = f"{place.host}:{place.port}"
    context = (ssl or platform_trust()) if place.is_secure else None
    loop = asyncio.get_running_loop()
    create: Callable[..., Awaitable[Any]] = partial(aiofastnet.create_connection, loop)
    dialer = Dialer(
        receiver_factory,
        settings or WebSocketSettings(),
        host=place.netloc.rpartition("@")[2],
        target=request_target(url, opening),
        headers=tuple((n, v) for n, v in opening.headers if n.lower() not in _OURS),
    )
    try:
        async with asyncio.timeout(timeout):
            await connection(
                create,
                lambda: dialer,
                place.host,
                place.port,
                ssl=context,
                proxy=proxy,
                address=address,
                start_tls=aiofastnet.start_tls,
            )
            return await dialer.answered
    except TimeoutError as error:
        by = f" through proxy {proxy}" if proxy is not None else ""
        raise TimedOut(
            f"{where} did not answer the handshake within {timeout:g} s{by}",
            code="handshake_timeout",
        ) from error
    except (OSError, WSError) as error:
        raise ConnectionLost(f"no connection to {where}: {_cause(error)}") from error
    finally:
        dialer.leave()


_OURS = frozenset(
    {
        "connection",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
    }
)
"""Headers of the handshake itself."""


def _cause(error: BaseException) -> str:
    """What the platform says, without what was sent."""
    if isinstance(error, tls.SSLCertVerificationError):
        return f"its certificate {untrusted(error)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


class Dialer(asyncio.Protocol):
    """Reads the answer to the upgrade request, then gives the connection to picows.

    picows drops the connection at any status but 101, and with it the body that says why; so
    the head is looked at here first.
    """

    def __init__(
        self,
        receiver_factory: ReceiverFactory,
        settings: WebSocketSettings,
        *,
        host: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        self.answered: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._receiver_factory = receiver_factory
        self._settings = settings
        self._host, self._target, self._headers = host, target, headers
        self._wire: asyncio.Transport | None = None
        self._channel: WebSocketChannel | None = None
        self._protocol: asyncio.BufferedProtocol | None = None
        self._head = bytearray()
        self._refusal: _Refusal | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """picows writes the request, with a key it keeps."""
        self._wire = wire = cast("asyncio.Transport", transport)
        settings = self._settings
        self._channel = channel = WebSocketChannel(
            settings, settings.traits(), wire, ends_tcp=False
        )
        channel.tune()

        def listener(_request: WSUpgradeRequest, response: WSUpgradeResponse) -> WSListener:
            headers = tuple((name.lower(), value) for name, value in response.headers.items())
            subprotocol = response.headers.get("sec-websocket-protocol", "")
            channel.greet(Accept(headers, subprotocol))
            channel.listen(self._receiver_factory(channel))
            return cast("WSListener", channel)

        self._protocol = protocol = picows_protocol(
            channel,
            settings,
            listener,
            host=self._host,
            target=self._target,
            headers=self._headers,
        )
        protocol.connection_made(wire)

    def data_received(self, data: bytes) -> None:
        """The answer, in as many pieces as it comes."""
        if self.answered.done():
            return
        if self._refusal is not None:
            self._refused(data)
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) < MAX_HEAD:
            return
        head, self._head = bytes(self._head), bytearray()
        if end < 0 or end >= MAX_HEAD:
            self._spoil(f"the head of the answer is larger than {MAX_HEAD} bytes")
        elif head.startswith(b"HTTP/1.1 101 "):
            self._open(head)
        else:
            self._refusal = _Refusal()
            self._refused(head)

    def eof_received(self) -> bool:
        """A body without a length ends here."""
        if self._refusal is not None and not self.answered.done():
            self._refused(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before it was a WebSocket."""
        if self._refusal is not None and not self.answered.done():
            self._tell_refusal(self._refusal.so_far())
        if not self.answered.done():
            self.answered.set_exception(ConnectionLost("the server hung up before it answered"))

    def leave(self) -> None:
        """`connect` is over; unless it succeeded nothing stays open."""
        done = self.answered.done() and not self.answered.cancelled()
        if done and self.answered.exception() is None:
            return
        self.answered.cancel()
        if self._wire is not None:
            self._wire.abort()

    def _open(self, data: bytes) -> None:
        wire, protocol, channel = self._wire, self._protocol, self._channel
        if wire is None or protocol is None or channel is None:
            return
        wire.set_protocol(protocol)
        feed(protocol, data)
        # picows checks the answer (RFC 6455 4.1) and keeps what it found in a future that is
        # done by now: one step of the coroutine gets it.
        try:
            cast("Any", protocol).wait_until_handshake_complete().send(None)
        except StopIteration:
            self.answered.set_result(channel)
        except WSError as error:
            self._spoil(f"the 101 does not answer this handshake: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001  the receiver factory's, raised by `connect`
            self.answered.set_exception(error)

    def _refused(self, data: bytes) -> None:
        refusal = self._refusal
        if refusal is None:
            return
        try:
            message = refusal.feed(data)
        except h11.RemoteProtocolError:
            message = refusal.so_far()  # a body cut short still says who refused, and with what
            if message is None:
                self._spoil("the answer is not HTTP/1.1")
                return
        if message is not None:
            self._tell_refusal(message)

    def _tell_refusal(self, message: Close | None) -> None:
        channel = self._channel
        if message is None or channel is None:
            self._spoil("the server hung up inside its answer")
            return
        self.answered.set_result(channel)
        channel.listen(self._receiver_factory(channel))
        channel.refused(message)
        if self._wire is not None:
            self._wire.abort()

    def _spoil(self, text: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(BadMessage(text))
        if self._wire is not None:
            self._wire.abort()


class _Refusal:
    """An HTTP response that is not 101."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        # h11 wants to know what was asked; picows has sent it.
        self._http.send(h11.Request(method="GET", target="/", headers=[("host", "-")]))
        self._http.send(h11.EndOfMessage())
        self._response: h11.Response | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> Close | None:
        """The refusal when it is complete, or as much of it as is kept."""
        self._http.receive_data(data)
        while True:
            match self._http.next_event():
                case h11.Response() as response:
                    self._response = response
                case h11.Data(data=piece):
                    self._body += piece
                    if len(self._body) >= MAX_BODY:
                        return self.so_far()
                case h11.EndOfMessage() | h11.ConnectionClosed():
                    return self.so_far()
                case h11.InformationalResponse():
                    pass
                case _:  # h11.NEED_DATA, h11.PAUSED
                    return None

    def so_far(self) -> Close | None:
        """What there is; None without a head."""
        response = self._response
        if response is None:
            return None
        return Close(
            response.status_code,
            bytes(response.reason).decode("latin-1"),
            tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in response.headers
            ),
            bytes(self._body[:MAX_BODY]),
        )
