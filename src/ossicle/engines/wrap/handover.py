"""One stream after another, without a gap: the next is opened while the present one still hears,
and takes over at the end of a turn.

    present  ──────────────────────final at t ─┤ aborted
    next         opening ── open, waiting ─────├─ fed from t on ───────▶
                                               (audio kept since t)

Used where a stream has to be left although it works: a provider's time limit is near (`rollover`),
or a better engine is back (`failover`). A stream that broke is another matter: the session replays
what it heard.

Audio is kept since the last final, at most 15 s of it. While nobody speaks the change is made at
once, from there on or from the oldest that is kept; otherwise the end of the turn is waited for. If
that takes too long for whoever wants the change, they end the stream and the session replays.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ...core.commands import Cancel, Command, Configure, End, Finalize
from ...core.errors import ConnectionLost, OssicleError
from ...core.events import Ended, Event, SpeechEnded, SpeechStarted, Transcript
from ...core.formats import AudioFormat
from ...core.options import Options, merged
from ...core.ports import Sink, Stream
from .ear import Ear

__all__ = ["Handover", "Opener"]

Opener = Callable[[Options, Sink], Awaitable[Stream]]

KEEP_MS = 15_000
"""Audio kept since the last final: what a session keeps for a replay, too."""
_SLACK_MS = 1_000
"""How much more than that may be there until it is looked at."""
_BOUNDLESS = 1 << 40
"""Credit of a stream that never spoke of any, where the one before it did."""


class Handover:
    """Implements `core.ports.Stream` around one stream after another."""

    def __init__(self, sink: Sink, options: Options, *, whole_turns: bool = True) -> None:
        """`whole_turns` False: the engines do not end turns, so every final is one."""
        self.options = options
        """As they are now; the next stream is opened with these."""
        self.passing: Callable[[Event], Event] = _same
        """Called with each event before it is told; what it gives is told instead."""
        self.changed: Callable[[], None] = _nothing
        """Called after a change."""
        self.failed: Callable[[OssicleError], None] = _ignored
        """Called when the next stream could not be opened; the present one goes on."""
        self._sink = sink
        self._every_final = not whole_turns
        self._format: AudioFormat | None = options.hears
        self._ear: Ear | None = None
        self._next: Ear | None = None
        self._hear: Callable[[bytes], None] = _unheard
        """`audio` of the stream that hears."""
        self._opening: asyncio.Task[None] | None = None
        self._kept: deque[bytes] = deque()
        self._kept_from = 0
        """Position of the first byte kept."""
        self._most_kept = self._position(KEEP_MS)
        self._trim_at = self._most_kept + self._position(_SLACK_MS)
        """Position at which there may be too much of it."""
        self._fed = 0
        self._settled = 0
        """Position of the last final's end."""
        self._open_turns: set[int] = set()
        self._speaking: set[str] = set()
        self._asked = 0
        """Questions the present stream has not answered."""
        self._ending = False
        self._credited = False
        self._until_ms: int | None = None
        self._dead = False

    async def begin(self, opener: Opener) -> None:
        """Open the first stream.

        Raises:
            OssicleError: as the engine does.
        """
        self._ear = ear = Ear(self)
        try:
            ear.stream = await opener(self.options, ear)
            self._hear = ear.stream.audio
        except BaseException:
            ear.deaf = True  # another one may be tried, and this one have last words
            raise

    def change(self, opener: Opener) -> None:
        """Open another stream and go on with it at the end of a turn. One at a time."""
        if self._opening is None and self._next is None and not self._ending and not self._dead:
            self._opening = asyncio.get_running_loop().create_task(self._open(opener))

    @property
    def changing(self) -> bool:
        """Another stream opens, or waits for the end of a turn."""
        return self._opening is not None or self._next is not None

    # ── the session's side ──

    def audio(self, data: bytes) -> None:
        self._fed += len(data)
        self._kept.append(data)
        if self._fed >= self._trim_at:
            self._trim()
        self._hear(data)

    def ask(self, command: Command) -> None:
        match command:
            case Configure():
                self.options = merged(self.options, command.patch)
                if self._next is not None and self._next.stream is not None:
                    self._next.stream.ask(command)
            case Finalize():
                self._asked += 1
            case Cancel(side="in"):
                self._open_turns.clear()
                self._forget(self._fed)
            case End():
                self._ending = True
                self._drop_next()
            case _:
                pass
        self._stream.ask(command)

    def credit(self, until_ms: int) -> None:
        self._until_ms = until_ms
        self._stream.credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        self._drop_next()
        if self._ear is not None and self._ear.stream is not None:
            self._ear.deaf = True
            self._ear.stream.abort()

    # ── the streams' side, called by `Ear` ──

    def told(self, ear: Ear, event: Event) -> None:
        """An event, on the time of the whole."""
        if ear is not self._ear:
            # the next one has not been fed yet: what it may say is not of this stream, but its end
            if isinstance(event, Ended):
                self._next_is_over(ear, event)
            return
        if type(event) is Transcript and not event.final and event.side == "in":
            self._open_turns.add(event.channel)  # nearly all there is
            self._sink.tell(self.passing(event))
            return
        ends = False
        match event:
            case SpeechStarted(side="in", channel=channel):
                self._open_turns.add(channel)
            case SpeechStarted(utterance=name):
                self._speaking.add(name)
            case SpeechEnded(side="out", utterance=name, provisional=False):
                self._speaking.discard(name)
                ends = self._may_leave
            case Transcript(side="in"):
                ends = self._heard(event)
            case Ended():
                self._drop_next()
            case _:
                pass
        self._sink.tell(self.passing(event))
        if ends and self._next is not None and self._may_leave:
            self._take_over()

    def granted(self, ear: Ear, until_ms: int) -> None:
        if ear is self._ear:
            self._credited = True
            self._sink.credit(until_ms)

    def silent_until(self, ear: Ear, until_ms: int) -> None:
        if ear is self._ear:
            self._sink.settled(until_ms)
            if not self._open_turns:
                self._forget(self._position(until_ms))

    # ── inside ──

    @property
    def _stream(self) -> Stream:
        assert self._ear is not None
        assert self._ear.stream is not None
        return self._ear.stream

    def _heard(self, event: Transcript) -> bool:
        """True: a turn ended, and nobody speaks or waits for an answer."""
        ends = event.ends_turn or self._every_final
        if ends:
            self._open_turns.discard(event.channel)
            if event.ref:
                self._asked = max(0, self._asked - 1)
        if event.end_ms is not None and not self._open_turns:
            self._forget(self._position(event.end_ms))
        return ends and self._may_leave

    @property
    def _may_leave(self) -> bool:
        busy = self._open_turns or self._speaking or self._asked
        return not (busy or self._ending or self._dead)

    async def _open(self, opener: Opener) -> None:
        ear = Ear(self)
        try:
            ear.stream = await opener(self.options, ear)
        except Exception as error:  # noqa: BLE001  told: the present stream goes on
            self._opening = None
            self.failed(OssicleError.wrap(error))
            return
        self._opening = None
        if ear.over is not None:
            ear.stream.abort()
            self.failed(ear.over)
            return
        if self._dead or self._ending:
            ear.deaf = True
            ear.stream.abort()
            return
        self._next = ear
        if self._may_leave:
            self._take_over()

    def _next_is_over(self, ear: Ear, event: Ended) -> None:
        """It went away while it waited for its turn."""
        ear.deaf = True
        fault = event.error
        ear.over = OssicleError.of(fault) if fault is not None else ConnectionLost("it ended")
        if ear is self._next:
            self._drop_next()
            self.failed(ear.over)

    def _take_over(self) -> None:
        """Go on with the next stream, from the end of what is final."""
        old, ear = self._ear, self._next
        assert old is not None
        assert ear is not None
        assert ear.stream is not None
        old.deaf = True
        self._ear, self._next = ear, None
        self._hear = ear.stream.audio
        start = max(self._settled, self._kept_from)
        ear.start(self._ms(start))
        if self._credited:
            self._sink.credit(_BOUNDLESS if ear.granted is None else ear.granted + ear.start_ms)
        if self._until_ms is not None:
            ear.stream.credit(self._until_ms)
        position = self._kept_from
        for piece in tuple(self._kept):
            rest = piece[max(0, start - position) :]
            position += len(piece)
            if rest:
                ear.stream.audio(rest)
        if old.stream is not None:
            old.stream.abort()
        self.changed()

    def _drop_next(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        ear, self._next = self._next, None
        if ear is not None and ear.stream is not None:
            ear.deaf = True
            ear.stream.abort()

    # ── audio since the last final ──

    def _trim(self) -> None:
        kept, most = self._kept, self._most_kept
        while self._fed - self._kept_from > most and len(kept) > 1:
            self._kept_from += len(kept.popleft())
        self._trim_at = self._kept_from + most + self._position(_SLACK_MS)

    def _forget(self, position: int) -> None:
        self._settled = max(self._settled, min(position, self._fed))
        kept = self._kept
        while kept and self._kept_from + len(kept[0]) <= self._settled:
            self._kept_from += len(kept.popleft())

    def _position(self, ms: int) -> int:
        return self._format.units(ms) if self._format is not None else 0

    def _ms(self, position: int) -> int:
        return self._format.ms(position) if self._format is not None else 0


def _same(event: Event) -> Event:
    """Nobody asked to be told."""
    return event


def _unheard(_data: bytes) -> None:
    raise RuntimeError("audio was fed while no stream is open")


def _nothing() -> None:
    """Nobody asked to be told."""


def _ignored(_error: OssicleError) -> None:
    """Nobody asked to be told."""
