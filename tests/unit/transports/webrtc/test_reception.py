"""What receiver reports say, by the examples of RFC 3550 appendix A and beside aiortc's own."""

import random

import pytest

from ossicle.transports.webrtc.reception import Reception

RATE = 48_000


def seen(*numbers: int) -> Reception:
    found = Reception(RATE)
    for place, number in enumerate(numbers):
        found.add(number & 0xFFFF, (number * 960) & 0xFFFFFFFF, place / 50)
    return found


@pytest.mark.parametrize(
    ("numbers", "lost", "highest"),
    [
        ((5, 6, 7), 0, 7),
        ((5, 7, 9), 2, 9),
        ((5, 7, 6, 8), 0, 8),
        ((5, 6, 6, 7), -1, 7),
        ((65_534, 65_535, 65_536, 65_538), 1, 2),
    ],
    ids=["all", "two lost", "swapped", "copy", "wraps"],
)
def test_lost_and_highest(numbers: tuple[int, ...], lost: int, highest: int) -> None:
    found = seen(*numbers)
    assert (found.packets_lost, found.max_seq) == (lost, highest)
    assert found.packets_received == len(numbers)


def test_the_share_is_counted_since_it_was_last_asked() -> None:
    found = seen(0, 1, 3, 4)
    assert found.fraction_lost == 256 // 5
    assert found.fraction_lost == 0
    for number in (5, 6, 7, 9):
        found.add(number, number * 960, number / 50)
    assert found.fraction_lost == 256 // 5


def test_nothing_came() -> None:
    found = Reception(RATE)
    assert (found.packets_expected, found.packets_lost, found.fraction_lost) == (0, 0, 0)


def test_a_steady_stream_has_no_jitter_also_where_its_timestamps_wrap() -> None:
    found = Reception(RATE)
    for number in range(100):
        found.add(number, (0xFFFFFFFF - 40 * 960 + number * 960) & 0xFFFFFFFF, number / 50)
    assert found.jitter == 0


def test_the_same_as_aiortc_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under loss, disorder and jitter."""
    pytest.importorskip("aiortc")
    from aiortc.rtcrtpreceiver import StreamStatistics
    from aiortc.rtp import RtpPacket

    chance = random.Random(4)
    ours, theirs = Reception(RATE), StreamStatistics(RATE)
    now = 0.0
    monkeypatch.setattr("time.time", lambda: now)
    arrivals = sorted(
        (number / 50 + chance.uniform(0, 0.03), number)
        for number in range(65_000, 66_000)
        if number == 65_000 or chance.random() > 0.05
    )
    for count, (at, number) in enumerate(arrivals):
        now = at
        sequence, stamp = number & 0xFFFF, number * 960
        ours.add(sequence, stamp, now)
        theirs.add(RtpPacket(sequence_number=sequence, timestamp=stamp))
        if not count % 50:
            assert ours.fraction_lost == theirs.fraction_lost
            assert ours.jitter == pytest.approx(theirs.jitter, abs=5)
    assert ours.packets_lost == theirs.packets_lost > 20
    assert (ours.max_seq, ours.cycles) == (theirs.max_seq, theirs.cycles)
