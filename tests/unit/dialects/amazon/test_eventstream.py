"""Frames: one table for both ways, every cut, every wrong byte; and another's parser beside it."""

import pytest
from amazon_table import BROKEN, FRAMES
from botocore.eventstream import EventStreamBuffer

from ossicle.core.errors import BadMessage
from ossicle.dialects.amazon.eventstream import (
    MOST_BYTES,
    Frame,
    FrameReader,
    Header,
    encode,
    read_frames,
    text,
)

NAMED = pytest.mark.parametrize(("name", "data", "frame"), FRAMES, ids=[row[0] for row in FRAMES])


@NAMED
def test_the_table_both_ways(name: str, data: bytes, frame: Frame):
    assert encode(frame) == data
    assert read_frames(data) == [frame]


@NAMED
def test_cut_anywhere(name: str, data: bytes, frame: Frame):
    for at in range(len(data) + 1):
        reader = FrameReader()
        found = reader.feed(data[:at]) + reader.feed(data[at:])
        assert (found, reader.torn) == ([frame], 0)


def test_byte_by_byte_and_all_in_one_piece():
    whole = b"".join(row[1] for row in FRAMES)
    frames = [row[2] for row in FRAMES]
    reader = FrameReader()
    assert [f for at in range(len(whole)) for f in reader.feed(whole[at : at + 1])] == frames
    assert reader.torn == 0
    assert FrameReader().feed(whole) == frames


@pytest.mark.parametrize(("name", "data"), BROKEN, ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_refused(name: str, data: bytes):
    with pytest.raises(BadMessage):
        FrameReader().feed(data)


@NAMED
def test_every_wrong_bit_is_an_error_or_waits_for_more(name: str, data: bytes, frame: Frame):
    for at in range(min(len(data), 200)):
        for bit in range(8):
            bent = data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
            with pytest.raises(BadMessage):
                read_frames(bent)


def test_a_message_that_ends_within_a_frame_says_how_much_is_left_over():
    data = FRAMES[2][1]
    with pytest.raises(BadMessage, match="left over"):
        read_frames(data + data[:5])
    assert FrameReader().feed(data[:-1]) == []


def test_a_large_frame_in_small_pieces_is_held_and_not_copied_for_each():
    data = encode(Frame((), bytes(200_000)))
    reader = FrameReader()
    for at in range(0, len(data) - 1, 100):
        assert not reader.feed(data[at : min(at + 100, len(data) - 1)])
    assert reader.torn == len(data) - 1
    assert reader.feed(data[-1:]) == [Frame((), bytes(200_000))]


@pytest.mark.parametrize(
    "frame",
    [
        Frame((), bytes(MOST_BYTES)),
        Frame((text("", "x"),)),
        Frame((text("n" * 256, "x"),)),
        Frame((text("n", "x" * 70_000),)),
        Frame((Header("n", 2, 200),)),
        Frame((Header("n", 5, "text"),)),
        Frame((Header("n", 9, b"short"),)),
        Frame((Header("n", 4, True),)),
        Frame((Header("n", 11, 1),)),
    ],
    ids=range(9),
)
def test_what_has_no_form_is_not_written(frame: Frame):
    with pytest.raises(BadMessage):
        encode(frame)


@NAMED
def test_botocore_reads_the_same(name: str, data: bytes, frame: Frame):
    buffer = EventStreamBuffer()
    if name == "every_type":  # it has no word for a pair of equal booleans and numbers
        return
    buffer.add_data(data)
    (read,) = list(buffer)
    assert read.payload == frame.payload
    assert list(read.headers) == [header.name for header in frame.headers]


def test_values_by_name_and_type():
    frame = FRAMES[4][2]
    assert frame.text("h") == "é"
    assert frame.text("g") == frame.text("nobody") == ""
    assert frame.header("g", 6) == b"x"
    assert frame.header("g", 7) is None
