"""The calling end of `ossicle.v1.mux`: streams on as few connections as they fit on.

    line = Trunk(dial)
    channel = await line.connect(Opening(path="/v1/stream"), Leg, timeout=10.0)

`dial` opens a connection (a WebSocket, say). A stream goes to the first connection that has room;
one without streams is closed after a while.
"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError, Refused, TimedOut
from ossicle.core.ports import Channel, Dial, Receiver
from ossicle.core.wire import Accept, Close, Message, Opening

from .connection import Connection
from .frames import PATH, STREAMS_HEADER, SUBPROTOCOL
from .settings import MuxSettings

__all__ = ["ReceiverFactory", "Trunk"]

ReceiverFactory: TypeAlias = Callable[[Channel], Receiver]


class Trunk:
    """Connections to one place, from one event loop."""

    def __init__(self, dial: Dial, settings: MuxSettings | None = None) -> None:
        self._dial = dial
        self._settings = settings or MuxSettings()
        self.lines: list[Line] = []
        """Those that are open, and perhaps some that are over."""
        self._dialling: asyncio.Lock = asyncio.Lock()

    def __len__(self) -> int:
        """Connections that are open."""
        return sum(1 for line in self.lines if not line.connection.over)

    async def connect(
        self,
        opening: Opening,
        receiver_factory: ReceiverFactory,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109  one limit for connection and stream
    ) -> Channel:
        """Open a stream and hand it to a receiver.

        Raises:
            Refused: nobody multiplexes there.
            ConnectionLost: nobody there, or gone before an answer.
            TimedOut: no answer within `timeout`.
        """
        try:
            async with asyncio.timeout(timeout):
                line = await self._line()
                return await line.connection.ask(opening, receiver_factory)
        except TimeoutError as error:
            raise TimedOut(
                f"the stream was not answered within {timeout:g} s", code="handshake_timeout"
            ) from error

    async def _line(self) -> "Line":
        """A connection with room for one stream more. One is dialled at a time, so that a hundred
        streams that begin at once share it."""
        if (found := self._roomy()) is not None:
            return found
        async with self._dialling:
            if (found := self._roomy()) is not None:
                return found
            made: list[Line] = []

            def receiver(channel: Channel) -> "Line":
                made.append(Line(channel, self._settings))
                return made[0]

            await self._dial(
                Opening(path=PATH, headers=(("sec-websocket-protocol", SUBPROTOCOL),)), receiver
            )
            line = made[0]
            await line.ready
            self.lines = [each for each in self.lines if not each.connection.over]
            self.lines.append(line)
            return line

    def _roomy(self) -> "Line | None":
        for line in self.lines:
            if not line.connection.over and len(line.connection) < line.most:
                return line
        return None


class Line:
    """The receiver of a connection's channel: its answer, then what its `Connection` does."""

    def __init__(self, channel: Channel, settings: MuxSettings) -> None:
        self.connection = Connection(channel, settings)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.most = settings.streams
        self.binary = self.connection.binary
        self.writable = self.connection.writable

    def received(self, message: Message) -> None:
        """The answer first."""
        if self.ready.done():
            self.connection.received(message)
            return
        match message:
            case Accept(headers, subprotocol):
                if subprotocol != SUBPROTOCOL:
                    self._fail(BadMessage(f"the subprotocol is {subprotocol!r}"))
                    self.connection.leave()
                    return
                told = dict(headers).get(STREAMS_HEADER, "")
                if told.isdecimal():
                    self.most = max(1, min(self.most, int(told)))
                self.ready.set_result(None)
            case Close(code):
                self._fail(_refused(code or 0, message))
            case _:
                pass

    def closed(self, error: OssicleError | None) -> None:
        """The channel is over."""
        self._fail(error or ConnectionLost("the gateway hung up before it answered"))
        self.connection.closed(error)

    def _fail(self, error: OssicleError) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)


def _refused(status: int, close: Close) -> OssicleError:
    text = f"{PATH} is answered {status} {close.reason}".rstrip()
    if status in {408, 429} or status >= 500:
        return ConnectionLost(text)
    return Refused(f"{text}: does this gateway multiplex? leave transport out", code="not_found")
