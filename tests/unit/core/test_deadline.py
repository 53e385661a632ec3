"""A client's deadline, with a clock moved by hand."""

from ossicle.core.deadline import Deadline, too_late
from ossicle.testing.clock import ManualTimers


def made(clock: ManualTimers) -> tuple[Deadline, list[str]]:
    calls: list[str] = []
    return Deadline(clock, lambda: calls.append("near"), lambda: calls.append("passed")), calls


def test_near_and_passed_come_before_the_end() -> None:
    clock = ManualTimers()
    deadline, calls = made(clock)
    deadline.set(30.0)
    clock.advance(28.9)
    assert calls == []
    clock.advance(0.2)
    assert calls == ["near"]
    clock.advance(0.6)
    assert calls == ["near"]
    clock.advance(0.1)
    assert calls == ["near", "passed"]


def test_a_short_one_is_divided() -> None:
    clock = ManualTimers()
    deadline, calls = made(clock)
    deadline.set(1.0)
    clock.advance(0.81)
    assert calls == ["near"]
    clock.advance(0.15)
    assert calls == ["near", "passed"]


def test_set_again_and_cancelled() -> None:
    clock = ManualTimers()
    deadline, calls = made(clock)
    deadline.set(1.0)
    deadline.set(100.0)
    clock.advance(50)
    assert calls == []
    deadline.set(None)
    clock.advance(100)
    assert calls == []
    deadline.set(0.5)
    deadline.cancel()
    clock.advance(10)
    assert calls == []


def test_its_error_says_how_long() -> None:
    assert too_late(2.5).code == "timed_out"
    assert "2.5 s" in str(too_late(2.5))
