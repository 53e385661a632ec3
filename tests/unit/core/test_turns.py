"""The law of turns, for engines that keep it and for engines that do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.events import AudioOut, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.turns import Turns
from ossicle.testing.law import TurnLaws

CHANNEL = st.integers(0, 1)
TEXT = st.sampled_from(["", "a", "a b", "c"])
EVENTS = st.one_of(
    st.builds(SpeechStarted, at_ms=st.integers(0, 99), channel=CHANNEL),
    st.builds(SpeechEnded, at_ms=st.integers(0, 99), channel=CHANNEL, provisional=st.booleans()),
    st.builds(
        Transcript,
        text=TEXT,
        start_ms=st.just(0),
        end_ms=st.integers(0, 99),
        segment=st.integers(0, 3),
        final=st.booleans(),
        ends_turn=st.booleans(),
        channel=CHANNEL,
        ref=st.sampled_from(["", "", "r"]),
    ),
)
STEPS = st.one_of(
    EVENTS,
    EVENTS,
    EVENTS,
    st.just("restart"),
    st.builds(lambda channel: ("answer", channel), CHANNEL),
    st.just("close"),
)


@settings(derandomize=True, max_examples=600)
@given(st.lists(STEPS, max_size=25), st.booleans())
def test_whatever_an_engine_says_the_law_holds_and_no_final_word_is_lost(steps, whole):
    turns, laws, said = Turns(whole_turns=whole), TurnLaws(), {0: [], 1: []}
    for step in steps:
        match step:
            case "restart":
                turns.restart()
                continue
            case "close":
                events = turns.close(100, "end")
            case ("answer", channel):
                events = turns.answer("ref", channel, 100)
                assert sum(isinstance(e, Transcript) and e.ref == "ref" for e in events) == 1
            case _:
                events = turns.stamp(step)
                if isinstance(step, Transcript) and step.final and step.text:
                    said[step.channel].append(step.text)
        laws.hear(events)
        for channel, law in laws.of.items():
            assert turns.phase(channel) == law.phase
            assert turns.number(channel) == law.turn
    laws.hear(turns.close(200, "end"))
    for channel, texts in said.items():
        law = laws.of.get(channel)
        assert (law.texts if law else []) == texts
        assert law is None or law.phase == "idle"
        assert law is None or law.ends >= law.starts


def turn(*texts: str, started=True, ended=True) -> list:
    events = [SpeechStarted(at_ms=0)] if started else []
    for text in texts[:-1]:
        events += [Transcript(text=text[:1]), Transcript(text=text, final=True)]
    events.append(Transcript(text=texts[-1][:1]))
    if ended:
        events.append(SpeechEnded(at_ms=9))
    return [*events, Transcript(text=texts[-1], final=True, ends_turn=True)]


def names(events) -> list[str]:
    return [
        type(e).__name__.removeprefix("Speech")
        + ("!" if isinstance(e, Transcript) and e.ends_turn else "")
        + ("." if isinstance(e, Transcript) and e.final else "")
        for e in events
    ]


def all_of(turns: Turns, events) -> list:
    return [lawful for event in events for lawful in turns.stamp(event)]


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_a_good_turn_comes_out_as_it_is_and_a_bare_one_is_completed(started, ended):
    out = all_of(Turns(), turn("one", "two", started=started, ended=ended) * 2)
    shape = ["Started", "Transcript", "Transcript.", "Transcript", "Ended", "Transcript!."]
    assert names(out) == shape * 2
    assert [e.turn for e in out] == [0] * 6 + [1] * 6
    assert [e.segment for e in out if isinstance(e, Transcript)] == [0, 0, 1, 1] * 2


def test_an_engine_that_only_says_finals_is_right():
    out = all_of(Turns(whole_turns=False), [Transcript(text="a", final=True, end_ms=5)] * 2)
    assert names(out) == ["Started", "Ended", "Transcript!."] * 2
    assert [e.turn for e in out] == [0, 0, 0, 1, 1, 1]


def test_numbers_go_on_where_a_session_was_taken_over():
    out = all_of(Turns(first=7), turn("a"))
    assert {e.turn for e in out} == {7}


def test_a_provisional_end_is_taken_back_by_a_start_of_the_same_turn():
    turns = Turns()
    out = all_of(
        turns,
        [
            SpeechStarted(),
            Transcript(text="a"),
            SpeechEnded(provisional=True),
            SpeechEnded(provisional=True),
            Transcript(text="a ghost"),
            SpeechStarted(),
            Transcript(text="a b"),
            SpeechEnded(provisional=True),
            Transcript(text="a b", final=True, ends_turn=True),
        ],
    )
    assert names(out) == [
        "Started", "Transcript", "Ended", "Started", "Transcript", "Ended", "Ended", "Transcript!.",
    ]  # fmt: skip
    assert [e.provisional for e in out if isinstance(e, SpeechEnded)] == [True, True, False]
    assert {e.turn for e in out} == {0}


def test_a_start_before_the_last_final_closes_the_turn_first():
    turns = Turns()
    out = all_of(turns, [SpeechStarted(), SpeechEnded(at_ms=5), SpeechStarted(at_ms=9)])
    assert names(out) == ["Started", "Ended", "Transcript!.", "Started"]
    assert [e.turn for e in out] == [0, 0, 0, 1]


def test_silence_is_no_turn():
    turns = Turns()
    assert all_of(turns, [Transcript(text=""), Transcript(final=True), SpeechEnded()]) == []
    assert all_of(turns, [Transcript(final=True, ends_turn=True)]) == []
    assert turns.close(5, "end") == ()


def test_a_question_in_silence_is_answered_with_an_empty_last_final():
    (answer,) = Turns().stamp(Transcript(final=True, ends_turn=True, ref="q"))
    assert (answer.text, answer.ref, answer.ends_turn) == ("", "q", True)


def test_output_and_notices_pass_untouched():
    turns = Turns()
    for event in (
        AudioOut(data=b"x"),
        Notice(code="c"),
        SpeechStarted(side="out", turn=9),
        Transcript(side="out", text="x", turn=4),
        SpeechEnded(side="out", turn=4),
    ):
        assert turns.stamp(event) == (event,)
    assert turns.phase() == "idle"


@pytest.mark.parametrize("cut", range(7))
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("started", [True, False])
def test_a_replay_doubles_no_start_and_loses_no_turn(cut, ended, started):
    """The engine dies after `cut` of its events; another hears again what was not final."""
    script = turn("one", "two", started=started, ended=ended)
    cut = min(cut, len(script))
    turns, laws = Turns(), TurnLaws()
    laws.hear(all_of(turns, script[:cut]))
    turns.restart()
    frozen = sum(isinstance(e, Transcript) and e.final for e in script[:cut])
    again = turn(*("one", "two")[frozen:], started=started, ended=ended) if frozen < 2 else []
    laws.hear(all_of(turns, [*again, *turn("next")]))
    law = laws.of[0]
    assert law.texts == ["one", "two", "next"]
    assert (law.starts, law.ends, law.phase) == (2, 2, "idle")


@pytest.mark.parametrize("started", [True, False])
def test_a_replay_while_the_end_was_provisional_still_resumes_and_ends(started):
    turns, laws = Turns(), TurnLaws()
    laws.hear(all_of(turns, [SpeechStarted(), Transcript(text="a"), SpeechEnded(provisional=True)]))
    turns.restart()
    again = [SpeechStarted()] if started else []
    again += [Transcript(text="a"), SpeechEnded(provisional=True), SpeechStarted()]
    out = all_of(turns, [*again, Transcript(text="a b")])
    laws.hear(out)
    assert names(out) == ["Started", "Transcript"], "resumed once, and heard from there on"
    laws.hear(all_of(turns, [Transcript(text="a b", final=True, ends_turn=True)]))
    assert laws.of[0].texts == ["a b"]
    assert laws.of[0].ends == 1


def test_closing_ends_every_channel_once():
    turns, laws = Turns(), TurnLaws()
    laws.hear(all_of(turns, [SpeechStarted(), SpeechStarted(channel=1), SpeechEnded(channel=1)]))
    laws.hear(turns.close(50, "failed"))
    assert [law.ends for law in laws.of.values()] == [1, 1]
    assert turns.close(60, "end") == ()


def test_segments_of_a_second_stream_go_on_after_the_frozen_ones():
    turns = Turns()
    all_of(turns, [SpeechStarted(), Transcript(text="a", segment=0, final=True)])
    all_of(turns, [Transcript(text="b", segment=1, final=True)])
    turns.restart()
    out = all_of(turns, [Transcript(text="c", segment=0), Transcript(text="d", segment=1)])
    assert [e.segment for e in out] == [2, 3]
