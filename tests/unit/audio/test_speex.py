"""Lengths by hand. What libspeex makes is in tests/interop/audio/test_narrow_codecs.py."""

import doctest
import struct

import pytest

import ossicle.audio.speex as speex
from ossicle.audio.speex import SpeexPackets, parse_head, samples_of
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet


def bits(*parts: tuple[int, int]) -> bytes:
    """`(value, width)` one after another, the last byte filled as libspeex does."""
    text = "".join(f"{value:0{width}b}" for value, width in parts)
    text += "01111111"[: -len(text) % 8]
    return int(text, 2).to_bytes(len(text) // 8)


NARROW = ((0, 1), (3, 4), (0, 155))  # mode 3: 160 bits
HIGH = ((1, 1), (1, 3), (0, 32))  # mode 1: 36 bits
NOTHING = ((0, 1), (0, 4))
END = ((0, 1), (15, 4))


def head(rate=16_000, channels=1, frame=320, frames=1, extra=0) -> bytes:
    return b"Speex   1.2".ljust(28, b"\0") + struct.pack(
        "<2I3I3i5I", 1, 80, rate, 1, 4, channels, -1, frame, 0, frames, extra, 0, 0
    )


def test_the_examples_in_the_docstring():
    assert doctest.testmod(speex).failed == 0


@pytest.mark.parametrize(
    ("rate", "parts", "samples"),
    [
        (8_000, NARROW, 160),
        (8_000, (*NARROW, *NARROW, *END), 320),
        (8_000, (*NOTHING, *END), 160),
        (16_000, (*NARROW, *HIGH), 320),
        (16_000, (*NARROW, *HIGH, *NARROW, *HIGH, *END), 640),
        (16_000, NARROW, 320),  # the layer may be missing
        (32_000, (*NARROW, *HIGH, *HIGH), 640),
        (8_000, ((0, 1), (14, 4), (9, 4), (0, 8), *NARROW), 160),  # a signal: stereo, 8 bits
        (8_000, ((0, 1), (14, 4), (15, 4), (0, 64), *NARROW), 160),
        (8_000, ((0, 1), (13, 4), (2, 4), (0, 21), *NARROW), 160),  # somebody's own, 2 bytes
        (8_000, END, 0),
        (8_000, ((0, 1), (9, 4), (0, 40)), 0),  # no such mode
        (8_000, ((0, 1), (3, 4), (0, 99)), 0),  # cut off
        (8_000, ((1, 1), (1, 3), (0, 60)), 0),  # a layer above nothing
        (8_000, (*NARROW, *HIGH, *HIGH), 160),  # layers nobody asked for are skipped
        (16_000, (*NARROW, (1, 1), (7, 3), (0, 40)), 0),
    ],
)
def test_how_long_a_packet_lasts(rate, parts, samples):
    assert samples_of(bits(*parts), rate) == samples


def test_a_header():
    told = parse_head(head(frames=3, extra=2))
    assert told.format == AudioFormat("speex", 16_000, 1, head(frames=3, extra=2))
    assert (told.samples, told.headers) == (960, 3)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (head()[:79], "79 bytes"),
        (b"Spoox" + head()[5:], "damaged"),
        (head(rate=44_100), "44100 Hz"),
        (head(channels=3), "3 channels"),
        (head(frame=0), "0 samples"),
        (head(frame=1 << 30), "samples in a packet"),
    ],
)
def test_a_header_that_cannot_be_used(data, text):
    with pytest.raises(BadAudio, match=text):
        parse_head(data)


def test_a_message_is_a_packet():
    demuxer = SpeexPackets(AudioFormat("speex", 8_000))
    assert demuxer.format == AudioFormat("speex", 8_000)
    packet = bits(*NARROW)
    assert [*demuxer.feed(packet), *demuxer.finish()] == [Packet(packet, 160)]


@pytest.mark.parametrize(
    ("data", "text"), [(b"OggS\0\2", "declare ogg"), (b"", "0 bytes"), (b"\xff\xff", "RFC 5574")]
)
def test_what_is_no_packet(data, text):
    with pytest.raises(BadAudio, match=text):
        SpeexPackets(AudioFormat("speex", 8_000)).feed(data)


def test_a_rate_that_does_not_exist():
    with pytest.raises(BadAudio, match=r"44100 Hz.*8000, 16000 or 32000"):
        SpeexPackets(AudioFormat("speex", 44_100))
