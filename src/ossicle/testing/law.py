"""The order law of `core.turns` as a judge: give it a log, and it raises where the law is broken.

laws = TurnLaws()
laws.hear(peer.events)
laws.of[0].texts          # the finals of channel 0, in order
"""

from collections.abc import Iterable

from ossicle.core.events import Event, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.turns import Phase

__all__ = ["TurnLaw", "TurnLaws"]


class TurnLaw:
    """One channel."""

    def __init__(self, first: int = 0) -> None:
        self.phase: Phase = "idle"
        self.turn = first
        self.segment = 0
        self.starts = 0
        self.ends = 0
        self.texts: list[str] = []
        """Finals that are not empty."""

    def hear(self, event: SpeechStarted | SpeechEnded | Transcript) -> None:
        """The next event.

        Raises:
            AssertionError: it may not come now.
        """
        assert event.turn == self.turn, f"{event} is of turn {event.turn}, not {self.turn}"
        match event:
            case SpeechStarted():
                assert self.phase in {"idle", "provisional"}, f"started while {self.phase}"
                self.starts += self.phase == "idle"
                self.phase = "speaking"
            case SpeechEnded(provisional=True):
                assert self.phase == "speaking", f"provisional end while {self.phase}"
                self.phase = "provisional"
            case SpeechEnded():
                assert self.phase in {"speaking", "provisional"}, f"ended while {self.phase}"
                self.phase = "deciding"
            case Transcript(final=True, ends_turn=True):
                self._last(event)
            case Transcript(final=True):
                assert self.phase != "idle", "a segment was frozen while nobody spoke"
                assert event.segment >= self.segment, "a frozen segment was restated"
                self.segment = event.segment + 1
                self.texts += [event.text] if event.text else []
            case Transcript():
                assert not event.ends_turn, "a partial that ends a turn"
                assert self.phase == "speaking", f"partial while {self.phase}"
                assert event.segment >= self.segment, "a frozen segment was restated"

    def _last(self, event: Transcript) -> None:
        answers_silence = self.phase == "idle" and not event.text
        assert self.phase == "deciding" or answers_silence, f"last final while {self.phase}"
        assert event.segment >= self.segment, "a frozen segment was restated"
        self.texts += [event.text] if event.text else []
        self.phase, self.turn, self.segment = "idle", self.turn + 1, 0
        self.ends += 1


class TurnLaws:
    """One law per channel; events that are none of its business pass."""

    def __init__(self) -> None:
        self.of: dict[int, TurnLaw] = {}

    def hear(self, events: Iterable[Event]) -> None:
        """The next events.

        Raises:
            AssertionError: one of them may not come now.
        """
        for event in events:
            if isinstance(event, SpeechStarted | SpeechEnded | Transcript) and event.side == "in":
                self.of.setdefault(event.channel, TurnLaw()).hear(event)
