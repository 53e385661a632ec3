"""A live stream as its user sees it: send audio, read events, whatever happens to connections.

    outbox ──▶ link (one connection) ──▶ gateway
    user ◀── queue ◀── timeline ◀── link

One task connects and connects again; everything else is plain calls on the event loop. Every
queue has a bound: `send` waits when the gateway does not take the audio, and the wire is not read
while the user does not read events.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import msgspec

from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Join,
    Played,
    Speak,
    Tell,
)
from ossicle.core.deadline import too_late
from ossicle.core.errors import ConnectionLost, Fault, OssicleError, Refused
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Flow,
    Notice,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ledger import LedgerReport
from ossicle.core.link import Link
from ossicle.core.options import Options, SynthesisOptions
from ossicle.core.ports import ClientDialect
from ossicle.core.wire import Opening

from .answers import Answers
from .backoff import Backoff, Clock, LoopClock, Reconnect
from .dial import Dial
from .outbox import PIECE, Outbox, Place
from .queue import EventQueue
from .racing import Racing
from .timeline import Timeline
from .waiters import Waiters
from .ways import Way

__all__ = ["Buffering", "SpeechStream"]

_CLOSE_S = 5.0
"""How long a polite goodbye may take."""
_UNANSWERED = 8
"""Of so many attempts to go on, at most, is it believed that they may still come late."""


class Buffering(msgspec.Struct, frozen=True):
    """What waits here because nobody takes it."""

    seconds: float | None
    """Audio not acknowledged by a gateway; None where bytes have no known length."""
    bytes: int
    connected: bool


OnBuffering: TypeAlias = Callable[[Buffering], None]


class SpeechStream:
    """Made by `connect`. Use it as an asynchronous context manager, from one event loop."""

    def __init__(
        self,
        dial: Dial,
        dialect: Callable[[], ClientDialect],
        configure: Configure,
        *,
        framed: bool = True,
        reconnect: Reconnect | None = None,
        on_buffering: OnBuffering | None = None,
        racing: Racing | None = None,
        wire: str = "",
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            dial: connects once.
            dialect: makes the client half for one connection.
            configure: what is asked for; without `join`.
            framed: the wire keeps messages apart; False: only audio and the end can be sent.
            reconnect: how to survive a broken connection.
            on_buffering: told while nobody takes the audio, and once when somebody does again.
            racing: dials one of several ways, each time; `dial` and `dialect` are not used then.
            wire: what `dial` goes over, for people.
            clock: monotonic time and waiting.
            chance: random numbers in [0, 1) for the waits between attempts.
        """
        self._dial = dial
        self._way = Way(wire, dial, dialect, framed)
        self._racing = racing
        self._configure = configure
        self._plan = reconnect or Reconnect()
        self._clock: Clock = clock or LoopClock()
        self._backoff = Backoff(self._plan, chance)
        self._on_buffering = on_buffering
        source = configure.format or AudioFormat()
        self._outbox = Outbox(source, buffer_s=self._plan.buffer_s, keep_s=self._plan.keep_s)
        self._timeline = Timeline(channels=_transcribed(configure.patch, source))
        self._queue = EventQueue()
        self._link: Link | None = None
        self._offers: dict[Link, Place | None] = {}
        self._until_ms: int | None = None
        self._unanswered = 0
        """Attempts to go on that came to nothing here. A slow network may yet deliver each of them,
        and then it takes the session over from a newer one."""
        self._token = ""
        self._began: Began | None = None
        self._ended: Ended | None = None
        self._failure: BaseException | None = None
        self._refusal: Fault | None = None
        self._options: Options | None = None
        self._waiters = Waiters()
        self._answers = Answers(self._outbox)
        self._pumping = False
        self._paused = False
        self._ends_at: float | None = None
        """When nobody waits for it any more, on the clock."""
        self._attached = False
        """Audio went out on a wire that holds its answer back."""
        self._task: asyncio.Task[None] | None = None
        self.reconnects = 0
        """How often the stream went on over another connection."""
        self.moves = 0
        """How often another gateway, or a new session, took over."""

    # ── what it is ──

    @property
    def session(self) -> str:
        """The session's id; empty until it began."""
        return self._began.session if self._began is not None else ""

    @property
    def engine(self) -> str:
        """Name of the engine that listens; empty until known."""
        return self._began.engine if self._began is not None else ""

    @property
    def wire(self) -> str:
        """What it goes over: that of the connection that is, or was last, there. With `auto` it may
        change from one connection to the next."""
        return self._way.wire

    @property
    def options(self) -> Options | None:
        """Options in force; None until told."""
        return self._options

    @property
    def connected(self) -> bool:
        """Audio can flow at this moment."""
        return self._link is not None and self._link.live

    @property
    def buffered_s(self) -> float | None:
        """Seconds of audio that no gateway has acknowledged; None for containers."""
        return self._outbox.waiting_s

    @property
    def sent_bytes(self) -> int:
        """Audio taken from the user so far."""
        return self._outbox.end

    @property
    def settled_ms(self) -> int:
        """Stream time before which nothing will change any more."""
        return self._timeline.settled_ms

    @property
    def ended(self) -> Ended | None:
        """How it ended; None while it lives."""
        return self._ended

    @property
    def ledger(self) -> LedgerReport | None:
        """Where the time went, as the gateway saw it; None until the end."""
        return self._ended.ledger if self._ended is not None else None

    # ── asking ──

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send audio in the declared format, in pieces of any size. Waits while the gateway takes
        none, or nobody is there and `Reconnect.buffer_s` of it wait already. Nothing is dropped.

        Raises:
            OssicleError: the stream has ended; the error says why.
        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PIECE):
            piece = bytes(view[start : start + PIECE])
            await self._until(partial(self._has_room, len(piece)))
            self._outbox.push(piece)
            self._pump()
            if not self.connected:
                self._tell_buffering()

    async def finalize(self, *, channel: int | None = None) -> Transcript:
        """Decide now: the last final of the turn, perhaps empty. It is among the events, too.

        Raises:
            Refused: the wire carries audio only (`transport="http"`).
            OssicleError: the stream ended before the answer.
        """
        answer = self._answers.expect(ref := self._answers.ref())
        try:
            await self._ask(Finalize(ref=ref, channel=channel))
            return await answer
        finally:
            self._answers.forget(ref)

    async def end(self) -> None:
        """No more audio. The last events follow; read them until the iteration ends."""
        if not self._outbox.finished:
            await self._ask(End())

    async def speak(
        self, text: str | None, *, more: bool = False, options: SynthesisOptions | None = None
    ) -> str:
        """Say this (None: answer yourself). `more`: the utterance goes on in the next one.
        Returns the `ref` that the events it causes carry."""
        ref = self._answers.ref()
        await self._ask(Speak(ref=ref, text=text, more=more, options=options))
        return ref

    async def played(
        self, utterance: str, until_ms: int, *, mark: str = "", estimated: bool = False
    ) -> None:
        """Tell how far an utterance has been heard."""
        name = self._timeline.here(utterance)
        if name is not None:
            await self._ask(
                Played(utterance=name, until_ms=until_ms, mark=mark, estimated=estimated)
            )

    async def cancel(self, side: str = "out", *, utterance: str = "") -> None:
        """Stop speaking (`out`), or forget what was heard since the last final (`in`)."""
        if side not in {"in", "out"}:
            raise Refused(f"side={side!r}: cancel what is heard (in) or said (out)")
        name = self._timeline.here(utterance)
        if name is not None:
            await self._ask(Cancel(side="in" if side == "in" else "out", utterance=name))

    async def tell(self, command: Tell) -> None:
        """Text, digits or a tool's result, for the engine to know."""
        ref = command.ref or self._answers.ref()
        await self._ask(msgspec.structs.replace(command, ref=ref))

    async def configure(self, patch: dict[str, object]) -> None:
        """Change options: an RFC 7396 merge patch. Answered by the event `Configured`."""
        await self._ask(Configure(ref=self._answers.ref(), patch=patch))

    # ── listening ──

    def __aiter__(self) -> "SpeechStream":
        return self

    async def __anext__(self) -> Event:
        """The next event; `Ended` is the last.

        Raises:
            OssicleError: after an `Ended` that carries an error.
        """
        await self._until(lambda: len(self._queue) > 0 or self.over, check=False)
        event = self._queue.pop()
        if self._paused and self._queue.low:
            self._paused = False
            if self._link is not None:
                self._link.resume()
        if event is not None:
            return event
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    # ── life ──

    async def __aenter__(self) -> "SpeechStream":
        """Connect.

        Raises:
            OssicleError: nobody there, or not let in.
        """
        if self._configure.within_s is not None:
            self._ends_at = self._clock.now() + self._configure.within_s
        self._task = asyncio.create_task(self._run(), name="ossicle stream")
        try:
            await self._until(lambda: self._begun or self.over, check=False)
        except BaseException:
            await self._stop()
            raise
        if self.over and self._failure is not None and self._began is None:
            await self._stop()
            raise self._failure
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Leave: politely, and abruptly after an error."""
        link = self._link
        if error is None and link is not None and not self.over:
            await link.close(_CLOSE_S)
        await self._stop()
        if error is None and not isinstance(self._failure, OssicleError | None):
            raise self._failure

    @property
    def _begun(self) -> bool:
        """Audio may be sent: it began, or this wire wants audio before it says so."""
        return self._began is not None or self.connected

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self._ended is not None or self._failure is not None

    async def _stop(self) -> None:
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
        self._finish(ConnectionLost("the stream was left"), told=False)

    async def _run(self) -> None:
        """Connect, and again, until the end."""
        try:
            while not self.over:
                broken = await self._connected_once()
                if self.over:
                    return
                hope = broken.retryable and self._can_go_on
                least = broken.retry_after_s or 0.0
                wait = self._backoff.wait(self._clock.now(), least) if hope else None
                if wait is not None and self._too_late(wait):
                    wait, broken = None, too_late(self._configure.within_s)
                if wait is None:
                    self._give_up(broken)
                    return
                self._tell_buffering()
                await self._clock.sleep(wait)
        except Exception as error:  # noqa: BLE001  a bug: raised to whoever uses the stream
            self._finish(error)

    def _too_late(self, wait: float) -> bool:
        return self._ends_at is not None and self._clock.now() + wait >= self._ends_at

    @property
    def _can_go_on(self) -> bool:
        """There is a session to resume; or, on a wire that holds its answer back, nothing was
        answered and all audio is still here to begin anew."""
        return bool(self._token) or (self._attached and self._outbox.base == 0)

    async def _connected_once(self) -> OssicleError:
        """One connection, to its end. Returns why it ended."""
        self._link, self._refusal, self._until_ms = None, None, None
        self._offers.clear()
        try:
            if self._racing is None:
                link, opening = self._prepare(self._way)
                self._take_way(self._way, link)
                await self._dial(opening, link.attach)
            else:
                await self._racing.run(self._prepare, self._take_way)
            link = self._current()
            if not self._way.framed and not self._token and not link.live:
                self._attached = True
                self._outbox.resume(0, 0)
                self._go_live(link)
            error = await link.over
        except OssicleError as failed:
            self._hang_up()
            return failed
        except BaseException:
            self._hang_up()
            raise
        finally:
            if self._link is not None:
                self._link.live = False
        refusal = self._refusal
        return OssicleError.of(refusal) if refusal is not None else error or _lost()

    def _prepare(self, way: Way) -> tuple[Link, Opening]:
        """A link for one way, and what to ask for on it."""
        link = Link(way.dialect(), self)
        return link, link.dialect.open(self._joining(way, link))

    def _take_way(self, way: Way, link: Link) -> None:
        """This is the connection: what comes over it counts."""
        self._way, self._link = way, link

    def _current(self) -> Link:
        if self._link is None:  # a racing that has returned has called `_take_way`
            raise OssicleError("no connection was chosen")
        return self._link

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.abort()

    def _joining(self, way: Way, link: Link) -> Configure:
        """What to ask for, with the time that is left."""
        asked = self._configure
        if self._ends_at is not None:
            left = max(0.001, self._ends_at - self._clock.now())
            asked = msgspec.structs.replace(asked, within_s=left)
        if not self._token:
            return asked
        self._unanswered = min(self._unanswered + 1, _UNANSWERED)
        timeline = self._timeline
        # A wire that holds its answer until it knows the container cannot say first where to go
        # on, so there a container can only be resumed.
        movable = way.framed or self._outbox.cuttable
        offer = self._outbox.place(timeline.settled_ms) if movable else None
        self._offers[link] = offer
        join = Join(
            token=self._token,
            since=timeline.since,
            settled_ms=offer.ms if offer is not None else None,
            turn=timeline.turn,
        )
        return msgspec.structs.replace(asked, join=join)

    # ── LinkOwner ──

    def told(self, link: Link, event: Event) -> None:
        """An event came over a connection."""
        if link is not self._link or self.over:
            return
        try:
            match event:
                case Began():
                    self._on_began(link, event)
                case Flow():
                    self._on_flow(event)
                case Ended():
                    self._on_ended(link, event)
                case _:
                    self._backoff.progress()
                    self._emit(event)
        except OssicleError as error:  # the gateway contradicts itself
            self._finish(error)
            link.abort()

    def flowing(self, link: Link) -> None:
        """The channel takes more."""
        if link is self._link:
            self._pump()

    def _on_began(self, link: Link, began: Began) -> None:
        first, self._token = not self._token, began.token or self._token
        if not first:
            self._unanswered -= 1
        self._options = began.options
        if first:
            self._began = began
            self._push(began)
        elif began.resumed:
            self.reconnects += 1
            self._outbox.resume(began.taken_bytes, began.taken_commands)
        else:
            self._on_moved(link, began)
        if self._paused:
            link.pause()
        self._go_live(link)

    def _on_moved(self, link: Link, began: Began) -> None:
        place = self._offers.pop(link, None)
        if place is None:
            raise OssicleError("the gateway began a new session although none was asked for")
        self.reconnects += 1
        self.moves += 1
        if self._began is not None:
            self._began = msgspec.structs.replace(
                self._began, session=began.session, engine=began.engine or self._began.engine
            )
        for event in self._timeline.move(place.ms):
            self._push(event)
        self._outbox.move(place)
        if place.lost_ms:
            text = (
                f"{place.lost_ms} ms of audio before {place.ms} ms were taken by a gateway that is "
                f"gone and could not be sent again: {self._plan.keep_s:g} s are kept "
                "(Reconnect.keep_s)"
            )
            self._push(Notice(level="warning", code="audio_lost", text=text))

    def _go_live(self, link: Link) -> None:
        link.live = True
        if not self._way.framed:
            self._refuse_uncarried()
        if self._on_buffering is not None and self.reconnects:
            self._tell_buffering()
        self._pump()
        self._waiters.wake()

    def _on_flow(self, flow: Flow) -> None:
        if self._outbox.taken < flow.taken_bytes or flow.settled_ms > self._timeline.settled_ms:
            self._backoff.progress()
        self._timeline.settled(flow.settled_ms)
        self._outbox.acknowledge(flow.taken_bytes, flow.taken_commands, self._timeline.settled_ms)
        self._until_ms = flow.until_ms
        self._pump()
        self._waiters.wake()

    def _on_ended(self, link: Link, ended: Ended) -> None:
        if not ended.seq or ended.reason in {"shutdown", "lost"}:
            # This connection is refused, or this gateway leaves: that is not the end of a stream.
            fault = ended.error or _lost().fault()
            if ended.seq and not fault.retryable:
                fault = msgspec.structs.replace(fault, retryable=True)
            if fault.code == "replaced" and self._unanswered:
                # By one of our own attempts, given up and delivered late; nobody else came.
                self._unanswered -= 1
                fault = msgspec.structs.replace(fault, retryable=True)
            self._refusal = fault
            link.live = False
            return
        for event in self._timeline.take(ended):
            if isinstance(event, Ended):
                # Each gateway counts what it heard itself.
                whole = msgspec.structs.replace(
                    event, audio_ms=event.audio_ms + self._outbox.home_ms
                )
                self._ended = whole
                error = OssicleError.of(event.error) if event.error is not None else None
                self._push(whole)
                self._finish(error)
            else:
                self._push(event)

    # ── inside ──

    def _emit(self, event: Event) -> None:
        """Into the queue, unless it was told before; with what follows from it."""
        for each in self._timeline.take(event):
            asked = self._answered(each) if each.ref else each
            self._push(asked)
        if isinstance(event, Transcript) and event.final:
            self._outbox.settle(self._timeline.settled_ms)

    def _answered(self, event: Event) -> Event:
        if isinstance(event, Configured):
            self._options = event.options
        event, self._configure = self._answers.take(event, self._configure)
        return event

    def _push(self, event: Event) -> None:
        if isinstance(event, Configured) and not event.ref:
            self._options = event.options
        self._queue.push(event)
        if self._queue.full and not self._paused:
            self._paused = True
            if self._link is not None:
                self._link.pause()
        self._waiters.wake()

    def _pump(self) -> None:
        """Send what may be sent. Safe to call from inside itself."""
        link = self._link
        if link is None or self._pumping:
            return
        self._pumping = True
        try:
            while link.ready:
                item = self._outbox.next(self._until_ms)
                if item is None:
                    break
                link.ask(Audio(data=item) if isinstance(item, bytes) else item)
        finally:
            self._pumping = False
        self._waiters.wake()

    async def _ask(self, command: Command) -> None:
        if not self._way.framed and not isinstance(command, End):
            raise _uncarried(command)
        await self._until(self._outbox.has_place)
        self._outbox.ask(command)
        self._pump()

    def _refuse_uncarried(self) -> None:
        """The wire is another and carries audio only: what waits for more is told so."""
        for command in self._outbox.drop_commands():
            self._emit(
                Notice(
                    level="error",
                    code="bad_request",
                    text=str(_uncarried(command)),
                    ref=command.ref,
                )
            )

    def _has_room(self, size: int) -> bool:
        link = self._link
        return self._outbox.has_room(size, flowing=link is not None and link.live)

    async def _until(self, ready: Callable[[], bool], *, check: bool = True) -> None:
        """Wait until `ready`. `check`: the end of the stream is an error."""
        while True:
            if check:
                self._check()
            if ready():
                return
            await self._waiters.changed()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._ended is not None:
            raise Refused("the stream has ended")
        if self._task is None:
            raise Refused("the stream is not connected: use `async with`")

    def _give_up(self, broken: OssicleError) -> None:
        error = broken
        late = broken.code == "timed_out" and self._ends_at is not None
        if broken.retryable and self._backoff.attempts and not late:
            error = ConnectionLost(
                f"the stream could not go on within {self._plan.total_s:g} s and "
                f"{self._backoff.attempts} attempts: {broken}"
            )
            error.__cause__ = broken
        if self._token:
            for event in self._timeline.take(Ended(reason="lost", error=error.fault())):
                if isinstance(event, Ended):
                    self._ended = event
                self._push(event)
        self._finish(error)

    def _finish(self, error: BaseException | None, *, told: bool = True) -> None:
        """The stream is over. `told` False: by its own user, whom nobody needs to tell."""
        if self._failure is None and (told or self._ended is None):
            self._failure = error
        self._answers.fail(error)
        self._waiters.wake()

    def _tell_buffering(self) -> None:
        if self._on_buffering is not None:
            box = self._outbox
            self._on_buffering(Buffering(box.waiting_s, box.end - box.taken, self.connected))


def _transcribed(patch: dict[str, object], source: AudioFormat) -> int:
    """Channels with a transcript of their own."""
    recognition = patch.get("recognition")
    split = isinstance(recognition, dict) and "split" in recognition.values()  # pyright: ignore[reportUnknownMemberType]
    return source.channels if split else 1


def _uncarried(command: Command) -> Refused:
    return Refused(
        f"{type(command).__name__.lower()} needs a wire with messages; this one carries "
        'audio only: use transport="websocket"'
    )


def _lost() -> ConnectionLost:
    """A channel that closed politely although nobody had said the end."""
    return ConnectionLost("the gateway closed the connection before the end")
