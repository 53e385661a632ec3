"""From words to Amazon's items: words and signs apart, speakers numbered, filtered words masked.

    >>> from ossicle.core.events import Transcript, Word
    >>> heard = Transcript(text="Hello.", words=(Word("Hello.", 310, 660),), final=True)
    >>> [(item.type, item.content) for item in Speller().items(heard)[1]]
    [('pronunciation', 'Hello'), ('punctuation', '.')]

A confidence nobody knows is left out. An engine that does not time words gives items with the
times of their segment.
"""

from typing import Literal, NamedTuple

import msgspec

from ossicle.core.events import Transcript, Word

from .messages import Item

__all__ = ["Filter", "Speller"]

_SIGNS = ".,;:!?…。，、！？；："
"""What stands for itself behind a word. Other signs stay a part of it."""


class Filter(msgspec.Struct, frozen=True):
    """Words that are not to be shown."""

    words: frozenset[str] = frozenset()
    """Folded case."""
    method: Literal["remove", "mask", "tag"] = "mask"


class _Place(NamedTuple):
    word: Word
    end: int
    """Characters of the text up to and with it."""


class Speller:
    """Writes the words of one client's stream."""

    def __init__(
        self, *, stable: bool = False, speakers: bool = False, filtered: Filter | None = None
    ) -> None:
        self._stable = stable
        self._with_speakers = speakers
        self._filter = filtered or Filter()
        self._speakers: dict[str, str] = {}

    def items(self, event: Transcript) -> tuple[str, list[Item]]:
        """The text as it is to be shown, and its items."""
        items: list[Item] = []
        shown = event.text
        filtered = self._filter
        for word, end in _places(event):
            core = word.text.rstrip(_SIGNS)
            signs = word.text[len(core) :]
            match = bool(filtered.words) and core.casefold() in filtered.words
            if match and filtered.method != "tag":
                with_it = "***" if filtered.method == "mask" else ""
                shown = _replaced(shown, core, with_it)
                core = with_it
            stable = (event.final or end <= event.stable) if self._stable else None
            if core:
                items.append(
                    Item(
                        start_time=word.start_ms / 1000,
                        end_time=word.end_ms / 1000,
                        type="pronunciation",
                        content=core,
                        confidence=word.confidence if event.final else None,
                        vocabulary_filter_match=match,
                        speaker=self._speaker(word.speaker),
                        stable=stable,
                    )
                )
            items += [
                Item(
                    start_time=word.end_ms / 1000,
                    end_time=word.end_ms / 1000,
                    type="punctuation",
                    content=sign,
                    vocabulary_filter_match=False,
                    speaker=self._speaker(word.speaker),
                    stable=stable,
                )
                for sign in signs
            ]
        return shown, items

    def _speaker(self, name: str) -> str | None:
        if not self._with_speakers or not name:
            return None
        return self._speakers.setdefault(name, str(len(self._speakers)))


def _places(event: Transcript) -> list[_Place]:
    """Words with where they end in the text."""
    words = event.words
    if words is None:
        start, end = event.start_ms or 0, event.end_ms or 0
        words = tuple(Word(each, start, max(start, end)) for each in event.text.split())
    places: list[_Place] = []
    at = 0
    for word in words:
        found = event.text.find(word.text, at)
        at = (found if found >= 0 else at) + len(word.text)
        places.append(_Place(word, at))
    return places


def _replaced(text: str, word: str, by: str) -> str:
    """The text with one word out of it, or with another in its place."""
    parts = text.split(" ")
    shown = [by + part[len(word) :] if part.rstrip(_SIGNS) == word else part for part in parts]
    return " ".join(part for part in shown if part)
