"""The calling end of a gRPC method, with the same channel and receiver contracts as the door.

    channel = await connect(opening, Leg, url="grpc://host:50051")

The call begins at once, as gRPC does: the first message does not wait for the server. So `Accept`
is told when there is a connection; what the server thinks of the call comes as messages or as
`Close(status, details, trailing metadata)` and `closed(None)`; status OK is `Close()`. A status
that nobody sent (the connection broke, a server was killed) is `closed(ConnectionLost)` alone.

`Fin` half-closes. `Close` half-closes, and hangs up when the server's status takes long. A header
`grpc-timeout` is the call's deadline. Connections are shared: see `pool`.
"""

import asyncio
import enum
import logging
import re
import ssl as tls
from collections.abc import Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc._cython import cygrpc

from ossicle.core.deadline import seconds_of
from ossicle.core.errors import ConnectionLost, OssicleError, Overloaded, TimedOut
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.transports.faults import report_fault
from ossicle.transports.trust import platform_trust
from ossicle.transports.tunnel import Proxy

from .metadata import headers_of, metadata_of
from .outbox import Item, Outbox, Work
from .pool import Shared, share, target_of
from .settings import GrpcSettings

__all__ = ["ReceiverFactory", "connect"]

log = logging.getLogger("ossicle.transports.grpc")

ReceiverFactory: TypeAlias = Callable[[Channel], Receiver]

_CLOSE_S = 5.0
"""How long a server may take to answer a Close with its status."""
_AGAIN_S = 3.0
"""How long another is waited for where one stopped: grpc dials again after one second."""
_LEFT = ("reset by peer", "GOAWAY", "Socket closed", "Broken pipe")
_UNWELL = "backend unhealthy"
"""What grpc says when everybody it reached tells a health other than SERVING."""
_BROKEN = frozenset({1, 14})
"""CANCELLED and UNAVAILABLE: what grpc makes of a broken connection. A server that means them says
more in its trailing metadata."""


async def connect(
    opening: Opening,
    receiver_factory: ReceiverFactory,
    *,
    url: str,
    ssl: tls.SSLContext | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109  one limit for name, TCP, proxy and TLS
    proxy: Proxy | None = None,
    settings: GrpcSettings | None = None,
) -> Channel:
    """Begin a call and hand it to a receiver.

    Args:
        opening: `path` is the method, `headers` its metadata.
        receiver_factory: makes the receiver once there is a connection.
        url: `grpc://` or `grpcs://`, with one host or several addresses separated by commas.
        ssl: its certificates are believed; None = the platform's.
        timeout: seconds until there has to be a connection.
        proxy: what to go through. None = nothing, whatever grpc itself finds in the environment.
        settings: limits of the channel.

    Raises:
        Refused: the URL is none of gRPC, or the proxy one that grpc cannot use.
        ConnectionLost: nobody there, or no TLS.
        TimedOut: no connection within `timeout`.
    """
    limits = settings or GrpcSettings()
    target = target_of(url, _roots(ssl or platform_trust()), proxy)
    shared = share(target, limits)
    call: Any = None
    try:
        make = shared.channel.stream_stream(opening.path)
        metadata = metadata_of(opening.headers)
        deadline = seconds_of(opening.header("grpc-timeout"))
        async with asyncio.timeout(timeout):
            call = make(metadata=metadata, timeout=deadline)
            try:
                well = await _connected(call)
            except grpc.aio.AioRpcError as error:
                if not _left(error):
                    raise
                # It stops at this moment, and another may have its port: nothing was sent yet.
                call = make(metadata=metadata, timeout=deadline, wait_for_ready=True)
                well = await _again(call, error)
            if not well:
                # Somebody is there and says that it does not serve yet: an engine warms up.
                call = make(metadata=metadata, timeout=deadline, wait_for_ready=True)
                await _connected(call)
    except BaseException as error:
        if call is not None:
            call.cancel()
        await shared.release()
        by = f" through proxy {proxy}" if proxy is not None else ""
        if isinstance(error, TimeoutError):
            text = f"no connection to {_place(url)}{by} within {timeout:g} s"
            raise TimedOut(text, code="handshake_timeout") from error
        if isinstance(error, grpc.aio.AioRpcError):
            text = f"no connection to {_place(url)}{by}: {_cause(error.details() or '')}"
            if target.secure:  # grpc tells of one address and one reason
                text += "; over TLS it can be a certificate that is not trusted, too"
            raise ConnectionLost(text) from error
        if isinstance(error, asyncio.CancelledError) and _not_ours(error):
            raise ConnectionLost(f"no connection to {_place(url)}") from error
        raise
    channel = GrpcChannel(limits, call, shared)
    channel.begin(receiver_factory(channel))
    return channel


