"""Tags in front are skipped whatever their size, and never held."""

import pytest

from ossicle.audio.id3 import Id3Skipper
from ossicle.core.errors import BadAudio


def tag(size, flags=0):
    coded = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    body = b"\xff" * size + (bytes(10) if flags & 0x10 else b"")
    return b"ID3\x04\0" + bytes([flags]) + coded + body


@pytest.mark.parametrize("front", [b"", tag(0), tag(300), tag(300, 0x10), tag(5) + tag(70_000)])
@pytest.mark.parametrize("step", [1, 9, 4096])
def test_only_the_audio_comes_through(front, step):
    skipper, out = Id3Skipper(), b""
    data = front + b"ID4 is audio"
    for at in range(0, len(data), step):
        out += skipper.skip(data[at : at + step])
        assert len(skipper._held) < 10
    assert out == b"ID4 is audio"


@pytest.mark.parametrize(("data", "left"), [(b"I", b"I"), (b"ID3\4", b"ID3\4"), (tag(9)[:12], b"")])
def test_an_end_before_a_decision(data, left):
    skipper = Id3Skipper()
    assert skipper.skip(data) == b""
    assert skipper.pending
    assert skipper.finish() == left


def test_endless_tags_are_refused():
    skipper = Id3Skipper()
    big = b"ID3\x04\0\0" + b"\x7f" * 4
    with pytest.raises(BadAudio, match="32 MiB"):
        skipper.skip(big)
