"""The rule of `UtteranceEnd`."""

from math import inf

from ossicle.dialects.deepgram.listen_gaps import Gap


def test_nothing_is_due_before_a_word() -> None:
    gap = Gap(1000)
    assert (gap.due_at, gap.due_ms) == (inf, inf)
    assert not gap.over(inf, 10**9, inf - 1)


def test_a_gap_that_the_engine_has_heard_is_told_once() -> None:
    gap = Gap(1000)
    gap.word(100, 400, 5.0)
    assert not gap.over(1399, 2000, 5.0)
    assert gap.over(1400, 1400, 5.0)
    assert not gap.over(9000, 9000, 99.0)


def test_an_engine_behind_its_audio_may_still_find_a_word() -> None:
    gap = Gap(1000)
    gap.word(100, 400, 5.0)
    assert not gap.over(5000, 400, 5.9)
    gap.word(500, 900, 5.95)
    assert not gap.over(5000, 900, 6.5)
    assert gap.over(5000, 900, 6.95)
    assert gap.last_ms == 900


def test_the_clock_alone_is_not_enough() -> None:
    gap = Gap(1000)
    gap.word(100, 400, 5.0)
    assert not gap.over(1000, 400, 500.0)


def test_a_word_restated_after_its_gap_is_no_news_and_the_next_is() -> None:
    gap = Gap(1000)
    gap.word(100, 400, 5.0)
    assert gap.over(2000, 2000, 6.0)
    gap.word(100, 390, 6.1)
    assert not gap.open
    gap.word(2100, 2300, 7.0)
    assert gap.open
    assert gap.over(3300, 3300, 8.0)


def test_a_word_said_again_does_not_start_the_clock_again() -> None:
    gap = Gap(1000)
    gap.word(100, 400, 5.0)
    gap.word(100, 400, 5.9)
    assert gap.due_at == 6.0
