"""Cutting. What an independent encoder makes is in tests/interop/audio/test_narrow_codecs.py."""

import doctest

import pytest

import ossicle.audio.g729 as g729
from ossicle.audio.convert import AudioConverter
from ossicle.audio.g729 import G729Demuxer
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet


def test_the_examples_in_the_docstring():
    assert doctest.testmod(g729).failed == 0


@pytest.mark.parametrize("step", [1, 7, 10, 1000])
def test_ten_bytes_are_ten_milliseconds(take_apart, step):
    data = bytes(range(47))
    assert take_apart(G729Demuxer(), data, step) == [
        Packet(data[at : at + 10], 80) for at in (0, 10, 20, 30)
    ]


@pytest.mark.parametrize(("data", "name"), [(b"RIFF\0\0\0\0WAVE", "wav"), (b"OggS" * 3, "ogg")])
@pytest.mark.parametrize("step", [1, 100])
def test_a_header_is_not_taken_for_sound(take_apart, data, name, step):
    with pytest.raises(BadAudio, match=f"bytes are {name}"):
        take_apart(G729Demuxer(), data, step)


def test_any_bytes_at_all_are_sound_of_their_length(take_apart):
    """There is no such thing as a damaged frame in it."""
    converter = AudioConverter(AudioFormat("g729", 8000), AudioFormat("pcm_s16le", 8000))
    data = bytes(index * 31 % 256 for index in range(1000))
    heard = b"".join(map(converter.convert, take_apart(G729Demuxer(), data)))
    assert len(heard) == 100 * 160
    assert converter.damaged == 0
