"""A recording's words in utterances, sentences and paragraphs.

    >>> from ossicle.core.events import Word
    >>> heard = (Word("One.", 0, 200), Word("Two.", 2000, 2200))
    >>> [[word.text for word in part] for part in split_by_gap(heard, 800)]
    [['One.'], ['Two.']]

A sentence ends at its sign or with its turn; a paragraph holds five sentences of one speaker.
"""

from collections.abc import Iterable, Iterator, Sequence

from ossicle.core.events import Transcript, Word

from .listen_words import Speller
from .prerecorded_messages import Paragraph, Paragraphs, Sentence

__all__ = ["paragraphs_of", "split_by_gap"]

_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")
_SENTENCES = 5


def split_by_gap(words: Iterable[Word], gap_ms: int) -> Iterator[tuple[Word, ...]]:
    """Words in runs: a new one after a gap or for another speaker."""
    run: list[Word] = []
    for word in words:
        if run and (word.start_ms - run[-1].end_ms >= gap_ms or word.speaker != run[-1].speaker):
            yield tuple(run)
            run = []
        run.append(word)
    if run:
        yield tuple(run)


def paragraphs_of(finals: Sequence[Transcript], speller: Speller) -> Paragraphs:
    """Everything heard on one channel."""
    paragraphs: list[Paragraph] = []
    texts: list[str] = []
    held: list[tuple[Word, ...]] = []

    def close() -> None:
        if not held:
            return
        sentences = [
            Sentence(
                " ".join(word.text for word in words),
                words[0].start_ms / 1000,
                words[-1].end_ms / 1000,
            )
            for words in held
        ]
        paragraphs.append(
            Paragraph(
                sentences=sentences,
                num_words=sum(len(words) for words in held),
                start=sentences[0].start,
                end=sentences[-1].end,
                speaker=speller.words(held[0][:1])[0].speaker,
            )
        )
        texts.append(" ".join(sentence.text for sentence in sentences))
        held.clear()

    for words in _sentences(finals):
        if len(held) == _SENTENCES or (held and held[-1][-1].speaker != words[0].speaker):
            close()
        held.append(words)
    close()
    return Paragraphs("\n" + "\n\n".join(texts) if texts else "", paragraphs)


def _sentences(finals: Sequence[Transcript]) -> Iterator[tuple[Word, ...]]:
    sentence: list[Word] = []
    for final in finals:
        for word in _words(final):
            if sentence and word.speaker != sentence[-1].speaker:
                yield tuple(sentence)
                sentence = []
            sentence.append(word)
            if word.text.rstrip("\"')]”’").endswith(_SENTENCE_END):
                yield tuple(sentence)
                sentence = []
        if final.ends_turn and sentence:
            yield tuple(sentence)
            sentence = []
    if sentence:
        yield tuple(sentence)


def _words(final: Transcript) -> Sequence[Word]:
    """Its words; the whole text as one where the engine does not time them."""
    if final.words is not None or not final.text:
        return final.words or ()
    return (Word(final.text, final.start_ms or 0, final.end_ms or 0, final.confidence),)
