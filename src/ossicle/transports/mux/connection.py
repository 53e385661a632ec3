"""One connection with many streams on it: both ends, on any channel that keeps messages apart.

    connection = Connection(channel, settings)      # a client: `ask` opens streams
    Connection(channel, settings, accept=accept)    # a server: `accept` is asked for each

It is the receiver of that channel. When the channel takes no more, streams wait their turn, one
message each; what they wait for by themselves (credit) concerns no other.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Binary, Close, Message, Opening, Signal, Text
from ossicle.transports.faults import report_fault

from .frames import (
    Closing,
    Kind,
    Opened,
    Wanted,
    credit_of,
    head,
    parse,
    payload,
    structured,
)
from .settings import MuxSettings
from .stream import MuxStream

__all__ = ["Accepting", "Connection"]

log = logging.getLogger("ossicle.transports.mux")

Accepting: TypeAlias = Callable[[Wanted, Channel], Receiver]
"""Called for every new stream, like an acceptor."""

_LAST = (1 << 32) - 1


class Connection:
    """Implements `core.ports.Receiver` for the channel it is on."""

    def __init__(
        self,
        channel: Channel,
        settings: MuxSettings,
        *,
        accept: Accepting | None = None,
    ) -> None:
        self.can_write = True
        self.over = False
        """It takes no more streams."""
        self._channel = channel
        self._settings = settings
        self._accept = accept
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, MuxStream] = {}
        self._waiting: dict[MuxStream, None] = {}
        self._draining = False
        self._highest = 0
        self._rtt: Signal | None = None
        self._close: Close | None = None
        self._error: OssicleError | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._empty()

    def __len__(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    # For a client ---------------------------------------------------------------------------

    async def ask(
        self,
        opening: Opening,
        receiver_factory: Callable[[Channel], Receiver],
    ) -> Channel:
        """Open a stream. Who asks bounds the time.

        Raises:
            ConnectionLost: the connection went before there was an answer.
        """
        if self.over or self._highest >= _LAST:
            raise ConnectionLost("the shared connection is closing")
        self._highest += 1
        stream = MuxStream(self, self._highest, self._settings)
        stream.make, stream.answered = receiver_factory, self._loop.create_future()
        self._streams[stream.number] = stream
        self._busy()
        wanted = Wanted(opening.path, self._settings.window, opening.query, opening.headers)
        self.put(head(stream.number, Kind.OPEN) + payload(wanted))
        try:
            await stream.answered
        except BaseException:
            stream.abort()
            raise
        return stream

    def leave(self) -> None:
        """Say goodbye; streams that are open are told."""
        self.over = True
        self._channel.send(Close(1000, "no streams"))

    # Receiver ---------------------------------------------------------------------------------

    def received(self, message: Message) -> None:
        """Anything but a binary message."""
        match message:
            case Binary(data):
                self.binary(data)
            case Text():
                self._fail(BadMessage("ossicle.v1.mux has no text messages"))
            case Close():
                self.over = True
                self._close = message
            case Signal():
                self._rtt = message
                for stream in list(self._streams.values()):
                    stream.signal(message)
            case _:
                pass

    def binary(self, data: bytes) -> None:
        """The hot path."""
        if self._error is not None:
            return
        try:
            number, kind, rest = parse(data)
            if kind is Kind.OPEN:
                self._open(number, rest)
                return
            stream = self._streams.get(number)
            if stream is None:
                if not 0 < number <= self._highest:
                    raise BadMessage(f"stream {number} was never opened")
                return  # it is over here, and what was under way then comes still
            if kind <= Kind.TEXT:
                stream.came(kind, rest)
            else:
                self._control(stream, kind, rest)
        except BadMessage as error:
            self._fail(error)

    def writable(self, yes: bool) -> None:
        """The channel takes more, or not."""
        self.can_write = yes
        if yes:
            self._drain()

    def closed(self, error: OssicleError | None) -> None:
        """The channel is over, and all streams with it."""
        self.over = True
        if self._idle is not None:
            self._idle.cancel()
        polite = error is None and self._error is None
        if error is None and self._close is None:
            error = self._error or ConnectionLost("the shared connection was closed")
        for stream in list(self._streams.values()):
            stream.lost(self._close if polite else None, error)

    # Carrier ----------------------------------------------------------------------------------

    def put(self, frame: bytes) -> None:
        """Send a frame now."""
        self._channel.send(Binary(frame))

    def wait(self, stream: MuxStream) -> None:
        """It has something to send once the channel takes more."""
        self._waiting[stream] = None

    def forget(self, stream: MuxStream) -> None:
        """It is over."""
        self._waiting.pop(stream, None)
        if self._streams.pop(stream.number, None) is not None and not self._streams:
            self._empty()

    # inside -----------------------------------------------------------------------------------

    def _control(self, stream: MuxStream, kind: Kind, rest: bytes) -> None:
        match kind:
            case Kind.CREDIT:
                stream.granted(credit_of(rest))
            case Kind.CLOSE:
                stream.closing(structured(rest, Closing))
            case Kind.RESET:
                stream.reset(structured(rest, Closing))
            case Kind.ACCEPT:
                stream.accepted(structured(rest, Opened))
            case _:
                stream.ping(rest[:125])

    def _open(self, number: int, rest: bytes) -> None:
        if self._accept is None:
            raise BadMessage("only a client opens streams")
        if number <= self._highest:
            raise BadMessage(f"stream {number} is not above {self._highest}")
        wanted = structured(rest, Wanted)
        self._highest = number
        if len(self._streams) >= self._settings.streams or self.over:
            most = self._settings.streams
            text = f"{most} streams are open on this connection; open another"
            closing = Closing(503, text, (("retry-after", "1"),), text.encode())
            self.put(head(number, Kind.CLOSE) + payload(closing))
            return
        stream = MuxStream(self, number, self._settings, limit=wanted.window)
        self._streams[number] = stream
        self._busy()
        stream.hold(lambda: self._overdue(stream))
        try:
            stream.listen(self._accept(wanted, stream))
        except Exception as fault:  # noqa: BLE001  one stream's trouble: refused with 500
            report_fault(log, "acceptor", fault)
            stream.send(Close(500, "internal error"))
            return
        if self._rtt is not None:
            stream.signal(self._rtt)

    def _overdue(self, stream: MuxStream) -> None:
        limit = self._settings.handshake_timeout
        stream.send(Close(503, f"no answer within {limit:g} s", (("retry-after", "1"),)))

    def _drain(self) -> None:
        """One message of each stream that waits, in turn, as long as the channel takes any."""
        if self._draining:
            return
        self._draining = True
        try:
            while self._waiting and self.can_write:
                for stream in list(self._waiting):
                    if not self.can_write:
                        return
                    if not stream.step() or not stream.takes_more:
                        self._waiting.pop(stream, None)
        finally:
            self._draining = False

    def _fail(self, error: BadMessage) -> None:
        """The peer does not speak it: nothing after this can be understood."""
        if self._error is None:
            self._error = error
            self.over = True
            log.info("connection dropped: %s", error)
            self._channel.send(Close(1002, str(error)[:120]))

    def _busy(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _empty(self) -> None:
        if self.over:
            return
        self._busy()
        self._idle = self._loop.call_later(self._settings.linger_s, self.leave)
