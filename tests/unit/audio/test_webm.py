"""Real files, live ones as MediaRecorder writes them, and every kind of lacing by hand."""

import struct

import pytest

from ossicle.audio import webm
from ossicle.audio.convert import AudioConverter
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat

HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
UNKNOWN = b"\x01" + b"\xff" * 7


def size(value):
    return (value | 1 << 28).to_bytes(4, "big")


def el(name, *parts):
    body = b"".join(parts)
    return bytes.fromhex(name) + size(len(body)) + body


def audio_track(codec=b"A_OPUS", private=HEAD, rate=48000.0, channels=1, bits=b"", number=1):
    sound = el("b5", struct.pack(">f", rate)) + el("9f", bytes([channels]))
    sound += el("6264", bits) if bits else b""
    extra = el("63a2", private) if private else b""
    return el(
        "ae", el("d7", bytes([number])), el("83", b"\2"), el("86", codec), extra, el("e1", sound)
    )


VIDEO = el("ae", el("d7", b"\2"), el("83", b"\1"), el("86", b"V_VP8"))
EBML = el("1a45dfa3", el("4282", b"webm"))


def start(*tracks, ebml=EBML):
    tracks = tracks or (audio_track(),)
    return ebml + bytes.fromhex("18538067") + UNKNOWN + el("1654ae6b", *tracks)


def cluster(*parts):
    return bytes.fromhex("1f43b675") + UNKNOWN + el("e7", b"\0") + b"".join(parts)


def block(body, track=1, flags=0):
    return bytes([0x80 | track, 0, 0, flags]) + body


def simple(body, track=1, flags=0):
    return el("a3", block(body, track, flags))


def packet(n, length=20):
    return b"\x78" + bytes([n]) * (length - 1)


def datas(items):
    return [item.data for item in items]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [48_000, 96_077, 100])
def test_a_file_lasts_as_long_as_its_sound(sound, encoded, take_apart, live, channels, frames):
    options = {"live": "1", "cluster_time_limit": "250"} if live else {}
    data = encoded("webm", "libopus", 48000, sound(48000, frames, channels), **options)
    demuxer = webm.WebmDemuxer()
    items = take_apart(demuxer, data, 500)
    # The duration of discarded padding is written in whole nanoseconds.
    assert abs(sum(item.units for item in items) - frames) <= 1
    converter = AudioConverter(demuxer.format, AudioFormat("pcm_s16le", 16000))
    out = b"".join(map(converter.convert, items)) + converter.flush()
    assert abs(len(out) / 2 - frames / 3) <= 1
    assert converter.damaged == 0


def test_live_sound_comes_out_with_its_block(sound, encoded):
    data = encoded(
        "webm", "libopus", 48000, sound(48000, 48_000), live="1", cluster_time_limit="250"
    )
    demuxer, early = webm.WebmDemuxer(), 0
    for at in range(len(data)):
        if demuxer.feed(data[at : at + 1]):
            early += 1
    assert early >= 49


@pytest.mark.parametrize("step", [1, 11, 10_000])
def test_blocks_one_by_one(take_apart, step):
    data = start() + cluster(simple(packet(1)), el("a0", el("a1", block(packet(2)))))
    data += cluster(el("ec", bytes(99)), simple(packet(3)))
    items = take_apart(webm.WebmDemuxer(), data, step)
    assert datas(items) == [packet(1), packet(2), packet(3)]
    assert [item.units for item in items] == [648, 960, 960]


def test_padding_is_discarded(take_apart):
    pad = el("75a2", (10_000_000).to_bytes(4, "big"))
    data = start() + cluster(simple(packet(1)), el("a0", el("a1", block(packet(2))), pad))
    assert [item.units for item in take_apart(webm.WebmDemuxer(), data)] == [648, 480]


A, B, C = packet(1, 20), packet(2, 300), packet(3, 25)


@pytest.mark.parametrize(
    ("flags", "body", "frames"),
    [
        (2, b"\x02" + b"\x14" + b"\xff\x2d" + A + B + C, [A, B, C]),
        (4, b"\x01" + A + packet(9), [A, packet(9)]),
        # EBML lacing: 20, then +280 as a two-byte signed difference
        (6, b"\x02" + b"\x94" + (280 + 0x1FFF | 0x4000).to_bytes(2, "big") + A + B + C, [A, B, C]),
        (6, b"\x02" + b"\x99" + bytes([0x80 | 63 - 5]) + C + A + B, [C, A, B]),
    ],
    ids=["xiph", "fixed", "ebml up", "ebml down"],
)
def test_lacing(take_apart, flags, body, frames):
    items = take_apart(webm.WebmDemuxer(), start() + cluster(simple(body, flags=flags)))
    assert datas(items) == frames


