"""The turn as Flux shows it: one text that grows, and where it is in

    idle ──StartOfTurn──▶ speaking ──EagerEndOfTurn──▶ waiting ──EndOfTurn──▶ idle
                             ▲  │                         │
                             │  └────────EndOfTurn────────│──────────────────▶ idle
                             └───────TurnResumed──────────┘

The session tells segments; Flux tells the whole turn. While waiting the text stands still: if it
would change, the turn is resumed first.
"""

from typing import Literal, TypeAlias

from ossicle.core.events import Transcript

from .flux_messages import Word

__all__ = ["Place", "Turn"]

Place: TypeAlias = Literal["idle", "speaking", "waiting"]


class Turn:
    """The turn that is open, or comes next."""

    __slots__ = ("_frozen", "_growing", "confidence", "index", "place")

    def __init__(self) -> None:
        self.index = 0
        """Of those with words; rises by one after each EndOfTurn."""
        self.place: Place = "idle"
        self.confidence = 0.0
        """The last end-of-turn confidence that was told."""
        self._frozen: list[Transcript] = []
        self._growing: Transcript | None = None

    def hear(self, event: Transcript) -> bool:
        """A segment, or what is known of it so far. True: the text changed."""
        before = self.text
        if event.final:
            self._growing = None
            if event.text:
                self._frozen.append(event)
        else:
            self._growing = event
        if event.end_confidence is not None:
            self.confidence = event.end_confidence
        elif self.text != before:
            self.confidence = 0.0
        return self.text != before

    def over(self) -> None:
        """An EndOfTurn was told."""
        self.index += 1
        self.forget()

    def forget(self) -> None:
        """Nothing of it was told, or nothing more will be."""
        self.place, self.confidence = "idle", 0.0
        self._frozen, self._growing = [], None

    @property
    def text(self) -> str:
        """The whole turn so far."""
        return " ".join(part.text for part in self._parts if part.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """Its words, where the engine times them. A confidence that is not known is 0."""
        return tuple(
            Word(word.text, word.confidence or 0.0, word.start_ms / 1000, word.end_ms / 1000)
            for part in self._parts
            for word in part.words or ()
        )

    @property
    def until_ms(self) -> int:
        """Where what is known of it ends."""
        return max((part.end_ms or 0 for part in self._parts), default=0)

    @property
    def _parts(self) -> list[Transcript]:
        return [*self._frozen, self._growing] if self._growing is not None else self._frozen
