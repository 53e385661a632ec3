"""The resampler against numpy: an ideal one, by Fourier transform."""

from typing import Any

import numpy as np
import pytest


def ideal(signal: np.ndarray, to: int) -> np.ndarray:
    """A whole second, band-limited and exact, from one rate to another."""
    spectrum = np.fft.rfft(signal)
    out = np.zeros(to // 2 + 1, complex)
    count = min(len(spectrum), len(out))
    out[:count] = spectrum[:count]
    return np.fft.irfft(out, to) * to / len(signal)


def decibel(ratio: float) -> float:
    return 20 * np.log10(max(ratio, 1e-12))


def rms(signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(signal**2)))


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000, 32_000, 22_050, 8_000])
def test_what_can_be_kept_is_kept(in_javascript: Any, rate: int) -> None:
    """Many tones below 7 kHz, whole periods in a second; compared away from the edges."""
    time = np.arange(rate) / rate
    highest = min(7_000, rate // 2 * 7 // 8)
    tones = [97, 440, 1_250, 2_900, 3_400, 5_100, 6_900]
    signal = sum(0.1 * np.sin(2 * np.pi * tone * time + tone) for tone in tones if tone <= highest)
    (told,) = in_javascript(
        {"job": "resample", "from": rate, "to": 16_000, "samples": signal.tolist(), "cuts": []}
    )
    out = np.array(told["out"])
    assert abs(len(out) - 16_000) <= 1
    assert told["delay_s"] <= 0.0051
    middle = slice(1_000, 15_000)
    assert decibel(rms(out[middle] - ideal(signal, 16_000)[middle]) / rms(signal)) < -70


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000])
@pytest.mark.parametrize("tone", [8_100, 9_000, 12_000, 15_900, 20_000])
def test_what_cannot_be_kept_does_not_fold_back(in_javascript: Any, rate: int, tone: int) -> None:
    signal = 0.9 * np.sin(2 * np.pi * tone * np.arange(rate) / rate)
    (told,) = in_javascript(
        {"job": "resample", "from": rate, "to": 16_000, "samples": signal.tolist(), "cuts": []}
    )
    assert decibel(rms(np.array(told["out"])[1_000:15_000]) / rms(signal)) < -70


def test_pieces_change_nothing(in_javascript: Any) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, 4_000).tolist()
    whole = {"job": "resample", "from": 44_100, "to": 16_000, "samples": noise, "cuts": []}
    cuts = sorted(np.random.default_rng(2).integers(0, 4_000, 90).tolist())
    one, other, tiny = in_javascript(
        whole, whole | {"cuts": cuts}, whole | {"cuts": list(range(4_000))}
    )
    assert one["out"] == other["out"] == tiny["out"]


def test_sixteen_bits(in_javascript: Any) -> None:
    (told,) = in_javascript({"job": "int16", "samples": [0, 1, -1, 2, -2, 0.5, 1 / 32767]})
    assert told == [0, 32767, -32767, 32767, -32767, 16384, 1]
