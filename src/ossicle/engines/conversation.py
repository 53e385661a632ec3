"""What was said in a conversation, by whom, and how much of it was heard. Bounded.

history = History()
history.add(Entry("user", "what time is it"))
history.add(Entry("assistant", "It is five past ten."), utterance="a1")
history.heard("a1", "It is")          # it was interrupted: the rest was never said
"""

from .responders import Entry

__all__ = ["History", "Spoken"]

_MOST_ENTRIES = 2_000
_MOST_CHARACTERS = 1 << 20


class History:
    """Of one session; it outlives an engine stream that had to be opened again."""

    def __init__(self) -> None:
        self._entries: list[tuple[Entry, str]] = []
        self._characters = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Oldest first."""
        return tuple(entry for entry, _ in self._entries)

    def add(self, entry: Entry, utterance: str = "") -> None:
        """The next entry; the oldest ones are forgotten when it gets too long."""
        self._entries.append((entry, utterance))
        self._characters += len(entry.text)
        while len(self._entries) > _MOST_ENTRIES or (
            self._characters > _MOST_CHARACTERS and len(self._entries) > 1
        ):
            gone, _ = self._entries.pop(0)
            self._characters -= len(gone.text)

    def heard(self, utterance: str, text: str) -> None:
        """Of an utterance only so much was heard."""
        for place, (entry, name) in enumerate(self._entries):
            if name == utterance and entry.role == "assistant":
                self._characters += len(text) - len(entry.text)
                self._entries[place] = (Entry("assistant", text), name)

    @property
    def unanswered(self) -> frozenset[str]:
        """Tools that were asked for and have not answered."""
        asked = {entry.call for entry, _ in self._entries if entry.role == "call"}
        return frozenset(asked - {e.call for e, _ in self._entries if e.role == "result"})


class Spoken:
    """When the words of one utterance are heard."""

    def __init__(self) -> None:
        self._words: list[tuple[str, int]] = []
        """Each with the end of its sound."""

    def say(
        self, text: str, start_ms: int, end_ms: int, words: tuple[tuple[str, int], ...]
    ) -> None:
        """A stretch of it, with the times of its words where the voice knows them."""
        if words:
            self._words += words
            return
        parts = text.split()
        share = (end_ms - start_ms) / max(1, len(text))
        at = 0
        for part in parts:
            at = text.index(part, at) + len(part)
            self._words.append((part, start_ms + round(at * share)))

    def until(self, heard_ms: int) -> str:
        """The words that were heard to their end."""
        return " ".join(word for word, end_ms in self._words if end_ms <= heard_ms)
