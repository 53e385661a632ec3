"""The one object a session is given."""

import numpy as np
import pytest

from ossicle.audio.codecs import AudioCodecs
from ossicle.core.formats import CONTAINERS, PACKETS, WIDTHS, AudioFormat
from ossicle.core.ports import Codecs

CODECS: Codecs = AudioCodecs()


def test_samples_need_no_demuxer():
    for encoding in WIDTHS:
        assert CODECS.demuxer(AudioFormat(encoding)) is None


def test_everything_else_has_one():
    for encoding in CONTAINERS | PACKETS:
        demuxer = CODECS.demuxer(AudioFormat(encoding, 16000))
        assert demuxer is not None
        assert (demuxer.format is None) == (encoding in CONTAINERS)


def test_the_same_needs_no_converter():
    assert CODECS.converter(AudioFormat(), AudioFormat()) is None


@pytest.mark.parametrize(
    ("container", "codec"), [("webm", "libopus"), ("ogg", "libopus"), ("mp3", "libmp3lame")]
)
def test_from_bytes_to_what_an_engine_hears(sound, encoded, take_apart, container, codec):
    data = encoded(container, codec, 48000, sound(48000, 48_000, 2))
    demuxer = CODECS.demuxer(AudioFormat("auto"))
    items = take_apart(demuxer, data)
    converter = CODECS.converter(demuxer.format, AudioFormat())
    out = b"".join(map(converter.convert, items)) + converter.flush()
    assert abs(len(out) // 2 - 16_000) <= 1


def test_a_converter_rebuilt_in_the_middle_gives_the_same_sound(sound, encoded, take_apart):
    """What a replay to a new engine does."""
    data = encoded("ogg", "libopus", 48000, sound(48000, 96_000))
    demuxer = CODECS.demuxer(AudioFormat("ogg"))
    items = take_apart(demuxer, data)
    target = AudioFormat("pcm_s16le", 48000)
    first, again = (CODECS.converter(demuxer.format, target) for _ in range(2))
    whole = [first.convert(item) for item in items]
    rest = [again.convert(item) for item in items[50:]]
    assert [len(part) for part in rest] == [len(part) for part in whole[50:]]
    # Opus settles within 80 ms (RFC 7845 section 4.6); from then on it is the same voice.
    heard = np.frombuffer(b"".join(whole[60:]), "<i2").astype(float)
    heard_again = np.frombuffer(b"".join(rest[10:]), "<i2").astype(float)
    assert np.corrcoef(heard, heard_again)[0, 1] > 0.99
