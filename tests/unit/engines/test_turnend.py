"""The judge of pauses: rules that can be read, and numbers that never fall as silence grows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.engines.turnend import GrammarTurnEnd, Pause, ending

JUDGE = GrammarTurnEnd()

ENDINGS = [
    ("what time is it", "en-US", "question"),
    ("Is it?", "en", "question"),
    ("who are you", "en-GB", "question"),
    ("turn left here", "en-US", "open"),
    ("Turn left here.", "en-US", "complete"),
    ("yes", "en-US", "answer"),
    ("Yes please.", "en-US", "answer"),
    ("my number is five five", "en-US", "number"),
    ("It is 42", "en-US", "number"),
    ("so um", "en-US", "filler"),
    ("Book a table for two, and", "en-US", "unfinished"),
    ("I want to go there and.", "en-US", "unfinished"),
    ("I would like to", "en-US", "unfinished"),
    ("I saw the", "en-US", "unfinished"),
    ("well…", "en-US", "unfinished"),
    ("We did that.", "en-US", "complete"),
    ("What is that?", "en-US", "question"),
    ("First of all,", "en-US", "list"),
    ("Ich möchte der", "de-DE", "open"),
    ("Wie spät ist es?", "de-DE", "question"),
    ("Es ist spät.", "de-DE", "complete"),
    ("東京です。", "ja-JP", "complete"),
    ("東京ですか？", "ja-JP", "question"),
    ("", "en-US", "open"),
    ("?!", "en-US", "open"),
    ('He said "stop."', "en-US", "complete"),
    ("Where did you go? I went to the", "en-US", "unfinished"),
]


@pytest.mark.parametrize(("text", "language", "expected"), ENDINGS)
def test_how_words_end(text, language, expected):
    assert ending(text, language) == expected


def sure(text, silence, stable=None, language="en-US"):
    return JUDGE.confidence(Pause(text, silence, stable, language))


def test_what_is_unfinished_asks_for_more_silence():
    told = ["what time is it", "Turn left.", "turn left", "five five", "first,", "I want to", "um"]
    numbers = [sure(text, 600) for text in told]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)


def test_a_threshold_of_seven_tenths_in_milliseconds():
    """The figures in the explanation of turns."""

    def needed(text):
        return next(ms for ms in range(0, 5000, 10) if sure(text, ms) >= 0.7)

    texts = ("what time is it", "yes please", "Turn left.", "turn left", "five five", "first,")
    assert [needed(t) for t in (*texts, "I want to", "um")] == [
        390, 430, 620, 690, 1230, 1530, 1840, 2300,
    ]  # fmt: skip


def test_words_that_still_change_count_half():
    assert sure("turn left", 600, 0) == sure("turn left", 300)
    assert sure("turn left", 600, 600) == sure("turn left", 600, 5000) == sure("turn left", 600)


def test_rules_are_never_certain():
    assert sure("yes", 10**9) == 0.99
    assert sure("yes", 0) == 0.0


texts = st.text(max_size=40) | st.sampled_from([text for text, *_ in ENDINGS])


@settings(max_examples=300, derandomize=True)
@given(texts, st.sampled_from(["en-US", "de", "", "x"]), *[st.integers(0, 60_000)] * 4)
def test_confidence_never_falls_as_silence_and_stability_grow(text, language, a, b, c, d):
    less = sure(text, min(a, b), min(c, d), language)
    more = sure(text, max(a, b), max(c, d), language)
    assert 0.0 <= less <= more <= 0.99
    assert less == sure(text, min(a, b), min(c, d), language)
