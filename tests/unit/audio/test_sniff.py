"""The first bytes decide, and a declaration is held to them."""

import pytest

from ossicle.audio.sniff import SniffingDemuxer, recognise
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat

WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0"
EBML = b"\x1aE\xdf\xa3\x87\x42\x82\x84webm"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (WAV, ("wav", "WAV")),
        (b"RF64\0\0\0\0WAVE", ("wav", "WAV")),
        (EBML, ("webm", "WebM/Matroska")),
        (b"OggS" + bytes(8), ("ogg", "Ogg")),
        (b"fLaC" + bytes(8), ("flac", "FLAC")),
        (bytes.fromhex("fffb9064") + bytes(8), ("mp3", "MP3")),
        (b"RIFF\0\0\0\0AVI ", ("", "RIFF (not WAVE)")),
        (b"\0\0\0\x20ftypisom", ("", "MP4")),
        (bytes.fromhex("fff15080") + bytes(8), ("aac", "AAC (ADTS)")),
        (b"#!AMR\n" + bytes(6), ("amr_nb", "AMR")),
        (b"#!AMR-WB\n" + bytes(3), ("amr_wb", "AMR-WB")),
        (b"#!AMR_MC1.0\n", ("", "AMR of several channels")),
        (b"FORM\0\0\0\0AIFF", ("", "AIFF")),
        (bytes(12), ("", "")),
        (b"\xff" * 12, ("", "")),
        (b"", ("", "")),
    ],
)
def test_recognised(head, expected):
    assert recognise(head) == expected


@pytest.mark.parametrize(
    ("container", "codec", "encoding"),
    [
        ("wav", "pcm_s16le", "pcm_s16le"),
        ("ogg", "libopus", "opus"),
        ("webm", "libopus", "opus"),
        ("matroska", "libopus", "opus"),
        ("flac", "flac", "flac"),
        ("mp3", "libmp3lame", "mp3"),
    ],
)
@pytest.mark.parametrize("step", [1, 4096])
def test_real_files(sound, encoded, take_apart, container, codec, encoding, step):
    data = encoded(container, codec, 48000, sound(48000, 24_000))
    name = {"matroska": "webm"}.get(container, container)
    for declared in ("auto", name):
        demuxer = SniffingDemuxer(declared)
        assert demuxer.format is None
        items = take_apart(demuxer, data, step)
        assert demuxer.format.encoding == encoding
        lengths = [len(i) // 2 if isinstance(i, bytes) else i.units for i in items]
        assert abs(sum(lengths) - 24_000) <= 1


def test_a_tag_before_flac_is_skipped(sound, encoded, take_apart):
    data = encoded("flac", "flac", 16000, sound(16000, 16_000))
    demuxer = SniffingDemuxer()
    take_apart(demuxer, b"ID3\x04\0\0\0\0\x01\x00" + bytes(128) + data, 50)
    assert demuxer.format.encoding == "flac"


@pytest.mark.parametrize(
    ("declared", "data", "code", "words"),
    [
        ("auto", b"\0\0\0\x20ftypM4A ", "unsupported_audio", "MP4 is not supported"),
        ("auto", b"garbage garbage", "bad_audio", "67617262"),
        ("auto", b"", "bad_audio", "ended before"),
        ("webm", WAV, "bad_audio", "declared webm, but the bytes are WAV"),
        ("wav", EBML, "bad_audio", "declared wav, but the bytes are WebM"),
        ("ogg", b"\0\0\0\x20ftypM4A ", "bad_audio", "declared ogg, but the bytes are MP4"),
        ("mp3", b"OggS" + bytes(10), "bad_audio", "declared mp3, but the bytes are Ogg"),
        ("wav", b"garbage garbage", "bad_audio", "RIFF....WAVE"),
        ("flac", b"garbage garbage", "bad_audio", "fLaC"),
        ("auto", b"RIF", "bad_audio", "524946"),
    ],
)
def test_refusals_name_both_sides(take_apart, declared, data, code, words):
    with pytest.raises(BadAudio) as caught:
        take_apart(SniffingDemuxer(declared), data)
    assert (caught.value.code, words in str(caught.value)) == (code, True), str(caught.value)


def test_a_short_wav_is_still_read(take_apart):
    demuxer = SniffingDemuxer("wav")
    assert take_apart(demuxer, WAV + b"ab") == [b"ab"]
    assert demuxer.format == AudioFormat("pcm_s16le", 16000, 1)
