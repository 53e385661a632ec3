"""What the WebRTC measurements conclude from: delays by correlation, stalls, and the figure."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("aiortc")

from bench.adaptation import Sample, adaptation_svg
from bench.webrtc_latency import Heard, chirps, delays

from stalls import Stalls

COUNT = 12


def pieces(sound: np.ndarray, later_s: float, *, live: bool = False, size: int = 320) -> Heard:
    heard = Heard(live=live)
    for at in range(0, len(sound), size):
        heard.add(100.0 + at / 16_000 + later_s, sound[at : at + size])
    return heard


def test_a_delay_is_found_through_noise_another_gain_and_another_beginning() -> None:
    source = chirps(COUNT)
    noise = np.random.default_rng(3).normal(0, 400, len(source))
    mic = pieces(source, 0.0, live=True, size=160)
    late = np.concatenate([np.zeros(1_234), 0.4 * source + noise])
    engine = pieces(late, 0.05 - 1_234 / 16_000)
    found = delays(source, mic, engine, COUNT)
    assert len(found) == COUNT
    # A piece of 20 ms is there at once, so its samples are up to 20 ms early.
    assert all(50 - 20.1 <= each <= 50.1 for each in found), found


def test_what_is_not_there_is_not_found() -> None:
    source = chirps(COUNT)
    noise = np.random.default_rng(3).normal(0, 4_000, len(source))
    assert delays(source, pieces(source, 0.0), pieces(noise, 0.0), COUNT) == []


def test_stalls_count_within_what_is_asked_for_only() -> None:
    stalls = Stalls()
    stalls.seen = [(10.0, 0.1), (11.0, 0.05)]
    assert stalls.between(9.0, 12.0) == pytest.approx(0.15)
    assert stalls.between(9.95, 10.5) == pytest.approx(0.05)
    assert stalls.between(10.0, 10.9) == 0.0
    assert stalls.worst_ms == pytest.approx(100.0)


async def test_our_own_slowness_is_no_stall() -> None:
    import asyncio
    import time

    async with Stalls() as stalls:
        await asyncio.sleep(0.02)
        begun, spent = time.monotonic(), time.thread_time()
        while time.thread_time() - spent < 0.05:
            pass
        wall = time.monotonic() - begun
        await asyncio.sleep(0.02)
    taken = stalls.between(begun, begun + wall)
    assert taken <= wall - 0.05 + 0.01  # what other work took meanwhile, and no more


def test_the_figure_says_what_was_measured() -> None:
    samples = [
        Sample(at / 2, 24_000 if at < 16 else 9_000, 50, 24_000 - at, at // 4) for at in range(140)
    ]
    text = adaptation_svg(samples)
    root = ET.fromstring(text)
    lines = [e for e in root.iter() if e.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [140] * 4
    assert "prefers-color-scheme: dark" in text
    assert root.attrib["role"] == "img"
    heights = [float(point.split(",")[1]) for point in lines[1].attrib["points"].split()]
    assert heights[0] < heights[-1]  # less is lower
    assert adaptation_svg(samples) == text