@pytest.mark.parametrize(
    ("flags", "body"),
    [(2, b""), (2, b"\x01\xff\xff"), (4, b"\x01abc"), (6, b"\x01"), (6, b"\x01\xff"),
     (6, b"\x02\x82\x81abcd")],
)  # fmt: skip
def test_damaged_lacing(take_apart, flags, body):
    with pytest.raises(BadAudio, match="WebM block"):
        take_apart(webm.WebmDemuxer(), start() + cluster(simple(body, flags=flags)))


def test_pictures_are_passed_over_whatever_their_size(take_apart):
    picture = el("a3", block(bytes(200_000), 2))
    data = start(VIDEO, audio_track()) + cluster(picture, simple(packet(1)), simple(b"vp8", 2))
    demuxer = webm.WebmDemuxer()
    out = []
    for at in range(0, len(data), 1000):
        out += demuxer.feed(data[at : at + 1000])
        assert len(demuxer._held) <= 66_000
    assert datas(out) == [packet(1)]


def test_a_recording_begun_anew_goes_on(take_apart):
    one = start() + cluster(simple(packet(1)))
    items = take_apart(webm.WebmDemuxer(), one + one)
    assert [item.units for item in items] == [648, 648]


def test_a_recording_begun_anew_may_not_change(take_apart):
    stereo = audio_track(private=HEAD[:9] + b"\x02" + HEAD[10:])
    with pytest.raises(BadAudio, match="second recording"):
        take_apart(webm.WebmDemuxer(), start() + cluster(simple(packet(1))) + start(stereo))


@pytest.mark.parametrize(
    ("codec", "bits", "encoding", "width"),
    [
        (b"A_PCM/INT/LIT", b"\x10", "pcm_s16le", 2),
        (b"A_PCM/INT/LIT", b"\x18", "pcm_s24le", 3),
        (b"A_PCM/INT/BIG", b"\x10", "pcm_s16be", 2),
        (b"A_PCM/FLOAT/IEEE", b"\x20", "pcm_f32le", 4),
    ],
)
def test_pcm(take_apart, codec, bits, encoding, width):
    track = audio_track(codec, b"", 44100.0, 2, bits)
    demuxer = webm.WebmDemuxer()
    items = take_apart(demuxer, start(track) + cluster(simple(bytes(4 * width + 1))))
    assert demuxer.format == AudioFormat(encoding, 44100, 2)
    assert items == [bytes(4 * width)]


COMPRESSED = audio_track()[5:] + el("6d80", bytes(3))


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (start(audio_track(b"A_VORBIS")), "unsupported_audio", "A_VORBIS"),
        (start(audio_track(b"A_PCM/INT/LIT", bits=b"\x0c")), "unsupported_audio", "A_PCM"),
        (start(VIDEO), "bad_audio", "V_VP8"),
        (start(el("ae", COMPRESSED)), "unsupported_audio", "ContentEncodings"),
        (start(ebml=el("1a45dfa3", el("4282", b"other"))), "unsupported_audio", "'other'"),
        (start(audio_track(b"A_PCM/INT/LIT", rate=float("nan"))), "unsupported_audio", "0 Hz"),
        (start(audio_track(private=b"OpusHead")), "bad_audio", "Opus header"),
        (EBML, "bad_audio", "before its track list"),
        (EBML + cluster(simple(b"x")), "bad_audio", "before its track list"),
        (EBML + b"\x00" * 9, "bad_audio", "byte 0x00"),
        (EBML + b"\x08" * 9, "bad_audio", "byte 0x08"),
        (EBML + b"\xa3\x00", "bad_audio", "zero byte"),
        (EBML + b"\xa3" + UNKNOWN, "bad_audio", "no size"),
        (EBML + b"\x1c\x53\xbb\x6b\x01\x10\x00\x00\x00\x00\x00\x00", "bad_audio", "damaged"),
        (EBML + b"\x16\x54\xae\x6b" + size(100_000), "bad_audio", "100000"),
        (start() + cluster(el("a3", b"\x81\0")), "bad_audio", "cut off"),
        (EBML[:4] + size(3) + b"\x42\x82\x85", "bad_audio", "longer than its parent"),
    ],
)
def test_refusals_name_what_is_wrong(take_apart, data, code, words):
    with pytest.raises(BadAudio) as caught:
        take_apart(webm.WebmDemuxer(), data)
    assert (caught.value.code, words in str(caught.value)) == (code, True), str(caught.value)


def test_padding_without_tracks_is_not_endless():
    demuxer = webm.WebmDemuxer()
    demuxer.feed(EBML + b"\xec" + size(50 << 20))
    with pytest.raises(BadAudio, match="1 MiB"):
        for _ in range(20):
            demuxer.feed(bytes(65536))
            assert len(demuxer._held) <= 65536


def test_opus_without_its_header_takes_the_track_word_for_it(take_apart):
    demuxer = webm.WebmDemuxer()
    take_apart(demuxer, start(audio_track(private=b"", channels=2)))
    assert demuxer.format == AudioFormat("opus", 48000, 2)