async def _connected(call: Any) -> bool:
    """Until there is a connection. False: who was reached does not serve yet.

    Raises:
        grpc.aio.AioRpcError: there is nobody.
    """
    try:
        await call.wait_for_connection()
    except grpc.aio.AioRpcError as error:
        if _UNWELL in (error.details() or ""):
            return False
        if error.code().value[0] in _BROKEN and not error.trailing_metadata():
            raise
        # a server has answered already: its status is told as any other
    return True


def _left(error: grpc.aio.AioRpcError) -> bool:
    """Whoever was reached hung up at once, as a server does that stops: it ends what has come and
    was not begun, and its kernel resets what it has not accepted."""
    details = error.details() or ""
    return error.code() is grpc.StatusCode.CANCELLED or any(word in details for word in _LEFT)


async def _again(call: Any, before: grpc.aio.AioRpcError) -> bool:
    """The same once more, for a while.

    Raises:
        grpc.aio.AioRpcError: nobody came.
    """
    try:
        async with asyncio.timeout(_AGAIN_S):
            return await _connected(call)
    except TimeoutError:
        call.cancel()
        raise before from None


def _not_ours(error: asyncio.CancelledError) -> bool:
    """grpc cancelled its own call; the task that asked is not being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() == 0


def _place(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _cause(details: str) -> str:
    """grpc's words, without its list of addresses."""
    found = re.search(r"(Connection refused|certificate[^;]*|Name or service not known|"
                      r"Domain name not found|Connection reset[^;]*)", details)  # fmt: skip
    return found[0].strip() if found else details[:200]


def _roots(context: tls.SSLContext) -> bytes | None:
    """What a context believes, as PEM; None = grpc's own list, where a platform keeps its
    authorities where OpenSSL looks only when it needs one."""
    found = context.get_ca_certs(binary_form=True)
    return "".join(map(tls.DER_cert_to_PEM_cert, found)).encode() or None


class Phase(enum.Enum):
    """Where a channel is in its life. It only moves down this list."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Close was sent; nothing more is taken or told."""
    CLOSED = enum.auto()


