"""Marked audio and what is expected of it."""

import pytest

from ossicle.core.events import SpeechEnded, Transcript, Word
from ossicle.testing.marked import FRAME_MS, marked_audio, marked_expected, marked_words


def test_the_length_and_the_times_agree():
    words = [1, 2, 0, 32767]
    names = {"frames": 3, "gap": 2, "pause": 7, "lead": 4}
    frames = 4 + 5 + 5 + 7 + 5
    assert len(marked_audio(words, **names)) == frames * FRAME_MS * 32
    assert marked_expected(words, **names) == (
        Word("w1", 80, 140),
        Word("w2", 180, 240),
        Word("w32767", 420, 480),
    )


def test_only_the_words_of_finals_heard_count_and_doubles_stay():
    word = Word("w1", 0, 20)
    final = Transcript(text="w1", words=(word,), final=True)
    said = Transcript(text="w1", words=(word,), final=True, side="out")
    assert marked_words([Transcript(words=(word,)), final, said, SpeechEnded(), final]) == (
        word,
        word,
    )


@pytest.mark.parametrize("names", [{"gap": 0}, {"frames": 0}])
def test_a_word_needs_a_frame_and_a_gap(names):
    with pytest.raises(ValueError, match="a gap after it"):
        marked_audio([1], **names)


@pytest.mark.parametrize("number", [-1, 32768])
def test_a_number_has_its_range(number):
    with pytest.raises(ValueError, match=f"{number} is outside"):
        marked_audio([number])
