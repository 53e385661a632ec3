"""The server half of `StreamingRecognize`, for each version.

    config ─ audio* ─ half close ─ the last finals ─ billed time ─ status OK

The call is accepted at once; the configuration is the first message and opens the session
(contracts M3). The session keeps the order of turns; this keeps the service's rules: sizes, time
limits, one utterance, voice activity.
"""

from math import inf

import msgspec

from ossicle.core.commands import Configure, End, Finalize
from ossicle.core.deadline import seconds_of
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import (
    Began,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .activity import Silence
from .asked import Asked
from .credentials import credential_of
from .errors import MALORDERED, Generation, Unmet, closing, no_audio, too_large, too_long
from .notices import Notices
from .rules import GoogleRules
from .sound import Sound
from .telling import Teller
from .utterance import SingleUtterance
from .version import Activity, Version

__all__ = ["StreamServer"]

_LOOK_S = 1.0
"""How often it is seen whether audio came, so that no message moves a timer."""
_LAST_WORDS_S = 5.0
"""How long a stream that is closed by us may still decide what it heard."""
_GRACE_S = 1.0
"""How long a client that was told of a time-out has to close its half (wire note, §5)."""


class StreamServer:
    """Implements `core.ports.Dialect`."""

    def __init__(self, version: Version, rules: GoogleRules | None = None) -> None:
        self.name = version.name
        self.deadline = inf
        self.plain = False  # audio stands inside a message
        self.resumable = False
        self._version = version
        self._rules = rules or GoogleRules()
        self._opening = Opening()
        self._asked: Asked | None = None
        """The configuration, once it came."""
        self._sound: Sound | None = None
        self._teller: Teller | None = None
        self._notices = Notices()
        self._silence = Silence(None, None, 0)
        self._over = False
        self._ending = False
        """Nothing more is heard."""
        self._closing: Close | None = None
        """How the stream is closed by us, once its last words are said."""
        self._leave_at = inf
        """When a client that was told of a time-out is helped along."""
        self._began_at = 0.0
        self._heard_at = 0.0
        self._next = 0.0
        """When it is looked at next whether audio came."""
        self._bytes = 0
        """Of audio."""
        self._messages: int = 0
        self._looked_at: int = 0
        """`_messages` when the clock was last looked at."""
        self._utterance = SingleUtterance()
        self._told = False
        """Something was heard, so it is billed."""
        self._answered = False
        """The client has a first response."""

    # ── from the client ──

    def open(self, opening: Opening, now: float) -> Steps:
        """A call."""
        self._opening = opening
        self._began_at = self._heard_at = now
        self._look(now)
        return (Accept(),)

    def receive(self, message: Message, now: float) -> Steps:
        """A request, or the client's half close."""
        if self._over:
            return ()
        match message:
            case Binary(data=data):
                return self._request(data, now)
            case Fin():
                return self._fin()
            case Close():
                # a cancelled call wants nothing more; its slot is free at once
                self._over, self.deadline = True, inf
                return ()
            case _:
                return ()

    def _request(self, data: bytes, now: float) -> Steps:
        self._messages += 1
        try:
            said = self._version.read(data, first=self._asked is None)
            steps: Steps = ()
            if said.asked is not None:
                if self._asked is not None:
                    raise Unmet(MALORDERED)
                steps = self._configured(said.asked, now)
            elif self._asked is None:
                raise Unmet(MALORDERED)
            if said.audio is not None:
                steps += self._audio(said.audio)
        except OssicleError as error:
            return self._refused(error)
        return steps

    def _configured(self, asked: Asked, now: float) -> Steps:
        self._asked = asked
        self._sound = sound = Sound(asked.hearing)
        self._teller = Teller(asked, leading_blank=self._version.leading_blank)
        self._notices.add(asked.warnings)
        source = sound.declared
        self._silence = Silence(
            asked.start_timeout_ms,
            asked.end_timeout_ms,
            source.units_per_second if source is not None and source.width else 0,
        )
        within = seconds_of(self._opening.header("grpc-timeout"))
        return (
            Configure(
                patch=asked.patch,
                format=source,
                credential=credential_of(self._opening),
                within_s=None if within is None else within - (now - self._began_at),
            ),
        )

    def _audio(self, data: bytes) -> Steps:
        limit = self._rules.max_audio
        if limit and len(data) > limit:
            raise too_large(len(data), limit)
        if self._ending or not data or self._sound is None:
            return ()
        self._bytes += len(data)
        self._silence.audio(len(data))
        return self._sound.feed(data)

    def _fin(self) -> Steps:
        if self._asked is None or self._sound is None:
            # half closed without a word: nothing was asked, so nothing is wrong
            return self._close(Close())
        if not self._bytes and not (self._sound.declared and self._sound.declared.width):
            # no header came, so there is nothing that could be heard, and nothing was missed
            return self._close(Close())
        if self._ending:
            left = self._leave_at != inf
            self._leave_at = inf
            return (End(),) if left else ()
        try:
            last = self._sound.finish()
        except OssicleError as error:
            return self._refused(error)
        self._ending = True
        self._schedule()
        return (*last, End())

    # ── to the client ──

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        steps = self._sent(event, now)
        self._answered = self._answered or any(type(step) is Binary for step in steps)
        return steps

    def _sent(self, event: Event, now: float) -> Steps:
        match event:
            case Transcript(side="in"):
                return self._transcript(event)
            case Began():
                self._heard_at = now  # time spent on admission is ours
                self._silence.begin(now)
                self._schedule()
                return ()
            case SpeechStarted(side="in"):
                return self._spoke(event)
            case SpeechEnded(side="in", provisional=False):
                return self._stopped(event, now)
            case Notice(level="warning" | "error"):
                self._notices.add((f"{event.code}: {event.text}",))
                return ()
            case Ended():
                return self._last(event)
            case _:
                return ()

    def _transcript(self, event: Transcript) -> Steps:
        asked, teller = self._asked, self._teller
        if asked is None or teller is None:
            return ()
        if self._utterance.phase != "open":
            whole = self._utterance.heard(event)
            return self._final(whole) if whole is not None else ()
        if not event.final:
            if not asked.interim:
                return ()
            pieces = teller.pieces(event)
            return (Binary(self._version.interim(pieces, self._opening)),) if pieces else ()
        return self._final(event)

    def _final(self, event: Transcript) -> Steps:
        reading = self._teller.reading(event) if self._teller is not None else None
        if reading is None:
            return ()
        self._told = True
        return (Binary(self._version.final(reading, self._opening)),)

    def _spoke(self, event: SpeechStarted) -> Steps:
        if self._utterance.phase != "open":
            return ()
        self._silence.spoke(event.channel)
        self._schedule()
        return self._activity("begin", event.at_ms)

    def _stopped(self, event: SpeechEnded, now: float) -> Steps:
        if self._utterance.phase != "open":
            return ()
        self._silence.stopped(event.channel, now)
        self._schedule()
        steps = self._activity("end", event.at_ms)
        if self._asked is not None and self._asked.single_utterance:
            self._utterance.end()
            told = self._version.activity("utterance", event.at_ms or 0, self._opening)
            steps += (Binary(told),)
            if not self._ending:
                self._ending = True
                self._schedule()
                steps += (End(),)
        return steps

    def _activity(self, kind: Activity, at_ms: int | None) -> Steps:
        if self._asked is None or not self._asked.activity:
            return ()
        return (Binary(self._version.activity(kind, at_ms or 0, self._opening)),)

    def _last(self, event: Ended) -> Steps:
        rest = self._utterance.rest()
        last = self._final(rest) if rest is not None else ()
        if event.error is not None:
            answered = bool(last) or self._answered
            close = closing(event.error, self._opening, self._generation, answered=answered)
            return (*last, *self._close(close))
        if self._closing is not None:
            return (*last, *self._close(self._closing))
        if not self._ending:
            # ended by the gateway, not by the client: what follows was not heard
            fault = Fault("draining", f"the session ended here: {event.reason}", "us", True)
            return (*last, *self._close(closing(fault, self._opening, self._generation)))
        if self._told:
            billed = self._version.billed(event.audio_ms, self._opening)
            last = (*last, Binary(billed))
        return (*last, *self._close(Close()))

    # ── time ──

    def expire(self, now: float) -> Steps:
        """A limit may have passed."""
        if now < self.deadline or self._over:
            return ()
        if self._closing is not None:  # its last words take too long
            return self._close(self._closing)
        if now >= self._leave_at:
            self._leave_at = inf
            self._schedule()
            return (End(),)
        if self._messages != self._looked_at:
            self._looked_at, self._heard_at = self._messages, now
        rules = self._rules
        if rules.stream_limit_s and now - self._began_at >= rules.stream_limit_s:
            return self._stop(too_long(self._generation, rules.stream_limit_s), now)
        if not self._ending:
            if rules.silence_s and now - self._heard_at >= rules.silence_s:
                return self._stop(no_audio(self._generation), now)
            if self._silence.over(now):
                return self._nobody_speaks(now)
        self._look(now)
        return ()

    def _stop(self, last: Close, now: float) -> Steps:
        """End the stream from this side: what was heard is still told."""
        if self._asked is None:
            return self._close(last)
        already, self._ending = self._ending, True
        self._closing = last
        self.deadline = now + _LAST_WORDS_S
        return () if already else (End(),)

    def _nobody_speaks(self, now: float) -> Steps:
        """A voice activity time-out: told where the version has an event, then the end."""
        self._ending = True
        told = self._version.activity(
            "timeout", round((now - self._began_at) * 1000), self._opening
        )
        if not told:
            self._schedule()
            return (End(),)
        self._leave_at = now + _GRACE_S
        self._schedule()
        return (Binary(told), Finalize())

    def _look(self, now: float) -> None:
        """Look again in a second, while audio is due."""
        self._next = now + _LOOK_S
        self._schedule()

    def _schedule(self) -> None:
        """The earliest of what is waited for."""
        if self._over or self._closing is not None:
            return
        rules = self._rules
        due = self._leave_at
        if rules.stream_limit_s:
            due = min(due, self._began_at + rules.stream_limit_s)
        if not self._ending:
            due = min(due, self._silence.due)
            if rules.silence_s:
                due = min(due, self._next, self._heard_at + rules.silence_s)
        self.deadline = due

    # ── inside ──

    @property
    def _generation(self) -> Generation:
        return self._version.generation

    def _refused(self, error: OssicleError) -> Steps:
        """The client broke a rule: its status, at once."""
        if isinstance(error, Unmet):
            return self._close(Close(int(error.status), str(error)))
        return self._close(closing(error.fault(), self._opening, self._generation))

    def _close(self, close: Close) -> Steps:
        self._over, self.deadline = True, inf
        return (msgspec.structs.replace(close, headers=self._notices.trailing()),)
