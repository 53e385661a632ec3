"""Loss and jitter by a hand-moved clock: what this buffer makes of it, and aiortc's beside it.

No socket and no scheduler, so a gap here is the buffer's own. The same with sockets is
`tests/reliability/test_webrtc_loss.py`.
"""

import random
from itertools import pairwise
from math import inf

import pytest

pytest.importorskip("aiortc")

from aiortc.jitterbuffer import JitterBuffer as StockBuffer
from aiortc.rtp import RtpPacket

from ossicle.audio.mediacodecs import MediaCodecs
from ossicle.transports.webrtc.ear import Ear
from pitch import heard_in, pitches
from webrtc_peers import encoded

CODERS = MediaCodecs()
WORDS = [number * 7 % 40 for number in range(40)]
PACKETS = encoded(pitches(WORDS), loss_percent=10)
"""Eleven seconds."""
STEP = 960


def arrivals(
    loss: float, jitter_ms: float, seed: int, still_ms: int = 0
) -> tuple[list[tuple[float, int]], int]:
    """(seconds, number) as packets come, and how many never do. `still_ms`: nothing is read for so
    long, every two seconds."""
    chance = random.Random(seed)
    came: list[tuple[float, int]] = []
    for number in range(len(PACKETS)):
        gone, late = chance.random() < loss, chance.uniform(0, jitter_ms)
        if not gone or number in {0, len(PACKETS) - 1}:
            came.append((number * 20 + late, number))
    read = [(max(ms, ms // 2_000 * 2_000 + still_ms) / 1000, number) for ms, number in sorted(came)]
    return read, len(PACKETS) - len(came)


class Heard:
    """What came out, and when."""

    def __init__(self) -> None:
        self.sound: list[bytes] = []
        self.times: list[float] = []
        self.now = 0.0

    def add(self, sound: bytes) -> None:
        self.sound.append(sound)
        self.times.append(self.now)

    @property
    def worst_gap_ms(self) -> float:
        return _gap_ms(self.times)

    @property
    def rate(self) -> float:
        """Frames of 20 ms for each second that was said."""
        return sum(map(len, self.sound)) / 640 / len(PACKETS) * 50


def _gap_ms(times: list[float]) -> float:
    return max(1000 * (after - before) for before, after in pairwise(times))


def run(came: list[tuple[float, int]]) -> tuple[Heard, Ear]:
    heard = Heard()
    ear = Ear("opus", 48_000, CODERS, heard.add)
    for at, number in came:
        while ear.deadline <= at:
            heard.now = max(heard.now, ear.deadline)
            ear.expire(ear.deadline)
        heard.now = at
        ear.packet(number, number * STEP, PACKETS[number], at)
    if ear.deadline < inf:
        heard.now = ear.deadline
        ear.expire(ear.deadline)
    return heard, ear


def run_stock(came: list[tuple[float, int]]) -> list[float]:
    """When frames come out of aiortc's."""
    buffer = StockBuffer(capacity=16, prefetch=4)
    times: list[float] = []
    for at, number in came:
        packet = RtpPacket(sequence_number=number, timestamp=number * STEP, payload=b"x")
        packet._data = b"x"
        _, frame = buffer.add(packet)
        if frame is not None:
            times.append(at)
    return times


@pytest.mark.parametrize(
    ("loss", "jitter_ms", "most_ms"),
    [(0.015, 0, 100), (0.015, 30, 140), (0.05, 0, 160), (0.05, 30, 160)],
)
def test_no_sound_is_missing_and_none_is_late(loss: float, jitter_ms: int, most_ms: int) -> None:
    for seed in range(3):
        came, lost = arrivals(loss, jitter_ms, seed)
        heard, ear = run(came)
        assert heard.rate >= 49.9, seed
        assert heard.worst_gap_ms <= most_ms, seed
        assert ear.stats.concealed <= lost, seed
        if loss > 0.02:  # pauses carry no redundancy, and few are lost else
            assert ear.stats.recovered > lost / 4, seed
        assert heard_in(b"".join(heard.sound)) == WORDS, seed
        stock = run_stock(came)
        assert len(stock) / len(PACKETS) * 50 < 49.5
        assert _gap_ms(stock) > 1.5 * heard.worst_gap_ms


def test_a_process_that_stands_still_now_and_then_hears_no_later_for_it() -> None:
    """150 ms in every two seconds: they are a gap of their own, and nothing comes on top that a
    loss does not cost anyway."""
    still_ms = 150
    for seed in range(5):
        came, lost = arrivals(0.05, 0, seed, still_ms)
        heard, ear = run(came)
        assert heard.rate >= 49.9
        assert heard.worst_gap_ms <= _gap_ms([at for at, _ in came]) + 40
        assert ear.network.late == 0
        assert ear.network.lost == lost
        assert ear.depth_s <= 0.06
