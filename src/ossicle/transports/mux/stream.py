"""One stream of a multiplexed connection: a channel like any other.

It counts what it sent against what the peer granted, and grants as its receiver reads; so a
receiver that pauses, or a peer that does not read, holds up this stream and no other. Made by a
`Connection`, which hands it what came and takes what goes.
"""

import asyncio
import enum
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ossicle.core.errors import (
    BadMessage,
    ConnectionLost,
    OssicleError,
    Overloaded,
    Refused,
    TimedOut,
)
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Binary, Close, Message, Ping, Text
from ossicle.transports.faults import report_fault

from .frames import (
    HEAD,
    Closing,
    Kind,
    Opened,
    accept_of,
    close_of,
    credit,
    head,
    payload,
)
from .settings import MuxSettings

__all__ = ["Carrier", "MuxStream", "Phase"]

log = logging.getLogger("ossicle.transports.mux")

_MESSAGE = 16
"""What a message costs beside its bytes, so that empty ones are bounded too."""
_MOST_REASON = 1_000


class Phase(enum.Enum):
    """Where a stream is in its life. It only moves down this list."""

    HELD = enum.auto()
    """Not answered yet."""
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """CLOSE was sent; nothing more is sent or told."""
    CLOSED = enum.auto()


class Carrier(Protocol):
    """What a stream needs of its connection."""

    can_write: bool

    def put(self, frame: bytes) -> None:
        """Send a frame now."""
        ...

    def wait(self, stream: "MuxStream") -> None:
        """It has something to send once the connection takes more."""
        ...

    def forget(self, stream: "MuxStream") -> None:
        """It is over."""
        ...


