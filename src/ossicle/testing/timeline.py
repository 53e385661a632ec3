"""What a user is told has to be one timeline, whatever happened to connections and gateways.

    events = [event async for event in stream]
    check_timeline(events)

Stricter than `check_order`, which judges an engine: here turns are numbered without holes, frozen
segments stay frozen, and nothing is missing that a session supplies.
"""

from collections.abc import Sequence

from ..core.events import Began, Ended, Event, SpeechEnded, SpeechStarted, Transcript

__all__ = ["check_timeline"]


def check_timeline(events: Sequence[Event]) -> None:
    """The whole life of one stream, `Began` to `Ended`.

    Raises:
        AssertionError: the first law broken, and by which event.
    """
    _law(sum(isinstance(event, Began) for event in events) == 1, "a stream begins once", events)
    _law(isinstance(events[-1] if events else None, Ended), "Ended is the last event", events[-1:])
    turns: dict[int, _Turn] = {}
    since = 0
    for event in events:
        if event.seq:
            _law(event.seq > since, f"numbers rise: {event.seq} after {since}", event)
            since = event.seq
        if isinstance(event, SpeechStarted | Transcript | SpeechEnded) and event.side == "in":
            turns.setdefault(event.channel, _Turn()).told(event)
    _law(not any(turn.open for turn in turns.values()), "every turn is closed", events[-1:])


class _Turn:
    def __init__(self) -> None:
        self.number = 0
        self.open = self.ended = False
        self.provisional = False
        self.frozen = 0

    def told(self, event: SpeechStarted | Transcript | SpeechEnded) -> None:
        _law(event.turn == self.number, f"turn {self.number} is open or next", event)
        match event:
            case SpeechStarted():
                _law(not self.open or self.provisional, "a turn starts once", event)
                self.open, self.provisional = True, False
            case SpeechEnded():
                _law(self.open and not self.ended, "a turn ends once, after its start", event)
                self.ended, self.provisional = not event.provisional, event.provisional
            case Transcript(final=False):
                _law(self.open and not self.ended, "partials stand between start and end", event)
                _law(event.segment >= self.frozen, "a frozen segment is not restated", event)
            case Transcript():
                _law(event.segment >= self.frozen, "a segment is frozen once", event)
                self.frozen = event.segment + 1
                _law(self.open or not event.text, "words belong to a turn that started", event)
                if event.ends_turn:
                    _law(self.ended or not self.open, "the last final follows the end", event)
                    self.number += 1
                    self.open = self.ended = self.provisional = False
                    self.frozen = 0


def _law(kept: bool, sentence: str, event: object) -> None:
    if not kept:
        raise AssertionError(f"{sentence}: {event!r}")
