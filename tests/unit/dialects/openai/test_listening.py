"""Which item words belong to, where a commit meets an engine that is behind the client, or one that
cannot be asked."""

from ossicle.core.events import SpeechEnded, SpeechStarted, Transcript
from ossicle.dialects.openai.book import Book
from ossicle.dialects.openai.listening import Listening
from ossicle.dialects.openai.messages import (
    Committed,
    ServerEvent,
    Started,
    Stopped,
    TranscriptionCompleted,
)
from ossicle.dialects.openai.settings import Settings, updated


def listens() -> Listening:
    """A transcription with turn detection."""
    book = Book("s")
    book.settings = updated(Settings(type="transcription"), {"type": "transcription"})
    return Listening(book, "leg")


def final(text: str, turn: int, ref: str = "") -> Transcript:
    return Transcript(
        text=text, start_ms=400, end_ms=900, final=True, ends_turn=True, turn=turn, ref=ref
    )


def done(told: list[ServerEvent]) -> list[tuple[str, str]]:
    return [(e.item_id, e.transcript) for e in told if isinstance(e, TranscriptionCompleted)]


def test_a_commit_that_the_end_of_another_turn_answers_leaves_no_item_open() -> None:
    """The turn was over and not decided at the commit: nothing is left for the commit's own."""
    listening = listens()
    listening.started(SpeechStarted(at_ms=400, turn=0))
    listening.ended(SpeechEnded(at_ms=900, turn=0))
    ref, _ = listening.commit()
    told = listening.words(final("turn left", 0, ref))
    assert done(told) == [("item_st0", "turn left"), (ref, "")]
    assert listening.failed("x", "nothing is open") == []


def test_a_commit_takes_the_turn_that_is_open_and_all_that_begin_until_it_is_answered() -> None:
    """The engine is seconds behind: it ends a turn by itself, and goes on with the next one, all of
    which the client sent before its commit. It may leave with the completion of that item."""
    listening = listens()
    assert [type(e) for e in listening.started(SpeechStarted(at_ms=0, turn=0))] == [Started]
    ref, told = listening.commit()
    assert ref == "item_st0"
    assert isinstance(told[0], Committed)
    assert [type(e) for e in listening.ended(SpeechEnded(at_ms=900, turn=0))] == [Stopped]
    assert done(listening.words(final("one two three.", 0))) == []
    assert listening.started(SpeechStarted(at_ms=900, turn=1)) == []
    assert listening.ended(SpeechEnded(at_ms=1_500, turn=1)) == []
    told = listening.words(final("four five.", 1, ref))
    assert done(told) == [(ref, "one two three. four five.")]
    assert listening.failed("x", "nothing is open") == []
    # what is said behind the answer is a turn again
    assert [type(e) for e in listening.started(SpeechStarted(at_ms=2_000, turn=2))] == [Started]


def test_a_commit_before_anything_was_heard_takes_what_begins() -> None:
    listening = listens()
    ref, _ = listening.commit()
    assert listening.started(SpeechStarted(at_ms=0, turn=0)) == []
    assert done(listening.words(final("one.", 0))) == []
    assert done(listening.words(final("", 1, ref))) == [(ref, "one.")]


def test_each_commit_is_an_item() -> None:
    """Two while one turn is open: both are told, and the words are the first one's."""
    listening = listens()
    listening.started(SpeechStarted(at_ms=0, turn=0))
    first, _ = listening.commit()
    second, told = listening.commit()
    assert isinstance(told[0], Committed)
    assert told[0].item_id == second != first
    assert done(listening.words(final("one", 0, first))) == [(first, "one")]
    assert done(listening.words(final("", 1, second))) == [(second, "")]
