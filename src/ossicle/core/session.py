"""A session: one live stream between one client and one engine.

A thin driver over the homes of its parts: `lifecycle` (state), `arrival` (bytes to timeline),
`feed` (journal, credit, stream), `hearing` and `voice` (the engine's words and sound, in order),
`pace` (backpressure both ways), `log` (events and cursors), `ledger` (time). It is synchronous,
owns no task and reads the clock through `Timers`.

    socket ─▶ leg.binary = feed.audio ─▶ journal ─▶ [converter] ─▶ stream.audio       (hot path)
    engine ─▶ sink.tell ─▶ hearing ─▶ log ─▶ every leg's cursor ─▶ dialect.send ─▶ channel

The hot path is `Feed.audio`; what it leaves comes to `_audio_slow`.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from .arrival import Arrival
from .audience import Audience
from .commands import Audio, Cancel, Command, Configure, End, Finalize, Join, Played, Speak, Tell
from .deadline import Deadline, too_late
from .errors import BadAudio, EngineFailed, Fault, OssicleError, Overloaded, Refused
from .events import (
    Asked,
    AudioOut,
    Began,
    Configured,
    Ended,
    EndReason,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)
from .feed import Feed, abort
from .fit import chosen_for, fitted, heard_as, misfits, splits
from .formats import AudioFormat
from .hearing import Hearing
from .host import Host, SessionSettings
from .journal import Journal, Sound
from .ledger import Ledger
from .legs import Leg, Role
from .lifecycle import Lifecycle
from .limits import expired
from .log import Log
from .options import AnswerOptions, Options, TimedOptions, merged
from .options import changed as changed_names
from .pace import Pace
from .ports import Engine, Stream, Successor
from .retries import Retries
from .sink import StreamSink
from .voice import Voice

__all__ = ["Host", "Session", "SessionSettings"]


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
        self.options: Options = options or Options()
        self.settings = settings or SessionSettings()
        self.expires_at = expires_at
        self.opened_at = now
        self.origin_ms = (continues.settled_ms or 0) if continues else 0
        """Stream time of the first sample this gateway gets."""
        self.life = Lifecycle()
        self.audience = Audience(Log(first=(continues.since if continues else 0) + 1))
        self.log = self.audience.log
        self.ledger = Ledger(now)
        self.legs = self.audience.legs
        self.detached_until: float | None = None
        """Monotonic time until which the owner may come back; None = it is here, or never was."""
        self.source: AudioFormat | None = None
        """What the client sends, once known."""
        self.engine: Engine | None = None
        self.engine_name = ""
        self._chosen_for = ("", False)
        """What `engine` was chosen for."""
        self._speaks: tuple[AudioFormat, ...] = ()
        self.wants_engine = False
        """The supervisor should open `engine` (not before `retry_at`)."""
        self.retry_at = 0.0
        self.ended: Ended | None = None
        self.read_out = False
        """Nobody will come back as the owner: it was sent everything and closed politely, or its
        dialect knows no way back."""
        self.taken_commands = 0
        self.hearing = Hearing(self, host.timers.now, first_turn=continues.turn if continues else 0)
        self.turns = self.hearing.turns

        self.arrival = Arrival(host.codecs)
        self.pace = Pace(self)
        self.voice = Voice(self, host.timers.now, ahead_ms=self.settings.speak_ahead_ms)
        self.speech = self.voice.speech
        self.feed = Feed(
            slow=self._audio_slow,
            broke=self._stream_broke,
            refused=self._stream_refused,
            converted=self.ledger.converted,
            now=host.timers.now,
            given=self.voice.given,
        )
        self.audio: Callable[[bytes], None] = self.feed.audio
        """Sound from the owner, as the client sent it. The hot path."""
        self.deadline = Deadline(host.timers, self._last_words, self._late)
        """Of the client that owns it."""
        self._wants_to_hear: AudioFormat | None = None
        self._beside = 0
        self._retries = Retries(self.settings)
        self._roll_due = False
        self._anonymous = 0
        self.notices: Counter[str] = Counter()
        """How often each code was told."""
        self.upstream_ids: tuple[str, ...] = ()  # an empty deque takes 700 bytes, for ever
        """What providers call their part of this session, the newest."""
        self._last_heard = now
        self._last_taken = 0
        self._limit: tuple[EndReason, Fault | None, float] | None = None
        """Why it ends, and when at the latest, once a limit was reached."""
        self._moving_to = ""

    @property
    def owner(self) -> Leg | None:
        """The leg that feeds audio, while it is there."""
        return self.audience.owner

    # ── audio in ──

    def _audio_slow(self, data: bytes) -> None:
        """What the hot path leaves: see `Feed.audio`."""
        if self.life.state in {"draining", "ended"}:
            self._notice("warning", "late_audio", "audio came after the end and was not heard")
        elif data:
            self._take(len(data), lambda: self.arrival.take(data))
            self.go_on()

    def _take(self, size: int, arrange: Callable[[], Sequence[Sound]]) -> None:
        """What arrived, onto the journal and on. All of it is counted before any of it is fed: a
        flow report that a feed causes must not say more than came."""
        taken = self.taken_bytes
        try:
            pieces = arrange()
            if self.source is None and self.arrival.source is not None:
                self._know(self.arrival.source)
            if pieces and self.options.hears is None and self.engine is not None:
                raise BadAudio(
                    f"engine {self.engine_name} does not listen", code="unsupported_audio"
                )
        except OssicleError as error:
            self.fail(error)
            return
        for piece in pieces:
            self.journal.push(piece)
        self._beside = taken + size - self.journal.end
        self.feed.drain()

    def go_on(self) -> None:
        """About once a second of audio, or whenever the hot path was left."""
        if self.life.state == "ended":
            return
        journal, feed = self.journal, self.feed
        if journal.end >= feed.next_tick:
            feed.next_tick = journal.end + self._units(self.settings.flow_ms)
            self.ledger.arrived(self.ms(journal.end), self.host.timers.now())
            self.ledger.add("queue", self.span(journal.waiting))
            journal.trim()
            self.pace.report()
        self.pace.check()
        self._after_drain()

    def _after_drain(self) -> None:
        self.feed.relimit(plain=self._plain and self.life.state == "live")
        self.pace.relieve()

    @property
    def _plain(self) -> bool:
        return self.arrival.plain and self.options.hears is not None

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
        fit = fitted(self.host, self.options, source, self._wants_to_hear)
        able = fit.engine.capabilities
        self.options = fit.options
        made = able.speaks[0] if able.speaks else None
        self.voice.shape(made, fit.options.speaks, fit.way)
        self.source = source
        self.engine, self.engine_name = fit.engine, able.name
        self._chosen_for, self._speaks = chosen_for(self.options), able.speaks
        self.turns.whole_turns = able.turns
        self.hearing.channels = fit.channels
        self.feed.shape(
            source, replay_ms=self.settings.replay_ms, window_ms=self.settings.unsent_ms
        )
        self.say(Configured(options=self.options))
        for text in fit.unable:
            self._notice("warning", "option_not_supported", text)
        self.wants_engine = True
        self.host.wake(self)

    def _engine_for(self, options: Options) -> Engine:
        """The engine for options that changed: another one where another model is asked for, or
        ends of turns are to be judged that were not.

        Raises:
            Refused: no engine has that model, or it cannot take this one's place.
        """
        engine, source = self.engine, self.source
        assert engine is not None
        if source is None or chosen_for(options) == self._chosen_for:
            return engine
        other = self.host.choose(options, source)
        able = other.capabilities
        if (bool(able.hears), able.speaks) != (self.options.hears is not None, self._speaks):
            raise Refused(
                f"model {options.recognition.model[:60]!r} is heard by engine {able.name}, whose "
                f"sound is not that of {self.engine_name}; open a new session for it",
                code="bad_option",
            )
        return other

    def _change_engine(self) -> None:
        """Go on with the engine for what is asked now; the next stream is opened on it."""
        try:
            engine = self._engine_for(self.options)
        except OssicleError as error:
            self.fail(error)
            return
        self._chosen_for = chosen_for(self.options)
        source = self.source
        if engine is self.engine or source is None:
            return
        if isinstance(engine, Successor) and self.engine is not None:
            engine.follow(self.engine)
        able = engine.capabilities
        if able.hears:
            hears = heard_as(source, able, splits(self.options, source))
            self.options = msgspec.structs.replace(self.options, hears=hears)
        self.turns.whole_turns = able.turns
        if able.name != self.engine_name:
            self._notice("info", "engine_changed", f"engine {able.name} hears from here on")
        self.engine, self.engine_name = engine, able.name

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
        self.wants_engine = self._roll_due = False
        return self.feed.new_sink(self, self.origin_ms)

    @property
    def engine_options(self) -> Options:
        """For the supervisor: what to open an engine with. It speaks in its own best format; the
        way from there to the client's is ours. With the client's deadline, where it has one."""
        engine, options = self.engine, self.options
        if engine is not None and options.speaks is not None:
            options = msgspec.structs.replace(options, speaks=engine.capabilities.speaks[0])
        ends_at = self.deadline.ends_at
        return options if ends_at is None else TimedOptions.of(options, ends_at)

    def opened(self, sink: StreamSink, stream: Stream) -> None:
        """For the supervisor: an engine stream is there."""
        if sink.deaf or self.life.state == "ended":
            abort(stream)
            return
        if self._roll_due and self.turns.idle:
            abort(stream)  # options changed while it opened
            self._roll()
            return
        hears, converter = self.options.hears, None
        try:
            if hears is not None and self.source is not None:
                converter = self.host.codecs.converter(self.source, hears)
        except OssicleError as error:
            abort(stream)
            self.fail(error)
            return
        self.life.step("opened")
        now = self.host.timers.now()
        self.ledger.ready(now)
        self.feed.connect(stream, converter, self.voice.ahead_ms())
        self.feed.drain()
        self.go_on()

    def unopened(self, sink: StreamSink, error: BaseException) -> None:
        """For the supervisor: `Engine.open` raised."""
        if not sink.deaf:
            self._lost_stream(self._engines(error, "could not open").fault())

    def told(self, sink: StreamSink, event: Event) -> None:
        """An engine's event, on the session's clock. Called by the sink."""
        if type(event) is Transcript and self.hearing.partial(event):
            owner = self.audience.owner
            if owner is not None and owner.cursor != self.log.next:
                self.pace.hold_back()
            return
        match event:
            case Transcript(side="in") | SpeechStarted(side="in") | SpeechEnded(side="in"):
                if self.hearing.told(event) or type(event) is SpeechStarted:
                    self.voice.barge_in()
                if self._roll_due and self.turns.idle and self.life.state != "ended":
                    self._roll()
            case AudioOut() | SpeechStarted() | Transcript() | SpeechEnded() | Asked():
                self.voice.told(event)
            case Ended():
                self.feed.disconnect()
                if event.error is None:
                    self.finish(event.reason, usage_of=event)
                else:
                    self._lost_stream(event.error)
            case Notice():
                self.notices[event.code] += 1
                if event.code == "upstream":
                    self.upstream_ids = (*self.upstream_ids, event.text)[-_UPSTREAM_IDS:]
                self.say(event)
            case _:
                self.say(event)

    def granted(self, sink: StreamSink, until_ms: int) -> None:
        """The engine takes audio up to `until_ms` of its own clock."""
        if self.feed.grant(until_ms):
            self._after_drain()
            self.pace.granted()

    def silent_until(self, sink: StreamSink, until_ms: int) -> None:
        """The engine will report nothing before `until_ms` again."""
        self.hearing.silent_until(until_ms)

    def answered(self, ref: str) -> None:
        """A question of that name was answered by something else than words. Called by `voice`."""
        self.hearing.answered(ref)

    def settle(self, until_ms: int) -> None:
        """Nothing before `until_ms` will be reported again, on any channel. Called by `hearing`."""
        source = self.source
        if source is None:
            return
        before = self.journal.settled
        self.journal.settle(max(0, source.units(until_ms - self.origin_ms)))
        if self.journal.settled - before >= self._units(self.settings.flow_ms) // 4:
            self.pace.report()

    def _stream_broke(self, error: BaseException) -> None:
        """Audio that cannot be decoded is the client's fault; anything else the engine's."""
        if isinstance(error, BadAudio):
            self.fail(error)
            return
        if self.stream is None:
            return
        self.feed.disconnect()
        self._lost_stream(self._engines(error, "broke").fault())

    def _engines(self, error: BaseException, what: str) -> OssicleError:
        """An exception of the engine; a foreign one is named by its type, its text may quote."""
        if isinstance(error, OssicleError):
            return error
        return EngineFailed(f"engine {self.engine_name} {what}: {type(error).__name__}")

    def _stream_refused(self, command: Command, error: Refused) -> None:
        self.voice.refused(command)
        self._notice("error", error.code, str(error), ref=command.ref)

    def _lost_stream(self, fault: Fault) -> None:
        """The engine broke. Open another stream and replay, or give up."""
        if self.life.state == "ended":
            return
        fresh = self.life.state == "opening" and self.journal.sent == 0
        now, settled_ms = self.host.timers.now(), self.settled_ms
        retry_at = self._retries.after(fault, now, fresh=fresh, settled_ms=settled_ms)
        if retry_at is None:
            self.finish("refused" if fault.whose == "client" else "failed", fault)
            return
        self.retry_at = retry_at
        self._reopen()

    def _roll(self) -> None:
        """Options changed that the open stream cannot take: go on with another one."""
        self._roll_due = False
        self.feed.disconnect()
        self.retry_at = 0.0
        self._reopen()

    def _reopen(self) -> None:
        self._change_engine()
        if self.life.state == "ended":
            return
        self.life.step("reopen")
        self.turns.restart()
        lost = self.feed.rewind()
        if lost:
            self._notice(
                "warning",
                "audio_lost",
                f"{self.span(lost)} ms of audio could not be replayed to another engine: only "
                f"{self.settings.replay_ms} ms are kept",
            )
        self.voice.again()
        self.wants_engine = True
        self.host.wake(self)

    # ── commands ──

    def ask(self, leg: Leg, command: Command) -> None:
        """A leg wants something."""
        counted = leg is self.owner and not isinstance(command, Audio | Configure)
        if isinstance(command, Played) and command.by_wire:
            counted = False
        if counted:
            self.taken_commands += 1
        try:
            self._do(leg, command)
        except OssicleError as error:
            leg.tell(Notice(level="error", code=error.code, text=str(error), ref=command.ref))
        if counted:
            self._last_heard = self.host.timers.now()
            self.pace.report()

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
                    self.go_on()
            case Configure():
                if command.names or command.report_to:
                    self.host.extend(self, leg, command)
                self.configure(command)
            case Finalize() | Cancel(side="in"):
                self._in_order(command)
            case End():
                self._end(command)
            case Speak() | Tell():
                if self.source is None and not self.arrival.begun:
                    self.declare(self.arrival.declared or AudioFormat())
                if isinstance(command, Tell):
                    self.say(Told(**msgspec.structs.asdict(command)))
                self.feed.ask(command)
            case Cancel():
                self.voice.hush(command, unasked=leg is not self.owner)
            case Played():
                self.voice.played(command)

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
                for event in self.hearing.answer(command, self.ms(self.journal.end)):
                    self.say(event)
                return
            self._room()
        if isinstance(command, Cancel):
            self.journal.clear_sound()
        self.feed.push(command)
        self._after_drain()

    def _room(self) -> None:
        if self.journal.commands >= _MOST_COMMANDS:
            raise Overloaded(
                f"{self.journal.commands} commands wait for the engine or its answer; the limit "
                f"is {_MOST_COMMANDS}",
                code="overloaded",
            )

    def _end(self, command: End) -> None:
        if self.life.state == "draining":
            return
        self.ledger.arrived(self.ms(self.journal.end), self.host.timers.now())
        self._take(0, self.arrival.finish)
        if self.life.state in {"draining", "ended"}:
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
            self.say(Configured(options=self.options, ref=command.ref))
            return
        names = changed_names(before, changed)
        try:
            engine = self._engine_for(changed)
        except OssicleError:
            self.options = before
            raise
        able = engine.capabilities
        known = misfits(before, self.engine.capabilities)
        unable = [text for text in misfits(changed, able) if text not in known]
        if unable and changed.strict:
            self.options = before
            raise Refused("; ".join(unable), code="bad_option")
        if engine is self.engine and names <= able.live_changes | _OURS:
            self._room()
            self.feed.push(command)
            self._after_drain()
        elif self.turns.idle and self.stream is not None:
            self._roll()
        else:
            self._roll_due = True
            if self.wants_engine:  # nobody opens the old one yet
                self._change_engine()
        self.say(Configured(options=self.options, ref=command.ref))
        for text in unable:
            self._notice("warning", "option_not_supported", text, ref=command.ref)

    # ── legs ──

    def attach(
        self, leg: Leg, role: Role = "owner", *, since: int | None = None, resumed: bool = False
    ) -> None:
        """A leg joins. A new owner replaces the old one."""
        if role == "owner":
            self.detached_until = None
        missed = self.audience.seat(leg, self, role, since, ended=self.ended is not None)
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
        if missed is not None:
            leg.tell(missed)
        leg.admitted()
        leg.pump()
        if leg is self.owner and self.life.state != "ended":
            self.pace.talk_again()  # the one before it may have stopped reading
            self.pace.seated(leg)
            self.pace.report()

    def detach(self, leg: Leg, error: OssicleError | None) -> None:
        """A leg's channel is over."""
        if self.audience.leave(leg):
            self._lost_owner(leg, error)
        if self.life.state == "ended":
            self.host.wake(self)

    def _lost_owner(self, leg: Leg, error: OssicleError | None) -> None:
        window = self.host.timers.now() + self.settings.resume_window_s
        resumable = leg.dialect.resumable
        if self.life.state == "ended":
            told_all = error is None and leg.cursor >= self.log.next
            self.read_out = told_all or not resumable
            self.detached_until = self.detached_until or window
            return
        taken = self.taken_bytes or self.taken_commands
        if self.life.state == "draining" and self.audience.observed:
            self.read_out = not resumable
            finish = self.host.timers.now() + self.settings.finish_s
            self.detached_until = max(finish, window)
        elif resumable and taken:
            self.detached_until = window
        else:
            self.read_out = True  # nobody has a reason, or a way, to come back
            self.finish("lost")

    def measured(self, leg: Leg, rtt_ms: float) -> None:
        """The wire measured its round trip."""
        if leg is self.owner:
            self.ledger.add("network", rtt_ms)

    def writable(self, leg: Leg) -> None:
        """A leg can take more."""
        self.pace.writable(leg)

    def say(self, event: Event) -> None:
        """Into the log, and on to everybody who keeps up."""
        self.audience.say(event)
        self.pace.hold_back()

    def warn(self, code: str, text: str) -> None:
        """For the house: something everybody who follows the session should know."""
        self._notice("warning", code, text)

    def _notice(self, level: str, code: str, text: str, ref: str = "") -> None:
        """A logged notice; a code that repeats without end is said at most 100 times."""
        self.notices[code] += 1
        if self.notices[code] <= 100 and self.life.state != "ended":
            self.say(
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
        idle = (self.life.state == "live" or self.source is None) and self.journal.idle
        due = expired(
            settings,
            age_s=now - self.opened_at,
            quiet_s=now - self._last_heard if idle else 0.0,
            alone=self.detached_until is not None and now >= self.detached_until,
        )
        if self._limit is not None and now >= self._limit[2]:
            self.finish(*self._limit[:2])
        elif due is not None:
            self.limit(*due)
        else:
            self.voice.credit()
            self.pace.tick()

    def limit(self, reason: EndReason, error: OssicleError | None) -> None:
        """It has to end. Words of an open turn that are not final yet are asked for first, and
        waited for a moment: no limit takes a word back that was heard."""
        fault = error.fault() if error is not None else None
        if self._limit is not None:
            return
        if self.life.state != "live" or self.turns.idle or reason == "lost":
            self.finish(reason, fault)
            return
        self._limit = reason, fault, self.host.timers.now() + _LAST_WORDS_S
        self._end(End())

    def _last_words(self) -> None:
        if self.life.state in {"opening", "live"}:
            self.deadline.forced = True
            self._end(End())

    def _late(self) -> None:
        self.finish("limit", too_late(self.deadline.within_s).fault())

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
        """The end, once: every promise is kept first (open turns closed, questions answered),
        unless the gateway stops and the client can take them along."""
        if self.life.state == "ended":
            return
        if error is None and self._limit is not None:
            reason, error = self._limit[:2]
        if error is None and self.deadline.forced:
            reason, error = "limit", too_late(self.deadline.within_s).fault()
        # Ended before anything is said: whoever hears it may ask again, from inside.
        self.life.step("finish")
        self.deadline.cancel()
        self.feed.disconnect()
        self.wants_engine = False
        at = self.ms(self.journal.sent)
        last: list[Event] = []
        # A client that will go on elsewhere takes its open turn and its questions along.
        if not (reason == "shutdown" and self.owner and self.owner.dialect.resumable):
            last = self.hearing.close(at, "end" if error is None else "failed")
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
        if self.owner is not None:
            self.owner.resume("overload")
        else:
            window = now + self.settings.resume_window_s
            self.detached_until = min(self.detached_until or window, window)
        for event in (*last, ended):
            self.say(event)
        self.host.wake(self)

    def over(self, now: float) -> bool:
        """Ended, and nobody will come to read the rest."""
        if self.life.state != "ended" or self.owner is not None:
            return False
        return (self.read_out and not self.legs) or (
            self.detached_until is not None and now >= self.detached_until
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
        return self.origin_ms + self.span(position)

    def span(self, units: int) -> int:
        """Milliseconds in so many units of the journal."""
        return self.source.ms(units) if self.source is not None else 0

    def _units(self, ms: int) -> int:
        return self.source.units(ms) if self.source is not None else 0


_UPSTREAM_IDS = 20
_LAST_WORDS_S = 2.0
"""How long an engine may take for the last words of a session that reached a limit."""
_MOST_COMMANDS = 1_000
"""Commands that wait behind audio, or for an answer, before a client is told to wait."""

_OURS = frozenset(
    {"label", "overload", "strict", "recognition.interim_results"}
    | {f"answers.{name}" for name in AnswerOptions.__struct_fields__}
)
"""Options the session itself honours, whatever the engine; and what an engine that answers takes
at any time, while no other looks at it."""


def _patch_of(command: Configure) -> dict[str, object]:
    if "hears" in command.patch or "speaks" in command.patch:
        raise Refused("formats are chosen by the session; declare yours", code="bad_option")
    return command.patch
