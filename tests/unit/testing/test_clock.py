"""The hand-moved clock: order, cancelling, loops, and failing callbacks."""

import doctest
import math

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import ossicle.testing.clock
from ossicle.core.ports import Timers
from ossicle.testing.clock import ManualTimers


def test_the_example_in_the_docstring():
    assert doctest.testmod(ossicle.testing.clock).failed == 0


def test_it_is_what_the_core_asks_for():
    timers: Timers = ManualTimers(5.0)
    assert timers.now() == 5.0
    timers.call_at(6.0, lambda: None).cancel()


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0, 10), max_size=20), st.lists(st.floats(0, 4), max_size=10))
def test_alarms_run_in_order_at_their_own_time(times, moves):
    timers, seen = ManualTimers(), []
    for n, when in enumerate(times):
        timers.call_at(when, lambda n=n, when=when: seen.append((when, n, timers.now())))
    for seconds in moves:
        timers.advance(seconds)
    due = sorted((when, n) for n, when in enumerate(times) if when <= timers.now() and moves)
    assert seen == [(when, n, when) for when, n in due]
    assert timers.pending == len(times) - len(due)


def test_soon_comes_before_alarms_and_what_a_callback_asks_for_runs_too():
    timers, seen = ManualTimers(), []
    timers.call_at(1.0, lambda: (seen.append("alarm"), timers.call_soon(lambda: seen.append("b"))))
    timers.call_at(1.0, lambda: seen.append("second"))
    timers.call_soon(lambda: seen.append("a"))
    timers.run_soon()
    assert seen == ["a"]
    timers.advance(1.0)
    assert seen == ["a", "alarm", "b", "second"]
    assert (timers.pending, timers.deadline) == (0, math.inf)


def test_an_alarm_in_the_past_runs_at_the_next_move_and_time_does_not_go_back():
    timers, seen = ManualTimers(10.0), []
    timers.call_at(3.0, lambda: seen.append(timers.now()))
    timers.run_soon()
    assert seen == [10.0]


def test_cancelled_alarms_do_not_run():
    timers, seen = ManualTimers(), []
    first = timers.call_at(1.0, lambda: second.cancel())  # noqa: PLW0108  made below
    second = timers.call_at(1.0, lambda: seen.append("second"))
    third = timers.call_soon(lambda: seen.append("third"))
    third.cancel()
    third.cancel()
    assert timers.pending == 2
    timers.advance(1.0)
    assert seen == []
    assert not first.pending
    assert not second.pending


def test_a_timer_may_ask_for_itself_again():
    timers, seen = ManualTimers(), []

    def tick():
        seen.append(timers.now())
        timers.call_at(timers.now() + 1, tick)

    timers.call_at(1, tick)
    timers.advance(3.5)
    assert seen == [1, 2, 3]
    assert timers.deadline == 4


def test_a_loop_without_end_is_told():
    timers = ManualTimers(max_callbacks=50)

    def again():
        timers.call_soon(again)

    timers.call_soon(again)
    with pytest.raises(RuntimeError, match="50 callbacks"):
        timers.advance(1)


def test_a_failing_callback_fails_the_test_and_leaves_the_others():
    timers, seen = ManualTimers(), []
    timers.call_at(1, lambda: 1 / 0)
    timers.call_at(2, lambda: seen.append(timers.now()))
    with pytest.raises(ZeroDivisionError):
        timers.advance(5)
    assert timers.now() == 1
    timers.advance(1)
    assert seen == [2]


def test_never_is_a_time():
    timers = ManualTimers()
    timers.call_at(math.inf, lambda: None)
    assert timers.pending == 0
    timers.advance(1e9)


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan])
def test_the_clock_moves_only_forward(seconds):
    with pytest.raises(ValueError, match="cannot move"):
        ManualTimers().advance(seconds)


def test_nan_is_no_time():
    with pytest.raises(ValueError, match="inf for never"):
        ManualTimers().call_at(math.nan, lambda: None)
