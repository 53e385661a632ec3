"""What an opening says becomes options, whatever the spelling of the SDK that says it."""

from typing import Any

import pytest

from ossicle.core.errors import OssicleError, Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.dialects.assemblyai.query import (
    format_of,
    lost_in,
    parameters_of,
    patch_of,
    query_of,
    said_of,
    undone_in,
)


def recognition(*query: tuple[str, str]) -> dict[str, Any]:
    patch = patch_of(parameters_of(query))
    merged(Options(), patch)  # the session takes it
    return patch.get("recognition", {})


@pytest.mark.parametrize("yes", ["true", "True", "TRUE", "1"])
def test_booleans_are_read_without_case(yes: str):
    assert parameters_of([("format_turns", yes)]).format_turns is True
    assert recognition(("format_turns", yes)) == {"punctuate": True}


@pytest.mark.parametrize("no", ["false", "False", "0"])
def test_so_is_no(no: str):
    assert recognition(("format_turns", no)) == {"punctuate": False}


def test_an_opening_that_says_nothing_asks_for_the_gateways_own():
    assert patch_of(parameters_of([("sample_rate", "16000")])) == {}


def test_lists_are_one_json_value():
    said = recognition(("keyterms_prompt", '["Ossicle", "  ", "SLNG"]'))
    assert said == {"hints": [{"text": "Ossicle"}, {"text": "SLNG"}]}


@pytest.mark.parametrize(
    ("query", "turns"),
    [
        ((("max_turn_silence", "900"),), {"silence_ms": 900, "confidence": 0.4, "least_ms": 400}),
        (
            (("end_of_turn_confidence_threshold", "0.7"),),
            {"silence_ms": 1280, "confidence": 0.7, "least_ms": 400},
        ),
        ((("min_turn_silence", "160"),), {"silence_ms": 1280, "confidence": 0.4, "least_ms": 160}),
        (
            (("min_end_of_turn_silence_when_confident", "160"), ("vad_threshold", "0.3")),
            {"silence_ms": 1280, "confidence": 0.4, "least_ms": 160, "threshold": 0.3},
        ),
        ((("vad_threshold", "0.3"),), {"threshold": 0.3}),
    ],
)
def test_who_names_one_part_of_the_rule_gets_all_of_it(
    query: tuple[tuple[str, str], ...], turns: dict[str, object]
):
    assert recognition(*query) == {"turns": turns}


def test_the_rest():
    assert recognition(
        ("speech_model", "u3-rt-pro"),
        ("language_codes", '["de","en"]'),
        ("speaker_labels", "True"),
        ("include_partial_turns", "False"),
        ("filter_profanity", "true"),
    ) == {
        "model": "u3-rt-pro",
        "language": "de",
        "diarize": True,
        "interim_results": False,
        "punctuate": True,
        "profanity_filter": True,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ((("sample_rate", "8000"),), AudioFormat("pcm_s16le", 8_000)),
        ((("sample_rate", "8000"), ("encoding", "pcm_mulaw")), AudioFormat("mulaw", 8_000)),
        ((("encoding", "opus"),), AudioFormat("opus", 48_000)),
        ((("encoding", "opus"), ("sample_rate", "16000")), AudioFormat("opus", 48_000)),
        ((("encoding", "ogg_opus"),), AudioFormat("ogg", 48_000)),
        ((("encoding", "aac"),), AudioFormat("aac", 48_000)),
        ((("encoding", "aac"), ("sample_rate", "16000")), AudioFormat("aac", 48_000)),
    ],
)
def test_formats(query: tuple[tuple[str, str], ...], expected: AudioFormat):
    assert format_of(parameters_of(query)) == expected


@pytest.mark.parametrize(
    "query",
    [
        (),
        (("encoding", "pcm_mulaw"),),
        (("sample_rate", "7999"),),
        (("sample_rate", "48001"),),
        (("encoding", "mp3"), ("sample_rate", "16000")),
    ],
)
def test_formats_that_are_refused(query: tuple[tuple[str, str], ...]):
    with pytest.raises(OssicleError) as caught:
        format_of(parameters_of(query))
    assert caught.value.code == "unsupported_audio"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate", "fast"),
        ("sample_rate", "16000.5"),
        ("format_turns", "maybe"),
        ("end_of_turn_confidence_threshold", "1.5"),
        ("max_turn_silence", "-1"),
        ("inactivity_timeout", "4"),
        ("inactivity_timeout", "3601"),
        ("keyterms_prompt", "Ossicle"),
        ("keyterms_prompt", '"Ossicle"'),
        ("keyterms_prompt", "[1]"),
        ("language_codes", "[" * 5_000),
    ],
)
def test_values_of_the_wrong_type_are_refused_by_name(name: str, value: str):
    with pytest.raises(Refused) as caught:
        parameters_of([(name, value)])
    assert name in str(caught.value)
    assert len(str(caught.value)) < 300


def test_names_that_nobody_knows_are_passed_over():
    assert parameters_of([("prompt", "x"), ("colour", "red")]) == parameters_of([])


def test_what_would_be_missed_is_named():
    asked = [("redact_pii", "True"), ("webhook_url", "https://x.example"), ("prompt", "x")]
    assert undone_in(asked) == ("redact_pii", "webhook_url")
    assert undone_in([("redact_pii", "False"), ("llm_gateway", "")]) == ()


def test_a_patch_in_the_vendors_names():
    assert said_of(
        {
            "recognition": {
                "language": "en-US",
                "hints": [{"text": "Ossicle", "boost": 2.0}],
                "turns": {"silence_ms": 900, "confidence": 0.7, "eager": 0.3},
                "punctuate": True,
                "model": None,
            }
        }
    ) == {
        "language_codes": ["en"],
        "keyterms_prompt": ["Ossicle"],
        "max_turn_silence": 900,
        "end_of_turn_confidence_threshold": 0.7,
        "format_turns": True,
    }


def test_the_query_of_a_client():
    query = query_of({"recognition": {"punctuate": True}}, AudioFormat("mulaw", 8_000))
    assert query == (("encoding", "pcm_mulaw"), ("sample_rate", "8000"), ("format_turns", "true"))
    assert query_of({}, AudioFormat("opus", 48_000)) == (("encoding", "opus"),)


@pytest.mark.parametrize("source", [AudioFormat("flac"), AudioFormat("pcm_s16le", 16_000, 2)])
def test_a_client_refuses_what_the_service_does_not_take(source: AudioFormat):
    with pytest.raises(OssicleError) as caught:
        query_of({}, source)
    assert caught.value.code == "unsupported_audio"


def test_what_has_no_word_is_named():
    patch = {"label": "x", "recognition": {"alternatives": 3, "turns": {"eager": 0.2}}}
    assert lost_in(patch) == ("label", "recognition.alternatives", "recognition.turns.eager")
