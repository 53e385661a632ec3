"""Words as Amazon's items."""

import pytest

from ossicle.core.events import Transcript, Word
from ossicle.dialects.amazon.items import Filter, Speller
from ossicle.dialects.amazon.messages import Item

WORDS = (
    Word("Well,", 0, 300, 0.9, "a"),
    Word("hello", 300, 500, None, "b"),
    Word("there?!", 500, 800, 0.5, "a"),
)
HEARD = Transcript(text="Well, hello there?!", words=WORDS, final=True, start_ms=0, end_ms=900)


def said(items: list[Item]) -> list[tuple[str | None, str]]:
    return [(item.type and item.type[:4], item.content) for item in items]


def test_signs_stand_alone():
    text, items = Speller().items(HEARD)
    assert text == HEARD.text
    assert said(items) == [("pron", "Well"), ("punc", ","), ("pron", "hello"), ("pron", "there"),
                           ("punc", "?"), ("punc", "!")]  # fmt: skip
    comma = items[1]
    assert (comma.start_time, comma.end_time, comma.confidence) == (0.3, 0.3, None)
    assert [item.confidence for item in items] == [0.9, None, None, 0.5, None, None]
    assert all(item.stable is None and item.speaker is None for item in items)


def test_partials_say_no_confidence():
    partial = Transcript(text="Well,", words=WORDS[:1])
    assert [item.confidence for item in Speller().items(partial)[1]] == [None, None]


@pytest.mark.parametrize(
    ("stable", "expected"), [(0, 0), (4, 0), (5, 2), (10, 2), (11, 3), (19, 6), (99, 6)]
)
def test_what_is_stable_follows_the_text(stable: int, expected: int):
    partial = Transcript(text=HEARD.text, words=WORDS, stable=stable)
    _, items = Speller(stable=True).items(partial)
    assert sum(item.stable is True for item in items) == expected
    assert [item.stable for item in items] == sorted((i.stable for i in items), reverse=True)
    assert all(item.stable for item in Speller(stable=True).items(HEARD)[1])


def test_speakers_are_numbered_as_they_come():
    speller = Speller(speakers=True)
    assert [item.speaker for item in speller.items(HEARD)[1]] == ["0", "0", "1", "0", "0", "0"]


def test_an_engine_without_word_times_gives_the_times_of_the_segment():
    heard = Transcript(text="one two.", start_ms=100, end_ms=900, final=True)
    _, items = Speller().items(heard)
    assert said(items) == [("pron", "one"), ("pron", "two"), ("punc", ".")]
    assert {(item.start_time, item.end_time) for item in items[:2]} == {(0.1, 0.9)}


def test_signs_inside_a_word_are_of_it():
    heard = Transcript(text="don't 3.5 —", words=(Word("don't", 0, 1), Word("3.5", 1, 2)))
    assert said(Speller().items(heard)[1]) == [("pron", "don't"), ("pron", "3.5")]


@pytest.mark.parametrize(
    ("method", "text", "contents"),
    [
        ("mask", "Well, *** there?!", ["Well", ",", "***", "there", "?", "!"]),
        ("remove", "Well, there?!", ["Well", ",", "there", "?", "!"]),
        ("tag", "Well, hello there?!", ["Well", ",", "hello", "there", "?", "!"]),
    ],
)
def test_filtered_words(method: str, text: str, contents: list[str]):
    speller = Speller(filtered=Filter(frozenset({"hello"}), method))  # type: ignore[arg-type]
    shown, items = speller.items(HEARD)
    assert shown == text
    assert [item.content for item in items] == contents
    matches = [item.content for item in items if item.vocabulary_filter_match]
    assert matches == {"mask": ["***"], "remove": [], "tag": ["hello"]}[method]
