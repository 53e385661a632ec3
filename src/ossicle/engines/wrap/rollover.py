"""Ahead of a provider's time limit: the next stream is opened first, and takes over at the end of a
turn. The client sees one session.

    engine = Rollover(google, limit_s=300)

From `margin_s` before the limit the change is looked for; when nobody has stopped speaking by the
limit, the stream is ended and the session replays what is not final.
"""

from typing import Final

from ...core.capabilities import Capabilities
from ...core.commands import Command
from ...core.errors import EngineFailed, OssicleError
from ...core.events import Ended, Event, Notice
from ...core.options import Options
from ...core.ports import Engine, Sink, Stream, Timer, Timers
from ...core.timers import LoopTimers
from ..lifecycle import aclose, is_warm, start
from .handover import Handover

__all__ = ["Rollover"]

_AGAIN_S: Final = 3.0
"""Between attempts to open the next stream."""


class Rollover:
    """An engine around another one. It starts and closes what it holds."""

    def __init__(
        self,
        engine: Engine,
        *,
        limit_s: float,
        margin_s: float = 30.0,
        timers: Timers | None = None,
    ) -> None:
        """
        Args:
            engine: what has the limit.
            limit_s: how long one of its streams may live.
            margin_s: how long before that a change is looked for; at most half of it.
            timers: the clock; None = the event loop's.
        """
        self._engine = engine
        self._limit_s = limit_s
        self._margin_s = min(margin_s, limit_s / 2)
        self._timers = timers

    @property
    def capabilities(self) -> Capabilities:
        """Of what it holds."""
        return self._engine.capabilities

    @property
    def warm(self) -> bool:
        return is_warm(self._engine)

    async def start(self) -> None:
        await start(self._engine)

    async def aclose(self) -> None:
        await aclose(self._engine)

    async def open(self, options: Options, sink: Sink) -> Stream:
        """Open the first stream."""
        timers = self._timers or LoopTimers()
        stream = _Rolling(self._engine, options, sink, timers, self._limit_s, self._margin_s)
        await stream.handover.begin(self._engine.open)
        stream.wait(timers.now())
        return stream


class _Rolling:
    """Implements `core.ports.Stream`: a `Handover` with a clock."""

    def __init__(
        self,
        engine: Engine,
        options: Options,
        sink: Sink,
        timers: Timers,
        limit_s: float,
        margin_s: float,
    ) -> None:
        self._engine = engine
        self._sink = sink
        self._limit_s, self._margin_s = limit_s, margin_s
        self._timers = timers
        self._timer: Timer | None = None
        self._until = self._next_since = 0.0
        """When the present stream has to be over; when the next one was asked for."""
        self._last_word = False
        whole_turns = engine.capabilities.turns
        self.handover = Handover(sink, options, whole_turns=whole_turns)
        self.handover.passing = self._passing
        self.handover.changed = self._changed
        self.handover.failed = self._failed

    def wait(self, since: float) -> None:
        """The stream that hears was opened then: its time runs."""
        if self._last_word:
            return  # it broke while it opened
        self._until = since + self._limit_s
        self._alarm(self._until - self._margin_s)

    def audio(self, data: bytes) -> None:
        self.handover.audio(data)

    def ask(self, command: Command) -> None:
        self.handover.ask(command)

    def credit(self, until_ms: int) -> None:
        self.handover.credit(until_ms)

    def abort(self) -> None:
        self._last_word = True
        self._quiet()
        self.handover.abort()

    # ── inside ──

    def _passing(self, event: Event) -> Event:
        if type(event) is Ended:
            self._last_word = True
            self._quiet()
        return event

    def _alarm(self, at: float) -> None:
        self._quiet()
        self._timer = self._timers.call_at(at, self._due)

    def _quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if self._last_word:
            return
        if self._timers.now() >= self._until:
            name = self._engine.capabilities.name
            text = f"{name} may be used for {self._limit_s:g} s at a time, and nobody paused"
            self.handover.abort()
            self._last_word = True
            self._sink.tell(Ended(reason="failed", error=EngineFailed(text).fault()))
            return
        self._next_since = self._timers.now()
        self.handover.change(self._engine.open)
        self._alarm(self._until)

    def _changed(self) -> None:
        name = self._engine.capabilities.name
        text = f"{name} goes on in a new stream, before its limit of {self._limit_s:g} s"
        self.wait(self._next_since)
        self._sink.tell(Notice(level="info", code="rolled_over", text=text))

    def _failed(self, error: OssicleError) -> None:
        """The next one could not be opened; the present one still hears."""
        text = f"the next stream could not be opened yet: {error}"
        self._sink.tell(Notice(level="warning", code="rollover_failed", text=text))
        if not self._last_word:
            self._alarm(min(self._until, self._timers.now() + _AGAIN_S))
