"""From transcripts to results: what is stable and what is not, words in milliseconds, speakers
numbered as they appear. A final ends with a blank, as the service's do, so that joining finals
gives the text.
"""

from ossicle.core.events import Transcript, Word

from .asked import Asked
from .asr_messages import Alternative, StreamingResult, WordInfo

__all__ = ["HEAD", "TAIL", "Teller"]

HEAD, TAIL = 0.9, 0.1


class Teller:
    """One call's results."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._speakers: dict[str, int] = {}

    def interim(self, event: Transcript, processed: float) -> tuple[StreamingResult, ...]:
        """What is heard and may change: a stable part and another, as far as there are any."""
        text = event.text.strip()
        held = max(0, event.stable - (len(event.text) - len(event.text.lstrip())))
        head = text[:held].rstrip()
        return tuple(
            StreamingResult(
                (Alternative(part, language_code=self._language(event)),),
                stability=stability,
                channel_tag=self.tag(event),
                audio_processed=processed,
            )
            for part, stability in ((head, HEAD), (text[len(head) :], TAIL))
            if part
        )

    def alternatives(self, event: Transcript) -> tuple[Alternative, ...]:
        """The readings of a final; none when it has no text."""
        text = event.text.strip()
        if not text:
            return ()
        others = [other.strip() for other in event.alternatives[: self._asked.alternatives - 1]]
        best = Alternative(
            text + " ", event.confidence or 0.0, self._words(event), self._language(event)
        )
        return (best, *(Alternative(other + " ") for other in others if other))

    def tag(self, event: Transcript) -> int:
        """1..N where channels are heard apart, else 0."""
        return event.channel + 1 if self._asked.split else 0

    def _language(self, event: Transcript) -> tuple[str, ...]:
        return (event.language or self._asked.language,)

    def _words(self, event: Transcript) -> tuple[WordInfo, ...]:
        if not (self._asked.words or self._asked.speakers):
            return ()
        return tuple(
            WordInfo(
                word.start_ms,
                word.end_ms,
                word.text,
                word.confidence or 0.0,
                self._speaker(word),
                word.language,
            )
            for word in event.words or ()
        )

    def _speaker(self, word: Word) -> int:
        if not self._asked.speakers or not word.speaker:
            return 0
        return self._speakers.setdefault(word.speaker, len(self._speakers) + 1)
