"""Every pair of formats: exact length, right sound, clear refusals."""

import struct

import numpy as np
import pytest

from ossicle.audio import pcm
from ossicle.audio.convert import AudioConverter, same_samples
from ossicle.core.errors import BadAudio
from ossicle.core.formats import WIDTHS, AudioFormat
from ossicle.core.ports import Packet


def run(source, target, data, step=320):
    converter = AudioConverter(source, target)
    step -= step % source.frame_bytes
    out = [converter.convert(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join(out) + converter.flush()


@pytest.mark.parametrize("target", WIDTHS)
@pytest.mark.parametrize("source", WIDTHS)
@pytest.mark.parametrize(("rates", "channels"), [((8000, 8000), (1, 1)), ((8000, 16000), (2, 1))])
def test_every_pair_keeps_its_length(source, target, rates, channels):
    a = AudioFormat(source, rates[0], channels[0])
    b = AudioFormat(target, rates[1], channels[1])
    out = run(a, b, bytes(1001 * a.frame_bytes))
    assert len(out) % b.frame_bytes == 0
    assert abs(len(out) / b.frame_bytes - 1001 * rates[1] / rates[0]) <= 1


def test_a_telephone_tone_reaches_the_engine():
    tone = (np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) * 12000).astype("<i2")
    call = pcm.from_s16("mulaw", tone.tobytes())
    out = np.frombuffer(run(AudioFormat("mulaw", 8000), AudioFormat(), call, 160), "<i2")
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * 12000
    error = out[1000:15000] - expected[1000:15000]
    assert np.sqrt((error**2).mean()) < 12000 * 0.02


def test_a_nan_does_not_poison_what_follows():
    tone = np.sin(np.arange(48_000) / 20).astype("<f4") * 0.5
    poisoned = tone.copy()
    poisoned[[100, 101, 102]] = [np.nan, np.inf, -np.inf]
    source = AudioFormat("pcm_f32le", 48000)
    clean = np.frombuffer(run(source, AudioFormat(), tone.tobytes(), 1920), "<i2")
    out = np.frombuffer(run(source, AudioFormat(), poisoned.tobytes(), 1920), "<i2")
    assert np.array_equal(clean[200:], out[200:])


def test_channels():
    frames = struct.pack("<4h", 100, 300, -100, -300)
    stereo = AudioFormat("pcm_s16le", 16000, 2)
    mono = AudioFormat()
    assert run(stereo, mono, frames) == struct.pack("<2h", 200, -200)
    assert run(mono, stereo, struct.pack("<h", 5)) == struct.pack("<2h", 5, 5)
    wide = AudioFormat("pcm_s24le", 16000, 2)
    assert run(stereo, wide, frames) == pcm.from_s16("pcm_s24le", frames)


def test_packets_of_samples_are_samples():
    converter = AudioConverter(AudioFormat("mulaw", 8000), AudioFormat("pcm_s16le", 8000))
    assert converter.convert(Packet(b"\xff", 1)) == b"\0\0"
    assert converter.convert(b"") == b""


def test_damage_is_counted():
    converter = AudioConverter(AudioFormat("opus", 48000), AudioFormat())
    assert converter.damaged == 0
    converter.convert(Packet(b"\xff\xff\xff\0", 960))
    assert converter.damaged == 1
    assert AudioConverter(AudioFormat("mulaw", 8000), AudioFormat()).damaged == 0


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (AudioFormat(), AudioFormat("opus", 48000), "nothing here writes opus"),
        (AudioFormat("webm"), AudioFormat(), "webm must be taken apart"),
        (AudioFormat("auto"), AudioFormat(), "auto must be taken apart"),
        (AudioFormat(channels=3), AudioFormat(channels=2), "3 channels cannot become 2"),
    ],
)
def test_refusals(source, target, words):
    with pytest.raises(BadAudio, match=words) as caught:
        AudioConverter(source, target)
    assert caught.value.code == "unsupported_audio"


def test_a_header_is_not_a_difference():
    one = AudioFormat("opus", 48000, 1, b"OpusHead")
    assert same_samples(one, AudioFormat("opus", 48000))
    assert not same_samples(one, AudioFormat("opus", 48000, 2))
