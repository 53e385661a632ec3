"""Words as AssemblyAI writes them: bare (lower case, no punctuation) and as the engine wrote them.

Nothing is guessed: the bare form takes away, and the formatted form is the engine's own text. An
engine that writes no punctuation gives the same words twice.

    >>> bare("Turn left, please.")
    'turn left please'
"""

from collections.abc import Sequence

from ossicle.core.events import Transcript, Word

__all__ = ["bare", "bare_word", "stable_words", "words_of"]

_MARKS = '.,!?;:…"“”„«»()[]{}¿¡。，！？、；：'
"""Taken off both ends of a word; what stands inside ("3.5", "o'clock") stays."""


def bare(text: str) -> str:
    """Lower case, no punctuation around the words; single blanks between them."""
    return " ".join(filter(None, map(bare_word, text.split())))


def bare_word(text: str) -> str:
    """The same of one word; empty for punctuation alone."""
    return text.strip(_MARKS).lower()


def words_of(event: Transcript) -> Sequence[Word]:
    """The words of a transcript, spelled as in its text.

    An engine that times no words gives each the times of the whole: true, if not narrow. One
    whose words are spelled without the punctuation of its text gets that back.
    """
    tokens = event.text.split()
    if event.words is None:
        start = event.start_ms or 0
        end = max(start, event.end_ms or 0)
        return tuple(Word(token, start, end) for token in tokens)
    if len(tokens) != len(event.words):
        return event.words
    return tuple(
        word if word.text == token else _respelled(word, token)
        for word, token in zip(event.words, tokens, strict=True)
    )


def _respelled(word: Word, text: str) -> Word:
    return Word(text, word.start_ms, word.end_ms, word.confidence, word.speaker, word.language)


def stable_words(event: Transcript) -> int:
    """How many whole words of a partial will not change."""
    text, stable = event.text, event.stable
    if stable >= len(text):
        return len(text.split())
    count = len(text[:stable].split())
    cut = stable > 0 and not text[stable - 1].isspace() and not text[stable].isspace()
    return count - cut
