"""When no word came for a while: the rule of `UtteranceEnd`.

A gap is judged on word times, so that noise does not hide it. It is told once per gap, when the
audio has passed `last word end + utterance_end_ms` **and** either the engine is known to have
heard that far, or no new word came for as long by the clock: an engine that is behind its audio
may still find one. Pure: the caller gives the times.
"""

from math import inf

__all__ = ["Gap"]


class Gap:
    """One channel."""

    __slots__ = ("_gap_ms", "_seen", "_told_ms", "last_ms", "open")

    def __init__(self, gap_ms: int) -> None:
        self._gap_ms = gap_ms
        self._seen = 0.0
        self._told_ms = -1
        self.last_ms = -1
        """End of the last word, in stream time."""
        self.open = False
        """A word came and no gap after it was told."""

    @property
    def due_at(self) -> float:
        """Monotonic seconds from which the clock alone allows it; inf = nothing is open."""
        return self._seen + self._gap_ms / 1000 if self.open else inf

    @property
    def due_ms(self) -> float:
        """Stream time the audio must have passed; inf = nothing is open."""
        return self.last_ms + self._gap_ms if self.open else inf

    def word(self, start_ms: int, end_ms: int, now: float) -> None:
        """The last word known, so far. A word told of in an earlier gap, restated, is no news."""
        if start_ms < self._told_ms or (end_ms == self.last_ms and self.open):
            return
        self.last_ms = end_ms
        self._seen = now
        self.open = True

    def over(self, audio_ms: float, heard_ms: int, now: float) -> bool:
        """Whether the gap is there; asked again it says no."""
        due = self.due_ms
        if not self.open or audio_ms < due or (heard_ms < due and now < self.due_at):
            return False
        self.open = False
        self._told_ms = self.last_ms
        return True
