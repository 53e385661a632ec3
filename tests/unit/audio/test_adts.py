"""AAC in ADTS framing: from the start, from the middle, between noise, and with a core of half the
rate, as HE-AAC has it."""

import doctest

import numpy as np
import pytest

from ossicle.audio import adts
from ossicle.audio.adts import AdtsDemuxer, AdtsFrame, parse_header
from ossicle.audio.codecs import AudioCodecs
from ossicle.audio.convert import AudioConverter
from ossicle.audio.decode import Decoder
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat


def test_the_examples_in_the_docstring():
    assert doctest.testmod(adts).failed == 0


@pytest.fixture(scope="module")
def song(sound, encoded):
    return encoded("adts", "aac", 44100, sound(44100, 44_100, 2))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("fff15080017ffc", (11, 1024, 44100, 2)),
        ("fff96040017ffc", (11, 1024, 16000, 1)),  # MPEG-2
        ("fff15080017fff", (11, 4096, 44100, 2)),  # four blocks in one frame
        ("fff051c0017ffc", (11, 1024, 44100, 8)),  # with a checksum
    ],
)
def test_headers(head, expected):
    assert parse_header(bytes.fromhex(head)) == AdtsFrame(*expected)


@pytest.mark.parametrize(
    "head",
    [
        "fff15080017f",  # cut off
        "fffb9064000000",  # MP3: a layer
        "00f15080017ffc",
        "fff17480017ffc",  # rate 13 is reserved
        "fff15000017ffc",  # the layout is inside the frame
        "fff1508000fffc",  # no longer than its header
        "fff05080011ffc",  # nor than header and checksum
    ],
)
def test_what_is_no_header(head):
    assert parse_header(bytes.fromhex(head)) is None


def decoded(demuxer, items):
    source = demuxer.format
    converter = AudioConverter(source, AudioFormat("pcm_s16le", source.sample_rate, 1))
    out = b"".join(map(converter.convert, items)) + converter.flush()
    return np.frombuffer(out, "<i2").astype(float), converter.damaged


@pytest.mark.parametrize("declared", ["auto", "aac"])
@pytest.mark.parametrize("step", [1, 100, 100_000])
def test_what_was_said_is_heard(sound, song, take_apart, declared, step):
    demuxer = AudioCodecs().demuxer(AudioFormat(declared))
    items = take_apart(demuxer, song, step)
    assert demuxer.format == AudioFormat("aac", 44100, 2)
    pcm, damaged = decoded(demuxer, items)
    assert damaged == 0
    # The encoder's delay stays in, and the last block is filled up.
    assert 44_100 <= len(pcm) <= 44_100 + 3 * 1024
    expected = sound(44100, 44_100)[:, 0].astype(float)[8_000:36_000]
    heard = pcm[8_000 + 1024 : 36_000 + 1024]
    assert np.corrcoef(heard, expected)[0, 1] > 0.99


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 48000])
def test_every_rate(sound, encoded, take_apart, rate):
    demuxer = AdtsDemuxer()
    items = take_apart(demuxer, encoded("adts", "aac", rate, sound(rate, rate)))
    assert demuxer.format == AudioFormat("aac", rate, 1)
    pcm, damaged = decoded(demuxer, items)
    assert damaged == 0
    assert rate <= len(pcm) <= rate + 3 * 1024


def test_noise_before_between_and_behind_is_passed_over(song, take_apart):
    whole = take_apart(AdtsDemuxer(), song)
    middle = len(song) // 2
    torn = song[:middle] + song[middle + 50 :]
    items = take_apart(AdtsDemuxer(), b"\xff\xf1" + bytes(300) + torn + bytes(9))
    assert len(whole) - 2 <= len(items) < len(whole)


def test_nothing_but_noise_is_given_up():
    with pytest.raises(BadAudio, match="64 KiB without an AAC frame"):
        AdtsDemuxer().feed(bytes(70_000))
    with pytest.raises(BadAudio, match="before one whole AAC frame"):
        AdtsDemuxer().finish()


def test_another_container_than_declared(encoded, sound):
    demuxer = AudioCodecs().demuxer(AudioFormat("aac"))
    with pytest.raises(BadAudio, match="declared aac, but the bytes are WAV"):
        demuxer.feed(encoded("wav", "pcm_s16le", 16000, sound(16000, 1600)))


def test_a_rate_that_nobody_takes(encoded, sound, take_apart):
    with pytest.raises(BadAudio, match="96000 Hz is outside"):
        take_apart(AdtsDemuxer(), encoded("adts", "aac", 96000, sound(96000, 9_600)))


def test_a_core_of_half_the_rate_stays_as_declared(sound, encoded, take_apart):
    """HE-AAC decodes to twice the rate of its header. No free encoder makes it, so a stream is
    said to be of half its rate here: the decoder then gives the same frames of twice the rate."""
    items = take_apart(AdtsDemuxer(), encoded("adts", "aac", 48000, sound(48000, 48_000)))
    decoder = Decoder(AudioFormat("aac", 24_000))
    halves = [type(item)(item.data, item.units // 2) for item in items]
    pcm = np.frombuffer(b"".join(map(decoder.decode, halves)), "<i2").astype(float)
    assert len(pcm) == 512 * len(items)
    assert decoder.damaged == 0
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    expected = sound(48000, 48_000)[::2, 0].astype(float)
    truth = np.abs(np.fft.rfft(expected * np.hanning(len(expected))))
    ours, theirs = (np.argmax(s) / len(s) for s in (spectrum, truth))
    assert abs(ours - theirs) < 0.002
