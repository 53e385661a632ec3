"""When another engine stream is opened, and when nobody tries any more."""

import pytest

from ossicle.core.errors import Fault
from ossicle.core.host import SessionSettings
from ossicle.core.retries import Retries

BROKE = Fault("engine_failed", "it broke", "us", retryable=True)
SETTINGS = SessionSettings(replays=2, replay_window_s=10.0, replay_wait_s=(0.0, 0.5))


def test_waits_grow_and_then_it_gives_up() -> None:
    retries = Retries(SETTINGS)
    assert retries.after(BROKE, 100.0, fresh=False) == 100.0
    assert retries.after(BROKE, 101.0, fresh=False) == 101.5
    assert retries.after(BROKE, 102.0, fresh=False) is None


def test_old_failures_are_forgotten() -> None:
    retries = Retries(SETTINGS)
    retries.after(BROKE, 100.0, fresh=False)
    retries.after(BROKE, 101.0, fresh=False)
    assert retries.after(BROKE, 111.5, fresh=False) == 111.5


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    fault = Fault("bad_option", "no such thing", "client")
    assert Retries(SETTINGS).after(fault, 0.0, fresh=False) is None


@pytest.mark.parametrize(("fresh", "again"), [(True, None), (False, 5.0)])
def test_no_room_is_said_at_once_to_a_client_that_was_never_served(
    fresh: bool, again: float | None
) -> None:
    full = Fault("at_capacity", "all taken", "us", retryable=True)
    assert Retries(SETTINGS).after(full, 5.0, fresh=fresh) == again


def test_without_waits_it_is_at_once() -> None:
    settings = SessionSettings(replay_wait_s=())
    assert Retries(settings).after(BROKE, 7.0, fresh=False) == 7.0


def survived(failures: int, *, every_s: float, settled_ms: int, earned_ms: int = 1_000) -> int:
    """How many of so many failures a session survives by default, `settled_ms` between two."""
    retries = Retries(SessionSettings(replay_earned_ms=earned_ms))
    for number in range(failures):
        now, at = number * every_s, number * settled_ms
        if retries.after(BROKE, now, fresh=False, settled_ms=at) is None:
            return number
    return failures


def test_an_engine_that_gets_on_between_its_failures_may_fail_for_ever() -> None:
    assert survived(2_000, every_s=2.0, settled_ms=1_500) == 2_000
    assert survived(2_000, every_s=2.0, settled_ms=1_500, earned_ms=0) == 5


def test_one_that_breaks_at_each_word_is_given_up() -> None:
    assert survived(2_000, every_s=0.3, settled_ms=0) == 5
    assert survived(2_000, every_s=0.3, settled_ms=300) == 6  # within two seconds


def test_what_was_settled_before_a_failure_earns_nothing() -> None:
    retries = Retries(SETTINGS)
    for at in (100.0, 101.0):
        assert retries.after(BROKE, at, fresh=False, settled_ms=3_600_000) is not None
    assert retries.after(BROKE, 102.0, fresh=False, settled_ms=3_600_000) is None


def test_old_failures_and_old_audio_are_forgotten_together() -> None:
    retries = Retries(SETTINGS)
    retries.after(BROKE, 100.0, fresh=False, settled_ms=0)
    retries.after(BROKE, 200.0, fresh=False, settled_ms=90_000)
    assert retries.after(BROKE, 201.0, fresh=False, settled_ms=90_500) == 201.5
    assert retries.after(BROKE, 202.0, fresh=False, settled_ms=90_900) is None
    retries = Retries(SETTINGS)
    retries.after(BROKE, 200.0, fresh=False, settled_ms=90_000)
    assert retries.after(BROKE, 201.0, fresh=False, settled_ms=91_000) == 201.0
