"""Where the time went: arrivals between samples, parts that add up, bounds."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ossicle.core.ledger import _ANCHORS, Ledger, LedgerReport

OPENED = 100.0
FAR = 1e9

arrivals = st.lists(
    st.tuples(st.integers(1, 3_000), st.floats(0, 3)), min_size=1, max_size=_ANCHORS + 10
)


def fed(steps) -> tuple[Ledger, list[tuple[int, float]]]:
    ledger, ms, now, samples = Ledger(OPENED), 0, OPENED, []
    for more_ms, seconds in steps:
        ms += more_ms
        now += seconds
        ledger.arrived(ms, now)
        samples.append((ms, now))
    return ledger, samples


@settings(derandomize=True, deadline=None, max_examples=50)
@given(arrivals)
def test_a_sample_is_its_own_arrival(steps):
    ledger, samples = fed(steps)
    for ms, when in samples[-_ANCHORS:]:
        assert ledger.arrival(ms, when + 1) == when


@settings(derandomize=True, deadline=None, max_examples=50)
@given(arrivals, st.data())
def test_between_samples_sound_comes_in_order_and_never_before_the_session(steps, data):
    ledger, samples = fed(steps)
    last = samples[-1][0]
    one, other = sorted(data.draw(st.tuples(st.integers(0, last), st.integers(0, last))))
    early, late = ledger.arrival(one, FAR), ledger.arrival(other, FAR)
    assert OPENED <= early <= late <= samples[-1][1]
    # Never later than the next sample, which held it.
    assert early <= next(when for ms, when in samples if ms >= one)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(arrivals)
def test_beyond_the_newest_sample_sound_comes_at_the_pace_of_speech_and_never_in_the_future(steps):
    ledger, samples = fed(steps)
    last_ms, last = samples[-1]
    assert ledger.arrival(last_ms + 500, FAR) == pytest.approx(last + 0.5)
    assert ledger.arrival(last_ms + 500, last + 0.1) == last + 0.1
    assert Ledger(OPENED).arrival(0, FAR) is None


def test_sound_at_the_pace_of_speech_is_read_to_the_millisecond():
    ledger = Ledger(OPENED)
    for second in range(1, 5):
        ledger.arrived(second * 1_000, OPENED + second + 0.25)
    assert ledger.arrival(2_300, FAR) == pytest.approx(OPENED + 2.55)


def test_an_older_sample_is_not_taken():
    ledger = Ledger(OPENED)
    ledger.arrived(1_000, OPENED + 1)
    ledger.arrived(900, OPENED + 9)
    ledger.arrived(1_000, OPENED + 9)
    assert ledger.arrival(1_000, FAR) == OPENED + 1


def test_a_file_sent_at_once_has_waited_only_since_it_came():
    ledger = Ledger(OPENED)
    ledger.arrived(60_000, OPENED + 0.5)
    ledger.partial(0, 400, OPENED + 1)
    assert ledger.report().first_partial_ms <= 1_000


def test_a_turn_in_parts():
    ledger = Ledger(OPENED)
    ledger.ready(OPENED + 0.2)
    ledger.ready(OPENED + 9)
    ledger.arrived(1_000, OPENED + 1)
    ledger.arrived(2_000, OPENED + 2)
    ledger.partial(0, None, OPENED + 2)
    ledger.partial(0, 900, OPENED + 1.1)
    ledger.partial(0, 900, OPENED + 1.9)  # said again: no news
    ledger.turn_over(0, 1_200, 2_050, 800, OPENED + 2.05)
    ledger.add("queue", 50)
    ledger.final(0, OPENED + 2.08)
    ledger.add("send", 1.5)
    ledger.add("network", 30.0)
    assert ledger.report() == LedgerReport(
        setup_ms=200.0,
        first_partial_ms=200.0,
        end_of_turn_ms=800,
        queue_ms=50.0,
        engine_ms=80.0,
        send_ms=1.5,
        network_ms=30.0,
        turns=1,
    )


def test_nothing_happened():
    assert Ledger(OPENED).report() == LedgerReport()


def test_a_final_without_an_end_counts_the_turn_only():
    ledger = Ledger(OPENED)
    ledger.final(0, OPENED)
    ledger.turn_over(1, None, 100, 800, OPENED)
    ledger.final(0, OPENED + 1)
    assert ledger.report() == LedgerReport(turns=2)


def test_an_end_before_its_audio_is_no_negative_wait():
    ledger = Ledger(OPENED)
    ledger.arrived(1_000, OPENED + 1)
    ledger.turn_over(0, 1_100, 1_000, 800, OPENED + 0.5)
    assert ledger.report().end_of_turn_ms == 0


def test_the_wait_is_what_was_asked_for_and_the_rest_is_the_engines():
    ledger = Ledger(OPENED)
    ledger.arrived(3_000, OPENED + 3)
    ledger.turn_over(0, 1_000, 3_000, 500, OPENED + 3)
    ledger.final(0, OPENED + 3.1)
    report = ledger.report()
    assert report.end_of_turn_ms == 500
    assert report.engine_ms == pytest.approx(1_600)


def test_channels_have_their_own_turns():
    ledger = Ledger(OPENED)
    ledger.turn_over(0, None, 0, 800, OPENED)
    ledger.turn_over(1, None, 0, 800, OPENED + 1)
    ledger.final(1, OPENED + 1.01)
    ledger.final(0, OPENED + 1.01)
    assert ledger.report().engine_ms == 1010.0


def test_it_is_bounded():
    ledger = Ledger(OPENED)
    for n in range(10_000):
        ledger.arrived(n, OPENED + n)
        ledger.add("send", n)
    assert len(ledger._anchors) == _ANCHORS
    assert len(ledger._samples["send"]) == 256
    assert ledger.report().send_ms == 9_872