class MuxStream:
    """See `ossicle.core.ports.Channel`."""

    __slots__ = (
        "_binary_head",
        "_carrier",
        "_consumed",
        "_got",
        "_granted",
        "_inbox",
        "_limit",
        "_loop",
        "_paused",
        "_queue",
        "_queued",
        "_receiver",
        "_sent",
        "_settings",
        "_stuck",
        "_timer",
        "answered",
        "make",
        "number",
        "phase",
        "traits",
    )

    def __init__(
        self, carrier: Carrier, number: int, settings: MuxSettings, *, limit: int = 0
    ) -> None:
        """`limit`: what the peer granted so far; its answer may grant the first."""
        self.number = number
        self.traits = settings.traits()
        self.phase = Phase.HELD
        self.make: Callable[[Channel], Receiver] | None = None
        """On the side that asked: makes the receiver when the answer comes."""
        self.answered: asyncio.Future[None] | None = None
        """And this is done then."""
        self._carrier = carrier
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = None
        self._binary_head = head(number, Kind.BINARY)
        self._sent, self._limit = 0, limit
        self._got, self._consumed, self._granted = 0, 0, settings.window
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued = 0
        self._inbox: deque[tuple[Kind, bytes | Closing]] = deque()
        self._paused = self._stuck = False
        self._timer: asyncio.TimerHandle | None = None

    # What a receiver may do -----------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self.phase is not Phase.OPEN:
            if self.phase is Phase.HELD:
                self._answer(message)
            return
        match message:
            case Binary(data):
                self._data(self._binary_head, data)
            case Text(data):
                self._data(head(self.number, Kind.TEXT), data.encode(errors="replace"))
            case Ping(data):
                self._carrier.put(head(self.number, Kind.PING) + data[:125])
            case Close():
                self._close(message)
            case _:
                log.debug("%s has no form in a stream, ignored", type(message).__name__)

    def pause(self) -> None:
        """Nothing more is told; what comes is kept, and nothing more granted."""
        self._paused = True

    def resume(self) -> None:
        """Tell again."""
        if self._paused:
            self._paused = False
            if self._inbox:
                self._loop.call_soon(self._read)

    def abort(self) -> None:
        """Over at once; `closed` comes on the next turn of the loop."""
        self.drop(ConnectionLost("aborted from this side"))

    # What its connection does ---------------------------------------------------------------

    def listen(self, receiver: Receiver) -> None:
        """Who is told."""
        self._receiver = receiver

    def hold(self, overdue: Callable[[], None]) -> None:
        """Wait for the receiver's answer, not for ever."""
        self._timer = self._loop.call_later(self._settings.handshake_timeout, overdue)

    def came(self, kind: Kind, data: bytes) -> None:
        """A message. The connection checks nothing but the number.

        Raises:
            BadMessage: it was sent without credit.
        """
        if self._got >= self._granted:
            raise BadMessage(f"stream {self.number} sent more than its window")
        size = len(data)
        self._got += size + _MESSAGE
        if size > self._settings.max_message:
            limit = self._settings.max_message
            self.drop(Refused(f"a message was larger than {limit} bytes", code="too_large"))
        elif self._paused or self._inbox or self.phase is Phase.HELD:
            self._inbox.append((kind, data))
        else:
            self._take(kind, data)

    def ping(self, data: bytes) -> None:
        """A ping of the stream's own."""
        if self.phase is Phase.OPEN and not self._paused:
            self._tell(Ping(data))

    def closing(self, closing: Closing) -> None:
        """The peer sends no more."""
        if self.phase is Phase.CLOSING:
            self.end(None)
        elif self._awaits:
            self._answered(closing)
        elif self._inbox or self._paused or self.phase is Phase.HELD:
            self._inbox.append((Kind.CLOSE, closing))
        else:
            self._closed_by_peer(closing)

    def accepted(self, opened: Opened) -> None:
        """The peer's answer.

        Raises:
            BadMessage: nobody asked, or it was answered already.
        """
        if self.phase is Phase.CLOSING:
            return
        if not self._awaits:
            raise BadMessage(f"stream {self.number} was accepted twice, or here")
        self._answered(opened)

    def reset(self, closing: Closing) -> None:
        """The peer is gone from it."""
        reason = f": {closing.reason}" if closing.reason else ""
        self.end(ConnectionLost(f"the other end dropped the stream{reason}"[:_MOST_REASON]))

    def granted(self, until: int) -> None:
        """The peer takes more. Absolute, so that it may be told twice or late."""
        if until > self._limit:
            self._limit = until
            while self.step():
                pass

    def step(self) -> bool:
        """Send the first of what waits. False: nothing, or not now."""
        queue = self._queue
        if not queue or not self._carrier.can_write:
            if queue:
                self._carrier.wait(self)
            return False
        cost, frame = queue[0]
        if cost and self._sent >= self._limit:
            return False
        queue.popleft()
        self._sent += cost
        self._queued -= len(frame)
        self._carrier.put(frame)
        if self._stuck and self._queued <= self._settings.write_low:
            self._stuck = False
            self._disarm()
            self._tell_writable(True)
        return True

    @property
    def takes_more(self) -> bool:
        """Something waits, and the peer has granted it."""
        return bool(self._queue) and (not self._queue[0][0] or self._sent < self._limit)

    def signal(self, message: Message) -> None:
        """Something of the connection that concerns every stream."""
        if self.phase is Phase.OPEN and not self._paused:
            self._tell(message)

    def end(self, error: OssicleError | None) -> None:
        """Over: told once and last."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self._disarm()
        self._queue.clear()
        self._inbox.clear()
        self._carrier.forget(self)
        receiver, self._receiver = self._receiver, None
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(error or ConnectionLost("the connection was closed"))
        if receiver is not None:
            try:
                receiver.closed(error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)

    def lost(self, close: Close | None, error: OssicleError | None) -> None:
        """The connection is gone: politely, with a Close for everybody, or not."""
        if close is not None and self.phase is Phase.OPEN:
            self._tell(close)
        self.end(error)

    def drop(self, error: OssicleError) -> None:
        """Over at once from this side; the peer learns it."""
        if self.phase is Phase.CLOSED:
            return
        text = str(error)[:_MOST_REASON] if error.code != "connection_lost" else ""
        self._carrier.put(head(self.number, Kind.RESET) + payload(Closing(reason=text)))
        self.phase = Phase.CLOSING
        self._queue.clear()
        self._inbox.clear()
        self._loop.call_soon(self.end, error)

    # Out --------------------------------------------------------------------------------------

    def _answer(self, message: Message) -> None:
        """The first message out: Accept or Close."""
        if self.answered is not None:  # it asked; there is nobody to answer
            return
        match message:
            case Accept(headers, subprotocol):
                self._disarm()
                opened = Opened(self._settings.window, headers, subprotocol)
                self._carrier.put(head(self.number, Kind.ACCEPT) + payload(opened))
                self.phase = Phase.OPEN
                if self._inbox and not self._paused:
                    self._loop.call_soon(self._read)
            case Close():
                self._disarm()
                self._close(message)
            case _:
                log.error("%s was sent before Accept or Close", type(message).__name__)
                self.drop(OssicleError("a message was sent before Accept or Close"))

    def _data(self, start: bytes, data: bytes) -> None:
        cost = len(data) + _MESSAGE
        if not self._queue and self._sent < self._limit and self._carrier.can_write:
            self._sent += cost
            self._carrier.put(start + data)
            return
        self._queue.append((cost, start + data))
        self._queued += len(data) + HEAD
        if self._sent < self._limit:
            self._carrier.wait(self)
        if not self._stuck and self._queued > self._settings.write_high:
            self._stuck = True
            self._timer = self._loop.call_later(self._settings.slow_reader_s, self._too_slow)
            self._tell_writable(False)
        elif self._queued > self._settings.max_backlog:
            limit = self._settings.max_backlog
            text = f"more than {limit} bytes wait for a peer that does not read them"
            self.drop(Overloaded(text, code="slow_reader"))

    def _close(self, close: Close) -> None:
        closing = Closing(close.code, close.reason[:_MOST_REASON], close.headers, close.body)
        frame = head(self.number, Kind.CLOSE) + payload(closing)
        self.phase = Phase.CLOSING
        self._inbox.clear()
        self._disarm()
        self._timer = self._loop.call_later(self._settings.close_timeout, self._unanswered)
        if self._queue:
            self._queue.append((0, frame))
            self._queued += len(frame)
            if self.takes_more:
                self._carrier.wait(self)
        else:
            self._carrier.put(frame)

    # In ---------------------------------------------------------------------------------------

    def _read(self) -> None:
        """What was kept, as long as it may be told."""
        while self._inbox and not self._paused and self.phase is Phase.OPEN:
            kind, data = self._inbox.popleft()
            if isinstance(data, Closing):
                self._closed_by_peer(data)
            else:
                self._take(kind, data)

    def _take(self, kind: Kind, data: bytes) -> None:
        self._consumed += len(data) + _MESSAGE
        receiver = self._receiver
        if receiver is not None and self.phase is Phase.OPEN:
            try:
                if kind is Kind.BINARY:
                    receiver.binary(data)
                else:
                    receiver.received(Text(data.decode()))
            except UnicodeDecodeError:
                self.drop(BadMessage("a text message is not UTF-8"))
            except Exception as fault:  # noqa: BLE001  ends this stream, told by closed(error)
                self._broke(fault)
        window = self._settings.window
        if self._granted - self._consumed <= window // 2 and self.phase is Phase.OPEN:
            self._granted = self._consumed + window
            self._carrier.put(head(self.number, Kind.CREDIT) + credit(self._granted))

    def _closed_by_peer(self, closing: Closing) -> None:
        self._tell(close_of(closing))
        if self.phase is Phase.OPEN:
            self._carrier.put(head(self.number, Kind.CLOSE) + payload(Closing(closing.code)))
            self.end(None)

    @property
    def _awaits(self) -> bool:
        return self.phase is Phase.HELD and self.answered is not None and not self.answered.done()

    def _answered(self, answer: Opened | Closing) -> None:
        """The peer's answer. The receiver is made here, before anything that follows it."""
        if self.answered is None or self.make is None:
            return
        try:
            self._receiver = self.make(self)
        except Exception as fault:  # noqa: BLE001  raised to who asked
            self.answered.set_exception(fault)
            self.drop(OssicleError.wrap(fault))
            return
        self.phase = Phase.OPEN
        self.answered.set_result(None)
        if isinstance(answer, Opened):
            self._tell(accept_of(answer))
            self.granted(answer.window)
        else:
            self._closed_by_peer(answer)

    def _tell(self, message: Message) -> None:
        if self._receiver is not None:
            try:
                self._receiver.received(message)
            except Exception as fault:  # noqa: BLE001  ends this stream, told by closed(error)
                self._broke(fault)

    def _tell_writable(self, yes: bool) -> None:
        if self._receiver is not None and self.phase is Phase.OPEN:
            try:
                self._receiver.writable(yes)
            except Exception as fault:  # noqa: BLE001  ends this stream, told by closed(error)
                self._broke(fault)

    def _broke(self, fault: Exception) -> None:
        report_fault(log, "receiver", fault)
        self.drop(OssicleError.wrap(fault))

    # Time -------------------------------------------------------------------------------------

    def _too_slow(self) -> None:
        limit = self._settings.slow_reader_s
        self.drop(Overloaded(f"the peer took too little for {limit:g} s", code="slow_reader"))

    def _unanswered(self) -> None:
        self.drop(TimedOut(f"no CLOSE came back within {self._settings.close_timeout:g} s"))

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
