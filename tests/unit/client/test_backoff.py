"""Waits double up to a bound, are spread by chance, and end."""

from ossicle.client import Backoff, Reconnect

PLAN = Reconnect(first_s=1.0, most_s=5.0, total_s=20.0)


def test_the_bound_doubles_and_chance_spreads():
    backoff = Backoff(PLAN, lambda: 0.5)
    assert [backoff.wait(0.0) for _ in range(5)] == [0.5, 1.0, 2.0, 2.5, 2.5]
    assert Backoff(PLAN, lambda: 0.0).wait(0.0) == 0.0


def test_it_gives_up_in_time():
    backoff = Backoff(PLAN, lambda: 0.999)
    now, waits = 100.0, 0
    while (wait := backoff.wait(now)) is not None:
        now += wait
        waits += 1
        assert now <= 120.0
    assert now == 120.0
    assert waits == backoff.attempts


def test_progress_starts_over():
    backoff = Backoff(PLAN, lambda: 0.5)
    for now in (0.0, 1.0, 2.0):
        backoff.wait(now)
    backoff.progress()
    assert backoff.attempts == 0
    assert backoff.wait(1_000.0) == 0.5


def test_never_means_never():
    assert Backoff(Reconnect(total_s=0.0)).wait(0.0) is None


def test_many_attempts_do_not_overflow():
    backoff = Backoff(Reconnect(first_s=1.0, most_s=2.0, total_s=1e9), lambda: 1.0)
    assert [backoff.wait(0.0) for _ in range(5_000)][-1] == 2.0


def test_what_the_other_end_says_is_waited_for():
    backoff = Backoff(Reconnect(first_s=2.0, total_s=60.0), lambda: 0.5)
    assert backoff.wait(0.0, 30.0) == 31.0
    assert backoff.wait(31.0, 40.0) is None, "longer than it tries at all"
