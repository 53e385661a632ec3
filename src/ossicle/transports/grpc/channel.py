"""One call of a gRPC door as a channel.

The reader waits in grpc's own `read`; writes are driven without a task (`outbox`). What waits to
be written is bounded; `pause` stops the reader, and the peer's window (64 KiB) does the rest.
"""

import asyncio
import enum
import logging
import time
import uuid
from typing import Any, Literal

import grpc
from grpc._cython import cygrpc

from ossicle.core.errors import ConnectionLost, OssicleError, Overloaded, TimedOut
from ossicle.core.ports import Acceptor, Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.transports.faults import report_fault

from .batch import Batch, Failed
from .metadata import headers_of, metadata_of, peer_of, timeout_header
from .outbox import Item, Outbox, Work
from .settings import GrpcSettings

__all__ = ["GrpcCall", "status"]

log = logging.getLogger("ossicle.transports.grpc")

_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_TURNS = 5
"""Of the loop, from grpc's notice of a cancellation to the reader's task: its scheduler, the
call's task, the group, the reader; and one to spare."""
_LINGER_S = 0.5
"""How long a call that ended well waits for the client's half close before its status. A status
that overtakes it is followed by RST_STREAM (NO_ERROR, RFC 9113 section 8.1), upon which HAProxy
resets the client, too, and drops what it has not passed on: the last words of three calls in a
hundred."""


def status(code: int | None) -> grpc.StatusCode:
    """A Close's code as a status; codes of other wires are UNKNOWN."""
    return grpc.StatusCode.OK if code is None else _STATUS.get(code, grpc.StatusCode.UNKNOWN)


