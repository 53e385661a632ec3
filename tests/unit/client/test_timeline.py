"""One timeline: numbers seen once, and a turn that two gateways heard stays one turn."""

import pytest

from ossicle.client.timeline import Timeline
from ossicle.core.events import (
    AudioOut,
    Began,
    Ended,
    Event,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.testing.timeline import check_timeline


def heard(timeline: Timeline, *events: Event) -> list[Event]:
    return [told for event in events for told in timeline.take(event)]


def final(seq: int, turn: int, text: str, end: int, segment: int = 0, *, ends: bool = True):
    return Transcript(
        seq=seq, turn=turn, segment=segment, text=text, start_ms=0, end_ms=end, final=True,
        ends_turn=ends,
    )  # fmt: skip


def test_a_number_seen_before_is_dropped():
    timeline = Timeline()
    first = SpeechStarted(seq=3, at_ms=0)
    assert heard(timeline, first, first, SpeechStarted(seq=2, at_ms=0)) == [first]
    assert timeline.since == 3


def test_a_final_settles_what_it_covers_even_without_flow():
    timeline = Timeline()
    heard(timeline, SpeechStarted(seq=1, at_ms=0), final(2, 0, "one", 900))
    assert timeline.settled_ms == 900
    timeline.settled(700)
    assert timeline.settled_ms == 900
    timeline.settled(1_500)
    assert timeline.settled_ms == 1_500


def test_an_empty_final_settles_nothing():
    timeline = Timeline()
    heard(timeline, final(1, 0, "", 4_000))
    assert timeline.settled_ms == 0


def test_channels_settle_together():
    timeline = Timeline(channels=2)
    heard(timeline, final(1, 0, "left", 900))
    assert timeline.settled_ms == 0
    right = Transcript(seq=2, text="right", end_ms=400, final=True, ends_turn=True, channel=1)
    heard(timeline, right)
    assert timeline.settled_ms == 400


def test_a_turn_that_is_heard_again_goes_on():
    timeline = Timeline()
    told = heard(
        timeline,
        Began(),
        SpeechStarted(seq=1, turn=0, at_ms=0),
        final(2, 0, "one", 500, ends=False),
        Transcript(seq=3, turn=0, segment=1, text="tw", start_ms=500, end_ms=700),
    )
    assert timeline.turn == 0
    told += timeline.move(500)
    told += heard(
        timeline,
        SpeechStarted(seq=4, turn=0, at_ms=500),
        Transcript(seq=5, turn=0, segment=0, text="two", start_ms=500, end_ms=900),
        SpeechEnded(seq=6, turn=0, at_ms=900),
        final(7, 0, "two", 900),
        Ended(seq=8),
    )
    check_timeline(told)
    transcripts = [event for event in told if isinstance(event, Transcript)]
    assert [(event.segment, event.text) for event in transcripts] == [
        (0, "one"), (1, "tw"), (1, "two"), (1, "two")
    ]  # fmt: skip
    assert [type(event) for event in told].count(SpeechStarted) == 1


def test_a_turn_that_had_ended_takes_only_its_final():
    timeline = Timeline()
    told = heard(
        timeline,
        Began(),
        SpeechStarted(seq=1, at_ms=0),
        SpeechEnded(seq=2, at_ms=400),
    )
    told += timeline.move(0)
    told += heard(
        timeline,
        SpeechStarted(seq=3, at_ms=0),
        Transcript(seq=4, text="o", end_ms=200),
        SpeechEnded(seq=5, at_ms=400),
        final(6, 0, "one", 400),
        SpeechStarted(seq=7, turn=1, at_ms=900),
        SpeechEnded(seq=8, turn=1, at_ms=950),
        final(9, 1, "two", 950),
        Ended(seq=10),
    )
    check_timeline(told)
    assert [type(event).__name__ for event in told[1:5]] == [
        "SpeechStarted", "SpeechEnded", "Transcript", "SpeechStarted"
    ]  # fmt: skip


def test_a_turn_in_which_nothing_more_is_found_is_closed_at_the_end():
    timeline = Timeline()
    told = heard(
        timeline, Began(), SpeechStarted(seq=1, at_ms=0), final(2, 0, "one", 500, ends=False)
    )
    told += timeline.move(500)
    told += heard(timeline, Ended(seq=3))
    check_timeline(told)
    assert told[-2] == Transcript(
        turn=0, segment=1, start_ms=500, end_ms=500, final=True, ends_turn=True
    )


@pytest.mark.parametrize("theirs", [0, 7])
def test_turns_go_on_counting_whatever_the_new_gateway_counts(theirs: int):
    timeline = Timeline()
    told = heard(
        timeline,
        Began(),
        SpeechStarted(seq=1, turn=0, at_ms=0),
        SpeechEnded(seq=2, turn=0, at_ms=400),
        final(3, 0, "one", 400),
    )
    told += timeline.move(400)
    told += heard(
        timeline,
        SpeechStarted(seq=4, turn=theirs, at_ms=500),
        SpeechEnded(seq=5, turn=theirs, at_ms=600),
        final(6, theirs, "two", 600),
        Ended(seq=7),
    )
    check_timeline(told)


def test_a_container_heard_again_from_its_start_tells_only_what_is_new():
    timeline = Timeline()
    told = heard(
        timeline,
        Began(),
        SpeechStarted(seq=1, turn=0, at_ms=0),
        SpeechEnded(seq=2, turn=0, at_ms=400),
        final(3, 0, "one", 400),
        SpeechStarted(seq=4, turn=1, at_ms=500),
        Transcript(seq=5, turn=1, text="tw", start_ms=500, end_ms=600),
    )
    told += timeline.move(0)
    words = (Word("one", 0, 400), Word("two", 500, 700))
    told += heard(
        timeline,
        SpeechStarted(seq=6, turn=0, at_ms=0),
        Transcript(seq=7, turn=0, text="one", start_ms=0, end_ms=400),
        SpeechEnded(seq=8, turn=0, at_ms=400),
        final(9, 0, "one", 400),
        SpeechStarted(seq=10, turn=1, at_ms=500),
        SpeechEnded(seq=11, turn=1, at_ms=700),
        Transcript(
            seq=12, turn=1, text="one two", words=words, start_ms=0, end_ms=700, final=True,
            ends_turn=True,
        ),
        Ended(seq=13),
    )  # fmt: skip
    check_timeline(told)
    finals = [e.text for e in told if isinstance(e, Transcript) and e.final]
    assert finals == ["one", "two"]


def test_what_a_dead_gateway_was_saying_is_over():
    timeline = Timeline()
    heard(timeline, SpeechStarted(seq=1, side="out", utterance="u1"))
    assert timeline.here("u1") == "u1"
    assert timeline.move(0) == (SpeechEnded(side="out", reason="failed", utterance="u1"),)
    assert timeline.here("u1") is None
    (sound,) = heard(timeline, AudioOut(seq=2, utterance="u1", data=b"x"))
    assert isinstance(sound, AudioOut)
    assert sound.utterance == "u1~1"
    assert timeline.here(sound.utterance) == "u1"
    assert timeline.here("") == ""
