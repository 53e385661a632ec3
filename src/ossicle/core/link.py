"""One connection: the client half of a dialect on a channel, for as long as the channel lives.

The mirror of a leg, and like one what a transport calls (it is a `Receiver`). Knows nothing of
reconnection: its owner, the client library or an engine that is elsewhere, makes a new one for
each connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol, cast

from .commands import Audio, Command
from .errors import OssicleError
from .events import Event
from .ports import (
    Channel,
    ClientDialect,
    ClientSteps,
    PackingClient,
    PlainClient,
    SoundChannel,
    Timer,
    Timers,
)
from .timers import LoopTimers
from .wire import (
    MESSAGES,
    Binary,
    Close,
    Message,
)

__all__ = ["Link", "LinkOwner"]


class LinkOwner(Protocol):
    """Who a link reports to."""

    def told(self, link: "Link", event: Event) -> None:
        """An event came."""
        ...

    def flowing(self, link: "Link") -> None:
        """The channel takes more."""
        ...


class Link:
    """Made before the channel; `attach` is what a transport calls with it."""

    def __init__(
        self, dialect: ClientDialect, owner: LinkOwner, timers: Timers | None = None
    ) -> None:
        """`timers`: the clock of its keep-alives; None = the event loop's."""
        self.dialect = dialect
        self.over: asyncio.Future[OssicleError | None] = asyncio.get_running_loop().create_future()
        """Done when the channel is closed, with the error that closed it."""
        self.channel: Channel | None = None
        self.live = False
        """The gateway said where to go on: audio may be sent. Set by the owner."""
        self.audio: Callable[[bytes], None] = self._audio
        """Send audio. The hot path of an engine that is elsewhere."""
        self._can_write = True
        self._owner = owner
        self._timers = timers or LoopTimers()
        self._now = self._timers.now
        self._timer: Timer | None = None

    def attach(self, channel: Channel) -> "Link":
        """The receiver of `channel`."""
        self.channel = channel
        dialect, send = self.dialect, channel.send
        if isinstance(dialect, PlainClient) and dialect.plain:
            self.audio = lambda data: send(Binary(data))
        elif isinstance(dialect, PackingClient):
            self.audio = _packing(dialect.pack, send)
        return self

    def straighten(self) -> None:
        """The channel is open: sound may take a shorter way. For an owner that heeds `can_write`,
        and takes an exception for the end."""
        channel, dialect = self.channel, self.dialect
        if isinstance(channel, SoundChannel) and isinstance(dialect, PlainClient) and dialect.plain:
            self.audio = channel.sound

    @property
    def can_write(self) -> bool:
        """The channel takes more."""
        return self._can_write and not self.over.done()

    @property
    def ready(self) -> bool:
        """Something may be sent now."""
        return self.live and self._can_write and not self.over.done()

    def ask(self, command: Command) -> bool:
        """Send a command, or audio. False: the dialect has no word for it, and said nothing."""
        steps = self.dialect.send(command, self._now())
        self._run(steps)
        return bool(steps)

    def _audio(self, data: bytes) -> None:
        self._run(self.dialect.send(Audio(data=data), self._now()))

    def pause(self) -> None:
        """Stop reading."""
        if self.channel is not None:
            self.channel.pause()

    def resume(self) -> None:
        """Read again."""
        if self.channel is not None:
            self.channel.resume()

    async def close(self, within_s: float) -> None:
        """Say goodbye; hang up when that takes longer than `within_s`."""
        channel = self.channel
        if channel is None or self.over.done():
            return
        channel.send(Close(1000))
        try:
            async with asyncio.timeout(within_s):
                await asyncio.shield(self.over)
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Hang up. Idempotent."""
        if self.channel is not None and not self.over.done():
            self.channel.abort()

    # ── Receiver: called by the transport ──

    def received(self, message: Message) -> None:
        """A message came."""
        self._run(self.dialect.receive(message, self._now()))

    def binary(self, data: bytes) -> None:
        """A binary message came."""
        self._run(self.dialect.receive(Binary(data), self._now()))

    def writable(self, yes: bool) -> None:
        """The channel takes more, or not."""
        self._can_write = yes
        if yes:
            self._owner.flowing(self)

    def closed(self, error: OssicleError | None) -> None:
        """The channel is over."""
        self._disarm()
        if not self.over.done():
            self.over.set_result(error)

    # ── inside ──

    def _run(self, steps: ClientSteps) -> None:
        for step in steps:
            if type(step) in MESSAGES:
                if self.channel is not None:
                    self.channel.send(cast("Message", step))
            else:
                self._owner.told(self, cast("Event", step))
        self._arm()

    def _arm(self) -> None:
        deadline = self.dialect.deadline
        if self._timer is None and deadline != inf and not self.over.done():
            self._timer = self._timers.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._timers.now()
        if self.dialect.deadline <= now:
            self._run(self.dialect.expire(now))
        self._arm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _packing(
    pack: Callable[[bytes], Sequence[Message]], send: Callable[[Message], None]
) -> Callable[[bytes], None]:
    """The hot path to a provider that wants its audio in messages of another shape."""

    def audio(data: bytes) -> None:
        for message in pack(data):
            send(message)

    return audio