class Phase(enum.Enum):
    """Where a call is in its life. It only moves down this list."""

    HELD = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Close was sent, or the call is lost; nothing more is taken or told."""
    CLOSED = enum.auto()


_OPEN = Phase.OPEN  # through its class it costs a lookup of Python's


class GrpcCall:
    """See `ossicle.core.ports.Channel`."""

    def __init__(self, settings: GrpcSettings, context: Any) -> None:
        self.traits = ChannelTraits(max_message=settings.max_message)
        self._settings = settings
        self._context = context
        self._phase = Phase.HELD
        self._receiver: Receiver | None = None
        self._outbox = Outbox(
            settings,
            writable=self._tell_writable,
            write=context.write,
            begin=self._begin,
            broke=self._gone,
        )
        self._error: OssicleError | None = None
        self._last: asyncio.Future[Close] = asyncio.get_running_loop().create_future()
        """What the call ends with."""
        self._reading = asyncio.Event()
        self._reading.set()
        self._paused = False
        """The same as a value, which is asked for every message."""
        self._timer: asyncio.TimerHandle | None = None

    # What a receiver may do -----------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        phase = self._phase
        if type(message) is Binary and phase is _OPEN:  # nearly always
            if not self._outbox.put(message.data):
                self._slow()
            return
        if phase is Phase.CLOSING or phase is Phase.CLOSED:
            return
        match message:
            case Binary(data):
                self._queue(data)
            case Text(data):  # a wire of bytes: a text is its UTF-8
                self._queue(data.encode(errors="replace"))
            case Accept() if self._phase is Phase.HELD:
                self._phase = Phase.OPEN
                self._outbox.put(message)
            case Close():
                self._phase = Phase.CLOSING
                self.resume()
                self._outbox.put(message)
            case _:
                log.debug("%s has no form in gRPC, ignored", type(message).__name__)

    def _queue(self, data: bytes) -> None:
        if self._phase is Phase.HELD:
            self._broke("send", RuntimeError("a message was sent before Accept or Close"))
        elif not self._outbox.put(data):
            self._slow()

    def _slow(self) -> None:
        text = f"over {self._settings.max_backlog} bytes wait for a client that does not read"
        self._drop(Overloaded(text, code="slow_reader"), Close(8, text))

    def pause(self) -> None:
        """Stop reading. One message may still come; the window holds the rest back."""
        if self._phase is Phase.HELD or self._phase is Phase.OPEN:
            self._paused = True
            self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self._reading.set()

    def abort(self) -> None:
        """End the call now, unsent messages are dropped: CANCELLED."""
        if self._phase is not Phase.CLOSED:
            self._drop(ConnectionLost("aborted from this side"), Close(1, "dropped by the server"))

    # Running ----------------------------------------------------------------------------------

    async def run(self, acceptor: Acceptor, path: str, kind: Literal["stream", "unary"]) -> None:
        """Read and write until the status is sent or the client is gone."""
        try:
            self._receiver = receiver = acceptor(self._opening(path, kind), self)
        except Exception as fault:  # noqa: BLE001  one call's trouble: answered INTERNAL
            report_fault(log, "acceptor", fault)
            self._finish(Close(13, "internal error"))
            return
        if self._outbox.full:
            self._tell_writable(False)
        self._watch()
        last: Close | None = None
        try:
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._read())
                last = await self._last
                if last.code is None and self._error is None:
                    await asyncio.wait({reader}, timeout=_LINGER_S)
                reader.cancel()
        except asyncio.CancelledError:
            if last is None or last.code is not None:
                self._error = self._error or self._cause()
            # else everything was written, and who leaves then has heard the end
            raise
        finally:
            self._phase = Phase.CLOSED
            self._receiver = None
            self._outbox.clear()
            if self._timer is not None:
                self._timer.cancel()
            try:
                receiver.closed(self._error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)
        self._finish(last)

    def _finish(self, last: Close | None) -> None:
        if last is None:
            return
        self._context.set_code(status(last.code))
        if last.reason:
            self._context.set_details(last.reason)
        if trailing := metadata_of(last.headers):
            self._context.set_trailing_metadata(trailing)

    async def _read(self) -> None:
        reading, receiver = self._reading, self._receiver
        record, operation, execute = Batch.of(self._context)
        loop, closing = asyncio.get_running_loop(), Phase.CLOSING
        while receiver is not None:
            if self._paused:
                await reading.wait()
            received = operation(0)
            try:
                await execute(record, (received,), loop)
            except Failed:
                break  # looked at below
            if self._phase is closing:
                if received.message() is None:
                    return
                continue  # it talks on, until it has heard the end
            data = received.message()
            if data is None:
                break
            try:
                receiver.binary(data)
            except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
                self._broke("binary", fault)
        # grpc.aio tells a half close and a cancellation alike, and the latter cancels this task
        # too. One more read passes through grpc's queue behind that notice.
        if self._phase is closing:
            return
        await self._context.read()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await reading.wait()
        self._tell(Fin())

    def _begin(self, item: Item) -> Work | None:
        if isinstance(item, Accept):
            return self._context.send_initial_metadata(metadata_of(item.headers))
        if isinstance(item, Close) and not self._last.done():
            self._last.set_result(item)
        return None

    def _gone(self, error: Exception) -> None:
        """A write failed: the call is over, and grpc cancels it in a moment. A status would have
        nowhere to go."""
        self._phase = Phase.CLOSING
        self.resume()
        if not isinstance(error, cygrpc.ExecuteBatchError):
            self._broke("write", error)

    def _watch(self) -> None:
        """A write that stands, looked at now and then: a timer for each of them costs more than
        the write."""
        limit = self._settings.slow_reader_s
        loop = asyncio.get_running_loop()
        if loop.time() - self._outbox.since > limit:
            text = f"the client read nothing for {limit:g} s"
            self._drop(Overloaded(text, code="slow_reader"), Close(8, text))
        else:
            self._timer = loop.call_later(limit / 4, self._watch)

    def _drop(self, error: OssicleError, last: Close) -> None:
        if self._error is None:
            self._error = error
        self._phase = Phase.CLOSING
        self.resume()
        self._outbox.clear()
        self._outbox.put(last)

    def _cause(self) -> OssicleError:
        """Why grpc cancelled the call."""
        left = self._context.time_remaining()
        if left is not None and left <= 0:
            return TimedOut("the client's deadline passed", code="timed_out")
        return ConnectionLost("the client cancelled or left")

    def _opening(self, path: str, kind: str) -> Opening:
        context = self._context
        metadata = headers_of(context.invocation_metadata())
        security: tuple[bytes, ...] = context.auth_context().get("transport_security_type", ())
        return Opening(
            id=str(uuid.uuid4()),
            at=time.time(),
            transport="grpc",
            traits=self.traits,
            method=kind,
            path=path,
            headers=metadata + timeout_header(context.time_remaining()),
            peer=peer_of(context.peer()),
            secure=b"ssl" in security,
        )

    # Telling --------------------------------------------------------------------------------

    def _tell(self, message: Message) -> None:
        if self._receiver is not None and self._phase is not Phase.CLOSING:
            try:
                self._receiver.received(message)
            except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
                self._broke("received", fault)

    def _tell_writable(self, yes: bool) -> None:
        if self._receiver is not None and self._phase in {Phase.HELD, Phase.OPEN}:
            try:
                self._receiver.writable(yes)
            except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
                self._broke("writable", fault)

    def _broke(self, where: str, fault: Exception) -> None:
        report_fault(log, f"receiver.{where}", fault)
        self._drop(OssicleError.wrap(fault), Close(13, "internal error"))
