"""Real files, hand-made pages, and pages damaged on the way."""

import struct

import pytest

from ossicle.audio import ogg
from ossicle.audio.convert import AudioConverter
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
TAGS = b"OpusTags" + bytes(8)
FIRST, LAST, CONTINUED = 2, 4, 1


def page(packets, sequence, granule=0, flags=0, serial=7, *, whole=True):
    """One page. `whole=False`: the last packet goes on in the next page."""
    lacing = bytearray()
    for index, packet in enumerate(packets):
        full, rest = divmod(len(packet), 255)
        lacing += b"\xff" * full
        if whole or index < len(packets) - 1:
            lacing.append(rest)
    body = b"".join(packets)
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, sequence)
    rest = bytes([len(lacing)]) + bytes(lacing) + body
    crc = ogg.checksum(head + bytes(4) + rest)
    return head + struct.pack("<I", crc) + rest


def packet(n, size=20):
    return b"\x78" + bytes([n]) * (size - 1)


def start(serial=7, head=HEAD):
    return page([head], 0, flags=FIRST, serial=serial) + page([TAGS], 1, serial=serial)


def units(items):
    return [item.units for item in items]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [48_000, 48_077, 100, 5])
def test_a_file_lasts_as_long_as_its_sound(sound, encoded, take_apart, channels, frames):
    data = encoded("ogg", "libopus", 48000, sound(48000, frames, channels))
    demuxer = ogg.OggDemuxer()
    items = take_apart(demuxer, data)
    assert sum(units(items)) == frames
    assert demuxer.format.channels == channels
    converter = AudioConverter(demuxer.format, AudioFormat("pcm_s16le", 48000, channels))
    out = b"".join(map(converter.convert, items)) + converter.flush()
    assert len(out) == frames * 2 * channels
    assert converter.damaged == 0


def test_flac_inside(sound, encoded, take_apart):
    data = encoded("ogg", "flac", 16000, sound(16000, 20_001))
    demuxer = ogg.OggDemuxer()
    items = take_apart(demuxer, data, 100)
    assert (demuxer.format.encoding, sum(units(items))) == ("flac", 20_001)
    converter = AudioConverter(demuxer.format, AudioFormat())
    assert b"".join(map(converter.convert, items)) == sound(16000, 20_001).tobytes()


def test_pre_skip_is_taken_from_the_front(take_apart):
    data = start() + page([packet(1), packet(2)], 2, 1920)
    items = take_apart(ogg.OggDemuxer(), data)
    assert items == [Packet(packet(1), 960 - 312), Packet(packet(2), 960)]


def test_padding_is_taken_from_the_end(take_apart):
    data = start() + page([packet(1), packet(2)], 2, 1920) + page([packet(3)], 3, 2000, LAST)
    assert units(take_apart(ogg.OggDemuxer(), data)) == [648, 960, 80]


def test_a_stream_cut_from_a_longer_one(take_apart):
    data = start() + page([packet(1)], 2, 960_000) + page([packet(2)], 3, 960_100, LAST)
    assert units(take_apart(ogg.OggDemuxer(), data)) == [648, 100]


def test_a_packet_over_several_pages(take_apart):
    long = packet(1, 700)
    data = (
        start()
        + page([packet(0), long[:510]], 2, 960, whole=False)
        + page([long[510:], packet(2)], 3, 2880, CONTINUED)
    )
    for step in (1, 50, 10_000):
        items = take_apart(ogg.OggDemuxer(), data, step)
        assert [item.data for item in items] == [packet(0), long, packet(2)]


def test_a_packet_of_exactly_255_bytes(take_apart):
    data = start() + page([packet(1, 255), packet(2, 510)], 2, 1920)
    assert [len(item.data) for item in take_apart(ogg.OggDemuxer(), data)] == [255, 510]


def test_a_damaged_page_costs_its_own_sound_and_no_time(take_apart):
    pages = [page([packet(n), packet(n)], n + 2, 1920 * (n + 1)) for n in range(5)]
    broken = bytearray(pages[2])
    broken[-3] ^= 0x40
    pages[2] = bytes(broken)
    items = take_apart(ogg.OggDemuxer(), start() + b"".join(pages))
    assert sum(units(items)) == 9600 - 312
    assert [item.data for item in items[4:6]] == [b"\x78", b"\x78"]


