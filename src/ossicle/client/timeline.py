"""Events of one or many connections, and one or many gateways, as one timeline.

The same gateway repeats what was missed by number, so a number seen before is dropped. Another
gateway that takes over goes on with the numbers, but knows nothing of a turn that was open: it
hears it again. Here that turn stays one turn: its start is said once, segments that were frozen
stay frozen, partials restate what they said before, and it is closed if the new gateway finds
nothing more in it. Pure: no clock, no I/O.
"""

from collections.abc import Iterable

import msgspec

from ossicle.core.events import (
    Asked,
    AudioOut,
    Ended,
    Event,
    Marked,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)

__all__ = ["Timeline"]


class _Turn:
    """Where one channel is."""

    __slots__ = ("base", "carried", "ended", "frozen", "number", "open", "shift")

    def __init__(self) -> None:
        self.number = 0
        """Of the turn that is open, or comes next."""
        self.open = False
        self.ended = False
        """SpeechEnded was said, for good: the last final is due."""
        self.frozen = 0
        """Segments frozen in this turn."""
        self.base = 0
        """Added to the segments of a turn that another gateway hears again."""
        self.carried = False
        """Its start was said, and another gateway is about to say it again."""
        self.shift: int | None = 0
        """Added to the gateway's turn numbers; None = known with its next event."""


