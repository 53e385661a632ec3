"""The gateway's end of one worker: a socket that is fed without waiting, and a sink to tell.

`Link` is the connection, made before anybody needs it; `PocketStream` is the session's stream on
it. Whatever ends the connection, the sink hears `Ended` exactly once, unless it was aborted.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from ...core.commands import Audio, Cancel, Command, Configure, End, Finalize, Speak
from ...core.errors import EngineFailed, OssicleError, Overloaded
from ...core.events import Ended, Notice
from ...core.options import Options, merged, untimed
from ...core.ports import Sink
from .framing import Framer, Incoming, Progress, Settled, audio_frame, frame

__all__ = ["Link", "PocketStream"]

_SAMPLES_PER_MS: Final = 16
_SLACK_MS: Final = 60_000
"""How far beyond its credit a session may go before the stream gives up: credit is a request,
and the last piece sent under it may be long. 2 MB."""


class Link(asyncio.Protocol):
    """One worker's connection. Spare until a stream owns it."""

    def __init__(self, number: int, gone: Callable[["Link"], None]) -> None:
        self.number = number
        """The worker's name towards the zygote."""
        self.pid = 0
        """Its process; 0 = not yet told."""
        self.owner: PocketStream | None = None
        self.transport: asyncio.Transport | None = None
        self._gone = gone
        self._framer = Framer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        owner = self.owner
        try:
            items = self._framer.feed(data)
        except ValueError as error:
            if owner is not None:
                owner.fail(f"its worker does not keep to the protocol: {error}")
            self.drop()
            return
        if owner is not None:
            for item in items:
                owner.heard(item)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.transport = None
        if self.owner is not None:
            self.owner.fail("its worker process ended in the middle of the stream")
        self._gone(self)

    def write(self, data: bytes) -> None:
        """Hand over; after the end: nothing."""
        if self.transport is not None:
            self.transport.write(data)

    def drop(self) -> None:
        """Close at once; what is not written is lost."""
        if self.transport is not None:
            self.transport.abort()


class PocketStream:
    """See `core.ports.Stream`."""

    def __init__(
        self, link: Link, options: Options, sink: Sink, window_ms: int, done: Callable[[Link], None]
    ) -> None:
        self._link = link
        self._options = untimed(options)
        self._sink = sink
        self._window_ms = window_ms
        self._done = done
        self._fed = 0  # bytes
        self._until_ms = window_ms
        self._over = False
        link.owner = self
        link.write(frame(self._options))
        sink.credit(self._until_ms)

    def audio(self, data: bytes) -> None:
        """See `core.ports.Stream`.

        Raises:
            Overloaded: the session feeds far beyond the credit it was given.
        """
        if self._over:
            return
        self._fed += len(data)
        if self._fed // (2 * _SAMPLES_PER_MS) > self._until_ms + _SLACK_MS:
            raise Overloaded(
                f"audio is {self._fed // (2 * _SAMPLES_PER_MS)} ms long but credit ends at "
                f"{self._until_ms} ms, and no more than {_SLACK_MS} ms beyond it are held",
                code="overloaded",
            )
        self._link.write(audio_frame(data))

    def ask(self, command: Command) -> None:
        """See `core.ports.Stream`."""
        if self._over:
            return
        match command:
            case Audio():
                self.audio(command.data)
            case Configure():
                self._options = merged(self._options, command.patch)
                self._link.write(frame(self._options))
            case Finalize() | End():
                self._link.write(frame(command))
            case Cancel():
                if command.side == "in":
                    self._link.write(frame(command))
            case Speak():
                self._sink.tell(
                    Notice(
                        level="error",
                        code="no_voice",
                        text="this engine has no voice; name one that speaks",
                        ref=command.ref,
                    )
                )
            case _:
                pass  # Tell, Played, Join: nothing that an ear can use

    def credit(self, until_ms: int) -> None:
        """It makes no sound, so what it may speak does not matter."""

    def abort(self) -> None:
        """See `core.ports.Stream`."""
        if not self._over:
            self._finish()

    def heard(self, item: Incoming) -> None:
        """The worker says something. Called by the link."""
        if self._over:
            return
        match item:
            case Progress():
                self._until_ms = item.samples // _SAMPLES_PER_MS + self._window_ms
                self._sink.credit(self._until_ms)
            case Settled():
                self._sink.settled(item.until_ms)
            case Ended():
                self._finish()
                self._sink.tell(item)
            case bytes() | Options() | Finalize() | Cancel() | End():
                self.fail(f"its worker does not keep to the protocol: {type(item).__name__}")
            case _:
                self._sink.tell(item)

    def fail(self, why: str) -> None:
        """Tell the end that nobody asked for."""
        if not self._over:
            error: OssicleError = EngineFailed(f"pocketsphinx failed: {why}")
            self._finish()
            self._sink.tell(Ended(reason="failed", error=error.fault()))

    def _finish(self) -> None:
        self._over = True
        self._done(self._link)
