"""Finals on demand from a provider that has no word for them: its stream is ended, which makes it
say all that it heard, and the sound that comes next begins another one.

    engine = Cut(google)

    present  ──Finalize──▶ End ─────── its last words, Ended ─┐ the last final carries the ref
    sound behind it            kept ─────────── next opens ───┴─ fed ──▶

Without this such a question could only be answered when the provider ends a turn by itself, and a
client that leaves with the answer would leave its last words behind. Where nothing was fed since
the last cut, nothing can be owed: that is answered at once.

Sound is kept only between two streams, and no more of it than the one before granted: an
`Upstream` always grants some and never all. A stream that breaks while it is ended, or cannot be
opened, breaks the whole, and the session replays and asks again.
"""

import asyncio
import enum
from collections import deque

import msgspec

from ...core.capabilities import Capabilities
from ...core.commands import Cancel, Command, Configure, End, Finalize, Speak, Tell
from ...core.errors import EngineFailed, OssicleError, Refused
from ...core.events import Ended, Event, Transcript
from ...core.options import Options, merged
from ...core.ports import Engine, Sink, Stream
from ..lifecycle import aclose, is_warm, start
from .ear import Ear

__all__ = ["Cut"]


class Cut:
    """An engine around another one, which starts and closes with it."""

    def __init__(self, engine: Engine) -> None:
        """`engine`: what answers an `End`, and no `Finalize`."""
        self._engine = engine

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
        """Open the first stream.

        Raises:
            OssicleError: as the engine does.
        """
        stream = _CutStream(self._engine, options, sink)
        await stream.begin()
        return stream


class _State(enum.Enum):
    """What the present stream does."""

    HEARING = enum.auto()
    CLOSING = enum.auto()
    """It was asked to end, and says its last words."""
    BARE = enum.auto()
    """There is none: nobody has said anything since the last cut."""
    OPENING = enum.auto()
    OVER = enum.auto()
    """It told its end, or was aborted."""


