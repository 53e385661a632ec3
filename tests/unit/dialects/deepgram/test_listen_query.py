"""What a query of `/v1/listen` asks for."""

import pytest

from ossicle.core.errors import BadAudio, OssicleError
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.dialects.deepgram.listen_query import Asked, listen_query


def asked(text: str, *, live: bool = True) -> Asked:
    pairs = (part.partition("=") for part in text.split("&") if part)
    return listen_query(((name, value) for name, _, value in pairs), live=live)


def test_nothing_is_a_container_with_finals_only() -> None:
    it = asked("")
    assert it.format is None
    assert it.patch == {"recognition": {"interim_results": False}}


@pytest.mark.parametrize(
    ("encoding", "ours"),
    [("linear16", "pcm_s16le"), ("linear32", "pcm_f32le"), ("mulaw", "mulaw"), ("alaw", "alaw"),
     ("opus", "opus"), ("LINEAR16", "pcm_s16le")],
)  # fmt: skip
def test_raw_encodings(encoding: str, ours: str) -> None:
    it = asked(f"encoding={encoding}&sample_rate=8000&channels=2")
    assert it.format is not None
    assert (it.format.encoding, it.format.sample_rate, it.format.channels) == (ours, 8000, 2)


@pytest.mark.parametrize(("encoding", "ours"), [("flac", "flac"), ("ogg-opus", "ogg")])
def test_containers_need_no_rate(encoding: str, ours: str) -> None:
    assert asked(f"encoding={encoding}").format == AudioFormat(ours)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("yes", ["true", "True", "TRUE", "1"])
def test_booleans_in_any_case(yes: str) -> None:
    it = asked(f"interim_results={yes}&vad_events={yes}&smart_format={yes}&multichannel={yes}")
    assert it.interim
    assert it.vad_events
    assert it.punctuated
    assert it.paragraphs
    assert it.patch["recognition"]["channels"] == "split"


def test_the_model_is_passed_on_for_the_gateway_to_route() -> None:
    assert asked("model=nova-3").patch["recognition"]["model"] == "nova-3"
    assert "model" not in asked("model=").patch["recognition"]


@pytest.mark.parametrize(
    ("value", "turns"),
    [("300", {"silence_ms": 300}), ("10", {"silence_ms": 100}), ("false", {"detect": False}),
     ("False", {"detect": False}), ("true", None), ("0", {"silence_ms": 100})],
)  # fmt: skip
def test_endpointing(value: str, turns: object) -> None:
    assert asked(f"endpointing={value}").patch["recognition"].get("turns") == turns


def test_hints() -> None:
    it = asked("keyterm=gateway&keyterm=two words&keywords=anvil:2.5&keywords=plain&keywords=a:b")
    assert it.patch["recognition"]["hints"] == [
        {"text": "gateway"},
        {"text": "two words"},
        {"text": "anvil", "boost": 2.5},
        {"text": "plain"},
        {"text": "a:b"},
    ]
    assert it.keyterms == ("gateway", "two words")


def test_every_patch_is_one_the_session_takes() -> None:
    it = asked(
        "model=mine&language=de&interim_results=true&endpointing=300&keyterm=x&diarize=true"
        "&multichannel=true&profanity_filter=true&smart_format=true&tag=a&tag=b&extra=k:v:w"
    )
    options = merged(Options(), it.patch)
    assert options.recognition.turns.silence_ms == 300
    assert options.label == "a,b"
    assert it.extra == (("k", "v:w"),)


def test_an_utterance_end_needs_interim_results() -> None:
    assert asked("utterance_end_ms=1000&interim_results=true").utterance_end_ms == 1000
    without = asked("utterance_end_ms=1000")
    assert without.utterance_end_ms == 0
    assert [warned.parameter for warned in without.warnings] == ["utterance_end_ms"]


def test_what_is_not_done_is_said_and_what_is_unknown_is_not() -> None:
    it = asked("numerals=true&redact=pci&redact=ssn&search=false&language_hint=de&no_such_name=1")
    assert [warned.parameter for warned in it.warnings] == ["language_hint", "numerals", "redact"]


@pytest.mark.parametrize(
    ("query", "encoding", "rate"),
    [
        ("encoding=amr-nb", "amr_nb", 8_000),
        ("encoding=AMR-NB&sample_rate=8000", "amr_nb", 8_000),
        ("encoding=amr-wb&sample_rate=16000&channels=1", "amr_wb", 16_000),
        ("encoding=g729", "g729", 8_000),
        ("encoding=speex&sample_rate=32000", "speex", 32_000),
    ],
)
def test_codecs_of_telephones(query: str, encoding: str, rate: int) -> None:
    assert asked(query).format == AudioFormat(encoding, rate)  # pyright: ignore[reportArgumentType]  a test's table


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("encoding=amr-nb&sample_rate=16000", "amr-nb is 8000 Hz"),
        ("encoding=g729&channels=2", "g729 is 8000 Hz and one channel"),
        ("encoding=amr-wb&sample_rate=8000", "amr-wb is 16000 Hz"),
    ],
)
def test_they_have_one_rate_and_one_channel(query: str, text: str) -> None:
    with pytest.raises(BadAudio, match=text):
        asked(query)


@pytest.mark.parametrize("encoding", ["opus", "speex"])
def test_bare_packets_have_no_boundaries_in_a_body(encoding: str) -> None:
    query = f"encoding={encoding}&sample_rate=16000"
    assert asked(query).format is not None
    with pytest.raises(BadAudio, match="no boundaries in a recording; send Ogg"):
        asked(query, live=False)


@pytest.mark.parametrize(
    "query",
    ["encoding=linear16", "encoding=speex", "encoding=x&sample_rate=8000",
     "encoding=linear16&sample_rate=1", "encoding=linear16&sample_rate=1e4", "channels=two",
     "encoding=linear16&sample_rate=16000&channels=0", "endpointing=x", "endpointing=-1",
     "utterance_end_ms=x", "punctuate=x", "utt_split=x", "utt_split=nan", "callback_method=GET",
     "sample_rate=", "endpointing=" + "9" * 5000, "vad_events=\ud800"],
)  # fmt: skip
def test_values_of_another_kind_are_refused(query: str) -> None:
    if query == "sample_rate=":
        assert asked(query).format is None
        return
    with pytest.raises(OssicleError) as caught:
        asked(query, live=not query.startswith("utt_split"))
    assert caught.value.whose == "client"
