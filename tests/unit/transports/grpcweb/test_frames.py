"""Bodies of gRPC-Web: frames cut anywhere, base64 with padding within, trailers as text."""

import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.errors import BadMessage, Refused
from ossicle.transports.grpcweb.frames import (
    Base64Reader,
    FrameReader,
    frame,
    metadata,
    trailers,
)

TABLE = [
    (b"", b"\0\0\0\0\0"),
    (b"abc", b"\0\0\0\0\x03abc"),
    (b"x" * 300, b"\0\0\0\x01\x2c" + b"x" * 300),
]


@pytest.mark.parametrize(("message", "data"), TABLE)
def test_a_message_and_back(message: bytes, data: bytes) -> None:
    assert frame(message) == data
    assert FrameReader(1 << 20).feed(data) == [(0, message)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_frames_cut_anywhere_are_the_same(messages: list[bytes], data: st.DataObject) -> None:
    body = b"".join(frame(message) for message in messages)
    reader, told, at = FrameReader(1 << 20), list[tuple[int, bytes]](), 0
    while at < len(body):
        size = data.draw(st.integers(1, 9))
        told += reader.feed(body[at : at + size])
        at += size
    assert told == [(0, message) for message in messages]
    assert reader.torn == 0


@settings(derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 7))
def test_pieces_in_base64_each_padded_by_itself(pieces: list[bytes], size: int) -> None:
    body = b"".join(base64.b64encode(piece) for piece in pieces)
    reader = Base64Reader()
    told = b"".join(reader.feed(body[at : at + size]) for at in range(0, len(body), size))
    assert told == b"".join(pieces)
    assert reader.torn == 0


@pytest.mark.parametrize("body", [b"a===", b"====", b"a*b=", b"\xff\xff\xff\xff"])
def test_what_is_no_base64_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessage):
        Base64Reader().feed(body)


def test_a_message_over_the_limit_is_refused_by_its_head() -> None:
    with pytest.raises(Refused) as told:
        FrameReader(10).feed(struct.pack(">BI", 0, 11))
    assert told.value.code == "too_large"
    assert "11" in str(told.value)


def test_a_frame_that_is_not_complete_is_seen() -> None:
    reader = FrameReader(10)
    assert reader.feed(frame(b"abc")[:-1]) == []
    assert reader.torn == 7


def test_trailers_say_the_status() -> None:
    told = trailers(5, "100 % café\r\n", (("ossicle-session", "s"), ("Grpc-Status", "0")))
    assert told[0] == 0x80
    assert int.from_bytes(told[1:5]) == len(told) - 5
    lines = told[5:].split(b"\r\n")
    assert lines == [
        b"grpc-status:5",
        b"grpc-message:100 %25 caf%C3%A9%0D%0A",
        b"ossicle-session:s",
        b"",
    ]


def test_what_cannot_be_metadata_is_left_out() -> None:
    given = (("A-bin", "AQ"), ("content-type", "x"), ("b c", "d"), ("e", "f\r\ng: h"))
    assert metadata(given) == (("a-bin", "AQ"),)
