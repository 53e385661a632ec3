"""Sound on a track: marks, and what is told of them."""

from ossicle.core.commands import Played
from ossicle.core.events import AudioOut
from ossicle.core.wire import Clear, Mark, Media
from ossicle.dialects.openai.book import Book
from ossicle.dialects.openai.messages import BufferCleared, BufferStarted, BufferStopped
from ossicle.dialects.openai.pacing import SOUND, Paced, Pacing


def sound(utterance: str, ms: int, start_ms: int = 0) -> AudioOut:
    return AudioOut(utterance=utterance, data=bytes(SOUND.units(ms)), start_ms=start_ms)


def marks(steps: list[Paced]) -> list[str]:
    return [step.name for step in steps if isinstance(step, Mark)]


def test_sound_is_marked_every_tenth_of_a_second():
    pacing = Pacing(Book())
    steps = pacing.sound(sound("u", 250), "r")
    assert steps[0] == BufferStarted(response_id="r")
    assert [len(s.data) for s in steps if isinstance(s, Media)] == [3_200, 3_200, 1_600]
    places = [pacing.reached(name)[0] for name in marks(steps)]
    assert [p.until_ms for p in places if isinstance(p, Played)] == [100, 200, 250]
    assert all(isinstance(p, Played) and p.by_wire for p in places)
    assert pacing.heard == ("u", 250)


def test_it_stops_when_its_end_was_heard_and_not_before():
    pacing = Pacing(Book())
    heard = marks(pacing.sound(sound("u", 100), "r"))
    last = marks(pacing.end("u", 100, "r"))
    assert BufferStopped(response_id="r") not in pacing.reached(heard[0])
    assert BufferStopped(response_id="r") in pacing.reached(last[0])
    assert pacing.reached(last[0]) == []
    assert pacing.end("u", 100, "r") == []
    assert pacing.playing == ""


def test_the_next_one_starts_when_the_one_before_was_heard():
    pacing = Pacing(Book())
    pacing.sound(sound("a", 100), "1")
    (end,) = marks(pacing.end("a", 100, "1"))
    assert not [s for s in pacing.sound(sound("b", 100), "2") if isinstance(s, BufferStarted)]
    told = pacing.reached(end)[1:]
    assert told == [BufferStopped(response_id="1"), BufferStarted(response_id="2")]


def test_what_is_cut_off_is_cleared_once():
    pacing = Pacing(Book())
    old = marks(pacing.sound(sound("u", 100), "r"))
    assert pacing.silence("another", "s") == []
    assert pacing.silence("u", "r") == [Clear(), BufferCleared(response_id="r")]
    assert pacing.reached(old[0]) == []  # the track gives its marks back
    assert pacing.silence("u", "r") == []
    assert pacing.silence() == [Clear()]


def test_nobody_waits_for_another_one_that_was_cleared_along():
    pacing = Pacing(Book())
    pacing.sound(sound("a", 300), "1")
    pacing.sound(sound("b", 100), "2")
    steps = pacing.silence("b", "2")
    assert steps[0] == Clear()
    assert Played(utterance="a", until_ms=300, estimated=True, by_wire=True) in steps
    assert BufferCleared(response_id="1") in steps


def test_an_answer_whose_sound_was_all_heard_and_is_not_over_is_cleared():
    pacing = Pacing(Book())
    for name in marks(pacing.sound(sound("u", 100), "r")):
        pacing.reached(name)
    assert BufferCleared(response_id="r") in pacing.silence("u", "r")


def test_the_book_has_it_for_the_sidebands():
    book = Book()
    pacing = Pacing(book)
    pacing.sound(sound("u", 100), "r")
    assert (book.playing, book.noted) == (True, 1)
    pacing.silence()
    assert book.playing is False
    assert [type(event) for event in book.notes(0)] == [BufferStarted, BufferCleared]
    assert book.notes(1) == (BufferCleared(response_id="r"),)
    assert book.notes(2) == ()
    for _ in range(100):
        pacing.sound(sound("u", 100), "r")
        pacing.silence()
    assert 0 < len(book.notes(0)) < 100  # bounded
