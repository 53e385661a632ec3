"""Segments become turns: the order of messages, and words that never change once they are final."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from ossicle.core.events import Transcript, Word
from ossicle.dialects.assemblyai.messages import Turn
from ossicle.dialects.assemblyai.spelling import bare, stable_words
from ossicle.dialects.assemblyai.turns import Ending, TurnBook


def transcript(text: str, stable: int = 0, **fields: Any) -> Transcript:
    words = tuple(Word(t, 100 * n, 100 * n + 80) for n, t in enumerate(text.split()))
    values: dict[str, Any] = {"words": words, "start_ms": 0, "end_ms": 500} | fields
    return Transcript(text=text, stable=stable, **values)


def final(text: str, **fields: Any) -> Transcript:
    return transcript(text, final=True, ends_turn=True, **fields)


def shape(turns: tuple[Turn, ...]) -> list[tuple[int, bool, bool, str]]:
    return [(t.turn_order, t.end_of_turn, t.turn_is_formatted, t.transcript) for t in turns]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Turn left, please.", "turn left please"),
        ("It's 3.5 o'clock!", "it's 3.5 o'clock"),
        ("“Hello” (she said) …", "hello she said"),
        ("¿Qué?", "qué"),
        ("", ""),
    ],
)
def test_bare(text: str, expected: str):
    assert bare(text) == expected


@pytest.mark.parametrize(
    ("stable", "expected"), [(0, 0), (2, 0), (4, 1), (5, 1), (6, 1), (9, 2), (10, 2), (13, 3)]
)
def test_a_word_is_stable_when_all_of_it_is(stable: int, expected: int):
    assert stable_words(Transcript(text="turn left now", stable=stable)) == expected


def test_a_partial_says_its_final_words_and_lists_all():
    (turn,) = TurnBook().hear(transcript("Turn left he", stable=10))
    assert turn.transcript == "turn left"
    assert [(w.text, w.word_is_final) for w in turn.words] == [
        ("turn", True), ("left", True), ("he", False),
    ]  # fmt: skip
    assert turn.utterance == ""
    assert turn.end_of_turn_confidence == 0.0


@pytest.mark.parametrize(
    ("ending", "closed"),
    [
        ("bare", [(0, True, False, "turn left")]),
        ("twin", [(0, True, False, "turn left"), (0, True, True, "Turn left.")]),
        ("formatted", [(0, True, True, "Turn left.")]),
    ],
)
def test_a_turn_is_closed_in_three_ways(ending: Ending, closed: list[Any]):
    turns = TurnBook(ending).hear(final("Turn left.", end_confidence=0.9))
    assert shape(turns) == closed
    assert all(turn.end_of_turn_confidence == 0.9 for turn in turns)
    assert turns[-1].utterance == closed[-1][3]
    assert [w.text for w in turns[-1].words] == closed[-1][3].split()


def test_segments_are_one_turn():
    book = TurnBook("twin")
    assert shape(book.hear(transcript("Turn left.", stable=10, final=True))) == [
        (0, False, False, "turn left")
    ]
    assert shape(book.hear(transcript("Then", segment=1))) == [(0, False, False, "turn left")]
    assert shape(book.hear(final("Then right.", segment=1))) == [
        (0, True, False, "turn left then right"),
        (0, True, True, "Turn left. Then right."),
    ]
    assert shape(book.hear(transcript("next", stable=4, turn=1))) == [(1, False, False, "next")]


def test_a_frozen_segment_is_an_utterance():
    (turn,) = TurnBook().hear(transcript("Turn left.", final=True))
    assert turn.utterance == "turn left"


def test_an_empty_answer_is_not_told_and_takes_no_number():
    book = TurnBook()
    assert book.hear(final("", ref="~1")) == ()
    assert shape(book.hear(final("now", turn=1))) == [(0, True, False, "now")]


def test_a_turn_that_was_told_of_is_closed_even_when_nothing_is_left():
    book = TurnBook()
    book.hear(transcript("hm"))
    assert shape(book.hear(final(""))) == [(0, True, False, "")]
    assert book.order == 1


@pytest.mark.parametrize(
    ("ending", "closed"),
    [
        ("bare", [(0, True, False, "turn left")]),
        ("twin", [(0, True, False, "turn left"), (0, True, True, "Turn left,")]),
        ("formatted", [(0, True, True, "Turn left,")]),
    ],
)
def test_what_was_told_as_final_stays_when_the_session_ends_in_the_middle(
    ending: Ending, closed: list[Any]
):
    book = TurnBook(ending)
    book.hear(transcript("Turn left, hm", stable=10))
    turns = book.hear(final(""))
    assert shape(turns) == closed
    assert [len(turn.words) for turn in turns] == [2] * len(turns)
    assert shape(book.hear(final("then", turn=1)))[0][0] == 1


def test_words_without_times_get_those_of_the_whole():
    event = final("turn left", words=None, start_ms=200, end_ms=900)
    (turn,) = TurnBook().hear(event)
    assert [(w.start, w.end, w.text) for w in turn.words] == [
        (200, 900, "turn"), (200, 900, "left"),
    ]  # fmt: skip


def test_words_are_spelled_as_the_text_has_them():
    words = (Word("turn", 0, 80), Word("left", 100, 180))
    (turn,) = TurnBook("formatted").hear(final("Turn left.", words=words))
    assert [w.text for w in turn.words] == ["Turn", "left."]


def test_another_engine_that_hears_it_again_takes_no_final_word_back():
    book = TurnBook()
    book.hear(transcript("one two three", stable=13))
    assert book.hear(transcript("one", stable=3)) == ()
    assert book.hear(transcript("one too", stable=0)) == ()
    (turn,) = book.hear(transcript("one two three four", stable=0))
    assert turn.transcript == "one two three"
    assert shape(book.hear(final("one two three four"))) == [(0, True, False, "one two three four")]


def test_one_speaker_labels_the_turn():
    both = (Word("a", 0, 1, speaker="A"), Word("b", 1, 2, speaker="A"))
    (turn,) = TurnBook().hear(final("a b", words=both))
    assert turn.speaker_label == "A"
    assert [w.speaker for w in turn.words] == ["A", "A"]
    mixed = (Word("a", 0, 1, speaker="A"), Word("b", 1, 2, speaker="B"))
    (turn,) = TurnBook().hear(final("a b", words=mixed))
    assert turn.speaker_label is UNSET


def test_the_language_only_where_it_was_asked_for():
    assert TurnBook(languages=True).hear(final("a", language="de"))[0].language_code == "de"
    assert TurnBook().hear(final("a", language="de"))[0].language_code is UNSET


@st.composite
def speech(draw: st.DrawFn) -> list[Transcript]:
    """Turns of segments of growing partials, with a stable beginning that only grows."""
    told: list[Transcript] = []
    word = st.sampled_from(["One", "two,", "three.", "Four", "—", "fünf"])
    for turn in range(draw(st.integers(1, 3))):
        segments = draw(st.lists(st.lists(word, max_size=4), min_size=1, max_size=3))
        for number, words in enumerate(segments):
            text, stable = " ".join(words), 0
            for count in range(draw(st.integers(0, len(words)))):
                part = " ".join(words[: count + 1])
                stable = draw(st.integers(stable, len(part)))
                told.append(transcript(part, stable, turn=turn, segment=number))
            last = number == len(segments) - 1
            told.append(transcript(text, turn=turn, segment=number, final=True, ends_turn=last))
    return told


@settings(max_examples=200, derandomize=True)
@given(speech(), st.sampled_from(["bare", "twin", "formatted"]))
def test_the_laws(told: list[Transcript], ending: Ending):
    book = TurnBook(ending)
    turns = [turn for event in told for turn in book.hear(event)]
    orders = [turn.turn_order for turn in turns]
    assert orders == sorted(orders)
    assert set(orders) == set(range(len(set(orders))))
    for order in set(orders):
        mine = [turn for turn in turns if turn.turn_order == order]
        closing = {"bare": [False], "twin": [False, True], "formatted": [True]}[ending]
        assert [t.turn_is_formatted for t in mine if t.end_of_turn] == closing
        assert not any(t.end_of_turn for t in mine[: -len(closing)])
        before: list[str] = []
        for turn in mine[: -1 if ending == "twin" else None]:
            words = [word.text for word in turn.words if word.word_is_final]
            assert words[: len(before)] == before, "a final word changed"
            assert turn.transcript == " ".join(words)
            before = words
    said = [w for e in told if e.final for w in bare(e.text).split()]
    closed = [t for t in turns if t.end_of_turn and t.turn_is_formatted == (ending != "bare")]
    assert [w for t in closed for w in bare(t.transcript).split()] == said
