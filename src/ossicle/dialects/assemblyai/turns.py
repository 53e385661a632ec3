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

import msgspec
from msgspec import UNSET, UnsetType

from ossicle.core.events import Transcript, Word

from .messages import Turn, TurnWord
from .spelling import bare, bare_word, stable_words, words_of

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
        self._told_frozen: list[TurnWord] = []
        """The frozen words as partials tell them."""
        self._final: list[str] = []
        """Words of the open segment that were told as final."""
        self._kept: list[Word] = []
        """The same words, as the engine gave them."""
        self._told = False
        """Something of this turn was sent."""

    def hear(self, event: Transcript) -> tuple[Turn, ...]:
        """The messages for the next transcript of the session."""
        if not event.final:
            return self._partial(event)
        words, text = words_of(event), event.text
        if not text and self._kept:
            # A session that ends by a limit or a fault closes its turn with nothing. What was
            # told as final stays: SDKs overwrite a turn by its number, and would lose it.
            words, text = self._kept, " ".join([word.text for word in self._kept])
        self._final, self._kept = [], []
        self._frozen += words
        if text:
            self._texts.append(text)
        if event.ends_turn:
            return self._close(event)
        if not event.text:
            return ()
        spelled = self.ending == "formatted"
        self._told_frozen += _wire(words, len(words), spelled=spelled)
        utterance = event.text if spelled else bare(event.text)
        return (self._turn(event, self._told_frozen, len(self._told_frozen), utterance),)

    @property
    def open(self) -> bool:
        """A turn has been told of and not closed."""
        return self._told

    def _partial(self, event: Transcript) -> tuple[Turn, ...]:
        stable, told = stable_words(event), len(self._final)
        heard = words_of(event)
        words = _wire(heard, stable, spelled=self.ending == "formatted")
        final = [word.text for word in words if word.word_is_final]
        if final[:told] != self._final:
            if [word.text for word in words[:told]] != self._final:
                # Another engine hears the turn again from its start, or this one changed its mind
                # about a word it had called stable: wait until it has caught up, or the final.
                return ()
            final = self._final
            words[: len(final)] = [_finally(word) for word in words[: len(final)]]
        else:
            self._kept = list(heard[:stable])
        self._final = final
        frozen = self._told_frozen
        return (self._turn(event, [*frozen, *words], len(frozen) + len(final)),)

    def _close(self, event: Transcript) -> tuple[Turn, ...]:
        frozen, text, told = self._frozen, " ".join(self._texts), self._told
        self._frozen, self._texts, self._told_frozen, self._told = [], [], [], False
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
        wire = _wire(words, len(words), spelled=formatted)
        return Turn(
            turn_order=self.order,
            turn_is_formatted=formatted,
            end_of_turn=True,
            transcript=text,
            end_of_turn_confidence=event.end_confidence or 0.0,
            words=tuple(wire),
            utterance=text,
            language_code=language or UNSET,
            speaker_label=_speaker(wire),
        )

    def _turn(
        self, event: Transcript, words: list[TurnWord], final: int, utterance: str = ""
    ) -> Turn:
        self._told = True
        return Turn(
            turn_order=self.order,
            turn_is_formatted=False,
            end_of_turn=False,
            transcript=" ".join([word.text for word in words[:final]]),
            end_of_turn_confidence=event.end_confidence or 0.0,
            words=tuple(words),
            utterance=utterance,
            speaker_label=_speaker(words),
        )


def _finally(word: TurnWord) -> TurnWord:
    return msgspec.structs.replace(word, word_is_final=True)


def _wire(words: Sequence[Word], final: int, *, spelled: bool) -> list[TurnWord]:
    """Words as messages have them. A "word" of punctuation alone has no bare form."""
    wire: list[TurnWord] = []
    for place, word in enumerate(words):
        text = word.text if spelled else bare_word(word.text)
        if text:
            wire.append(
                TurnWord(
                    word.start_ms,
                    word.end_ms,
                    text,
                    word.confidence or 0.0,
                    place < final,
                    word.speaker or UNSET,
                )
            )
    return wire


def _speaker(words: Sequence[TurnWord]) -> str | UnsetType:
    """Who speaks, if the words agree on it; the vendor labels a turn with one speaker."""
    first = words[0].speaker if words else UNSET
    if not isinstance(first, str):
        return UNSET
    return first if all(word.speaker == first for word in words) else UNSET
