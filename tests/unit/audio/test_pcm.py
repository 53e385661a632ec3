"""Every width against plain integer arithmetic, and the shapes of channels."""

import math
import struct

import numpy as np
import pytest

from ossicle.audio import pcm
from ossicle.core.formats import WIDTHS

VALUES = [0, 1, -1, 255, -256, 12345, -12345, 32767, -32768]
S16 = struct.pack(f"<{len(VALUES)}h", *VALUES)


@pytest.mark.parametrize(
    "encoding", ["pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"]
)
def test_wide_encodings_come_back_unchanged(encoding):
    wide = pcm.from_s16(encoding, S16)
    assert len(wide) == len(VALUES) * WIDTHS[encoding]
    assert pcm.to_s16(encoding, wide) == S16


@pytest.mark.parametrize(
    ("encoding", "data", "value"),
    [
        ("pcm_u8", b"\x00", -32768),
        ("pcm_u8", b"\x80", 0),
        ("pcm_u8", b"\xff", 32512),
        ("pcm_s16be", b"\x12\x34", 0x1234),
        ("pcm_s24le", b"\xff\x34\x12", 0x1234),
        ("pcm_s24le", b"\x00\x00\x80", -32768),
        ("pcm_s32le", struct.pack("<i", -0x12345678), -0x1235),
        ("pcm_f32le", struct.pack("<f", 0.5), 16384),
        ("pcm_f32le", struct.pack("<f", 1.0), 32767),
        ("pcm_f32le", struct.pack("<f", -1.0), -32768),
        ("pcm_f32le", struct.pack("<f", 3e38), 32767),
        ("pcm_f64le", struct.pack("<d", -1e308), -32768),
        ("pcm_f32le", struct.pack("<f", math.nan), 0),
        ("pcm_f32le", struct.pack("<f", math.inf), 32767),
        ("pcm_f64le", struct.pack("<d", -math.inf), -32768),
    ],
)
def test_one_sample(encoding, data, value):
    assert struct.unpack("<h", pcm.to_s16(encoding, data)) == (value,)


def test_eight_bits_lose_only_the_low_byte():
    back = np.frombuffer(pcm.to_s16("pcm_u8", pcm.from_s16("pcm_u8", S16)), "<i2")
    assert back.tolist() == [value & ~0xFF for value in VALUES]


def test_every_sample_encoding_is_covered():
    for encoding in WIDTHS:
        assert pcm.to_s16(encoding, pcm.from_s16(encoding, bytes(64)))


def test_mixing_cannot_clip():
    loud = struct.pack("<6h", 32767, 32767, -32768, -32768, 100, -50)
    assert struct.unpack("<3h", pcm.mix(loud, 2)) == (32767, -32768, 25)


def test_channels_are_taken_and_spread():
    both = struct.pack("<6h", 1, 10, 2, 20, 3, 30)
    assert struct.unpack("<3h", pcm.take(both, 2, 1)) == (10, 20, 30)
    assert struct.unpack("<4h", pcm.spread(struct.pack("<2h", 7, 8), 2)) == (7, 7, 8, 8)
