"""MP3 from the start, from the middle, between noise."""

import numpy as np
import pytest

from ossicle.audio import mpeg
from ossicle.audio.convert import AudioConverter
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat


@pytest.fixture(scope="module")
def song(sound, encoded):
    return encoded("mp3", "libmp3lame", 44100, sound(44100, 44_100 + 77, 2))


def decoded(demuxer, items, rate=44100, channels=2):
    converter = AudioConverter(demuxer.format, AudioFormat("pcm_s16le", rate, channels))
    out = b"".join(map(converter.convert, items)) + converter.flush()
    return np.frombuffer(out, "<i2").reshape(-1, channels), converter.damaged


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("fffb9064", (417, 1152, 44100, 2, 32)),
        ("fffb92c4", (418, 1152, 44100, 1, 17)),
        ("fff384c4", (192, 576, 24000, 1, 9)),
        ("ffe388c4", (576, 576, 8000, 1, 9)),
    ],
)
def test_headers(head, expected):
    frame = mpeg.parse_frame(bytes.fromhex(head))
    assert frame == mpeg.MpegFrame(*expected)


@pytest.mark.parametrize(
    "head",
    ["fffb", "00fb9064", "fff19064", "fffd9064", "ffeb9064", "fffb0064", "fffbf064", "fffb9c64"],
)
def test_what_is_no_header(head):
    assert mpeg.parse_frame(bytes.fromhex(head)) is None


@pytest.mark.parametrize("step", [1, 100, 100_000])
def test_a_file_lasts_as_long_as_its_sound(sound, song, take_apart, step):
    demuxer = mpeg.Mp3Demuxer()
    items = take_apart(demuxer, song, step)
    assert demuxer.format == AudioFormat("mp3", 44100, 2)
    pcm, damaged = decoded(demuxer, items)
    assert (len(pcm), damaged) == (44_177, 0)
    expected = sound(44100, 44_177, 2)
    inner = slice(2000, 40_000)
    error = pcm[inner].astype(float) - expected[inner]
    assert np.sqrt((error**2).mean()) < 0.1 * np.sqrt((expected[inner].astype(float) ** 2).mean())


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 32000, 48000])
def test_every_rate(sound, encoded, take_apart, rate):
    demuxer = mpeg.Mp3Demuxer()
    items = take_apart(demuxer, encoded("mp3", "libmp3lame", rate, sound(rate, rate)))
    pcm, damaged = decoded(demuxer, items, rate, 1)
    assert (demuxer.format.sample_rate, len(pcm), damaged) == (rate, rate, 0)


def test_from_the_middle(song, take_apart):
    demuxer = mpeg.Mp3Demuxer()
    items = take_apart(demuxer, song[5001:])
    assert demuxer.format.sample_rate == 44100
    assert all(item.units == 1152 for item in items)


def test_noise_between_frames_is_passed_over(song, take_apart):
    clean = take_apart(mpeg.Mp3Demuxer(), song)
    where = song.index(clean[10].data)
    noisy = song[:where] + b"\xff\xfb\x00noise\xff" * 40 + song[where:]
    assert take_apart(mpeg.Mp3Demuxer(), noisy) == clean


def test_a_trailing_tag_is_not_sound(song, take_apart):
    assert take_apart(mpeg.Mp3Demuxer(), song + b"TAG" + bytes(125)) == take_apart(
        mpeg.Mp3Demuxer(), song
    )


def test_a_picture_in_front_is_not_held(song):
    tag = b"ID3\x04\0\0\x00\x04\x00\x00" + b"\xff\xfb\x90\x64" * 16_384
    demuxer, items = mpeg.Mp3Demuxer(), []
    for at in range(0, len(tag + song), 1000):
        items += demuxer.feed((tag + song)[at : at + 1000])
        assert len(demuxer._held) < 4000
    assert len(items) > 30


def test_garbage_is_refused():
    demuxer = mpeg.Mp3Demuxer()
    with pytest.raises(BadAudio, match="64 KiB"):
        for _ in range(66):
            demuxer.feed(b"\xff\xfb\x90\x64garbage!" * 86)
            assert len(demuxer._held) < 3000


@pytest.mark.parametrize("data", [b"", b"\xff\xfb", b"\xff\xfb\x90\x64" + bytes(100)])
def test_an_end_before_a_frame(take_apart, data):
    with pytest.raises(BadAudio, match="one whole MP3 frame"):
        take_apart(mpeg.Mp3Demuxer(), data)
