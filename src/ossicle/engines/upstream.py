"""An engine that is elsewhere: a provider, or another gateway, behind its own protocol.

    Upstream("deepgram", DeepgramClient, dial, capabilities=…, credential=lambda: key)

It joins a dialect's client half with a wire's, and knows neither: whoever makes it hands both in.
What comes back is on the stream's own clock, which the session's sink puts onto the session's.

A provider that goes silent, closes, refuses or takes nothing more becomes an `Ended` with a fault
of whose `upstream`; what is done about it (another stream, another engine) is decided above.
Audio goes no further ahead than `ahead_ms` while the wire takes it: when it does not, the session
is told by credit, so that no more than that waits in front of a slow provider.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from ..core.capabilities import PCM16K, Capabilities
from ..core.commands import Cancel, Command, Configure, End, Finalize, Speak, Tell
from ..core.errors import CODES, ConnectionLost, EngineFailed, Fault, OssicleError
from ..core.events import (
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
    Flow,
    Marked,
    Notice,
    Told,
    Transcript,
)
from ..core.formats import AudioFormat
from ..core.link import Link
from ..core.options import Options, TimedOptions, difference
from ..core.ports import ClientDialect, Dial, Sink, Timer, Timers
from ..core.timers import LoopTimers
from .plausible import Plausible

__all__ = ["Upstream", "UpstreamSettings"]

_TICK_S = 1.0
_TALKS = 2
"""How many times longer a question is left open while the provider goes on talking: some talk of
silence without end."""


class UpstreamSettings(msgspec.Struct, frozen=True):
    """Patience with a provider. Seconds; 0 = without end."""

    open_s: float = 10.0
    """From dialling to its first word."""
    stuck_s: float = 10.0
    """How long its wire may take nothing."""
    silent_s: float = 0.0
    """How long it may say nothing at all while audio flows. Only for protocols that always say
    something; many are silent while nobody speaks."""
    finish_s: float = 15.0
    """How long it may say nothing after it was asked to finish, and has not finished."""
    answer_s: float = 3.0
    """How long it may be quiet with a `Finalize` unanswered; then it is answered here, with no
    words. Some say nothing when there is nothing to finish. One that still talks, or whose wire
    takes nothing, has not heard the question yet."""
    ahead_ms: int = 2_000
    """Audio that may be on its way to it."""


class Upstream:
    """Implements `core.ports.Engine`."""

    def __init__(
        self,
        name: str,
        dialect: Callable[[], ClientDialect],
        dial: Dial,
        *,
        capabilities: Capabilities,
        credential: Callable[[], str | None] = lambda: None,
        model: str = "",
        settings: UpstreamSettings | None = None,
        timers: Timers | None = None,
    ) -> None:
        """
        Args:
            name: in lists, metrics and records.
            dialect: makes the client half, one for each stream.
            dial: the way there.
            capabilities: what it can do; the name is set here.
            credential: looked up for each stream, so that a new one counts at once.
            model: what to ask it for, whatever the client called its own.
            settings: patience.
            timers: the clock; None = the event loop's.
        """
        self.name = name
        self.capabilities = msgspec.structs.replace(capabilities, name=name)
        self._dialect = dialect
        self._dial = dial
        self._credential = credential
        self._model = model
        self._settings = settings or UpstreamSettings()
        self._timers = timers

    async def open(self, options: Options, sink: Sink) -> "UpstreamStream":
        """Dial, ask, and wait until it said that it listens.

        Raises:
            OssicleError: it cannot be reached, refuses, or says nothing in time; whose is
                `upstream`.
        """
        patch = difference(options)
        recognition = patch.setdefault("recognition", {})
        recognition.pop("model", None)
        if self._model:
            recognition["model"] = self._model
        dialect = self._dialect()
        timers = self._timers or LoopTimers()
        stream = UpstreamStream(self.name, dialect, sink, options, self._settings, timers)
        configure = Configure(
            patch=patch,
            format=options.hears,
            speaks=options.speaks,
            credential=self._credential(),
            within_s=_left(options, timers),
        )
        limit = self._settings.open_s or None
        try:
            async with asyncio.timeout(limit):
                await self._dial(dialect.open(configure), stream.link.attach)
                await stream.began()
        except TimeoutError:
            stream.abort()
            raise EngineFailed(
                f"{self.name} did not answer within {limit:g} s", code="engine_unavailable"
            ) from None
        except OssicleError as error:
            stream.abort()
            raise OssicleError.of(of_upstream(self.name, error.fault())) from error
        except BaseException:
            stream.abort()
            raise
        return stream


def _left(options: Options, timers: Timers) -> float | None:
    """How long the client of the session waits still: the call made for it ends with it."""
    if not isinstance(options, TimedOptions) or options.ends_at is None:
        return None
    return max(0.001, options.ends_at - timers.now())


class UpstreamStream:
    """Implements `core.ports.Stream` and `core.link.LinkOwner`."""

    __slots__ = (
        "_ahead",
        "_asked",
        "_began",
        "_deaf",
        "_due",
        "_ending",
        "_fed",
        "_fed_then",
        "_format",
        "_granted",
        "_heard_at",
        "_name",
        "_plausible",
        "_said",
        "_send",
        "_settings",
        "_sink",
        "_speaks",
        "_spoken_ms",
        "_stuck_at",
        "_theirs",
        "_tick",
        "_timers",
        "_told_at",
        "_told_unable",
        "_unable",
        "_until_ms",
        "link",
    )

    def __init__(
        self,
        name: str,
        dialect: ClientDialect,
        sink: Sink,
        options: Options,
        settings: UpstreamSettings,
        timers: Timers,
    ) -> None:
        self._timers = timers
        self._name = name
        self._sink = sink
        self._plausible = Plausible(name)
        self._settings = settings
        self._format: AudioFormat = options.hears or PCM16K
        self._speaks = options.speaks
        self._began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._deaf = False
        self._ending = False
        self._said = False
        """It told its end."""
        self._fed = 0
        self._fed_then = 0
        self._ahead = self._format.units(settings.ahead_ms)
        self._granted = 0
        """Bytes, or packets' units, at which the next grant is due."""
        self._theirs: int | None = None
        """What it says it takes, in ms; None = it says nothing of that."""
        self._heard_at = self._told_at = self._timers.now()
        """When it said something, or had nothing to say; when it said something."""
        self._stuck_at: float | None = None
        self._spoken_ms = 0
        self._until_ms: int | None = None
        self._tick: Timer | None = None
        self._due: Timer | None = None
        self._asked: deque[tuple[str, float]] = deque()
        """Questions it owes an answer, and until when."""
        self._unable: deque[str] = deque()
        """Those of them that it has no word for."""
        self._told_unable = False
        self.link = Link(dialect, self, timers)
        self._send: Callable[[bytes], None] = self.link.audio
        self.link.over.add_done_callback(self._closed)

    async def began(self) -> None:
        """It listens.

        Raises:
            OssicleError: it refused, or went away.
        """
        await self._began
        if self._said or self._deaf:
            return  # and went away at once: that was told
        self._heard_at = self._timers.now()
        self._tick = self._timers.call_at(self._timers.now() + _TICK_S, self._look)
        self.link.straighten()
        self._send = self.link.audio
        self._grant()

    # ── the session's side ──

    def audio(self, data: bytes) -> None:
        self._fed += len(data)
        self._send(data)
        if self._fed >= self._granted:
            self._grant()

    def ask(self, command: Command) -> None:
        match command:
            case End():
                self._ending = True
                self._heard_at = self._timers.now()
            case Finalize(ref=ref) if ref and self._settings.answer_s:
                self._asked.append((ref, self._timers.now() + self._settings.answer_s))
                self._await_answer()
            case _:
                pass
        if not self.link.ask(command) and isinstance(command, Cancel | Speak | Tell):
            self._has_no_word(command)

    def credit(self, until_ms: int) -> None:
        self._until_ms = until_ms
        if self._spoken_ms <= until_ms:
            self.link.resume()

    def abort(self) -> None:
        self._deaf = True
        if self._began.done() and not self._began.cancelled():
            self._began.exception()  # looked at, if nobody waited for it
        self._stop()
        self.link.abort()

    # ── the provider's side, called by the link ──

    def told(self, link: Link, event: Event) -> None:
        """An event of the client half. After its end nothing is heard of it."""
        if self._deaf or self._said:
            return
        self._heard_at = self._told_at = self._timers.now()
        if type(event) is Transcript and not self._asked:  # nearly all there is
            partial = self._plausible.partial(event)
            if partial is not None:
                self._sink.tell(partial)
                return
        match event:
            case Began():
                self._open(event.session)
            case Flow():
                self._flow(event)
            case Ended():
                self._end(event)
            case AudioOut():
                self._sound(event)
            case Configured() | Marked() | Told():
                pass  # the session says these itself
            case Notice(level="error"):
                text = f"{self._name}: {event.text}"
                self._sink.tell(msgspec.structs.replace(event, level="warning", text=text))
            case Notice(ref=ref) if any(ref == asked for asked, _ in self._asked):
                self._cannot(event)
            case _:
                if self._asked and isinstance(event, Transcript):
                    event = self._answered(event)
                for believed in self._plausible.checked(event):
                    self._sink.tell(believed)

    def flowing(self, link: Link) -> None:
        """Its wire takes more."""
        self._stuck_at = None
        self._grant()

    # ── inside ──

    def _open(self, request: str) -> None:
        if not self._began.done():
            self._began.set_result(None)
        text = f"{self._name}: {request}" if request else self._name
        self._sink.tell(Notice(level="info", code="upstream", text=text))

    def _flow(self, flow: Flow) -> None:
        self._theirs = flow.until_ms
        if flow.settled_ms:
            self._sink.settled(flow.settled_ms)
        self._grant()

    def _grant(self) -> None:
        """The session may send this much further, if the wire takes it."""
        if self._deaf or not self._began.done():
            return
        if not self.link.can_write:
            if self._stuck_at is None:
                self._stuck_at = self._timers.now()
            return
        self._granted = self._fed + self._ahead // 2
        until = self._format.ms(self._fed + self._ahead)
        self._sink.credit(until if self._theirs is None else min(until, self._theirs))

    def _sound(self, event: AudioOut) -> None:
        if self._speaks is not None:
            self._spoken_ms += self._speaks.ms(len(event.data))
            if self._until_ms is not None and self._spoken_ms > self._until_ms:
                self.link.pause()
        self._sink.tell(event)

    def _end(self, event: Ended) -> None:
        self._said = True
        error = event.error
        if error is None and not self._ending:
            error = ConnectionLost(f"{self._name} ended the stream by itself").fault()
        if not self._began.done():
            self._refuse(error or ConnectionLost(f"{self._name} said nothing").fault())
            return
        fault = None if error is None else of_upstream(self._name, error)
        self._stop()
        self._sink.tell(Ended(reason="done" if fault is None else "failed", error=fault,
                              usage=event.usage))  # fmt: skip

    def _closed(self, over: "asyncio.Future[OssicleError | None]") -> None:
        """Its channel is over, said or not."""
        if self._deaf or self._said:
            return
        error = over.result() or ConnectionLost("it closed the connection before the end")
        self._end(Ended(reason="failed", error=error.fault()))

    def _answered(self, event: Transcript) -> Transcript:
        if not (event.final and event.ends_turn):
            return event
        if not event.ref and self._unable:
            event = msgspec.structs.replace(event, ref=self._unable.popleft())
        self._asked = deque(each for each in self._asked if each[0] != event.ref)
        return event

    def _cannot(self, event: Notice) -> None:
        """It decides by itself when a turn is over: the next end is the answer, if one comes in
        time. That is told once."""
        self._unable.append(event.ref)
        if not self._told_unable:
            self._told_unable = True
            text = f"{self._name}: {event.text}"
            self._sink.tell(Notice(level="info", code=event.code, text=text))

    def _has_no_word(self, command: Cancel | Speak | Tell) -> None:
        """Nothing went out: whoever asked hears so, and that nothing changes."""
        kind = type(command).__name__
        what = f"{kind} of what was heard" if kind == "Cancel" else kind
        text = f"{self._name} has no word for {what}: it goes on as if nothing had been asked"
        notice = Notice(level="warning", code="not_supported", text=text, ref=command.ref)
        self._sink.tell(notice)

    def _await_answer(self) -> None:
        if self._asked and self._due is None:
            self._due = self._timers.call_at(self._asked[0][1], self._answer)

    def _answer(self) -> None:
        """In its stead: nothing new was heard. Not a word is settled by that, and while words are
        open their final is waited for."""
        self._due = None
        now = self._timers.now()
        if self._asked and self._plausible.open:
            self._due = self._timers.call_at(now + _TICK_S, self._answer)
            return
        if self._asked and (due := self._patient_until(self._asked[0][1], now)) > now:
            self._due = self._timers.call_at(due, self._answer)
            return
        while self._asked and self._asked[0][1] <= now:
            ref, _ = self._asked.popleft()
            if ref in self._unable:
                self._unable.remove(ref)
            at = self._plausible.end_ms
            self._sink.tell(Transcript(start_ms=at, end_ms=at, final=True, ends_turn=True, ref=ref))
        self._await_answer()

    def _patient_until(self, asked_until: float, now: float) -> float:
        """When a question that was to be answered by then has been waited for long enough: its
        answer may stand behind what the provider is still saying, or what its wire does not
        take yet."""
        patience = self._settings.answer_s
        if not self.link.can_write:
            return now + patience  # `stuck_s` bounds that
        return min(self._told_at + patience, asked_until + _TALKS * patience)

    def _refuse(self, fault: Fault) -> None:
        self._began.set_exception(OssicleError.of(fault))

    def _look(self) -> None:
        """Once a second: whether it still takes and says something."""
        self._tick = None
        settings, now = self._settings, self._timers.now()
        fed, self._fed_then = self._fed - self._fed_then, self._fed
        if not self.link.can_write and self._stuck_at is None:
            self._stuck_at = now
        stuck = now - self._stuck_at if self._stuck_at is not None else 0.0
        if settings.stuck_s and stuck >= settings.stuck_s:
            self._give_up(f"took nothing for {stuck:.0f} s (stuck_s)")
        elif fed and settings.silent_s and now - self._heard_at >= settings.silent_s:
            self._give_up(f"said nothing for {now - self._heard_at:.0f} s of audio (silent_s)")
        elif self._ending and settings.finish_s and now - self._heard_at >= settings.finish_s:
            self._give_up(f"did not finish within {settings.finish_s:g} s (finish_s)")
        else:
            if not fed and not self._ending:
                self._heard_at = now  # it was asked nothing
            self._tick = self._timers.call_at(now + _TICK_S, self._look)

    def _give_up(self, why: str) -> None:
        fault = EngineFailed(f"{self._name} {why}").fault()
        self._said = True
        self._stop()
        self.link.abort()
        self._sink.tell(Ended(reason="failed", error=fault))

    def _stop(self) -> None:
        for timer in (self._tick, self._due):
            if timer is not None:
                timer.cancel()
        self._tick = self._due = None


_OURS = frozenset({"unauthorized", "forbidden", "not_found", "replaced", "resume_denied"})
"""What a provider says of us and not of our client: its key, its path."""


_BROKEN = frozenset(
    {"connection_lost", "timed_out", "idle", "session_limit", "draining", "bad_message", "internal"}
)
"""What is between it and us, and is not the client's doing."""


def of_upstream(name: str, fault: Fault) -> Fault:
    """A provider's fault as our client is told it: it is not the client's, and a client whose own
    key is good is not to hear that a key was bad."""
    code = "engine_unavailable" if fault.code in _OURS else fault.code
    if code in _BROKEN or code not in CODES:
        code = "engine_failed"
    return Fault(code, f"{name}: {fault.text}", "upstream", fault.retryable)