def test_a_lost_front_takes_its_rest_with_it(take_apart):
    long = packet(9, 600)
    whole = start() + page([packet(0)], 2, 960)
    rest = page([long[510:], packet(2)], 4, 2880, CONTINUED)
    items = take_apart(ogg.OggDemuxer(), whole + rest)
    assert [item.data for item in items] == [packet(0), b"\x78", packet(2)]


def test_comments_of_any_size_are_not_kept(take_apart):
    tags = b"OpusTags" + bytes(255 * 255 - 8)
    data = page([HEAD], 0, flags=FIRST) + page([tags], 1, -1, whole=False)
    for n in range(20):
        data += page([bytes(255 * 255)], 2 + n, -1, CONTINUED, whole=False)
    data += page([bytes(10)], 22, 0, CONTINUED) + page([packet(1)], 23, 960)
    demuxer = ogg.OggDemuxer()
    assert len(take_apart(demuxer, data)) == 1
    assert len(demuxer._partial) == 0


def test_chained_streams_follow_on(take_apart):
    one = start() + page([packet(1), packet(2)], 2, 1900, LAST)
    two = start(8) + page([packet(3), packet(4)], 2, 1900, LAST, 8)
    items = take_apart(ogg.OggDemuxer(), one + two)
    assert units(items) == [648, 940, 648, 940]


def test_a_chain_may_not_change_its_channels(take_apart):
    stereo = HEAD[:9] + b"\x02" + HEAD[10:]
    data = start() + page([packet(1)], 2, 960) + start(8, stereo)
    with pytest.raises(BadAudio, match="1 channels to opus with 2") as caught:
        take_apart(ogg.OggDemuxer(), data)
    assert caught.value.code == "unsupported_audio"


def test_other_streams_beside_are_passed_over(take_apart):
    data = (
        page([b"\x80theora" + bytes(30)], 0, flags=FIRST, serial=1)
        + page([HEAD], 0, flags=FIRST)
        + page([b"more theora"], 1, serial=1)
        + page([TAGS], 1)
        + page([packet(1)], 2, 960)
    )
    assert units(take_apart(ogg.OggDemuxer(), data)) == [648]


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\x01vorbis", "Vorbis"), (b"\x80theora", "Theora"), (b"mystery!", "unknown codec")],
)
def test_other_codecs_are_refused_by_name(take_apart, head, name):
    data = page([head + bytes(22)], 0, flags=FIRST) + page([b"x"], 1)
    with pytest.raises(BadAudio, match=name) as caught:
        take_apart(ogg.OggDemuxer(), data)
    assert caught.value.code == "unsupported_audio"


def test_garbage_is_refused_before_64_kib_are_held():
    demuxer = ogg.OggDemuxer()
    with pytest.raises(BadAudio, match="64 KiB"):
        for _ in range(80):
            demuxer.feed(b"OggS" + bytes(1020))
            assert len(demuxer._held) <= 66_000


@pytest.mark.parametrize("data", [b"", b"OggS", page([b"\x01vorbis"], 0, flags=FIRST)])
def test_an_end_before_the_codec_is_known(take_apart, data):
    with pytest.raises(BadAudio, match="ended before its codec header"):
        take_apart(ogg.OggDemuxer(), data)


def test_flac_that_does_not_count_its_headers(take_apart):
    head = b"\x7fFLAC\x01\x00\x00\x00fLaC" + bytes(38)
    with pytest.raises(BadAudio, match=r"sample rate 0"):
        take_apart(ogg.OggDemuxer(), page([head], 0, flags=FIRST))


def test_a_known_stream_survives_a_lost_page_of_any_size(take_apart):
    big = page([packet(9, 255 * 255 - 1)], 3, 0)
    data = start() + page([packet(1)], 2, 960) + big[:-1] + b"?" + page([packet(2)], 4, 2880)
    assert sum(units(take_apart(ogg.OggDemuxer(), data))) == 2880 - 312
