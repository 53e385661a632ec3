"""A WAV header in front of samples: taken off, in pieces of any size."""

import struct

import pytest

from ossicle.core.errors import BadAudio
from ossicle.dialects.riff import MOST_HEADER, Header, Riff

SAMPLES = bytes(range(100))


def wav(
    samples: bytes = SAMPLES,
    *,
    tag: int = 1,
    rate: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    before: bytes = b"",
    size: int | None = None,
    more: bytes = b"",
) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more
    length = len(samples) if size is None else size
    return (
        b"RIFF\xff\xff\xff\xffWAVE"
        + before
        + b"fmt " + struct.pack("<I", len(fmt)) + fmt
        + b"data" + struct.pack("<I", length) + samples
    )  # fmt: skip


def read(data: bytes, piece: int) -> tuple[bytes, Header | None]:
    riff = Riff()
    out = b"".join(riff.feed(data[at : at + piece]) for at in range(0, len(data), piece))
    return out + riff.finish(), riff.header


EXTENSIBLE = struct.pack("<HHI", 22, 16, 0) + struct.pack("<H", 7) + bytes(14)


@pytest.mark.parametrize("piece", [1, 3, 12, 44, 1_000])
@pytest.mark.parametrize(
    ("data", "out", "header"),
    [
        (b"", b"", None),
        (b"RI", b"RI", None),
        (b"RIFF1234AVI " + SAMPLES, b"RIFF1234AVI " + SAMPLES, None),
        (SAMPLES, SAMPLES, None),
        (wav(), SAMPLES, Header("pcm_s16le", 16_000, 1)),
        (wav(rate=8_000, bits=8, tag=7), SAMPLES, Header("mulaw", 8_000, 1)),
        (wav(rate=8_000, bits=8, tag=6), SAMPLES, Header("alaw", 8_000, 1)),
        (wav(bits=24, channels=2), SAMPLES, Header("pcm_s24le", 16_000, 2)),
        (wav(tag=99), SAMPLES, Header("", 16_000, 1)),
        (wav(tag=0xFFFE, bits=8, more=EXTENSIBLE), SAMPLES, Header("mulaw", 16_000, 1)),
        (wav(before=b"LIST\x03\0\0\0abc\0"), SAMPLES, Header("pcm_s16le", 16_000, 1)),
        (wav(size=0), SAMPLES, Header("pcm_s16le", 16_000, 1)),
        (wav(size=0xFFFFFFFF), SAMPLES, Header("pcm_s16le", 16_000, 1)),
        (wav() + b"LIST\x04\0\0\0abcd", SAMPLES, Header("pcm_s16le", 16_000, 1)),
    ],
)
def test_headers(data: bytes, out: bytes, header: Header | None, piece: int) -> None:
    assert read(data, piece) == (out, header)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"RIFF1234WAVEdata\x04\0\0\0abcd", "before their format"),
        (b"RIFF1234WAVEfmt \x04\0\0\0abcddata", "4 bytes; 16 is the least"),
        (b"RIFF1234WAVEjunk\xff\xff\xff\0" + bytes(MOST_HEADER), "no samples within"),
    ],
)
def test_damaged_ones(data: bytes, words: str) -> None:
    with pytest.raises(BadAudio, match=words):
        read(data, 1_000)
