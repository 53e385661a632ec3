"""From transcripts to results, as far as both versions agree: stable head and unstable tail, blanks
between texts, speakers numbered as they appear, times only where they were asked for.

    teller = Teller(asked, leading_blank=True)
    teller.pieces(Transcript(text="book a table", stable=6))    # "book a", " table"
    teller.reading(final)                                       # Reading(texts=(...), ...)
"""

from ossicle.core.events import Transcript, Word

from .asked import Asked, Piece, Reading, Spoken

__all__ = ["HEAD", "TAIL", "Teller"]

HEAD, TAIL = 0.9, 0.01
"""Stability of what will not change, and of what may: the service's usual figures."""


class Teller:
    """One call's results. Remembers which channels have said something, and who spoke."""

    def __init__(self, asked: Asked, *, leading_blank: bool) -> None:
        self._asked = asked
        self._blank = leading_blank
        self._begun: set[int] = set()
        """Channels that have a final."""
        self._speakers: dict[str, int] = {}

    def pieces(self, event: Transcript) -> tuple[Piece, ...]:
        """An interim, in consecutive pieces; none when it has no text."""
        text = event.text.strip()
        if not text:
            return ()
        # `stable` counts from the beginning of the text as the engine wrote it
        held = max(0, event.stable - (len(event.text) - len(event.text.lstrip())))
        head = text[:held].rstrip()
        tail = text[len(head) :]
        if event.channel in self._begun and self._blank:
            head, tail = (f" {head}", tail) if head else (head, f" {tail}")
        end, language = event.end_ms or 0, event.language or self._asked.language
        tag = self._tag(event)
        return tuple(
            Piece(part, end, language, tag, stability)
            for part, stability in ((head, HEAD), (tail, TAIL))
            if part
        )

    def reading(self, event: Transcript) -> Reading | None:
        """A final; None when it has no text."""
        asked = self._asked
        text = event.text.strip()
        if not text:
            return None
        blank = " " if self._blank and event.channel in self._begun else ""
        self._begun.add(event.channel)
        others = [other.strip() for other in event.alternatives[: asked.alternatives - 1]]
        return Reading(
            texts=tuple(blank + each for each in (text, *others) if each),
            end_ms=event.end_ms or 0,
            language=event.language or asked.language,
            channel_tag=self._tag(event),
            confidence=event.confidence or 0.0,
            words=self._words(event.words or ()),
        )

    def _tag(self, event: Transcript) -> int:
        return event.channel + 1 if self._asked.split else 0

    def _words(self, words: tuple[Word, ...]) -> tuple[Spoken, ...]:
        asked = self._asked
        if not (asked.word_times or asked.word_confidence or asked.speakers):
            return ()
        return tuple(
            Spoken(
                word.text,
                word.start_ms if asked.word_times else None,
                word.end_ms if asked.word_times else None,
                (word.confidence or 0.0) if asked.word_confidence else 0.0,
                self._speaker(word.speaker),
            )
            for word in words
        )

    def _speaker(self, name: str) -> int:
        if not self._asked.speakers or not name:
            return 0
        return self._speakers.setdefault(name, len(self._speakers) + 1)
