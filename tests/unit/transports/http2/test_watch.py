"""What is looked at before the library: GOAWAY taken out, floods counted, nothing else changed."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.transports.http2.budget import Budget
from ossicle.transports.http2.watch import FrameWatch


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream) + payload


POLITE = frame(7, struct.pack(">II", 1, 0))
TALKATIVE = frame(7, struct.pack(">II", 1, 0) + b"good bye")
ANGRY = frame(7, struct.pack(">II", 1, 11))
SOUND = frame(0, b"sound" * 40, stream=1)
PING = frame(6, b"12345678")


@pytest.mark.parametrize("goaway", [POLITE, TALKATIVE])
def test_a_goaway_without_an_error_is_taken_out(goaway: bytes):
    watch = FrameWatch()
    assert watch.feed(SOUND + goaway + PING) == SOUND + PING
    assert watch.leaving


def test_one_with_an_error_goes_on():
    watch = FrameWatch()
    assert watch.feed(SOUND + ANGRY) == SOUND + ANGRY
    assert not watch.leaving


def test_cut_anywhere():
    whole = SOUND + POLITE + PING + ANGRY + SOUND + TALKATIVE + PING
    kept = SOUND + PING + ANGRY + SOUND + PING
    for step in (1, 2, 5, 9, 10, 17, 100):
        watch = FrameWatch()
        pieces = [watch.feed(whole[at : at + step]) for at in range(0, len(whole), step)]
        assert b"".join(pieces) == kept
        assert watch.leaving
        assert watch.empty == 2


def test_what_has_nothing_taken_out_is_not_copied():
    assert (data := SOUND + PING) is not None
    assert FrameWatch().feed(data) is data


def test_frames_are_counted_by_kind():
    watch = FrameWatch()
    watch.feed(
        frame(3, b"\0\0\0\x08", stream=1) * 3  # RST_STREAM
        + PING * 2
        + frame(4) + frame(4, flags=1)  # SETTINGS
        + frame(2, b"\0" * 5, stream=3)  # PRIORITY
        + frame(0, stream=1)  # DATA of nothing
        + frame(9, stream=1)  # CONTINUATION of nothing
        + frame(0, flags=1, stream=1)  # but an end is something
        + frame(8, b"\0\0\0\1")  # and so is a window
    )  # fmt: skip
    assert (watch.resets, watch.empty) == (3, 7)


def test_headers_that_have_begun_and_not_ended():
    watch = FrameWatch()
    watch.feed(frame(1, b"\x82", stream=1))
    assert watch.heads_open
    watch.feed(frame(9, b"\x82", stream=1))
    assert watch.heads_open
    watch.feed(frame(9, b"\x82", flags=4, stream=1))
    assert not watch.heads_open


def test_a_large_goaway_goes_on_as_it_comes():
    large = frame(7, struct.pack(">II", 1, 0) + b"x" * 2_000)
    watch = FrameWatch()
    assert watch.feed(large[:100]) == large[:100]
    assert watch.feed(large[100:]) == large[100:]


@settings(max_examples=200, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.binary(max_size=30), st.integers(0, 255)), max_size=8
    ),
    st.binary(max_size=12),
    st.integers(1, 20),
)
def test_whatever_comes_goes_on_whole_but_for_polite_goodbyes(
    frames: list[tuple[int, bytes, int]], rest: bytes, step: int
):
    cut, expected = b"", b""
    for kind, payload, flags in frames:
        one = frame(kind, payload, flags, 1)
        cut += one
        polite = kind == 7 and len(payload) >= 8 and payload[4:8] == bytes(4)
        expected += b"" if polite else one
    watch = FrameWatch()
    out = b"".join(watch.feed(cut[at : at + step]) for at in range(0, len(cut), step))
    assert out == expected


def test_a_bucket_empties_and_refills():
    budget = Budget(10, 2.0)
    assert budget.spend(10, 100.0)
    assert not budget.spend(1, 100.0)
    assert not budget.spend(1, 100.5)  # it is in debt
    assert budget.spend(1, 102.0)
    budget.earn(100)
    assert budget.spend(10, 102.0)
    assert not budget.spend(1, 102.0)
