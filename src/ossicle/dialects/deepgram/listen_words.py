"""From a transcript to Deepgram's `alternatives`, live and pre-recorded.

    >>> from ossicle.core.events import Transcript, Word
    >>> heard = Transcript(text="Left.", words=(Word("Left.", 520, 900),))
    >>> Speller(punctuated=True).alternative(heard).words[0].word
    'left'

A confidence the engine does not know is 0.0: the schema demands a number, and nothing invents one.
"""

from collections.abc import Iterable

from ossicle.core.events import Transcript, Word

from .listen_messages import Alternative, WordMessage

__all__ = ["Speller", "bare", "seconds"]

_SIGNS = ".,;:!?…\"'“”‘’«»„()[]{}¿¡。，、！？；：-–—"


def seconds(ms: int) -> float:
    """Milliseconds as the wire says them."""
    return ms / 1000


def bare(text: str) -> str:
    """A word in lower case without the signs around it; itself when nothing else is left."""
    return (text.strip(_SIGNS) or text).lower()


class Speller:
    """Writes words for one client; numbers its speakers from 0 in the order they appear."""

    def __init__(
        self, *, punctuated: bool = False, diarize: bool = False, languages: bool = False
    ) -> None:
        self._punctuated = punctuated
        self._diarize = diarize
        self._languages = languages
        self._speakers: dict[str, int] = {}

    def alternative(self, event: Transcript, low: int = 0, high: int | None = None) -> Alternative:
        """The first reading. Word times are held within `low` and `high`."""
        return Alternative(
            transcript=event.text,
            confidence=event.confidence or 0.0,
            words=self.words(event.words or (), low, high),
            languages=[event.language] if self._languages and event.language else None,
        )

    def words(
        self, words: Iterable[Word], low: int = 0, high: int | None = None
    ) -> list[WordMessage]:
        """Words on the wire."""
        written: list[WordMessage] = []
        for word in words:
            start, end = max(word.start_ms, low), max(word.end_ms, low)
            if high is not None:
                start, end = min(start, high), min(end, high)
            written.append(
                WordMessage(
                    word=bare(word.text),
                    start=start / 1000,
                    end=end / 1000,
                    confidence=word.confidence or 0.0,
                    punctuated_word=word.text if self._punctuated else None,
                    speaker=self._speaker(word.speaker),
                    language=word.language if self._languages and word.language else None,
                )
            )
        return written

    def _speaker(self, name: str) -> int | None:
        if not self._diarize or not name:
            return None
        return self._speakers.setdefault(name, len(self._speakers))
