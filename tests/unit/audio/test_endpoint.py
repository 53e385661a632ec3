"""Turns from probabilities: a table of shapes, then laws over anything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio.endpoint import Endpointer, Paused, Resumed, Started, Stopped
from ossicle.core.options import TurnOptions

FRAME = 512  # 32 ms


def machine(**turns) -> Endpointer:
    return Endpointer(TurnOptions(**turns), frame_samples=FRAME)


def run(shape: str, **turns):
    """`s` speech, `.` silence, `-` in between."""
    it = machine(**turns)
    return [
        decision for mark in shape for decision in it.push({"s": 0.9, ".": 0.05, "-": 0.4}[mark])
    ]


@pytest.mark.parametrize(
    ("shape", "turns", "decisions"),
    [
        ("........", {}, []),
        (".s.s.s.s", {}, []),  # clicks: one frame each
        ("ss", {}, [Started(0, 0)]),
        ("s-s", {}, [Started(0, 0)]),  # in between keeps the run
        ("ss....", {"silence_ms": 96}, [Started(0, 0), Stopped(2 * FRAME, "silence")]),
        ("ss----------", {"silence_ms": 96}, [Started(0, 0)]),  # hysteresis: not silence
        ("ss..s..s..", {"silence_ms": 96}, [Started(0, 0)]),
        ("ss..-", {"silence_ms": 96}, [Started(0, 0), Stopped(2 * FRAME, "silence")]),
        ("ss......", {"silence_ms": 96, "detect": False}, [Started(0, 0)]),
        (
            "." * 20 + "ss",
            {},
            [Started(20 * FRAME, 20 * FRAME - 4800)],
        ),
        (
            "ss..s....",
            {"silence_ms": 128, "eager": 0.5},
            [
                Started(0, 0),
                Paused(2 * FRAME),
                Resumed(4 * FRAME),
                Paused(5 * FRAME),
                Stopped(5 * FRAME, "silence"),
            ],
        ),
        (
            "sssssss",
            {"max_ms": 96},
            [
                Started(0, 0),
                Stopped(3 * FRAME, "limit"),
                Started(3 * FRAME, 3 * FRAME),
                Stopped(6 * FRAME, "limit"),
                Started(6 * FRAME, 6 * FRAME),
            ],
        ),
        ("ss.s.", {"max_ms": 96}, [Started(0, 0), Stopped(2 * FRAME, "limit")]),
    ],
)
def test_shape(shape, turns, decisions):
    assert run(shape, **turns) == decisions


def test_pre_roll_never_reaches_into_the_turn_before():
    assert run("ss...ss", silence_ms=96)[-1] == Started(5 * FRAME, 5 * FRAME)


def test_a_cut_closes_an_open_turn_where_speech_ended():
    it = machine()
    for share in (0.9, 0.9, 0.1):
        it.push(share)
    assert it.cut() == (None, 2 * FRAME)
    assert it.cut() is None
    assert it.needed == 3 * FRAME


def test_a_cut_believes_speech_that_was_about_to_be_believed():
    it = machine()
    it.push(0.1)
    it.push(0.9)
    it.skip(100)
    assert it.cut() == (Started(FRAME, 0), 2 * FRAME + 100)


def test_options_change_in_the_middle_of_a_turn():
    it = machine(silence_ms=10_000)
    for share in (0.9, 0.9, 0.1, 0.1):
        assert not any(isinstance(d, Stopped) for d in it.push(share))
    it.retune(TurnOptions(silence_ms=64))
    assert it.push(0.1) == (Stopped(2 * FRAME, "silence"),)


OPTIONS = st.builds(
    TurnOptions,
    silence_ms=st.integers(0, 400),
    max_ms=st.sampled_from((0, 0, 1, 50, 300)),
    threshold=st.floats(0, 1),
    eager=st.none() | st.floats(0, 1),
    detect=st.booleans(),
)
STEPS = st.lists(st.floats(0, 1) | st.sampled_from(("cut", "forget", "skip")), max_size=80)


@given(OPTIONS, STEPS)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_laws(turns, steps):
    it = Endpointer(turns, frame_samples=FRAME)
    open_at = None  # of the turn that was told
    paused = False
    closed_until = 0
    for step in steps:
        if step == "cut":
            cut = it.cut()
            assert (cut is None) <= (open_at is None)
            if cut is not None:
                start, ended = cut
                assert (start is None) == (open_at is not None)
                begun = start.at if start else open_at
                assert begun <= ended <= it.position
                open_at, paused, closed_until = None, False, it.position
            continue
        if step == "forget":
            it.forget()
            open_at, paused, closed_until = None, False, it.position
            continue
        if step == "skip":
            it.skip(17)
            continue
        for decision in it.push(step):
            match decision:
                case Started():
                    assert open_at is None
                    assert closed_until <= decision.since <= decision.at <= it.position
                    assert decision.at - decision.since <= 4800
                    open_at = decision.at
                case Stopped():
                    assert open_at is not None
                    assert open_at <= decision.at <= it.position
                    assert decision.reason == "limit" or turns.detect
                    open_at, paused, closed_until = None, False, it.position
                case Paused():
                    assert open_at is not None
                    assert not paused
                    assert turns.eager is not None
                    paused = True
                case Resumed():
                    assert paused
                    paused = False
        assert it.speaking == (open_at is not None)
        assert closed_until <= it.needed <= it.position
