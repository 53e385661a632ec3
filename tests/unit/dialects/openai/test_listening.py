"""Which item words belong to, where a commit is answered by an engine that cannot be asked."""

from ossicle.core.events import SpeechEnded, SpeechStarted, Transcript
from ossicle.dialects.openai.book import Book
from ossicle.dialects.openai.listening import Listening
from ossicle.dialects.openai.messages import TranscriptionCompleted
from ossicle.dialects.openai.settings import Settings, updated


def test_a_commit_that_the_end_of_another_turn_answers_leaves_no_item_open() -> None:
    """Google, Amazon and Riva decide by themselves: the question is answered by the next end."""
    book = Book("s")
    book.settings = updated(Settings(type="transcription"), {"type": "transcription"})
    listening = Listening(book, "leg")
    ref, _ = listening.commit()
    listening.started(SpeechStarted(at_ms=400, turn=0))
    listening.ended(SpeechEnded(at_ms=900, turn=0))
    told = listening.words(
        Transcript(text="turn left", start_ms=400, end_ms=900, final=True, ends_turn=True, ref=ref)
    )
    done = [event for event in told if isinstance(event, TranscriptionCompleted)]
    assert [(event.item_id, event.transcript) for event in done] == [
        ("item_st0", "turn left"),
        (ref, ""),
    ]
    assert listening.failed("x", "nothing is open") == []
