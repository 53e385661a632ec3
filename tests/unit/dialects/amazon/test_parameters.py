"""What a request may ask for."""

from typing import Any

import pytest
from amazon_table import GIVEN, post, upgrade

from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat
from ossicle.dialects.amazon.parameters import Asked, Lists, given_in, read_parameters

LISTS = Lists({"animals": ("grey seal", "puffin")}.get, {"rude": ("Darn", "heck")}.get)


def asked(**more: str) -> Asked:
    given = GIVEN | {name.replace("_", "-"): value for name, value in more.items()}
    return read_parameters({name: value for name, value in given.items() if value}, LISTS)


def test_headers_and_query_say_the_same():
    more = {"session_id": "one", "show_speaker_label": "true"}
    assert given_in(post(**more)) == given_in(upgrade(**more))


def test_the_least_there_can_be():
    found = asked()
    assert found.format == AudioFormat("pcm_s16le", 16_000, 1)
    assert found.patch == {"recognition": {"language": "en-US", "punctuate": True}}
    assert (found.language, found.session, found.channels) == ("en-US", "", 1)
    assert found.ignored == ()
    assert not any((found.stable, found.speakers, found.identifies))
    assert dict(found.echo) == GIVEN


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("pcm", "pcm_s16le"), ("PCM", "pcm_s16le"), ("flac", "flac"), ("ogg-opus", "ogg"),
        ("g711-alaw", "alaw"), ("g711-ulaw", "mulaw"),
    ],
)  # fmt: skip
def test_encodings(theirs: str, ours: str):
    assert asked(media_encoding=theirs).format.encoding == ours


def test_g729_has_one_rate():
    found = asked(media_encoding="g729", sample_rate="8000")
    assert found.format == AudioFormat("g729", 8_000, 1)


@pytest.mark.parametrize("yes", ["true", "True", "TRUE", "1"])
def test_booleans_in_any_case(yes: str):
    found = asked(enable_partial_results_stabilization=yes, show_speaker_label=yes)
    assert found.stable
    assert found.speakers
    assert found.patch["recognition"]["diarize"] is True
    assert not asked(show_speaker_label="False").speakers


def test_channels_are_told_apart():
    found = asked(enable_channel_identification="true", number_of_channels="2")
    assert (found.channels, found.format.channels) == (2, 2)
    assert found.patch["recognition"]["channels"] == "split"


def test_words_by_the_name_of_their_list():
    found = asked(
        vocabulary_name="animals", vocabulary_filter_name="rude", vocabulary_filter_method="tag"
    )
    assert found.patch["recognition"]["hints"] == [{"text": "grey seal"}, {"text": "puffin"}]
    assert found.filter.words == {"darn", "heck"}
    assert found.filter.method == "tag"
    assert ("vocabulary-name", "animals") in found.echo


def test_a_list_nobody_knows_is_named_and_not_echoed():
    found = asked(
        vocabulary_names="animals,plants", vocabulary_filter_name="x", pii_entity_types="NAME"
    )
    assert found.patch["recognition"]["hints"] == [{"text": "grey seal"}, {"text": "puffin"}]
    assert set(found.ignored) == {"vocabulary-names", "vocabulary-filter-name", "pii-entity-types"}
    assert not {name for name, _ in found.echo} & set(found.ignored)


@pytest.mark.parametrize(
    ("more", "language"),
    [
        ({"language_options": "de-DE,fr-FR"}, "de-DE"),
        ({"language_options": "de-DE, fr-FR", "preferred_language": "fr-FR"}, "fr-FR"),
    ],
)
def test_a_language_to_be_found_out(more: dict[str, str], language: str):
    found = asked(language_code="", identify_language="True", **more)
    assert (found.language, found.identifies) == (language, True)
    assert found.patch["recognition"]["language"] == language
    many = asked(language_code="", identify_multiple_languages="true", **more)
    assert many.language == language
    assert asked(language_code="", identify_multiple_languages="true").language == "en-US"


def test_a_session_that_can_be_gone_on_with():
    found = asked(session_id="0b1f4a0e-7d5c-4f4d-9a53-2f1f0a2d0001", session_resume_window="5")
    assert found.resume_s == 300
    assert found.session == "0b1f4a0e-7d5c-4f4d-9a53-2f1f0a2d0001"


def test_unknown_names_are_ignored():
    assert asked(tomorrow="x", **{"amz-sdk-request": "attempt=1"}) == asked()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"language_code": ""}, "language-code"),
        ({"identify_language": "true"}, "exactly one"),
        ({"language_code": "", "identify_language": "true"}, "language-options"),
        ({"language_code": "", "identify_language": "true", "language_options": "a"}, "two"),
        ({"language_code": "", "identify_language": "true", "language_options": "a,b",
          "preferred_language": "c"}, "preferred-language"),
        ({"language_code": "x" * 65}, "64"),
        ({"media_encoding": ""}, "media-encoding"),
        ({"media_encoding": "mp3"}, "media-encoding='mp3'"),
        ({"media_encoding": "g729"}, "the sample-rate is 8000"),
        ({"media_encoding": "g729", "sample_rate": "8000",
          "enable_channel_identification": "true", "number_of_channels": "2"}, "one channel"),
        ({"sample_rate": ""}, "sample-rate"),
        ({"sample_rate": "7999"}, "8000 to 48000"),
        ({"sample_rate": "48001"}, "sample-rate"),
        ({"sample_rate": "٨٠٠٠"}, "sample-rate"),
        ({"sample_rate": "0000000016000"}, "sample-rate"),
        ({"show_speaker_label": "maybe"}, "show-speaker-label"),
        ({"enable_channel_identification": "true"}, "number-of-channels"),
        ({"number_of_channels": "2"}, "enable-channel-identification"),
        ({"enable_channel_identification": "true", "number_of_channels": "3"}, "2"),
        ({"enable_channel_identification": "true", "number_of_channels": "2",
          "show_speaker_label": "true"}, "do not go together"),
        ({"partial_results_stability": "highest"}, "low, medium, high"),
        ({"transcript_format": "sung"}, "written, spoken"),
        ({"vocabulary_filter_method": "shout"}, "remove, mask, tag"),
        ({"content_redaction_type": "PII"}, "redacts nothing"),
        ({"session_id": "no spaces"}, "session-id"),
        ({"session_id": "x" * 201}, "session-id"),
        ({"session_resume_window": "0"}, "1 to 300"),
    ],
)  # fmt: skip
def test_what_is_refused_names_itself(more: dict[str, Any], named: str):
    with pytest.raises(Refused, match=named):
        asked(**more)
