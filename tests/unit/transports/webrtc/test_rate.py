"""Bitrate and redundancy by reports."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.transports.webrtc.rate import SendRate


def test_heavy_loss_costs_bitrate_at_once_and_calm_gives_it_back() -> None:
    rate = SendRate(24_000, 12_000)
    assert rate.report(0.2, 0.0)
    assert rate.bitrate == 21_600
    for second in range(1, 10):
        rate.report(0.3, float(second))
    assert rate.bitrate == 12_000
    for second in range(10, 60):
        rate.report(0.0, float(second))
    assert rate.bitrate == 24_000
    assert rate.loss_percent == 0


@pytest.mark.parametrize(("lost", "least", "most"), [(0.02, 1, 4), (0.05, 5, 8), (0.2, 20, 30)])
def test_redundancy_follows_the_loss(lost: float, least: int, most: int) -> None:
    rate = SendRate(24_000, 12_000)
    for second in range(10):
        rate.report(lost, float(second))
    assert least <= rate.loss_percent <= most


def test_the_receiver_estimates_with_headers() -> None:
    rate = SendRate(24_000, 12_000)
    assert rate.ceiling(34_000)
    assert rate.bitrate == 18_000
    assert rate.ceiling(1_000)
    assert rate.bitrate == 12_000
    rate.ceiling(1_000_000)
    for second in range(60):
        rate.report(0.0, float(second))
    assert rate.bitrate == 24_000


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10_000_000)), max_size=50))
def test_within_its_bounds_whatever_is_reported(reports: list[tuple[float, int]]) -> None:
    rate = SendRate(24_000, 12_000)
    for second, (lost, bits) in enumerate(reports):
        rate.ceiling(bits)
        rate.report(lost, float(second))
        assert 12_000 <= rate.bitrate <= 24_000
        assert 0 <= rate.loss_percent <= 30
