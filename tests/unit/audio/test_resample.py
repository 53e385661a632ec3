"""Exact length, no lost or late sample, and the same output however the input is cut."""

import numpy as np
import pytest

from ossicle.audio.resample import Resampler

PAIRS = [(8000, 16000), (48000, 16000), (44100, 16000), (11025, 16000), (16000, 8000),
         (22050, 48000), (12345, 16000), (48000, 8000), (8000, 48000)]  # fmt: skip


def run(data: bytes, source: int, target: int, step: int, channels: int = 1) -> bytes:
    live = Resampler(source, target, channels)
    size = step * 2 * channels
    out = [live.push(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join(out) + live.flush()


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("frames", [0, 1, 2, 5, 40, 100, 511, 512, 4321])
def test_output_lasts_as_long_as_input(source, target, frames):
    made = len(run(bytes(2 * frames), source, target, 160)) // 2
    assert abs(made - frames * target / source) <= 1


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_at_most_4_ms_are_held_back(source, target):
    live = Resampler(source, target)
    made = sum(len(live.push(bytes(source // 50 * 2))) for _ in range(50)) // 2
    assert source // 50 * 50 / source - made / target <= 0.004


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_tone_stays_where_it_was(sound, source, target):
    tone = np.sin(2 * np.pi * 440 * np.arange(source) / source) * 12000
    out = np.frombuffer(run(tone.astype("<i2").tobytes(), source, target, 333), "<i2")
    at = slice(target // 10, target * 9 // 10)
    expected = np.sin(2 * np.pi * 440 * np.arange(target) / target) * 12000
    assert np.abs(out[at] - expected[at]).max() < 40


def test_channels_do_not_leak_into_each_other():
    left = (np.sin(np.arange(4800) / 10) * 9000).astype("<i2")
    both = np.stack([left, np.zeros_like(left)], axis=1)
    out = np.frombuffer(run(both.tobytes(), 48000, 16000, 480, 2), "<i2").reshape(-1, 2)
    assert out[:, 0].tobytes() == run(left.tobytes(), 48000, 16000, 480)
    assert not out[:, 1].any()


def test_a_flush_is_the_end():
    live = Resampler(8000, 16000)
    live.push(bytes(320))
    assert live.flush()
    assert live.flush() == b""
