"""The small parts of the Google dialect: audio with headers, hints, recognizers, silence."""

import struct
from math import inf
from typing import Any

import pytest

from ossicle.core.commands import Audio, Command, Configure
from ossicle.core.errors import BadAudio, OssicleError, Refused
from ossicle.core.events import Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.dialects.google import v2_messages as two
from ossicle.dialects.google.activity import Silence
from ossicle.dialects.google.asked import Hearing
from ossicle.dialects.google.hints import Hints
from ossicle.dialects.google.notices import Notices
from ossicle.dialects.google.sound import Sound
from ossicle.dialects.google.utterance import SingleUtterance
from ossicle.dialects.google.v2_config import asked_of, merged, preset
from ossicle.dialects.protobuf import FieldMask


def wav(
    samples: bytes, *, tag: int = 1, rate: int = 16_000, channels: int = 1, bits: int = 16
) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    body = b"fmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(samples))
    return b"RIFF" + struct.pack("<I", 4 + len(body) + len(samples)) + b"WAVE" + body + samples


def flac(rate: int) -> bytes:
    info = bytes(10) + (rate << 4).to_bytes(3, "big") + bytes(21)
    return b"fLaC\x80\x00\x00\x22" + info


def fed(sound: Sound, data: bytes, piece: int) -> list[Command]:
    """Audio in pieces, and joined again."""
    commands: list[Command] = []
    for at in range(0, len(data), piece):
        commands += sound.feed(data[at : at + piece])
    commands += sound.finish()
    heard = b"".join(c.data for c in commands if isinstance(c, Audio))
    return [
        *(c for c in commands if isinstance(c, Configure)),
        *([Audio(data=heard)] if heard else []),
    ]


SAMPLES = bytes(range(200))


@pytest.mark.parametrize("piece", [1, 7, 44, 1000])
@pytest.mark.parametrize(
    ("hearing", "data", "configures", "heard"),
    [
        (Hearing(encoding="pcm_s16le", sample_rate=16_000), SAMPLES, [], SAMPLES),
        (Hearing(encoding="pcm_s16le", sample_rate=16_000), wav(SAMPLES), [], SAMPLES),
        (Hearing(encoding="pcm_s16le", sample_rate=16_000), b"RI", [], b"RI"),
        (
            Hearing(encoding="pcm_s16le"),
            wav(SAMPLES, rate=44_100, channels=2),
            [AudioFormat("pcm_s16le", 44_100, 2)],
            SAMPLES,
        ),
        (Hearing(encoding="mulaw", sample_rate=8_000), wav(SAMPLES, tag=7, rate=8_000, bits=8), [],
         SAMPLES),
        (Hearing(), wav(SAMPLES), [], wav(SAMPLES)),
        (Hearing(sample_rate=16_000), wav(SAMPLES), [], wav(SAMPLES)),
        (Hearing(encoding="flac", sample_rate=44_100), flac(44_100), [], flac(44_100)),
        (Hearing(), flac(44_100), [], flac(44_100)),
        (Hearing(encoding="ogg", sample_rate=48_000), b"OggS", [], b"OggS"),
    ],
)  # fmt: skip
def test_headers(
    hearing: Hearing, data: bytes, configures: list[AudioFormat], heard: bytes, piece: int
) -> None:
    expected = [*(Configure(format=each) for each in configures), Audio(data=heard)]
    assert fed(Sound(hearing), data, piece) == expected


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize(
    ("hearing", "data", "words"),
    [
        (Hearing(encoding="pcm_s16le"), SAMPLES, "bad sample rate"),
        (Hearing(encoding="pcm_s16le", sample_rate=8_000), wav(SAMPLES), r"WAV header \(16000\)"),
        (Hearing(encoding="pcm_s16le", sample_rate=8_000), wav(SAMPLES, tag=7, bits=8), "MULAW"),
        (Hearing(encoding="pcm_s16le", sample_rate=8_000), wav(SAMPLES, bits=24), "must match"),
        (
            Hearing(encoding="pcm_s16le", sample_rate=16_000),
            wav(SAMPLES, channels=2),
            "1 channel of audio, but WAV header indicates 2 channels",
        ),
        (Hearing(encoding="pcm_s16le", channels=1), wav(SAMPLES, channels=2), "2 channels"),
        (Hearing(sample_rate=8_000), wav(SAMPLES), r"WAV header \(16000\)"),
        (Hearing(channels=2), wav(SAMPLES), "1 channel"),
        (Hearing(sample_rate=8_000), flac(44_100), r"FLAC header \(44100\)"),
        (Hearing(encoding="flac", sample_rate=8_000), flac(44_100), r"FLAC header \(44100\)"),
        (Hearing(encoding="flac"), SAMPLES, "no FLAC file"),
        (Hearing(encoding="pcm_s16le", sample_rate=8_000), b"RIFF....WAVEdata" + bytes(99),
         "before their format"),
        (Hearing(encoding="pcm_s16le", sample_rate=8_000),
         b"RIFF....WAVE" + (b"junk" + struct.pack("<I", 992) + bytes(992)) * 80, "no samples"),
    ],
)  # fmt: skip
def test_headers_that_contradict(hearing: Hearing, data: bytes, words: str, piece: int) -> None:
    with pytest.raises((Refused, BadAudio), match=words):
        fed(Sound(hearing), data, piece)


