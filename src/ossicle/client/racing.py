"""Dials several ways and keeps the first that stands: the I/O of `transport="auto"`.

    racing = Racing(ways, place="https://speech.example")
    await racing.run(prepare, won)

A WebSocket stands when the gateway answers it: with 101, or with a refusal of its own (a key that
is wrong is wrong on every wire). What only a proxy says, or an upgrade that came without its
header, counts as failed, and the next way is tried. A chunked body stands with its connection,
since its answer waits for audio; it is remembered only when that answer came.
"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from ossicle.core.errors import ConnectionLost, OssicleError
from ossicle.core.link import Link
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Close, Message, Opening

from .race import Pace, Race, Remembered
from .ways import Way

__all__ = ["MEMORY", "Racing"]

MEMORY = Remembered()
"""Of this process."""

Prepare: TypeAlias = Callable[[Way], tuple[Link, Opening]]
Won: TypeAlias = Callable[[Way, Link], None]


class Racing:
    """The ways of one stream to one place."""

    def __init__(
        self,
        ways: tuple[Way, ...],
        *,
        place: str,
        pace: Pace | None = None,
        memory: Remembered = MEMORY,
    ) -> None:
        """`place`: what is remembered is remembered of this."""
        self._ways = {way.wire: way for way in ways}
        self._place = place
        self._pace = pace or Pace()
        self._memory = memory

    async def run(self, prepare: Prepare, won: Won) -> Way:
        """Dial until one stands. `won` is called once, before anything that came is told.

        Args:
            prepare: makes a link and the opening for a way; called for each that is dialled.
            won: this is the one.

        Raises:
            OssicleError: none does; the error of the way that is liked most.
        """
        now = asyncio.get_running_loop().time
        order = self._memory.order(self._place, tuple(self._ways), self._pace, now())
        race = Race(order, self._pace, now())
        entrants: dict[asyncio.Task[None], _Entrant] = {}
        changed = asyncio.Event()
        errors: dict[str, OssicleError] = {}

        def stands(entrant: _Entrant) -> bool:
            first = not race.winner
            if not race.stands(entrant.way.wire):
                return False
            if first:
                won(entrant.way, entrant.link)
                changed.set()
            return True

        try:
            while not race.winner and not race.lost:
                for wire in race.due(now()):
                    link, opening = prepare(self._ways[wire])
                    entrant = _Entrant(self._ways[wire], link, stands, self._answered, changed)
                    task = asyncio.create_task(entrant.run(opening), name=f"dial {wire}")
                    entrants[task] = entrant
                changed.clear()
                try:
                    async with asyncio.timeout_at(race.deadline if race.deadline < 1e18 else None):
                        await changed.wait()
                except TimeoutError:
                    continue  # the next one's time has come
                for entrant in entrants.values():
                    wire = entrant.way.wire
                    if entrant.failed is not None and wire not in errors:
                        errors[wire] = entrant.failed
                        race.failed(wire, now())
        finally:
            for task, entrant in entrants.items():
                if entrant.way.wire != race.winner:
                    task.cancel()
                    entrant.link.abort()
            await asyncio.gather(*entrants, return_exceptions=True)
        if not race.winner:
            raise _all(errors, tuple(self._ways))
        return self._ways[race.winner]

    def _answered(self, way: Way) -> None:
        self._memory.worked(self._place, way.wire, asyncio.get_running_loop().time())


class _Entrant:
    """One way that is being dialled, and then the receiver of its channel. What a gateway says
    before the race is over is looked at; afterwards calls go straight to the link."""

    def __init__(
        self,
        way: Way,
        link: Link,
        stands: "Callable[[_Entrant], bool]",
        answered: Callable[[Way], None],
        changed: asyncio.Event,
    ) -> None:
        self.way, self.link = way, link
        self.failed: OssicleError | None = None
        self.received: Callable[[Message], None] = self._first
        self.binary: Callable[[bytes], None] = self._early
        self.writable = link.writable
        self._stands, self._answered, self._changed = stands, answered, changed
        self._winning = False

    async def run(self, opening: Opening) -> None:
        """Dial. Ends when there is a channel or none."""
        try:
            await self.way.dial(opening, self._attach)
        except OssicleError as error:
            self._fail(error)
            return
        if not self.way.framed and self.failed is None and not self._won():
            self.link.abort()

    def _attach(self, channel: Channel) -> Receiver:
        self.link.attach(channel)
        return self  # pyright: ignore[reportReturnType]  `binary` is an instance attribute

    def closed(self, error: OssicleError | None) -> None:
        """The channel is over: of a race, or of a stream."""
        if not self._winning:
            self._fail(error or ConnectionLost("the gateway hung up before it answered"))
        self.link.closed(error)

    def _first(self, message: Message) -> None:
        """The answer. A way that has won by its connection has it still to come."""
        if isinstance(message, Close) and not self._winning and not _ours(message):
            code = f"{message.code} {message.reason}".strip()
            self._fail(ConnectionLost(f"{self.way.wire} was not let through: {code}"))
            self.link.abort()
            return
        if not self._won():
            self.link.abort()
            return
        if isinstance(message, Accept):
            self._answered(self.way)
        self.received = self.link.received
        self.link.received(message)

    def _early(self, data: bytes) -> None:
        if self._won():
            self.link.binary(data)

    def _won(self) -> bool:
        if not self._winning and self._stands(self):
            self._winning = True
            self.binary = self.link.binary
        return self._winning

    def _fail(self, error: OssicleError) -> None:
        if self.failed is None:
            self.failed = error
        self._changed.set()


class _Said(msgspec.Struct):
    """As much of a refusal's body as says that a gateway wrote it."""

    code: str


class _Refusal(msgspec.Struct):
    error: _Said


def _ours(close: Close) -> bool:
    """A gateway refused, knowing what it was asked. 426 says that the upgrade did not reach it
    (RFC 9110 section 15.5.22); so does 404 or 405, which its plain HTTP side answers."""
    if close.code in {404, 405, 426} or not close.body:
        return False
    try:
        msgspec.json.decode(close.body, type=_Refusal)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False
    return True


def _all(errors: dict[str, OssicleError], wires: tuple[str, ...]) -> OssicleError:
    """One error for all: of the wire that is liked most, unless another way may yet work."""
    told = [errors[wire] for wire in wires if wire in errors]
    first = told[0] if told else ConnectionLost("no way leads to the gateway")
    texts = [f"{wire}: {errors[wire]}" for wire in wires if wire in errors]
    if len({str(error) for error in told}) < 2:
        return first
    if all(isinstance(error, type(first)) for error in told):
        found = OssicleError.of(msgspec.structs.replace(first.fault(), text="; ".join(texts)))
        found.__cause__ = first
        return found
    lost = [error for error in told if error.retryable]
    return ConnectionLost("; ".join(texts)) if lost else first
