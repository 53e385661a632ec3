"""Turns as `/v3/ws` tells them, made from the session's segments.

A session restates a segment and freezes it; AssemblyAI restates the whole turn, marks each word
final or not, and closes a turn with one bare message, with a bare and a formatted one, or with a
formatted one alone. Knows neither sockets nor options.

The laws kept here, whatever an engine does: `turn_order` counts without gaps from 0; a word once
final is in every later message of its turn, unchanged, until the turn is closed; nothing of the
next turn comes before the last message of this one.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import UNSET, UnsetType

from ossicle.core.events import Transcript, Word

from .messages import Turn, TurnWord
from .spelling import bare, stable_words, words_of

__all__ = ["Ending", "TurnBook"]

Ending: TypeAlias = Literal["bare", "twin", "formatted"]
"""How a turn is closed: one bare message, a bare one with a formatted twin, or a formatted one."""


class TurnBook:
    """The open turn of one session."""

    def __init__(self, ending: Ending = "bare", *, languages: bool = False) -> None:
        """
        Args:
            ending: how turns are closed; may be changed between two of them.
            languages: tell the language of closed turns.
        """
        self.ending: Ending = ending
        self.order = 0
        """Number of the open turn, or of the next one."""
        self._languages = languages
        self._frozen: list[Word] = []
        self._texts: list[str] = []
        self._final: tuple[str, ...] = ()
        """Words of the open segment that were told as final."""
        self._told = False
        """Something of this turn was sent."""

    def hear(self, event: Transcript) -> tuple[Turn, ...]:
        """The messages for the next transcript of the session."""
        if not event.final:
            return self._partial(event)
        self._final = ()
        self._frozen += words_of(event)
        if event.text:
            self._texts.append(event.text)
        if event.ends_turn:
            return self._close(event)
        if not event.text:
            return ()
        self._told = True
        utterance = self._spelled(event.text)
        return (self._turn(event, self._frozen, len(self._frozen), utterance=utterance),)

    @property
    def open(self) -> bool:
        """A turn has been told of and not closed."""
        return self._told

    def _partial(self, event: Transcript) -> tuple[Turn, ...]:
        words, stable = words_of(event), stable_words(event)
        told = tuple(bare(word.text) for word in words[: len(self._final)])
        if told != self._final:
            # Another engine hears the turn again from its start, or this one changed its mind
            # about a word it had called stable: wait until it has caught up, or the final.
            return ()
        stable = max(stable, len(self._final))
        self._final = tuple(bare(word.text) for word in words[:stable])
        self._told = True
        return (self._turn(event, (*self._frozen, *words), len(self._frozen) + stable),)

    def _close(self, event: Transcript) -> tuple[Turn, ...]:
        frozen, text, told = self._frozen, " ".join(self._texts), self._told
        self._frozen, self._texts, self._told = [], [], False
        if not text and not told:
            return ()  # nobody was told of a turn: an answer to a ForceEndpoint in silence
        turns: list[Turn] = []
        if self.ending != "formatted":
            turns.append(self._closed(event, frozen, bare(text), formatted=False))
        if self.ending != "bare":
            turns.append(self._closed(event, frozen, text, formatted=True))
        self.order += 1
        return tuple(turns)

    def _closed(self, event: Transcript, words: list[Word], text: str, *, formatted: bool) -> Turn:
        language = event.language if self._languages else ""
        return Turn(
            turn_order=self.order,
            turn_is_formatted=formatted,
            end_of_turn=True,
            transcript=text,
            end_of_turn_confidence=event.end_confidence or 0.0,
            words=_wire(words, len(words), spelled=formatted),
            utterance=text,
            language_code=language or UNSET,
            speaker_label=_speaker(words),
        )

    def _turn(
        self, event: Transcript, words: Sequence[Word], final: int, utterance: str = ""
    ) -> Turn:
        wire = _wire(words, final, spelled=self.ending == "formatted")
        return Turn(
            turn_order=self.order,
            turn_is_formatted=False,
            end_of_turn=False,
            transcript=" ".join(word.text for word in wire if word.word_is_final),
            end_of_turn_confidence=event.end_confidence or 0.0,
            words=wire,
            utterance=utterance,
            speaker_label=_speaker(words),
        )

    def _spelled(self, text: str) -> str:
        return text if self.ending == "formatted" else bare(text)


def _wire(words: Sequence[Word], final: int, *, spelled: bool) -> tuple[TurnWord, ...]:
    """Words as messages have them. A "word" of punctuation alone has no bare form."""
    return tuple(
        TurnWord(
            start=word.start_ms,
            end=word.end_ms,
            text=text,
            confidence=word.confidence or 0.0,
            word_is_final=place < final,
            speaker=word.speaker or UNSET,
        )
        for place, word in enumerate(words)
        if (text := word.text if spelled else bare(word.text))
    )


def _speaker(words: Sequence[Word]) -> str | UnsetType:
    """Who speaks, if the words agree on it; the vendor labels a turn with one speaker."""
    speakers = {word.speaker for word in words if word.speaker}
    return speakers.pop() if len(speakers) == 1 else UNSET