def test_what_stands_behind_the_samples_is_no_sound() -> None:
    sound = Sound(Hearing(encoding="pcm_s16le", sample_rate=16_000))
    assert fed(sound, wav(SAMPLES) + b"LIST\x04\0\0\0abcd", 50) == [Audio(data=SAMPLES)]


def test_the_format_is_known_at_once_where_it_can_be() -> None:
    assert Sound(Hearing(encoding="mulaw", sample_rate=8_000)).declared == AudioFormat(
        "mulaw", 8_000
    )
    assert Sound(Hearing(encoding="mulaw")).declared is None
    assert Sound(Hearing()).declared == AudioFormat("auto")


def texts(hints: Hints) -> list[str]:
    return [hint["text"] for hint in hints.hints()]


def test_hints_with_classes() -> None:
    hints = Hints()
    hints.add_class("projects/p/locations/l/customClasses/ship", ("Aurora", "Borealis", ""))
    hints.add_class("crew", ("cook $1",))
    hints.add("hail the ${ship}", 5.0)
    hints.add("call ${crew} of ${ship}")
    hints.add("plain", -1.0)
    hints.add("  ")
    assert texts(hints) == [
        "hail the Aurora",
        "hail the Borealis",
        "call cook 1 of Aurora",
        "call cook 1 of Borealis",
        "plain",
    ]
    assert hints.hints()[0] == {"text": "hail the Aurora", "boost": 5.0}
    assert hints.hints()[-1] == {"text": "plain"}
    assert hints.warnings == ()


def test_hints_that_cannot_be_spelled_out_are_told() -> None:
    hints = Hints()
    hints.add("dial $OPERAND now")
    hints.add("dial ${nobody}")
    hints.add("x" * 201)
    assert texts(hints) == []
    assert [warning.split(":")[0] for warning in hints.warnings] == ["adaptation"] * 2


def test_hints_are_bounded_whatever_classes_multiply() -> None:
    hints = Hints()
    hints.add_class("n", (str(n) for n in range(300)))
    hints.add("${n} ${n} ${n}")
    assert len(texts(hints)) <= 1_000
    assert "more than 1000" in " ".join(hints.warnings)
    loop = Hints()
    loop.add_class("a", ("${a}${a}",))
    loop.add("${a}")
    assert texts(loop) == ["{a}{a}"]


KEPT = preset("kept", "language=en-GB&model=nova-3&punctuation=true")


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, ("de-DE", "nova-3", True, True)),
        (FieldMask(("*",)), ("de-DE", "", False, True)),
        (FieldMask(("language_codes",)), ("de-DE", "nova-3", True, False)),
        (FieldMask(("features.enable_word_time_offsets",)), ("en-GB", "nova-3", True, True)),
        (FieldMask(("features",)), ("en-GB", "nova-3", False, True)),
        (FieldMask(("model", "no.such.field")), ("en-GB", "", True, False)),
    ],
)
def test_masks(mask: FieldMask | None, expected: tuple[Any, ...]) -> None:
    given = two.RecognitionConfig(
        features=two.RecognitionFeatures(enable_word_time_offsets=True),
        auto_decoding_config=two.AutoDecoding(),
        language_codes=("de-DE",),
    )
    asked = asked_of(merged(KEPT, given, mask)).patch["recognition"]
    held = (asked["language"], asked["model"], asked["punctuate"], asked["word_times"])
    assert held == expected


