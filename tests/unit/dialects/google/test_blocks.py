"""SPEEX_WITH_HEADER_BYTE: packets behind their lengths, however the stream is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio
from ossicle.core.errors import BadAudio
from ossicle.dialects.google.asked import Hearing
from ossicle.dialects.google.blocks import Blocks
from ossicle.dialects.google.sound import Sound

PACKETS = st.lists(st.binary(min_size=1, max_size=255), max_size=20)


@given(PACKETS, st.integers(1, 300))
@settings(derandomize=True)
def test_every_packet_comes_out_whole(packets: list[bytes], size: int) -> None:
    stream = b"".join(bytes([len(each)]) + each for each in packets)
    blocks = Blocks()
    found = [
        packet
        for at in range(0, len(stream), size)
        for packet in blocks.feed(stream[at : at + size])
    ]
    assert found == packets


def test_a_block_of_nothing_is_no_speex() -> None:
    with pytest.raises(BadAudio, match="0 bytes"):
        Blocks().feed(b"\x01a\x00")


def test_a_stream_of_it_is_one_piece_of_audio_for_each_packet() -> None:
    sound = Sound(Hearing(encoding="speex", sample_rate=16_000))
    assert sound.declared is not None
    assert (sound.declared.encoding, sound.declared.sample_rate) == ("speex", 16_000)
    assert sound.feed(b"\x02ab\x03cd") == (Audio(data=b"ab"),)
    assert sound.feed(b"e") == (Audio(data=b"cde"),)
    assert sound.finish() == ()
