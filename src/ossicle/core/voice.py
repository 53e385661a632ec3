"""What an engine says of the output side, on its way to whoever listens; the mirror of `hearing`.

    sink ─▶ Session.told ─▶ Voice ─▶ replies ─▶ speech ─▶ log ─▶ legs

`replies` knows what was asked to be said and what of it is still owed, `speech` converts the sound
and knows how much of it was heard; this joins the two, stops an answer that is talked over, and
grants the engine how far it may speak ahead. Knows nothing of engines, of dialects, or of words.
"""

from collections.abc import Callable
from typing import Protocol

from .commands import Cancel, Command, Played
from .errors import OssicleError
from .events import AudioOut, Event, SpeechEnded
from .feed import Feed
from .formats import AudioFormat
from .ledger import Ledger
from .lifecycle import Lifecycle
from .log import Log
from .options import Options
from .ports import Converter, Engine
from .replies import Replies
from .speech import Speech

__all__ = ["Voice"]


class _Spoken(Protocol):
    """What a voice needs of the session it belongs to."""

    engine: Engine | None
    feed: Feed
    ledger: Ledger
    life: Lifecycle
    log: Log
    options: Options

    def say(self, event: Event) -> None: ...
    def fail(self, error: OssicleError) -> None: ...
    def answered(self, ref: str) -> None: ...


class Voice:
    """The output side of one session."""

    __slots__ = ("_now", "_replies", "_session", "speech")

    def __init__(self, session: _Spoken, now: Callable[[], float], *, ahead_ms: int) -> None:
        """
        Args:
            session: whose it is.
            now: the clock sound is played by.
            ahead_ms: how far an engine may speak before it is heard.
        """
        self._session = session
        self._now = now
        self._replies = Replies()
        self.speech = Speech(ahead_ms)

    def shape(
        self,
        made: AudioFormat | None,
        out: AudioFormat | None,
        way: Callable[[], Converter | None] | None,
    ) -> None:
        """What the engine's sound is, what the client's, and the way from there to here."""
        self.speech.shape(out, way)
        self._replies.shape(made)

    # ── what is asked ──

    def given(self, command: Command) -> None:
        """A command goes to the stream."""
        self._replies.given(command)

    def refused(self, command: Command) -> None:
        """The stream did not take it."""
        self._replies.refused(command)

    def hush(self, command: Cancel, *, unasked: bool) -> None:
        """Stop what is being said: here, and where it is made. `unasked`: the client that plays
        it did not ask for that, and has to be told to clear its buffer."""
        session, replies = self._session, self._replies
        command, cleared = self.speech.hush(
            command, self._now(), unasked=unasked, made=replies.made
        )
        for event in cleared:
            session.say(event)
        withdrawn = replies.withdrawn(command)
        for speak, ended in withdrawn:
            session.feed.early = [each for each in session.feed.early if each is not speak]
            session.say(ended)
        if not (withdrawn and command.utterance):
            session.feed.ask(replies.named(command))

    def barge_in(self) -> None:
        """Somebody speaks while an answer can be heard: it stops, and the engine is told how much
        of it was."""
        session = self._session
        engine = session.engine
        if engine is None or not engine.capabilities.answers or session.life.state == "ended":
            return
        if session.options.answers.interrupt and self.speech.audible(self._now()):
            self.hush(Cancel(side="out"), unasked=True)

    def played(self, command: Played) -> None:
        """The client heard so much of it."""
        session, now = self._session, self._now()
        if (delay := self.speech.heard_after(command, now)) is not None:
            session.ledger.add("playback", delay)
        for event in self.speech.played(command, now):
            session.say(event)
        session.log.forget_audio(command.utterance, command.until_ms)
        self.credit()

    # ── what is told ──

    def told(self, event: Event) -> None:
        """An event of the output side."""
        session, known = self._session, self._replies.told(event)
        match known:
            case None:
                return
            case AudioOut():
                self._sound(known)
            case SpeechEnded():
                self._sound(known)
                if session.options.hears is None:  # a voice alone answers with the end of speech
                    session.answered(known.ref)
                session.say(known)
            case _:
                session.say(known)

    def again(self) -> None:
        """The stream is gone: replies that were not said to their end go on with the next."""
        session = self._session
        asked, ended, skipped_ms = self._replies.restart()
        self.speech.restart(skipped_ms, self._now())
        session.feed.early[:0] = asked
        for event in ended:
            self._sound(event)
            session.say(event)

    # ── how far ──

    def ahead_ms(self) -> int | None:
        """Up to where the engine may speak now; None = it does not."""
        return self.speech.credit(self._now()) if self.speech.possible else None

    def credit(self) -> None:
        """Tell the engine."""
        until_ms = self.ahead_ms()
        if until_ms is not None:
            self._session.feed.speak_until(until_ms)

    def _sound(self, event: AudioOut | SpeechEnded) -> None:
        """Sound of the engine's, or the end of it."""
        now = self._now()
        try:
            if isinstance(event, AudioOut):
                due = self.speech.sound(event, now)
            else:
                due = self.speech.rest(event.utterance, now)
        except OssicleError as error:
            self._session.fail(error)
            return
        for each in due:
            self._session.say(each)
