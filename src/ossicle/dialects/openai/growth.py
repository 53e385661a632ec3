"""Words that only grow: restated segments become deltas that, joined, are the transcript.

>>> growth = Growth()
>>> growth.hear(Transcript(text="turn le", stable=5)), growth.hear(
...     Transcript(text="turn left", final=True))
('turn ', 'left')
>>> growth.text
'turn left'
"""

from ossicle.core.events import Transcript

__all__ = ["Growth"]


class Growth:
    """One turn, or one utterance."""

    __slots__ = ("_frozen", "text")

    def __init__(self) -> None:
        self._frozen = ""
        self.text = ""
        """Everything told so far."""

    def hear(self, event: Transcript) -> str:
        """What is new and certain; may be empty."""
        known = event.text if event.final else event.text[: event.stable]
        whole = _joined(self._frozen, known)
        if event.final:
            self._frozen = whole
        if not whole.startswith(self.text):
            # An engine took back what it called stable: the last word on it is the final one.
            if event.final:
                self.text = whole
            return ""
        delta, self.text = whole[len(self.text) :], whole
        return delta


def _joined(frozen: str, text: str) -> str:
    return f"{frozen} {text}" if frozen and text else frozen or text
