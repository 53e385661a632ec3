"""What an engine says of the input side, on its way into the log: put into lawful order (`turns`),
completed with times, matched with the questions that were asked, counted in the ledger, and taken
as settled audio.

    sink ─▶ Session.told ─▶ Hearing ─▶ turns ─▶ log ─▶ legs

Knows nothing of engines, of dialects, or of what is spoken.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from .audience import Audience
from .commands import Command, Finalize
from .events import Ended, Event, SpeechEnded, SpeechStarted, Transcript, TurnReason
from .feed import Feed
from .formats import AudioFormat
from .ledger import Ledger
from .options import Options
from .turns import Turns

__all__ = ["Hearing"]


class _Heard(Protocol):
    """What hearing needs of the session it belongs to."""

    audience: Audience
    feed: Feed
    ledger: Ledger
    options: Options
    source: AudioFormat | None
    ended: Ended | None

    def ms(self, position: int) -> int: ...
    def say(self, event: Event) -> None: ...
    def settle(self, until_ms: int) -> None: ...


class Hearing:
    """The input side of one session."""

    __slots__ = ("_now", "_session", "_settled", "channels", "turns")

    def __init__(self, session: _Heard, now: Callable[[], float], *, first_turn: int = 0) -> None:
        """
        Args:
            session: whose it is.
            now: the clock of its ledger.
            first_turn: a session taken over goes on counting.
        """
        self._session = session
        self._now = now
        self._settled: dict[int, int] = {}
        self.turns = Turns(first=first_turn)
        self.channels = 1
        """Channels whose words come apart."""

    def partial(self, event: Transcript) -> bool:
        """The common case with nothing around it: one more partial of a turn being spoken. False =
        it is not that, and nothing was done."""
        session = self._session
        if (
            event.final
            or event.side != "in"
            or event.end_ms is None
            or event.start_ms is None
            or event.ref
            or not session.options.recognition.interim_results
        ):
            return False
        audience = session.audience
        stamped = self.turns.partial(event, audience.log.next)
        if stamped is None:
            return False
        if event.words:
            session.ledger.partial(event.channel, event.words[-1].end_ms, self._now())
        audience.log.put(stamped)
        audience.spread()
        return True

    def told(self, event: Event) -> bool:
        """Anything else of the input side. True: somebody began to speak by it, which an engine
        that only tells words does not say itself."""
        began = False
        for lawful in self.turns.stamp(self._filled(event)):
            self._say(lawful)
            began |= type(lawful) is SpeechStarted
            if self._session.ended is not None:
                break
        return began

    def silent_until(self, until_ms: int) -> None:
        """The engine will report nothing before `until_ms` again, on any channel."""
        for channel in range(self.channels):
            self._settle(channel, until_ms)

    def answer(self, command: Finalize, at_ms: int) -> tuple[Event, ...]:
        """What answers a question in the engine's stead."""
        return self.turns.answer(command.ref, command.channel or 0, at_ms)

    def answered(self, ref: str) -> None:
        """A question of that name was answered by something else than words."""
        journal = self._session.feed.journal
        for command in journal.asked:
            if ref and isinstance(command, Finalize) and command.ref == ref:
                journal.answered(command)
                return

    def close(self, at_ms: int, reason: TurnReason) -> list[Event]:
        """What keeps every promise at the end: questions answered, open turns closed."""
        journal = self._session.feed.journal
        last: list[Event] = []
        for command in (*journal.asked, *journal.queued):
            if isinstance(command, Finalize):
                last += self.answer(command, at_ms)
        last += self.turns.close(at_ms, reason)
        return last

    # ── inside ──

    def _filled(self, event: Event) -> Event:
        """Times an engine left out: what it was fed."""
        match event:
            case Transcript(end_ms=None):
                fed = self._fed
                return msgspec.structs.replace(
                    event, end_ms=fed, start_ms=fed if event.start_ms is None else event.start_ms
                )
            case Transcript(start_ms=None):
                return msgspec.structs.replace(event, start_ms=event.end_ms)
            case Transcript():
                return event
            case SpeechStarted(at_ms=None) | SpeechEnded(at_ms=None):
                return msgspec.structs.replace(event, at_ms=self._fed)
            case _:
                return event

    @property
    def _fed(self) -> int:
        """Stream time up to which the engine has been fed."""
        return self._session.ms(self._session.feed.journal.sent)

    def _say(self, event: Event) -> None:
        """Log one lawful event, with what follows from it."""
        session, now = self._session, self._now()
        ledger = session.ledger
        match event:
            case Transcript(final=False):
                if not session.options.recognition.interim_results:
                    return
                if event.words:
                    ledger.partial(event.channel, event.words[-1].end_ms, now)
            case Transcript():
                if event.ref:
                    event = self._answered(event)
                if event.ends_turn:
                    ledger.final(event.channel, now)
            case SpeechEnded(provisional=False):
                asked = session.options.recognition.turns.silence_ms
                wait = asked if event.reason == "silence" else 0
                ledger.turn_over(event.channel, event.at_ms, self._fed, wait, now)
            case _:
                pass
        session.say(event)
        if isinstance(event, Transcript) and event.final and event.end_ms is not None:
            owner = session.audience.owner
            if owner is not None and owner.caught_up:
                ledger.add("send", (self._now() - now) * 1000)
            self._settle(event.channel, event.end_ms)

    def _answered(self, event: Transcript) -> Transcript:
        """A question is answered once: by a last final, and by the first one of its name."""
        journal = self._session.feed.journal
        asked: tuple[Command, ...] = tuple(journal.asked) if event.ends_turn else ()
        for command in asked:
            if isinstance(command, Finalize) and command.ref == event.ref:
                journal.answered(command)
                return event
        return msgspec.structs.replace(event, ref="")

    def _settle(self, channel: int, until_ms: int) -> None:
        """What is settled on every channel is settled."""
        if self._session.source is None:
            return
        self._settled[channel] = max(self._settled.get(channel, 0), until_ms)
        if len(self._settled) >= self.channels:
            self._session.settle(min(self._settled.values()))