class Timeline:
    """Takes what gateways say, gives what the user is told."""

    def __init__(self, *, channels: int = 1) -> None:
        """`channels`: transcribed one by one; audio is settled when all of them settled it."""
        self.since = 0
        """Number of the last event told."""
        self._channels = channels
        self._turns: dict[int, _Turn] = {}
        self._settled: dict[int, int] = {}
        self._flow_ms = 0
        self._speaking: list[str] = []
        self._homes = 0
        self._again_ms = 0

    @property
    def settled_ms(self) -> int:
        """Nothing before this will be told again. A final settles what it covers, even when the
        gateway died before its `flow`. An empty one does not: a gateway that stops closes turns
        with empty finals, and what was said in them is still wanted."""
        if len(self._settled) < self._channels:
            return self._flow_ms
        return max(self._flow_ms, min(self._settled.values()))

    @property
    def turn(self) -> int:
        """The turn of the first channel that is open or comes next."""
        return self._turns[0].number if 0 in self._turns else 0

    def settled(self, until_ms: int) -> None:
        """The gateway settled so far by itself."""
        self._flow_ms = max(self._flow_ms, until_ms)

    def take(self, event: Event) -> tuple[Event, ...]:
        """What to tell the user for an event: nothing when it was told before."""
        if event.seq:
            if event.seq <= self.since:
                return ()
            self.since = event.seq
        match event:
            case SpeechStarted(side="in") | Transcript(side="in") | SpeechEnded(side="in"):
                return self._heard(event)
            case SpeechStarted() | Transcript() | SpeechEnded() | AudioOut() | Asked() | Marked():
                return (self._said(event),)
            case Ended():
                return (*self._closing(), event)
            case _:
                return (event,)

    def move(self, from_ms: int) -> tuple[Event, ...]:
        """Another gateway goes on, hearing again from `from_ms`; what must be told now."""
        self._again_ms = self.settled_ms if from_ms < self.settled_ms else 0
        self._homes += 1
        for turn in self._turns.values():
            turn.shift = None
            turn.base = 0 if self._again_ms else turn.frozen
            turn.carried = turn.open
        over = tuple(
            SpeechEnded(side="out", reason="failed", utterance=name) for name in self._speaking
        )
        self._speaking.clear()
        return over

    def here(self, utterance: str) -> str | None:
        """The gateway's own name of an utterance; None = another gateway said it."""
        if not self._homes:
            return utterance
        name, _, home = utterance.rpartition("~")
        if not utterance:
            return ""
        return name if home == str(self._homes) else None

    # ── heard ──

    def _heard(self, event: SpeechStarted | Transcript | SpeechEnded) -> tuple[Event, ...]:
        turn = self._turns.get(event.channel)
        if turn is None:
            turn = self._turns[event.channel] = _Turn()
            turn.shift = 0 if not self._homes else None
        kept = self._unheard(event, turn) if self._again_ms else event
        if kept is None:
            return ()
        event = kept
        if turn.shift is None:
            turn.shift = turn.number - event.turn
        if turn.shift:
            event = msgspec.structs.replace(event, turn=event.turn + turn.shift)
        match event:
            case SpeechStarted():
                if turn.carried and event.turn == turn.number:
                    turn.carried = False
                    return ()
                turn.number, turn.open, turn.ended = event.turn, True, False
            case SpeechEnded():
                if turn.ended or not turn.open:
                    return ()
                turn.ended = not event.provisional
            case Transcript():
                return self._transcript(event, turn)
        return (event,)

    def _transcript(self, event: Transcript, turn: _Turn) -> tuple[Event, ...]:
        if turn.ended and not event.final:
            return ()
        before: tuple[Event, ...] = ()
        if not turn.open and event.text:  # its start fell into what was heard again
            turn.number, turn.open = event.turn, True
            before = (SpeechStarted(at_ms=event.start_ms, turn=event.turn, channel=event.channel),)
        if turn.base and event.turn == turn.number:
            event = msgspec.structs.replace(event, segment=event.segment + turn.base)
        if event.final:
            if event.text and event.end_ms is not None:
                until = self._settled.get(event.channel, 0)
                self._settled[event.channel] = max(until, event.end_ms)
            if event.ends_turn:
                _next(turn, event.turn + 1)
            else:
                turn.frozen = event.segment + 1
        return (*before, event)

    def _unheard(
        self, event: SpeechStarted | Transcript | SpeechEnded, turn: _Turn
    ) -> SpeechStarted | Transcript | SpeechEnded | None:
        """The part of an event that was not told before, when a container is heard again from
        its start; None = nothing."""
        until = self._again_ms
        if not isinstance(event, Transcript):
            return event if event.at_ms is None or event.at_ms > until else None
        if event.end_ms is None or event.end_ms > until:
            words = tuple(word for word in event.words or () if word.end_ms > until)
            if event.words is None or len(words) == len(event.words):
                return event
            text = " ".join(word.text for word in words)
            return msgspec.structs.replace(
                event, text=text, words=words, start_ms=until, stable=0, alternatives=()
            )
        # The last final of a turn whose frozen segments were all told.
        closes = event.ends_turn and (event.ref or (turn.frozen and event.end_ms == until))
        return msgspec.structs.replace(event, text="", words=()) if closes else None

    def _closing(self) -> Iterable[Event]:
        """Turns that another gateway left open by finding nothing more in them."""
        for channel, turn in self._turns.items():
            if not turn.open:
                continue
            at = max(self._settled.get(channel, 0), self._flow_ms)
            if not turn.ended:
                yield SpeechEnded(at_ms=at, turn=turn.number, reason="end", channel=channel)
            yield Transcript(
                start_ms=at,
                end_ms=at,
                turn=turn.number,
                segment=turn.frozen,
                final=True,
                ends_turn=True,
                channel=channel,
            )
            _next(turn, turn.number + 1)

    # ── said ──

    def _said(
        self, event: SpeechStarted | Transcript | SpeechEnded | AudioOut | Asked | Marked
    ) -> Event:
        """Utterances of another gateway get names of their own."""
        if self._homes and event.utterance:
            event = msgspec.structs.replace(event, utterance=f"{event.utterance}~{self._homes}")
        match event:
            case SpeechStarted(utterance=name):
                self._speaking.append(name)
            case SpeechEnded(utterance=name, provisional=False) if name in self._speaking:
                self._speaking.remove(name)
            case _:
                pass
        return event


def _next(turn: _Turn, number: int) -> None:
    turn.number = number
    turn.open = turn.ended = turn.carried = False
    turn.frozen = turn.base = 0
