"""Metadata as headers, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.core.deadline import seconds_of
from ossicle.transports.grpc.metadata import headers_of, metadata_of, peer_of, timeout_header


def test_bytes_are_base64_both_ways() -> None:
    headers = headers_of((("x-key", "K"), ("trace-bin", b"\x01\x02")))
    assert headers == (("x-key", "K"), ("trace-bin", "AQI"))
    assert metadata_of(headers) == (("x-key", "K"), ("trace-bin", b"\x01\x02"))
    assert headers_of(None) == ()


@pytest.mark.parametrize(
    "header",
    [
        ("grpc-timeout", "1S"),  # grpc's own
        (":path", "/x"),
        ("bad name", "x"),
        ("x", "two\nlines"),
        ("x", "umlaut é"),
        ("x-bin", "no base64!"),
    ],
)
def test_what_is_no_metadata_stays_behind(header: tuple[str, str]) -> None:
    assert metadata_of((header, ("X-Kept", "yes"))) == (("x-kept", "yes"),)


@given(st.floats(0, 99_999))
def test_a_timeout_comes_back(seconds: float) -> None:
    ((name, value),) = timeout_header(seconds)
    assert name == "grpc-timeout"
    assert seconds_of(value) == pytest.approx(seconds, abs=0.001)


def test_timeouts_at_their_edges() -> None:
    assert timeout_header(None) == ()
    assert timeout_header(-1) == (("grpc-timeout", "0m"),)
    assert timeout_header(1e12) == (("grpc-timeout", "99999999S"),)
    assert seconds_of("2H") == 7_200
    assert seconds_of("3M") == 180
    assert seconds_of("5u") == 5e-6
    assert seconds_of("7n") == 7e-9
    for wrong in ("", "1", "S", "1s", "123456789S", "-1S", "1.5S", "１S"):
        assert seconds_of(wrong) is None


def test_peers() -> None:
    assert peer_of("ipv4:127.0.0.1:5000") == "127.0.0.1:5000"
    assert peer_of("ipv6:%5B::1%5D:5000") == "[::1]:5000"
    assert peer_of("unix:/run/x") == "unix:/run/x"
