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
