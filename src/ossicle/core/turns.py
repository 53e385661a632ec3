"""The law of turns, kept in one place so that neither engines nor dialects count them.

Per channel and turn, in this order:

    SpeechStarted   Transcript (partial or frozen segment)*   SpeechEnded   final with ends_turn

with two exceptions that engines need: a provisional SpeechEnded may be taken back by a
SpeechStarted of the same turn (contracts M12), and segments that were still being decided when
speech ended may be frozen after it, for no final word is ever left out. Partials come only
between a start and an end. Whatever an engine leaves out is supplied here; whatever it says twice
or out of order is left out. An engine that emits only `Transcript(text, final=True)` is right.
"""

from typing import Literal, TypeAlias

import msgspec

from .events import Event, SpeechEnded, SpeechStarted, Transcript, TurnReason

__all__ = ["Phase", "Turns"]

Phase: TypeAlias = Literal["idle", "speaking", "provisional", "deciding"]
"""idle: nobody speaks. deciding: speech ended, the last final is due."""


class _Turn:
    """Where one channel is."""

    __slots__ = ("base", "frozen", "number", "phase", "reheard")

    def __init__(self, number: int) -> None:
        self.phase: Phase = "idle"
        self.number = number
        self.frozen = 0
        """Segments frozen in this turn; also the number of the open one."""
        self.base = 0
        """Added to the segment numbers of the stream that is open now."""
        self.reheard = False
        """A replay is hearing this turn again: its start is no news."""


class Turns:
    """Stamps turn and segment on events of the input side and completes their order."""

    def __init__(self, *, first: int = 0, whole_turns: bool = True) -> None:
        """`first`: number of the first turn (a session taken over goes on counting).
        `whole_turns` False: the engine does not end turns, so every final is one."""
        self._first = first
        self.whole_turns = whole_turns
        self._turns: dict[int, _Turn] = {}

    def phase(self, channel: int = 0) -> Phase:
        """Where a channel is."""
        return self._turns[channel].phase if channel in self._turns else "idle"

    @property
    def idle(self) -> bool:
        """Nobody speaks on any channel."""
        return all(turn.phase == "idle" for turn in self._turns.values())

    def number(self, channel: int = 0) -> int:
        """The turn a channel is in, or will be in next."""
        return self._of(channel).number

    def stamp(self, event: Event) -> tuple[Event, ...]:
        """The events to log for what an engine told: none, one, or several in lawful order."""
        match event:
            case Transcript(side="in"):
                return self._transcript(event)
            case SpeechStarted(side="in"):
                return self._started(event)
            case SpeechEnded(side="in"):
                return self._ended(event)
            case _:
                return (event,)

    def partial(self, event: Transcript, seq: int) -> Transcript | None:
        """The common case in one step: a partial of a turn that is being spoken, stamped with its
        number in the log too. None = it needs `stamp`."""
        turn = self._turns.get(event.channel)
        if turn is None or turn.phase != "speaking" or event.final:
            return None
        segment = event.segment + turn.base
        return msgspec.structs.replace(
            event,
            seq=seq,
            turn=turn.number,
            segment=max(turn.frozen, segment),
            ends_turn=False,
        )

    def restart(self) -> None:
        """Another stream goes on from the last settled place: what it reports of an open turn
        is heard again, not new."""
        for turn in self._turns.values():
            turn.base = turn.frozen
            turn.reheard = turn.phase != "idle"

    def close(self, at_ms: int, reason: TurnReason) -> tuple[Event, ...]:
        """End every open turn, with an empty last final where the engine gave none."""
        events: list[Event] = []
        for channel, turn in self._turns.items():
            if turn.phase != "idle":
                events += self._finish(turn, channel, at_ms, reason)
                events.append(self._empty(turn, channel, at_ms))
                self._next(turn)
        return tuple(events)

    def answer(self, ref: str, channel: int, at_ms: int) -> tuple[Event, ...]:
        """Close the turn in the engine's stead, answering a `Finalize` it left unanswered."""
        turn = self._of(channel)
        events = list(self._finish(turn, channel, at_ms, "asked"))
        events.append(self._empty(turn, channel, at_ms, ref))
        self._next(turn)
        return tuple(events)

    def _of(self, channel: int) -> _Turn:
        turn = self._turns.get(channel)
        if turn is None:
            turn = self._turns[channel] = _Turn(self._first)
        return turn

    def _started(self, event: SpeechStarted) -> tuple[Event, ...]:
        turn = self._of(event.channel)
        reheard, turn.reheard = turn.reheard, False
        if turn.phase == "speaking" or (reheard and turn.phase != "idle"):
            return ()
        before: tuple[Event, ...] = ()
        if turn.phase == "deciding":
            before = (self._empty(turn, event.channel, event.at_ms),)
            self._next(turn)
        turn.phase = "speaking"
        return (*before, msgspec.structs.replace(event, turn=turn.number))

    def _transcript(self, event: Transcript) -> tuple[Event, ...]:
        turn = self._of(event.channel)
        ends = event.final and (event.ends_turn or not self.whole_turns)
        before: tuple[Event, ...] = ()
        if turn.phase == "idle":
            if not event.text and not (ends and event.ref):
                return ()
            if event.text:
                before = (
                    SpeechStarted(at_ms=event.start_ms, turn=turn.number, channel=event.channel),
                )
                turn.phase = "speaking"
        elif turn.phase != "speaking" and not event.final:
            return ()
        segment = max(event.segment + turn.base, turn.frozen)
        if ends and turn.phase != "idle":
            reason: TurnReason = "asked" if event.ref else "model"
            before += self._finish(turn, event.channel, event.end_ms, reason)
        stamped = msgspec.structs.replace(event, turn=turn.number, segment=segment, ends_turn=ends)
        if ends:
            self._next(turn)
        elif event.final:
            turn.frozen = segment + 1
        return (*before, stamped)

    def _ended(self, event: SpeechEnded) -> tuple[Event, ...]:
        turn = self._of(event.channel)
        turn.reheard = False  # heard again as far as it had got: what starts now is news
        if turn.phase in {"idle", "deciding"} or (
            turn.phase == "provisional" and event.provisional
        ):
            return ()
        turn.phase = "provisional" if event.provisional else "deciding"
        return (msgspec.structs.replace(event, turn=turn.number),)

    @staticmethod
    def _finish(
        turn: _Turn, channel: int, at_ms: int | None, reason: TurnReason
    ) -> tuple[Event, ...]:
        if turn.phase not in {"speaking", "provisional"}:
            return ()
        turn.phase = "deciding"
        return (SpeechEnded(at_ms=at_ms, turn=turn.number, reason=reason, channel=channel),)

    @staticmethod
    def _empty(turn: _Turn, channel: int, at_ms: int | None, ref: str = "") -> Transcript:
        return Transcript(
            start_ms=at_ms,
            end_ms=at_ms,
            turn=turn.number,
            segment=turn.frozen,
            final=True,
            ends_turn=True,
            channel=channel,
            ref=ref,
        )

    @staticmethod
    def _next(turn: _Turn) -> None:
        turn.phase = "idle"
        turn.number += 1
        turn.frozen = turn.base = 0
        turn.reheard = False
