"""Lossless, so the proof is the samples themselves."""

import struct

import numpy as np
import pytest

from ossicle.audio import flac
from ossicle.audio.convert import AudioConverter
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat


@pytest.fixture(scope="module")
def file(sound, encoded):
    return encoded("flac", "flac", 16000, sound(16000, 50_001))


def decoded(demuxer, items, channels=1):
    target = AudioFormat("pcm_s16le", demuxer.format.sample_rate, channels)
    converter = AudioConverter(demuxer.format, target)
    return b"".join(map(converter.convert, items)) + converter.flush(), converter.damaged


@pytest.mark.parametrize("step", [1, 777, 1 << 20])
def test_every_sample_comes_back(sound, file, take_apart, step):
    demuxer = flac.FlacDemuxer()
    items = take_apart(demuxer, file, step)
    assert (demuxer.format.encoding, demuxer.format.sample_rate) == ("flac", 16000)
    assert len(demuxer.format.header) == 34
    assert decoded(demuxer, items) == (sound(16000, 50_001).tobytes(), 0)


@pytest.mark.parametrize("noise", [0, 3000, 32767])
def test_noise_full_of_sync_codes(encoded, take_apart, noise):
    rng = np.random.default_rng(5)
    samples = rng.integers(-noise - 1, noise + 1, (60_000, 2)).astype("<i2")
    demuxer = flac.FlacDemuxer()
    items = take_apart(demuxer, encoded("flac", "flac", 44100, samples))
    assert decoded(demuxer, items, 2) == (samples.tobytes(), 0)


def test_a_decoder_can_begin_in_the_middle(sound, file, take_apart):
    demuxer = flac.FlacDemuxer()
    items = take_apart(demuxer, file)
    done = sum(item.units for item in items[:3])
    assert decoded(demuxer, items[3:])[0] == sound(16000, 50_001).tobytes()[done * 2 :]


def test_a_lost_frame_keeps_its_time(file, take_apart):
    items = take_apart(flac.FlacDemuxer(), file)
    lost = file.index(items[3].data)
    torn = file[:lost] + file[lost + len(items[3].data) :]
    demuxer = flac.FlacDemuxer()
    again = take_apart(demuxer, torn)
    pcm, damaged = decoded(demuxer, again)
    assert (len(pcm), damaged) == (50_001 * 2, 1)


def test_a_frame_damaged_inside_keeps_its_time(file, take_apart):
    items = take_apart(flac.FlacDemuxer(), file)
    at = file.index(items[2].data) + len(items[2].data) // 2
    torn = file[:at] + bytes(40) + file[at + 40 :]
    demuxer = flac.FlacDemuxer()
    pcm, _ = decoded(demuxer, take_apart(demuxer, torn))
    assert len(pcm) == 50_001 * 2


def test_large_metadata_is_not_held(file):
    more = b"\x06\x0f\xff\xff" + bytes(0x0FFFFF)
    data = file[:4] + b"\x00" + file[5:42] + more + file[42:]
    demuxer, items = flac.FlacDemuxer(), []
    for at in range(0, len(data), 4096):
        items += demuxer.feed(data[at : at + 4096])
        assert len(demuxer._held) < 20_000
    assert len(items) > 8


@pytest.mark.parametrize("number", [0, 127, 128, 2047, 2048, 65535, 65536, 2**26, 2**31, 2**36 - 1])
def test_frame_numbers_of_any_length(number):
    coded = utf8(number)
    head = b"\xff\xf8\x69\x08" + coded + b"\x0f"
    frame = flac.parse_frame(head + bytes([flac.crc8(head)]) + bytes(8))
    assert frame == flac.FlacFrame(16, 44100, 1, number, False)


def utf8(number):
    """As RFC 9639 section 9.1.5 writes it, which goes beyond what characters need."""
    if number < 0x80:
        return bytes([number])
    count = next(n for n in range(1, 7) if number < 1 << (6 * n + max(0, 6 - n)))
    tail = [0x80 | number >> (6 * n) & 0x3F for n in reversed(range(count))]
    return bytes([(0xFF << (7 - count) & 0xFF) | number >> (6 * count)]) + bytes(tail)


@pytest.mark.parametrize(
    "head",
    ["", "fff069080000", "fff0690800", "fff8090800", "fff86f0800", "fff869b800", "fff8690600",
     "fff8690900", "fff86908ff", "fff8690880", "fff86908c27f"],
)  # fmt: skip
def test_what_is_no_header(head):
    raw = bytes.fromhex(head)
    assert flac.parse_frame(raw + bytes([flac.crc8(raw)]) + bytes(10)) is None


INFO = struct.pack(">HH", 4096, 4096) + bytes(6)


def info(rate, channels=1, bits=16):
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36
    return INFO + packed.to_bytes(8, "big") + bytes(16)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"fLaX" + bytes(50), "fLaX"),
        (b"fLaC\x04\x00\x00\x08" + bytes(50), "not STREAMINFO"),
        (b"fLaC\x80\x00\x00\x08" + bytes(50), "not 34"),
        (b"fLaC\x80\x00\x00\x22" + info(96_000) + bytes(50), "96000 Hz"),
        (b"fLaC\x00\x00\x00\x22" + info(16_000), "inside its metadata"),
        (b"fLaC\x00\x00\x00\x22" + info(16_000) + b"\x7f\xff\xff\xff", "damaged"),
        (b"fLaC\x80\x00\x00\x22" + info(16_000) + bytes(20_000), "no FLAC frame"),
        (b"", "inside its metadata"),
    ],
)
def test_refusals_name_what_is_wrong(take_apart, data, words):
    with pytest.raises(BadAudio, match=words):
        take_apart(flac.FlacDemuxer(), data)
