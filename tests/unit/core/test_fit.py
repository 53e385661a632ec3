"""What an engine can do of what was asked, in words."""

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.errors import BadAudio, Refused
from ossicle.core.fit import heard_as, misfits, spoken_as
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Hint, Options, RecognitionOptions

PLAIN = Capabilities(name="plain")


def asked(**names) -> Options:
    return Options(recognition=RecognitionOptions(**names))


@pytest.mark.parametrize(
    ("names", "able", "option"),
    [
        ({"diarize": True}, {"diarize": True}, "diarize"),
        ({"punctuate": True}, {"punctuate": True}, "punctuate"),
        ({"profanity_filter": True}, {"profanity_filter": True}, "profanity_filter"),
        ({"hints": (Hint("x"),)}, {"hints": True}, "hints"),
        ({"only_hints": True}, {"hints": True}, "only_hints"),
        ({"final": "accurate"}, {"accurate": True}, "final=accurate"),
    ],
)
def test_each_option_an_engine_lacks_is_one_sentence(names, able, option):
    (text,) = misfits(asked(**names), PLAIN)
    assert text.startswith(f"engine plain: {option}")
    assert misfits(asked(**names), Capabilities(name="able", **able)) == ()
    assert misfits(Options(), PLAIN) == ()


@pytest.mark.parametrize(
    ("language", "known", "fits"),
    [
        ("en-US", (), True),
        ("en-US", ("en-US",), True),
        ("en", ("en-GB",), True),
        ("en-GB", ("en",), True),
        ("EN-us", ("en-US",), True),
        ("en-GB", ("en-US",), False),
        ("de", ("en", "fr"), False),
        ("e", ("en",), False),
    ],
)
def test_languages_match_by_beginning(language, known, fits):
    unable = misfits(asked(language=language), Capabilities(name="x", languages=known))
    assert (not unable) == fits
    if not fits:
        assert language in unable[0]
        assert all(tag in unable[0] for tag in known)


def test_an_engine_is_fed_what_the_client_sends_if_it_takes_it():
    mulaw = AudioFormat("mulaw", 8_000)
    both = Capabilities(name="x", hears=(PCM16K, mulaw))
    assert heard_as(mulaw, both, split=False) == mulaw
    assert heard_as(AudioFormat("mulaw", 16_000), both, split=False) == PCM16K


def test_channels_are_mixed_or_split():
    stereo = AudioFormat("pcm_s16le", 16_000, 2)
    assert heard_as(stereo, PLAIN, split=False).channels == 1
    assert heard_as(stereo, PLAIN, split=True).channels == 2
    two = Capabilities(name="x", channels=2)
    assert heard_as(stereo, two, split=False).channels == 1  # mixing was asked for
    assert heard_as(stereo, two, split=True).channels == 2


def test_a_voice_does_not_listen():
    with pytest.raises(BadAudio, match="engine voice does not listen"):
        heard_as(PCM16K, Capabilities(name="voice", hears=()), split=False)


def test_what_a_client_hears():
    voice = Capabilities(name="voice", speaks=(AudioFormat("pcm_s16le", 22_050),))
    mulaw = AudioFormat("mulaw", 8_000)
    assert spoken_as(mulaw, PLAIN) is None
    assert spoken_as(None, voice) == AudioFormat("pcm_s16le", 22_050)
    assert spoken_as(mulaw, voice) == mulaw
    with pytest.raises(Refused, match="speech cannot be sent as opus"):
        spoken_as(AudioFormat("opus", 48_000), voice)