class GrpcChannel:
    """One call. See `ossicle.core.ports.Channel`. Its task lives until the call is over, which
    `abort` makes it."""

    def __init__(self, settings: GrpcSettings, call: Any, shared: Shared) -> None:
        self.traits = ChannelTraits(max_message=settings.max_message)
        self._settings = settings
        self._call = call
        self._shared = shared
        self._phase = Phase.OPEN
        self._receiver: Receiver | None = None
        self._outbox = Outbox(
            settings,
            writable=self._tell_writable,
            write=call.write,
            begin=self._begin,
            broke=self._gone,
        )
        self._error: OssicleError | None = None
        self._half_closed = False
        self._reading = asyncio.Event()
        self._reading.set()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, receiver: Receiver) -> None:
        """There is a connection."""
        self._receiver = receiver
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(receiver), name=f"call to {self._shared.target[0]}")

    # What a receiver may do -----------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self._phase is not Phase.OPEN:
            return
        match message:
            case Binary(data):
                self._queue(data)
            case Text(data):  # a wire of bytes: a text is its UTF-8
                self._queue(data.encode(errors="replace"))
            case Fin() if not self._half_closed:
                self._half_closed = True
                self._outbox.put(message)
            case Close():
                self._phase = Phase.CLOSING
                self._reading.set()
                if not self._half_closed:
                    self._half_closed = True
                    self._outbox.put(Fin())
                self._timer = asyncio.get_running_loop().call_later(_CLOSE_S, self._call.cancel)
            case _:
                log.debug("%s has no form in gRPC, ignored", type(message).__name__)

    def _queue(self, data: bytes) -> None:
        if self._half_closed:
            log.debug("a message after the half close, ignored")
        elif not self._outbox.put(data):
            text = f"over {self._settings.max_backlog} bytes wait for a server that does not read"
            self._drop(Overloaded(text, code="slow_reader"))

    def pause(self) -> None:
        """Stop reading. One message may still come; the window holds the rest back."""
        if self._phase is Phase.OPEN:
            self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    def abort(self) -> None:
        """Cancel the call. Idempotent."""
        if self._phase is not Phase.CLOSED:
            self._drop(ConnectionLost("aborted from this side"))

    def _drop(self, error: OssicleError) -> None:
        self._error = self._error or error
        self._phase = Phase.CLOSING
        self._outbox.clear()
        self._reading.set()
        self._call.cancel()

    # Running ----------------------------------------------------------------------------------

    async def _run(self, receiver: Receiver) -> None:
        self._tell(Accept())
        try:
            await self._read()
            await self._end()
        except asyncio.CancelledError:
            self._error = self._error or ConnectionLost("the call was cancelled")
            self._call.cancel()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._phase = Phase.CLOSED
            self._receiver = None
            self._outbox.clear()
            try:
                receiver.closed(self._error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)
            await self._shared.release()

    async def _read(self) -> None:
        call, reading = self._call, self._reading
        while True:
            if not reading.is_set():
                await reading.wait()
            try:
                data = await call.read()
            except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and not call.done():
                    raise
                return
            if data is cygrpc.EOF:
                return
            if self._phase is not Phase.OPEN or self._receiver is None:
                continue
            try:
                self._receiver.binary(data)
            except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
                self._broke("binary", fault)

    async def _end(self) -> None:
        call = self._call
        code: int = (await call.code()).value[0]
        details = await call.details() or ""
        headers = headers_of(await call.trailing_metadata())
        await self._reading.wait()
        if self._error is not None:
            return
        if code in _BROKEN and not headers:
            if self._phase is Phase.OPEN or not self._timed_out():
                self._error = ConnectionLost(details or "the connection broke")
            return
        self._tell(Close(code or None, details, headers))

    def _timed_out(self) -> bool:
        """Our own Close waited in vain: a goodbye all the same."""
        return self._timer is not None and self._timer.when() <= asyncio.get_running_loop().time()

    def _begin(self, item: Item) -> Work | None:
        return self._call.done_writing() if isinstance(item, Fin) else None

    def _gone(self, error: Exception) -> None:
        """The call is over; its reader learns how."""
        if not isinstance(error, grpc.aio.AioRpcError | asyncio.InvalidStateError):
            self._broke("write", error)

    # Telling --------------------------------------------------------------------------------

    def _tell(self, message: Message) -> None:
        if self._receiver is not None and self._phase is Phase.OPEN:
            try:
                self._receiver.received(message)
            except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
                self._broke("received", fault)

    def _tell_writable(self, yes: bool) -> None:
        if self._receiver is not None and self._phase is Phase.OPEN:
            try:
                self._receiver.writable(yes)
            except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
                self._broke("writable", fault)

    def _broke(self, where: str, fault: Exception) -> None:
        report_fault(log, f"receiver.{where}", fault)
        self._drop(OssicleError.wrap(fault))
