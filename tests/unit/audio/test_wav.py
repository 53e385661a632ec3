"""Headers as they are written by careful and careless senders."""

import struct

import pytest

from ossicle.audio.wav import WavDemuxer, wav_header
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat

GUID = bytes.fromhex("000000001000800000aa00389b71")


def fmt(tag=1, channels=1, rate=16000, bits=16, extra=b"", align=None):
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits) + extra


def chunk(name, body, size=None):
    size = len(body) if size is None else size
    return struct.pack("<4sI", name, size) + body + bytes(len(body) % 2)


def riff(*chunks, kind=b"RIFF", form=b"WAVE"):
    body = form + b"".join(chunks)
    return kind + struct.pack("<I", len(body)) + body


def extensible(tag, bits):
    return fmt(0xFFFE, bits=bits, extra=struct.pack("<HHIH", 22, bits, 4, tag) + GUID)


def read(data, step=7):
    wav = WavDemuxer()
    out = []
    for at in range(0, len(data), step):
        out += wav.feed(data[at : at + step])
    out += wav.finish()
    return wav.format, b"".join(out)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (fmt(1, bits=8), "pcm_u8"),
        (fmt(1, bits=16), "pcm_s16le"),
        (fmt(1, bits=24), "pcm_s24le"),
        (fmt(1, bits=32), "pcm_s32le"),
        (fmt(1, bits=20, align=3), "pcm_s24le"),
        (fmt(1, bits=16, align=0), "pcm_s16le"),
        (fmt(3, bits=32), "pcm_f32le"),
        (fmt(3, bits=64), "pcm_f64le"),
        (fmt(6, bits=8, extra=b"\0\0"), "alaw"),
        (fmt(7, bits=8, extra=b"\0\0"), "mulaw"),
        (extensible(1, 24), "pcm_s24le"),
        (extensible(3, 32), "pcm_f32le"),
    ],
)
def test_every_encoding(header, expected):
    body = bytes(range(48))
    assert read(riff(chunk(b"fmt ", header), chunk(b"data", body))) == (
        AudioFormat(expected, 16000, 1),
        body,
    )


FMT, BODY = chunk(b"fmt ", fmt()), b"abcdefgh"


@pytest.mark.parametrize(
    "data",
    [
        riff(FMT, chunk(b"data", BODY)),
        riff(chunk(b"LIST", b"odd"), FMT, chunk(b"fact", bytes(4)), chunk(b"data", BODY)),
        riff(FMT, chunk(b"data", BODY), chunk(b"LIST", b"INFOISFT" + bytes(40))),
        riff(FMT, chunk(b"data", BODY, 0xFFFFFFFF)),
        riff(FMT, chunk(b"data", BODY, 0)),
        riff(FMT, chunk(b"data", BODY, 1000)),
        riff(FMT, chunk(b"data", BODY), kind=b"RF64"),
        riff(FMT, chunk(b"data", BODY + b"x", 0xFFFFFFFF)),
    ],
    ids=["plain", "before", "after", "stream", "zero", "cut", "rf64", "half a sample"],
)
@pytest.mark.parametrize("step", [1, 5, 10_000])
def test_the_samples_and_nothing_else(data, step):
    if data.endswith(b"x\0"):
        data = data[:-1]
    assert read(data, step) == (AudioFormat("pcm_s16le", 16000, 1), BODY)


def test_stereo_frames_are_never_cut():
    wav = WavDemuxer()
    wav.feed(riff(chunk(b"fmt ", fmt(channels=2)), chunk(b"data", b"", 0)))
    sizes = [len(item) for n in (1, 2, 3, 4, 5, 6) for item in wav.feed(bytes(n))]
    assert sum(sizes) == 20
    assert all(size % 4 == 0 for size in sizes)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (riff(FMT, kind=b"RIFX"), "unsupported_audio", "RIFX"),
        (b"not a wav at all", "bad_audio", "RIFF....WAVE"),
        (riff(FMT, form=b"AVI "), "bad_audio", "RIFF....WAVE"),
        (b"RIFF", "bad_audio", "RIFF header"),
        (riff(chunk(b"LIST", b"")), "bad_audio", "'fmt ' chunk"),
        (riff(FMT)[:30], "bad_audio", "'fmt ' chunk"),
        (riff(FMT), "bad_audio", "'data' chunk"),
        (riff(chunk(b"data", BODY)), "bad_audio", "before any 'fmt '"),
        (riff(chunk(b"fmt ", b"short")), "bad_audio", "5 bytes"),
        (riff(chunk(b"fmt ", fmt(2, bits=4))), "unsupported_audio", "Microsoft ADPCM"),
        (riff(chunk(b"fmt ", fmt(0x55))), "unsupported_audio", "MP3"),
        (riff(chunk(b"fmt ", fmt(1, bits=64))), "unsupported_audio", "PCM of 64 bits"),
        (riff(chunk(b"fmt ", fmt(0xFFFE))), "bad_audio", "extensible"),
        (
            riff(chunk(b"fmt ", fmt(0xFFFE, extra=bytes(24)))),
            "unsupported_audio",
            "sub-format",
        ),
        (riff(chunk(b"fmt ", fmt(rate=96000))), "unsupported_audio", "96000"),
        (riff(chunk(b"fmt ", fmt(channels=0, align=2))), "unsupported_audio", "0 channels"),
        (riff(chunk(b"\xff\xfe\x01\x02", b"")), "bad_audio", "damaged"),
        (riff(chunk(b"junk", b"", 1 << 30)), "bad_audio", "16 MiB"),
    ],
)
def test_refusals_name_what_is_wrong(data, code, words):
    with pytest.raises(BadAudio, match=r".*") as caught:
        read(data)
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize("encoding", ["pcm_u8", "pcm_s16le", "pcm_f32le", "mulaw", "alaw"])
@pytest.mark.parametrize("size", [None, 480])
def test_what_we_write_we_read(encoding, size):
    form = AudioFormat(encoding, 8000, 2)
    assert read(wav_header(form, size) + bytes(480)) == (form, bytes(480))


def test_other_readers_take_our_header():
    import io
    import wave

    with wave.open(io.BytesIO(wav_header(AudioFormat(), 640) + bytes(640))) as file:
        assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (16000, 320, 1)


def test_wav_has_no_name_for_big_endian():
    with pytest.raises(BadAudio, match="pcm_s16be"):
        wav_header(AudioFormat("pcm_s16be"))
