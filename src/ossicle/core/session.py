"""A session: one live stream between one client and one engine.

A thin driver over the homes of its parts: `lifecycle` (state), `arrival` (bytes to timeline),
`feed` (journal, credit, stream), `turns` (order), `log` (events and cursors), `speech` (what was
said and heard), `ledger` (time). It is synchronous, owns no task and reads the clock through
`Timers`.

    socket ─▶ leg.binary = feed.audio ─▶ journal ─▶ [converter] ─▶ stream.audio       (hot path)
    engine ─▶ sink.tell ─▶ turns ─▶ log ─▶ every leg's cursor ─▶ dialect.send ─▶ channel

The hot path is `Feed.audio`; what it leaves comes to `_audio_slow`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol, cast

import msgspec

from .arrival import Arrival
from .commands import Audio, Cancel, Command, Configure, End, Finalize, Join, Played, Speak, Tell
from .errors import BadAudio, EngineFailed, Fault, OssicleError, Overloaded, Refused, TimedOut
from .events import (
    AudioOut,
    Began,
    Configured,
    Ended,
    EndReason,
    Event,
    Flow,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)
from .feed import Feed
from .fit import heard_as, misfits, spoken_as
from .formats import AudioFormat
from .journal import Journal, Sound
from .ledger import Ledger
from .legs import Leg, Role, replaced
from .lifecycle import Lifecycle
from .log import Log
from .options import Options, merged
from .ports import Codecs, Engine, Stream, Timers
from .sink import StreamSink
from .speech import Speech
from .turns import Turns

__all__ = ["Host", "Session", "SessionSettings"]


class SessionSettings(msgspec.Struct, frozen=True):
    """Bounds of one session; every one is an option of the gateway."""

    unsent_ms: int = 10_000
    """Audio that may wait for an engine before the overload policy applies."""
    replay_ms: int = 15_000
    """Sent audio kept for a replay."""
    resume_window_s: float = 30.0
    """How long a session waits for its owner to come back."""
    session_s: float = 0.0
    """Longest session; 0 = no limit."""
    idle_s: float = 0.0
    """Ends a session that gets neither audio nor commands; 0 = never."""
    open_s: float = 30.0
    """How long an engine may take to open one stream."""
    flow_ms: int = 1_000
    """Audio between two Flow reports."""
    speak_ahead_ms: int = 30_000
    """How far an engine may speak ahead of what was heard."""
    replays: int = 5
    """Engine failures survived within `replay_window_s`; one more ends the session."""
    replay_window_s: float = 30.0
    replay_wait_s: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0, 2.0)
    """Wait before the first, second, … attempt to open another stream."""


class Host(Protocol):
    """What a session needs of the house around it: the gateway, or a test."""

    @property
    def timers(self) -> Timers: ...

    @property
    def codecs(self) -> Codecs: ...

    def choose(self, options: Options, source: AudioFormat) -> Engine:
        """The engine for this session.

        Raises:
            Refused: no engine has that name or takes that audio.
        """
        ...

    def wake(self, session: "Session") -> None:
        """`session.wants_engine` or `session.life` changed: its supervisor should look."""
        ...


class Session:
    """One stream. Legs are attached to it; a supervisor opens engines for it."""

    def __init__(
        self,
        session_id: str,
        token: str,
        host: Host,
        *,
        options: Options | None = None,
        settings: SessionSettings | None = None,
        expires_at: float | None = None,
        continues: Join | None = None,
    ) -> None:
        """
        Args:
            session_id: its public name.
            token: the secret that lets an owner come back.
            host: the house around it.
            options: what is asked for at first.
            settings: bounds.
            expires_at: epoch seconds, only to be told.
            continues: take over from a gateway that is gone: stream time, event and turn
                numbers go on where the client says they were.
        """
        now = host.timers.now()
        self.id = session_id
        self.token = token
        self.host = host
        self.options = options or Options()
        self.settings = settings or SessionSettings()
        self.expires_at = expires_at
        self.opened_at = now
        self.origin_ms = (continues.settled_ms or 0) if continues else 0
        """Stream time of the first sample this gateway gets."""
        self.life = Lifecycle()
        self.log = Log(first=(continues.since if continues else 0) + 1)
        self.ledger = Ledger(now)
        self.legs: list[Leg] = []
        self.owner: Leg | None = None
        self.detached_until: float | None = None
        """Monotonic time until which the owner may come back; None = it is here, or never was."""
        self.source: AudioFormat | None = None
        """What the client sends, once known."""
        self.engine: Engine | None = None
        self.engine_name = ""
        self.wants_engine = False
        """The supervisor should open `engine` (not before `retry_at`)."""
        self.retry_at = 0.0
        self.ended: Ended | None = None
        self.read_out = False
        """The owner was sent everything and closed politely: nobody will come back."""
        self.taken_commands = 0
        self.notices = 0
        self.turns = Turns(first=continues.turn if continues else 0)

        self.arrival = Arrival(host.codecs)
        self.speech = Speech(self.settings.speak_ahead_ms)
        self.feed = Feed(
            slow=self._audio_slow,
            broke=self._stream_broke,
            refused=self._stream_refused,
            converted=self.ledger.converted,
            now=host.timers.now,
        )
        self.audio: Callable[[bytes], None] = self.feed.audio
        """Sound from the owner, as the client sent it. The hot path."""
        self._wants_to_hear: AudioFormat | None = None
        self._beside = 0
        self._settled: dict[int, int] = {}
        self._channels = 1
        self._flow_told = (0, 0)
        self._flow_due = False
        self._failures: deque[float] = deque(maxlen=self.settings.replays + 1)
        self._roll_due = False
        self._anonymous = 0
        self._dropped = 0
        self._dropped_told = -inf
        self._last_heard = now
        self._last_taken = 0
        self._moving_to = ""

    # ── audio in ──

    def _audio_slow(self, data: bytes) -> None:
        """What the hot path leaves: see `Feed.audio`."""
        if self.life.state in {"draining", "ended"}:
            self._notice("warning", "late_audio", "audio came after the end and was not heard")
        elif data:
            self._take(len(data), lambda: self.arrival.take(data))

    def _take(self, size: int, arrange: Callable[[], Sequence[Sound]]) -> None:
        taken = self.taken_bytes
        try:
            pieces = arrange()
            if self.source is None and self.arrival.source is not None:
                self._know(self.arrival.source)
        except OssicleError as error:
            self.fail(error)
            return
        for piece in pieces:
            self.feed.push(piece)
        self._beside = taken + size - self.journal.end
        self._after_audio()

    def _after_audio(self) -> None:
        """About once a second of audio, or whenever the hot path was left."""
        if self.life.state == "ended":
            return
        journal, feed = self.journal, self.feed
        if journal.end >= feed.next_tick:
            feed.next_tick = journal.end + self._units(self.settings.flow_ms)
            self.ledger.arrived(self.ms(journal.end), self.host.timers.now())
            journal.trim()
            self._flow()
        if journal.waiting > feed.credit.window:
            self._overloaded()
        self._after_drain()

    def _after_drain(self) -> None:
        journal, feed = self.journal, self.feed
        feed.relimit(plain=self.arrival.plain and self.life.state == "live")
        if self.owner is not None and journal.waiting <= feed.credit.window // 2:
            self.owner.resume("overload")

    def _overloaded(self) -> None:
        window = self.feed.credit.window
        match self.options.overload:
            case "pause":
                if self.owner is not None:
                    self.owner.pause("overload")
                if self.journal.waiting > 4 * window + (4 << 20):
                    self.fail(
                        Overloaded(
                            f"{self._span(self.journal.waiting)} ms of audio wait for the engine, "
                            f"far over the limit of {self.settings.unsent_ms} ms: the peer does "
                            "not stop when told",
                            code="overloaded",
                        )
                    )
            case "drop_oldest":
                self._dropped += self.journal.drop_oldest(window)
                now = self.host.timers.now()
                if now - self._dropped_told >= 1.0:
                    self._dropped_told = now
                    self._notice(
                        "warning",
                        "audio_dropped",
                        f"{self._span(self._dropped)} ms of audio were dropped so far: the engine "
                        f"is slower than the client and {self.settings.unsent_ms} ms wait already",
                    )
            case "refuse":
                self.fail(
                    Overloaded(
                        f"the engine is slower than the client: more than "
                        f"{self.settings.unsent_ms} ms of audio wait",
                        code="overloaded",
                    )
                )

    # ── formats and the choice of an engine ──

    def declare(self, source: AudioFormat) -> None:
        """The client says what it will send.

        Raises:
            Refused: audio was taken already, or no engine takes it.
        """
        self.arrival.declare(source)
        if self.source is None and self.arrival.source is not None:
            self._know(self.arrival.source)

    def _know(self, source: AudioFormat) -> None:
        """The format is certain: choose the engine and ask for it."""
        engine = self.host.choose(self.options, source)
        able = engine.capabilities
        split = self.options.recognition.channels == "split" and source.channels > 1
        unable = misfits(self.options, able)
        if unable and self.options.strict:
            raise Refused("; ".join(unable), code="bad_option")
        if able.hears:
            hears = heard_as(source, able, split)
        elif able.speaks:
            hears = None
        else:
            raise BadAudio(f"engine {able.name} neither hears nor speaks", code="unsupported_audio")
        speaks = spoken_as(self._wants_to_hear, able)
        self.options = msgspec.structs.replace(self.options, hears=hears, speaks=speaks)
        way = self.host.codecs.converter(able.speaks[0], speaks) if speaks is not None else None
        self.speech.shape(speaks, way)
        self.source = source
        self.engine, self.engine_name = engine, able.name
        self.turns.whole_turns = able.turns
        self._channels = hears.channels if hears is not None and split else 1
        self.feed.shape(
            source, replay_ms=self.settings.replay_ms, window_ms=self.settings.unsent_ms
        )
        self._say(Configured(options=self.options))
        for text in unable:
            self._notice("warning", "option_not_supported", text)
        self.wants_engine = True
        self.host.wake(self)

    # ── the engine's side ──

    @property
    def stream(self) -> Stream | None:
        """The engine stream that is open now."""
        return self.feed.stream

    @property
    def journal(self) -> Journal:
        """Audio not yet settled."""
        return self.feed.journal

    def new_sink(self) -> StreamSink:
        """For the supervisor: the sink to open the next stream with. The old one goes deaf."""
        self.wants_engine = False
        return self.feed.new_sink(self, self.origin_ms)

    def opened(self, sink: StreamSink, stream: Stream) -> None:
        """For the supervisor: an engine stream is there."""
        if sink.deaf or self.life.state == "ended":
            stream.abort()
            return
        hears, converter = self.options.hears, None
        try:
            if hears is not None and self.source is not None:
                converter = self.host.codecs.converter(self.source, hears)
        except OssicleError as error:
            stream.abort()
            self.fail(error)
            return
        self.life.step("opened")
        self.ledger.ready(self.host.timers.now())
        self.feed.connect(stream, converter)
        self._credit_speech()
        self.feed.drain()
        self._after_audio()

    def unopened(self, sink: StreamSink, error: BaseException) -> None:
        """For the supervisor: `Engine.open` raised."""
        if sink.deaf:
            return
        fault = OssicleError.wrap(error).fault()
        if isinstance(error, TimedOut):  # the client has waited long enough
            self.finish("failed", fault)
        else:
            self._lost_stream(fault)

    def told(self, sink: StreamSink, event: Event) -> None:
        """An engine's event, on the session's clock. Called by the sink."""
        match event:
            case Ended():
                self.feed.disconnect()
                if event.error is None:
                    self.finish(event.reason, usage_of=event)
                else:
                    self._lost_stream(event.error)
            case SpeechStarted(side="in") | Transcript(side="in") | SpeechEnded(side="in"):
                for lawful in self.turns.stamp(self._filled(event)):
                    self._say_in(lawful)
                    if self.life.state == "ended":
                        return
                if self._roll_due and self.turns.phase() == "idle":
                    self._roll()
            case AudioOut():
                self._sound(event)
            case _:
                self._say(event)

    def granted(self, sink: StreamSink, until_ms: int) -> None:
        """The engine takes audio up to `until_ms` of its own clock."""
        if self.feed.grant(until_ms):
            self._after_drain()
            if self.feed.credit.news(self.journal.sent, self._flow_told[1]):
                self._flow()

    def silent_until(self, sink: StreamSink, until_ms: int) -> None:
        """The engine will report nothing before `until_ms` again."""
        for channel in range(self._channels):
            self._settle(channel, until_ms)

    def _filled(self, event: Event) -> Event:
        """Times an engine left out: what it was fed."""
        fed = self.ms(self.journal.sent)
        match event:
            case Transcript(end_ms=None):
                return msgspec.structs.replace(
                    event, end_ms=fed, start_ms=fed if event.start_ms is None else event.start_ms
                )
            case Transcript(start_ms=None):
                return msgspec.structs.replace(event, start_ms=event.end_ms)
            case SpeechStarted(at_ms=None) | SpeechEnded(at_ms=None):
                return msgspec.structs.replace(event, at_ms=fed)
            case _:
                return event

    def _say_in(self, event: Event) -> None:
        """Log one lawful event of the input side, with what follows from it."""
        now = self.host.timers.now()
        match event:
            case Transcript(final=False):
                if not self.options.recognition.interim_results:
                    return
                last = event.words[-1].end_ms if event.words else event.end_ms
                self.ledger.partial(event.channel, last, now)
            case Transcript():
                if event.ref:
                    event = self._answered(event)
                if event.ends_turn:
                    self.ledger.final(event.channel, now)
            case SpeechEnded(provisional=False):
                fed = self.ms(self.journal.sent)
                self.ledger.turn_over(event.channel, event.at_ms, fed, now)
            case _:
                pass
        self._say(event)
        if isinstance(event, Transcript) and event.final and event.end_ms is not None:
            self._settle(event.channel, event.end_ms)

    def _answered(self, event: Transcript) -> Transcript:
        for command in self.journal.asked:
            if isinstance(command, Finalize) and command.ref == event.ref:
                self.journal.answered(command)
                break
        return _named(event)

    def _settle(self, channel: int, until_ms: int) -> None:
        """Trim at the least settled channel."""
        source = self.source
        if source is None:
            return
        self._settled[channel] = max(self._settled.get(channel, 0), until_ms)
        if len(self._settled) < self._channels:
            return
        before = self.journal.settled
        until = min(self._settled.values())
        self.journal.settle(max(0, source.units(until - self.origin_ms)))
        if self.journal.settled - before >= self._units(self.settings.flow_ms) // 4:
            self._flow()

    def _stream_broke(self, error: BaseException) -> None:
        """Audio that cannot be decoded is the client's fault; anything else the engine's."""
        if isinstance(error, BadAudio):
            self.fail(error)
            return
        if self.stream is None:
            return
        self.feed.disconnect()
        wrapped = OssicleError.wrap(error)
        if not isinstance(error, OssicleError):
            wrapped = EngineFailed(f"engine {self.engine_name}: {wrapped}")
        self._lost_stream(wrapped.fault())

    def _stream_refused(self, command: Command, error: Refused) -> None:
        if isinstance(command, End):  # nothing else would ever end the session
            self.fail(error)
            return
        self._notice("error", error.code, str(error), ref=command.ref)

    def _lost_stream(self, fault: Fault) -> None:
        """The engine broke. Open another stream and replay, or give up."""
        if self.life.state == "ended":
            return
        now = self.host.timers.now()
        self._failures.append(now)
        recent = sum(1 for at in self._failures if now - at <= self.settings.replay_window_s)
        first_opening = self.life.state == "opening" and self.journal.sent == 0
        hopeless = not fault.retryable or (first_opening and fault.code == "at_capacity")
        if hopeless or recent > self.settings.replays:
            self.finish("failed", fault)
            return
        waits = self.settings.replay_wait_s
        self.retry_at = now + (waits[min(recent, len(waits)) - 1] if waits else 0.0)
        self._reopen()

    def _roll(self) -> None:
        """Options changed that the open stream cannot take: go on with another one."""
        self._roll_due = False
        self.feed.disconnect()
        self.retry_at = 0.0
        self._reopen()

    def _reopen(self) -> None:
        self.life.step("reopen")
        self.turns.restart()
        lost = self.feed.rewind()
        if lost:
            self._notice(
                "warning",
                "audio_lost",
                f"{self._span(lost)} ms of audio could not be replayed to another engine: only "
                f"{self.settings.replay_ms} ms are kept",
            )
        self.wants_engine = True
        self.host.wake(self)

    # ── commands ──

    def ask(self, leg: Leg, command: Command) -> None:
        """A leg wants something."""
        counted = leg is self.owner and not isinstance(command, Audio | Configure)
        if counted:
            self.taken_commands += 1
        try:
            self._do(leg, command)
        except OssicleError as error:
            leg.tell(Notice(level="error", code=error.code, text=str(error), ref=command.ref))
        if counted:
            self._last_heard = self.host.timers.now()
            self._flow()

    def _do(self, leg: Leg, command: Command) -> None:
        if leg.role == "observer":
            raise Refused("an observer cannot ask; join as owner or controller", code="forbidden")
        if self.life.state == "ended":
            raise Refused("the session has ended", code="not_found")
        match command:
            case Audio():
                if leg is not self.owner:
                    raise Refused("only the owner sends audio", code="forbidden")
                if command.at_ms is None and command.channel is None:
                    self.audio(command.data)
                elif self.life.state != "draining":
                    at, origin = self.journal.end, self.origin_ms
                    self._take(len(command.data), lambda: self.arrival.placed(command, at, origin))
            case Configure():
                self.configure(command)
            case Finalize() | Cancel(side="in"):
                self._in_order(command)
            case End():
                self._end(command)
            case Speak() | Tell():
                if self.source is None and not self.arrival.begun:
                    self.declare(self.arrival.declared or AudioFormat())
                if isinstance(command, Tell):
                    self._say(Told(**msgspec.structs.asdict(command)))
                self.feed.ask(command)
            case Cancel():
                self._hush(command)
            case Played():
                self._played(command)

    def _in_order(self, command: Command) -> None:
        """Commands that must not overtake audio."""
        if self.life.state == "draining":
            raise Refused("the session is ending", code="not_found")
        if isinstance(command, Finalize):
            if not command.ref:
                self._anonymous += 1
                command = msgspec.structs.replace(command, ref=f"~{self._anonymous}")
            self.ledger.arrived(self.ms(self.journal.end), self.host.timers.now())
            if self.source is None:
                at = self.ms(self.journal.end)
                for event in self.turns.answer(command.ref, command.channel or 0, at):
                    self._say(_named(event) if isinstance(event, Transcript) else event)
                return
        if isinstance(command, Cancel):
            self.journal.clear_sound()
        self.feed.push(command)
        self._after_drain()

    def _end(self, command: End) -> None:
        if self.life.state == "draining":
            return
        self.ledger.arrived(self.ms(self.journal.end), self.host.timers.now())
        try:
            pieces = self.arrival.finish()
            if self.source is None and self.arrival.source is not None:
                self._know(self.arrival.source)
        except OssicleError as error:
            self.fail(error)
            return
        for piece in pieces:
            self.feed.push(piece)
        if self.life.state == "ended":
            return
        self.life.step("end")
        if self.source is None:
            self.finish("moved" if command.to else "done", to=command.to)
            return
        self._moving_to = command.to
        self.feed.push(command)
        self._after_drain()

    def configure(self, command: Configure) -> None:
        """Options and formats, at first or later.

        Raises:
            Refused: an unknown option, a value out of range, or a format that comes too late.
        """
        before, chosen = self.options, self.engine is not None
        changed = merged(before, _patch_of(command))
        if command.speaks is not None:
            self._wants_to_hear = command.speaks
        self.options = changed
        try:
            if command.format is not None:
                self.declare(command.format)
        except OssicleError:
            self.options = before
            raise
        if self.engine is None or not chosen:
            return  # told by `_know`, or when it comes
        if changed == before:
            self._say(Configured(options=self.options, ref=command.ref))
            return
        names = _changed(before, changed)
        if names <= self.engine.capabilities.live_changes | _OURS:
            self.feed.push(command)
            self._after_drain()
        elif self.turns.phase() == "idle" and self.stream is not None:
            self._roll()
        else:
            self._roll_due = True
        self._say(Configured(options=self.options, ref=command.ref))

    # ── the voice ──

    def _sound(self, event: AudioOut) -> None:
        try:
            due = self.speech.sound(event, self.host.timers.now())
        except OssicleError as error:
            self.fail(error)
            return
        for each in due:
            self._say(each)

    def _played(self, command: Played) -> None:
        for event in self.speech.played(command, self.host.timers.now()):
            self._say(event)
        self.log.forget_audio(command.utterance, command.until_ms)
        self._credit_speech()

    def _hush(self, command: Cancel) -> None:
        command, cleared = self.speech.hush(command, self.host.timers.now())
        for event in cleared:
            self._say(event)
        self.feed.ask(command)

    def _credit_speech(self) -> None:
        if self.stream is not None and self.speech.possible:
            self.stream.credit(self.speech.credit(self.host.timers.now()))

    # ── legs ──

    def attach(
        self, leg: Leg, role: Role = "owner", *, since: int | None = None, resumed: bool = False
    ) -> None:
        """A leg joins. A new owner replaces the old one."""
        if role == "owner":
            old, self.owner = self.owner, leg
            if old is not None and old is not leg:
                self.legs.remove(old)
                old.session = None
                old.refuse(OssicleError.of(replaced()))
            self.detached_until = None
        missed = self.log.missed(since) if since is not None else 0
        self.legs.append(leg)
        leg.join(self, role, (since if since is not None else self.log.first - 1) + 1)
        leg.tell(
            Began(
                session=self.id,
                token=self.token if role == "owner" else "",
                options=self.options,
                expires_at=self.expires_at,
                taken_bytes=self.taken_bytes,
                taken_commands=self.taken_commands,
                resumed=resumed,
                engine=self.engine_name,
            )
        )
        if missed:
            leg.tell(
                Notice(
                    level="warning",
                    code="events_lost",
                    text=f"{missed} events after {since} are not kept any more",
                )
            )
            leg.cursor = max(leg.cursor, self.log.first)
        leg.admitted()
        leg.pump()
        if leg is self.owner and self.life.state != "ended":
            if self.journal.waiting > self.feed.credit.window and self.options.overload == "pause":
                leg.pause("overload")
            self._flow(force=True)

    def detach(self, leg: Leg, error: OssicleError | None) -> None:
        """A leg's channel is over."""
        if leg in self.legs:
            self.legs.remove(leg)
        if leg is not self.owner:
            if self.life.state == "ended":
                self.host.wake(self)
            return
        self.owner = None
        if self.life.state == "ended":
            self.read_out = error is None and leg.cursor >= self.log.next
            self.host.wake(self)
            return
        taken = self.taken_bytes or self.taken_commands
        if (leg.dialect.resumable and taken) or (self.life.state == "draining" and self.observed):
            self.detached_until = self.host.timers.now() + self.settings.resume_window_s
        else:
            self.finish("lost")
            self.read_out = not self.observed  # nothing to come back for: a token says so at once

    @property
    def observed(self) -> bool:
        """Somebody besides the owner reads along."""
        return any(leg is not self.owner for leg in self.legs)

    def flow_if_due(self, leg: Leg) -> None:
        """A leg took all there was: the owner may be told how far we are."""
        if self._flow_due and leg is self.owner:
            self._flow(force=True)

    def _flow(self, *, force: bool = False) -> None:
        owner = self.owner
        if owner is None or self.life.state == "ended":
            return
        if not owner.caught_up:
            self._flow_due = True  # never before the final that caused it
            return
        journal = self.journal
        until = self.feed.credit.until(journal.sent)
        self._flow_due = False
        self._flow_told = (journal.end, until)
        owner.tell(
            Flow(
                taken_bytes=self.taken_bytes,
                taken_commands=self.taken_commands,
                settled_ms=self.settled_ms,
                until_ms=self.ms(until) if self.source is not None else None,
            )
        )

    def _say(self, event: Event) -> None:
        """Into the log, and on to everybody who keeps up."""
        self.log.append(event)
        for leg in tuple(self.legs):
            leg.pump()

    def _notice(self, level: str, code: str, text: str, ref: str = "") -> None:
        """A logged notice; a code that repeats without end is said at most 100 times."""
        self.notices += 1
        if self.notices <= 100:
            self._say(
                msgspec.convert({"level": level, "code": code, "text": text, "ref": ref}, Notice)
            )

    # ── time ──

    def tick(self, now: float) -> None:
        """About once a second, by the gateway for all its sessions: limits that are not worth a
        timer of their own."""
        if self.life.state == "ended":
            return
        taken = self.taken_bytes
        if taken != self._last_taken:
            self._last_taken, self._last_heard = taken, now
        settings = self.settings
        if self.detached_until is not None and now >= self.detached_until:
            self.finish("lost")
        elif settings.session_s and now - self.opened_at >= settings.session_s:
            self.finish(
                "limit",
                TimedOut(
                    f"the session reached its limit of {settings.session_s:g} s",
                    code="session_limit",
                ).fault(),
            )
        elif (
            settings.idle_s
            and now - self._last_heard >= settings.idle_s
            and self.life.state == "live"
            and self.journal.idle
        ):
            self.finish(
                "idle",
                TimedOut(
                    f"neither audio nor a command came for {settings.idle_s:g} s", code="idle"
                ).fault(),
            )
        else:
            self._credit_speech()
            if self.journal.end != self._flow_told[0]:
                self._flow()

    def fail(self, error: OssicleError) -> None:
        """End with an error."""
        self.finish("refused" if error.whose == "client" else "failed", error.fault())

    def finish(
        self,
        reason: EndReason,
        error: Fault | None = None,
        *,
        to: str = "",
        usage_of: Ended | None = None,
    ) -> None:
        """The end, once: every promise is kept first (open turns closed, questions answered)."""
        if self.life.state == "ended":
            return
        self.feed.shut()
        at = self.ms(self.journal.sent)
        for command in self._unanswered():
            for event in self.turns.answer(command.ref, command.channel or 0, at):
                self._say(_named(event) if isinstance(event, Transcript) else event)
        for event in self.turns.close(at, "end" if error is None else "failed"):
            self._say(event)
        now = self.host.timers.now()
        ended = Ended(
            reason="moved" if self._moving_to and error is None else reason,
            audio_ms=self.ms(self.journal.end) - self.origin_ms,
            session_ms=round((now - self.opened_at) * 1000),
            error=error,
            to=to or self._moving_to,
            usage=usage_of.usage if usage_of is not None else None,
            ledger=self.ledger.report(),
        )
        self.ended = ended
        self.life.step("finish")
        self.feed.disconnect()
        self.wants_engine = False
        if self.owner is not None:
            self.owner.resume("overload")
        elif self.detached_until is None:
            self.detached_until = now + self.settings.resume_window_s
        self._say(ended)
        self.host.wake(self)

    def _unanswered(self) -> list[Finalize]:
        due = (*self.journal.asked, *self.journal.queued)
        return [command for command in due if isinstance(command, Finalize)]

    def over(self, now: float) -> bool:
        """Ended, and nobody will come to read the rest."""
        if self.life.state != "ended":
            return False
        return self.read_out or (
            self.owner is None and self.detached_until is not None and now >= self.detached_until
        )

    # ── figures ──

    @property
    def taken_bytes(self) -> int:
        """Audio payload bytes taken, as the client sent them."""
        return self.journal.end + self._beside

    @property
    def settled_ms(self) -> int:
        """Stream time the client may forget."""
        return self.ms(self.journal.settled)

    def ms(self, position: int) -> int:
        """Stream time of a journal position, rounded down."""
        return self.origin_ms + self._span(position)

    def _span(self, units: int) -> int:
        return self.source.ms(units) if self.source is not None else 0

    def _units(self, ms: int) -> int:
        return self.source.units(ms) if self.source is not None else 0


_OURS = frozenset({"label", "overload", "strict", "recognition.interim_results"})
"""Options the session itself honours, whatever the engine."""


def _named(event: Transcript) -> Transcript:
    """Without the name the session gave to a question that had none."""
    return msgspec.structs.replace(event, ref="") if event.ref.startswith("~") else event


def _patch_of(command: Configure) -> dict[str, object]:
    if "hears" in command.patch or "speaks" in command.patch:
        raise Refused("formats are chosen by the session; declare yours", code="bad_option")
    return command.patch


def _changed(before: Options, after: Options) -> frozenset[str]:
    """Dotted names of options that differ."""
    names: set[str] = set()

    def walk(old: dict[str, object], new: dict[str, object], path: str) -> None:
        for name, value in old.items():
            other = new[name]
            if isinstance(value, dict) and isinstance(other, dict):
                walk(
                    cast("dict[str, object]", value),
                    cast("dict[str, object]", other),
                    f"{path}{name}.",
                )
            elif value != other:
                names.add(path + name)

    walk(msgspec.to_builtins(before), msgspec.to_builtins(after), "")
    return frozenset(names)