class _CutStream:
    """Implements `core.ports.Stream` and `EarOwner`."""

    def __init__(self, engine: Engine, options: Options, sink: Sink) -> None:
        self._engine = engine
        self._options = options
        """As they are now; the next stream is opened with these."""
        self._sink = sink
        self._format = options.hears
        self._ear = Ear(self)
        self._state = _State.OPENING
        self._opening: asyncio.Task[None] | None = None
        self._fed = 0
        """Bytes given to all streams."""
        self._cut_at = 0
        """As much had been given when the present stream was opened."""
        self._waiting: deque[bytes | Command] = deque()
        """Sound and commands between two streams, in order."""
        self._asked = Finalize()
        """What the present stream is ended for."""
        self._last: Transcript | None = None
        """Its newest final, which may be its last."""
        self._until_ms: int | None = None

    async def begin(self) -> None:
        """Open the first stream.

        Raises:
            OssicleError: as the engine does.
        """
        try:
            self._ear.stream = await self._engine.open(self._options, self._ear)
        except BaseException:
            self._ear.deaf = True
            raise
        self._hears()

    # ── the session's side ──

    def audio(self, data: bytes) -> None:
        if self._state is _State.HEARING and not self._waiting:
            self._fed += len(data)
            self._stream.audio(data)
        else:
            self._wait(data)

    def ask(self, command: Command) -> None:
        match command:
            case Configure():
                self._options = merged(self._options, command.patch)
                if self._state is _State.HEARING:
                    self._stream.ask(command)
            case Finalize() | End() | Cancel(side="in"):
                self._wait(command)
            case _ if self._state in {_State.HEARING, _State.CLOSING}:
                self._stream.ask(command)
            case Speak() | Tell():
                name = self._engine.capabilities.name
                text = f"{name} has no word for {type(command).__name__} between two turns"
                raise Refused(text, code="bad_request")
            case _:
                pass  # of what is said there is nothing

    def credit(self, until_ms: int) -> None:
        self._until_ms = until_ms
        if self._state in {_State.HEARING, _State.CLOSING}:
            self._stream.credit(until_ms)

    def abort(self) -> None:
        self._state = _State.OVER
        self._waiting.clear()
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        self._ear.deaf = True
        if self._ear.stream is not None:
            self._ear.stream.abort()

    # ── the streams' side, called by `Ear` ──

    def told(self, ear: Ear, event: Event) -> None:
        """An event, on the time of the whole."""
        if type(event) is Ended:
            self._ended(event)
        elif self._state is not _State.CLOSING:
            self._sink.tell(event)
        else:
            self._say_last()
            if isinstance(event, Transcript) and event.final and event.ends_turn:
                self._last = event
            else:
                self._sink.tell(event)

    def granted(self, ear: Ear, until_ms: int) -> None:
        self._sink.credit(until_ms)

    def silent_until(self, ear: Ear, until_ms: int) -> None:
        self._sink.settled(until_ms)

    # ── inside ──

    @property
    def _stream(self) -> Stream:
        assert self._ear.stream is not None
        return self._ear.stream

    def _hears(self) -> None:
        if self._state is _State.OPENING:  # else it broke while it opened, and that was told
            self._state = _State.HEARING
            if self._until_ms is not None:
                self._stream.credit(self._until_ms)
            self._go_on()

    def _wait(self, item: bytes | Command) -> None:
        """Behind all that waits."""
        if self._state is not _State.OVER:
            self._waiting.append(item)
            self._go_on()

    def _go_on(self) -> None:
        """What waits, as far as it goes."""
        while self._waiting:
            match self._state:
                case _State.HEARING:
                    self._give(self._waiting.popleft())
                case _State.BARE if isinstance(self._waiting[0], bytes):
                    self._open()
                case _State.BARE:
                    self._without(self._waiting.popleft())
                case _:
                    return

    def _give(self, item: bytes | Command) -> None:
        match item:
            case bytes():
                self._fed += len(item)
                self._stream.audio(item)
            case Finalize() if self._fed == self._cut_at:
                self._answer(item)
            case Finalize():
                self._state, self._asked = _State.CLOSING, item
                self._stream.ask(End())
            case _:
                self._stream.ask(item)

    def _without(self, item: bytes | Command) -> None:
        """Nothing was said since the last cut."""
        match item:
            case Finalize():
                self._answer(item)
            case End():
                self._state = _State.OVER
                self._sink.tell(Ended())
            case _:
                pass  # there is nothing to forget

    def _answer(self, asked: Finalize) -> None:
        """Of what was fed nothing is open."""
        at = self._ms(self._fed)
        channel = asked.channel or 0
        self._sink.tell(
            Transcript(
                start_ms=at, end_ms=at, final=True, ends_turn=True, channel=channel, ref=asked.ref
            )
        )

    def _say_last(self) -> None:
        """Its newest final was not its last."""
        last, self._last = self._last, None
        if last is not None:
            self._sink.tell(last)

    def _ended(self, event: Ended) -> None:
        if self._state is not _State.CLOSING or event.error is not None:
            self._say_last()
            self._state = _State.OVER
            self._waiting.clear()
            self._sink.tell(event)
            return
        last, self._last = self._last, None
        channel = self._asked.channel
        if last is not None and channel in (None, last.channel):
            self._sink.tell(msgspec.structs.replace(last, ref=self._asked.ref))
        else:
            if last is not None:
                self._sink.tell(last)
            self._answer(self._asked)
        if self._state is not _State.CLOSING:  # whoever was told may have aborted
            return
        self._state = _State.BARE
        self._ear.deaf = True
        self._stream.abort()
        self._sink.settled(self._ms(self._fed))
        self._go_on()

    def _open(self) -> None:
        """Another stream, which begins where the one before it ended."""
        self._state = _State.OPENING
        self._cut_at = self._fed
        self._ear = Ear(self, self._ms(self._fed))
        self._opening = asyncio.get_running_loop().create_task(self._opened(self._ear))

    async def _opened(self, ear: Ear) -> None:
        try:
            ear.stream = await self._engine.open(self._options, ear)
        except Exception as error:  # noqa: BLE001  an engine's exception is Ended(error)
            self._opening = None
            if self._state is _State.OPENING:
                self._state = _State.OVER
                ear.deaf = True
                fault = OssicleError.wrap(error).fault()
                self._sink.tell(Ended(reason="failed", error=fault))
            return
        self._opening = None
        try:
            self._hears()
        except Exception as error:  # noqa: BLE001  an engine's exception is Ended(error)
            if self._state is not _State.OVER:
                self.abort()
                fault = EngineFailed(f"broke with {type(error).__name__}").fault()
                self._sink.tell(Ended(reason="failed", error=fault))

    def _ms(self, position: int) -> int:
        return self._format.ms(position) if self._format is not None else 0
