"""The TOC byte against every row of its table, and the identification header."""

import pytest

from ossicle.audio import opus
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

HEAD = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("config", "ms"),
    [(0, 10), (3, 60), (7, 60), (11, 60), (12, 10), (13, 20), (15, 20), (16, 2.5), (19, 20),
     (31, 20), (28, 2.5)],
)  # fmt: skip
def test_frame_lengths(config, ms):
    assert opus.samples_of(bytes([config << 3])) == ms * 48
    if ms <= 60:
        assert opus.samples_of(bytes([config << 3 | 1])) == ms * 96


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (b"\xfb", 0),  # code 3 without its count
        (bytes([31 << 3 | 3, 6]), 5760),
        (bytes([31 << 3 | 3, 7]), 0),  # 140 ms: more than RFC 6716 allows
        (bytes([31 << 3 | 3, 0]), 0),
        (bytes([31 << 3 | 3, 0x80 | 3]), 2880),  # the VBR flag is not part of the count
    ],
)
def test_counts(packet, samples):
    assert opus.samples_of(packet) == samples


def test_every_packet_of_a_real_encoder(sound, opus_packets):
    for ms in (10, 20, 40, 60):
        packets = opus_packets(sound(48000, 48000), frame_duration=str(ms))
        assert {opus.samples_of(packet) for packet in packets} == {ms * 48}


def test_missing_sound_keeps_its_length():
    for like in (b"", b"\x78abc", b"\x80x", b"\x18x"):
        for lost in (960, 961, 48000, 100):
            packets = opus.missing(like, lost)
            assert sum(packet.units for packet in packets) == lost
            assert len(packets) <= lost // 960 + 1


def test_the_header():
    head = opus.parse_head(HEAD)
    assert (head.channels, head.pre_skip) == (2, 312)
    assert head.format == AudioFormat("opus", 48000, 2, HEAD)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (HEAD[:18], "bad_audio"),
        (b"OpusTags" + HEAD[8:], "bad_audio"),
        (HEAD[:8] + b"\x10" + HEAD[9:], "unsupported_audio"),
        (HEAD[:9] + b"\x00" + HEAD[10:], "unsupported_audio"),
        (HEAD[:9] + b"\x03" + HEAD[10:], "unsupported_audio"),
        (HEAD[:9] + b"\x09" + HEAD[10:18] + b"\xff", "unsupported_audio"),
        (HEAD[:9] + b"\x06" + HEAD[10:18] + b"\x01", "bad_audio"),
    ],
)
def test_damaged_headers(data, code):
    with pytest.raises(BadAudio) as caught:
        opus.parse_head(data)
    assert caught.value.code == code


def test_a_message_is_a_packet():
    packets = opus.OpusPackets(AudioFormat("opus", 16000, 2))
    assert packets.format == AudioFormat("opus", 48000, 2)
    assert packets.feed(b"\x78abc") == [Packet(b"\x78abc", 960)]
    assert packets.finish() == []


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"OggS" + bytes(30), "are ogg"), (b"\x1aE\xdf\xa3\x9f", "are webm"), (b"\xff", "1 bytes")],
)
def test_a_message_that_is_none(data, words):
    with pytest.raises(BadAudio, match=words):
        opus.OpusPackets(AudioFormat("opus", 48000)).feed(data)
