"""Frames by hand, and what FFmpeg's own encoder makes of real sound."""

import doctest

import av
import numpy as np
import pytest

import ossicle.audio.amr as amr
from ossicle.audio.amr import MAGIC, AmrDemuxer
from ossicle.audio.codecs import AudioCodecs
from ossicle.audio.convert import AudioConverter
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

NARROW, WIDE = bytes([0x3C]) + bytes(31), bytes([0x44]) + bytes(60)
NOISE, LOST = bytes([0x44]) + bytes(5), bytes([0x7C])


def test_the_examples_in_the_docstring():
    assert doctest.testmod(amr).failed == 0


@pytest.mark.parametrize("encoding", MAGIC)
@pytest.mark.parametrize("magic", [True, False])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_frames_from_a_file_and_from_a_telephone(take_apart, encoding, magic, step):
    frame, units = (NARROW, 160) if encoding == "amr_nb" else (WIDE, 320)
    demuxer = AmrDemuxer(encoding)
    data = MAGIC[encoding] * magic + frame + LOST + frame + frame[:9]
    assert take_apart(demuxer, data, step) == [Packet(each, units) for each in (frame, LOST, frame)]
    assert demuxer.format == AudioFormat(encoding, units * 50)


def test_comfort_noise_is_a_frame_too(take_apart):
    assert take_apart(AmrDemuxer("amr_nb"), NARROW + NOISE + LOST) == [
        Packet(NARROW, 160), Packet(NOISE, 160), Packet(LOST, 160)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"RIFF", "52"),
        (b"#!AMR_MC1.0\n", "23"),  # several channels
        (bytes([0x3D]), "3d"),  # a bit that is always zero
        (bytes([0x4C]) + bytes(6), "4c"),  # a reserved type
        (b"#!AMR\n\xff", "ff"),
        (NARROW + b"\xf0", "f0"),
    ],
)
def test_what_begins_no_frame_is_named(data, named):
    with pytest.raises(BadAudio, match=rf"begins with {named} \(RFC 4867"):
        AmrDemuxer("amr_nb").feed(data)


def test_nothing_at_all():
    with pytest.raises(BadAudio, match="before one whole amr_wb frame"):
        AmrDemuxer("amr_wb").finish()


def encoded(samples):
    encoder = av.CodecContext.create("libopencore_amrnb", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    encoder.bit_rate = 12_200
    encoder.open()
    out = b""
    for at in range(0, len(samples) - 159, 160):
        part = np.ascontiguousarray(samples[at : at + 160]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, at
        out += b"".join(bytes(packet) for packet in encoder.encode(frame))
    return out + b"".join(bytes(packet) for packet in encoder.encode(None))


@pytest.mark.parametrize("declared", ["auto", "amr_nb"])
def test_what_was_said_is_heard(sound, take_apart, declared):
    said = sound(8000, 16_000)[:, 0]
    demuxer = AudioCodecs().demuxer(AudioFormat(declared))
    items = take_apart(demuxer, MAGIC["amr_nb"] * (declared == "auto") + encoded(said), 100)
    converter = AudioConverter(demuxer.format, AudioFormat("pcm_s16le", 8000))
    heard = np.frombuffer(b"".join(map(converter.convert, items)), "<i2")
    assert converter.damaged == 0
    assert len(heard) == sum(item.units for item in items) >= 16_000
    # The encoder looks 5 ms ahead (3GPP TS 26.090 section 4.3): 40 samples.
    best = max(np.corrcoef(heard[at : at + 15_000], said[:15_000])[0, 1] for at in range(80))
    assert best > 0.9


def test_lost_frames_are_filled_and_no_damage(sound, take_apart):
    """OpenCORE's decoder knows what to do for them."""
    items = take_apart(AmrDemuxer("amr_nb"), encoded(sound(8000, 1600)[:, 0]) + NOISE + LOST * 3)
    converter = AudioConverter(AudioFormat("amr_nb", 8000), AudioFormat("pcm_s16le", 8000))
    assert all(len(converter.convert(item)) == 320 for item in items)
    assert converter.damaged == 0
