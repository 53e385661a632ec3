"""What the tests of browsers listen with: it hears every word once, and one said twice as two."""

import pytest

from pitch import RATE, heard_in, pitches

MS = RATE // 1000 * 2


def torn(at_ms: int, gap_ms: int) -> bytes:
    """Word 9 between two others, with a hole in its tone."""
    sound = pitches([3, 9, 3])
    begin = (200 + 280 + at_ms) * MS
    return sound[:begin] + bytes(gap_ms * MS) + sound[begin:]


@pytest.mark.parametrize("numbers", [[3, 1, 4, 15], [9, 9], [9, 9, 9, 3], [3] * 6])
@pytest.mark.parametrize("mends", [False, True])
def test_words(numbers: list[int], mends: bool) -> None:
    assert heard_in(pitches(numbers), mends=mends) == numbers


@pytest.mark.parametrize("gap_ms", [80, 120, 400])
def test_a_torn_tone_is_one_word_where_it_is_mended(gap_ms: int) -> None:
    assert heard_in(torn(80, gap_ms)) == [3, 9, 9, 3]
    assert heard_in(torn(80, gap_ms), mends=True) == [3, 9, 3]


def test_a_word_that_comes_again_is_not_mended() -> None:
    """As by a packet buffer that plays a stretch of sound twice."""
    sound = pitches([3, 9, 4])
    word = sound[480 * MS : 760 * MS]
    again = sound[: 760 * MS] + word + sound[760 * MS :]
    assert heard_in(again, mends=True) == [3, 9, 9, 4]