def test_a_request_decides_how_audio_is_written() -> None:
    given = two.RecognitionConfig(explicit_decoding_config=two.ExplicitDecoding(2, 8_000, 1))
    asked = asked_of(merged(KEPT, given, None))
    assert asked.hearing == Hearing(encoding="mulaw", sample_rate=8_000, channels=1)


def test_languages_of_v2() -> None:
    auto = two.RecognitionConfig(auto_decoding_config=two.AutoDecoding(), language_codes=("auto",))
    asked = asked_of(auto)
    assert "language" not in asked.patch["recognition"]
    assert "auto" in asked.warnings[0]
    many = two.RecognitionConfig(
        auto_decoding_config=two.AutoDecoding(), language_codes=("fr-FR", "en-US")
    )
    assert asked_of(many).patch["recognition"]["language"] == "fr-FR"


@pytest.mark.parametrize(("number", "silence"), [(0, None), (1, None), (2, 300), (3, 500)])
def test_endpointing_sensitivity(number: int, silence: int | None) -> None:
    config = two.RecognitionConfig(
        auto_decoding_config=two.AutoDecoding(), language_codes=("en-US",)
    )
    asked = asked_of(config, two.StreamingFeatures(endpointing_sensitivity=number))
    turns = asked.patch["recognition"].get("turns")
    assert turns == (None if silence is None else {"silence_ms": silence})


@pytest.mark.parametrize("text", ["langage=en", "punctuation=yes"])
def test_a_recognizer_that_cannot_be_read_is_told_by_its_name(text: str) -> None:
    with pytest.raises(Refused, match=r"google\.recognizers: mine"):
        preset("mine", text)


def test_silence_needs_the_clock_and_the_audio() -> None:
    silence = Silence(2000, 1000, 32_000)
    assert silence.due == inf
    silence.begin(0.0)
    assert silence.due == 2.0
    silence.audio(32_000)
    assert not silence.over(2.0)  # only one second of audio came
    assert silence.due == 3.0
    silence.audio(32_000)
    assert silence.over(3.0)
    assert silence.due == inf


def test_silence_waits_for_all_channels() -> None:
    silence = Silence(None, 1000, 0)
    silence.begin(0.0)
    assert silence.due == inf
    silence.spoke(0)
    silence.spoke(1)
    silence.stopped(0, 5.0)
    assert silence.due == inf
    silence.stopped(1, 6.0)
    assert silence.due == 7.0
    assert silence.over(7.0)


def test_one_utterance_whole() -> None:
    one = SingleUtterance()
    assert one.heard(Transcript(text="x", final=True, ends_turn=True)) is None
    one.end()
    assert one.heard(Transcript(text="x")) is None
    assert one.heard(Transcript(text="a", final=True, words=(Word("a", 0, 1),))) is None
    whole = one.heard(Transcript(text="b", final=True, ends_turn=True, words=(Word("b", 1, 2),)))
    assert whole is not None
    assert (whole.text, [word.text for word in whole.words or ()]) == ("a b", ["a", "b"])
    assert one.heard(Transcript(text="c", final=True, ends_turn=True)) is None
    assert one.rest() is None


def test_notices_are_bounded_and_fit_metadata() -> None:
    notices = Notices()
    notices.add(f"n{n}" for n in range(50))
    notices.add(["y\n\u2028" + "x" * 500])
    assert len(notices.trailing()) == 10
    few = Notices()
    few.add(["a\tb\u00e9", "a\tb\u00e9"])
    assert few.trailing() == (("ossicle-notice", "a?b?"),)


def test_errors_are_ours_alone() -> None:
    with pytest.raises(OssicleError):
        asked_of(two.RecognitionConfig())
