"""Golden conversations of `/v2/realtime/ws`, and its client half."""

import base64
import json
import uuid
from typing import Any

import pytest
from assembly_peer import ID, PCM, AssemblyPeer  # type: ignore[import-not-found]

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import Denied, Overloaded
from ossicle.core.events import Began, Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.dialects.assemblyai import LegacyClient, LegacyServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.marked import marked_audio


def peer(script: str = "heard", *query: tuple[str, str], strict: bool = False) -> AssemblyPeer:
    engine = ScriptedEngine(script, timers=ManualTimers())
    return AssemblyPeer(engine, LegacyServer(strict_audio=strict), (*PCM, *query))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def finals(p: AssemblyPeer) -> list[str]:
    return [m["text"] for m in p.of("FinalTranscript")]


def kinds(p: AssemblyPeer) -> list[str]:
    return [m.get("message_type", "error") for m in p.told]


def test_a_conversation():
    p = peer("Hello there. Bye", ("enable_extra_session_information", "True"))
    p.ms(1_000)
    p.say(terminate_session=True)
    assert kinds(p) == [
        "SessionBegins",
        "PartialTranscript",
        "PartialTranscript",
        "FinalTranscript",
        "PartialTranscript",
        "FinalTranscript",
        "SessionInformation",
        "SessionTerminated",
    ]
    assert [m["text"] for m in p.of("PartialTranscript")] == ["hello", "hello there", "bye"]
    assert finals(p) == ["Hello there.", "Bye"]
    assert p.of("SessionInformation")[0]["audio_duration_seconds"] == 1.0
    assert p.close == Close(1000)


def test_members_and_types_are_those_the_sdk_checks():
    p = peer("Hello there.")
    p.ms(600)
    begins = p.of("SessionBegins")[0]
    assert uuid.UUID(begins["session_id"]).version == 4
    assert begins["session_id"] == ID
    assert begins["expires_at"] == "2026-11-23T11:39:08.000000"
    final = p.of("FinalTranscript")[0]
    assert final == {
        "message_type": "FinalTranscript",
        "audio_start": 0,
        "audio_end": 600,
        "confidence": 0.0,
        "created": final["created"],
        "text": "Hello there.",
        "words": [
            {"start": 0, "end": 300, "confidence": 0.0, "text": "Hello"},
            {"start": 300, "end": 600, "confidence": 0.0, "text": "there."},
        ],
        "punctuated": True,
        "text_formatted": True,
    }


def test_an_engine_that_writes_no_punctuation_does_not_claim_any():
    p = peer()
    p.audio(marked_audio([1, 0]))
    assert p.of("FinalTranscript")[0]["punctuated"] is False


def test_information_only_where_it_is_asked_for():
    p = peer()
    p.say(terminate_session=True)
    assert kinds(p) == ["SessionBegins", "SessionTerminated"]


@pytest.mark.parametrize("form", ["binary", "base64", "mixed"])
def test_audio_in_every_form_is_the_same_stream(form: str):
    p = peer()
    audio = marked_audio([1, 2, 0, 3])
    for number, at in enumerate(range(0, len(audio), 3_200)):
        piece = audio[at : at + 3_200]
        if form == "base64" or (form == "mixed" and number % 2):
            p.say(audio_data=b64(piece))
        else:
            p.audio(piece)
    p.say(terminate_session=True)
    assert finals(p) == ["w1 w2", "w3"]


def test_force_end_utterance_in_mid_word():
    p = peer()
    audio = marked_audio([1, 2, 3])
    p.audio(audio[: 32 * 330])
    p.say(force_end_utterance=True)
    p.audio(audio[32 * 330 :])
    p.say(terminate_session=True)
    assert " ".join(finals(p)).split() == ["w1", "w2", "w3"]


def test_forced_in_silence_nothing_is_said():
    p = peer()
    p.say(force_end_utterance=True)
    assert kinds(p) == ["SessionBegins"]


def test_the_silence_that_ends_an_utterance_can_be_changed():
    p = peer()
    p.say(end_utterance_silence_threshold=250)
    assert p.house.sessions[0].options.recognition.turns.silence_ms == 250


def test_no_partials_where_they_are_not_wanted():
    p = peer("Hello there.", ("disable_partial_transcripts", "true"))
    p.ms(600)
    assert kinds(p) == ["SessionBegins", "FinalTranscript"]


def test_word_boost_is_a_hint():
    p = peer("heard", ("word_boost", '["Ossicle"]'))
    assert [h.text for h in p.house.sessions[0].options.recognition.hints] == ["Ossicle"]


def test_the_sample_rate_is_16000_unless_said():
    accept, configure = LegacyServer().open(Opening(), 0.0)
    assert accept == Accept()
    assert isinstance(configure, Configure)
    assert configure.format == AudioFormat()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ((("sample_rate", "100"),), 4000),
        ((("encoding", "opus"),), 4000),
        ((("sample_rate", "x"),), 4101),
        ((("word_boost", "x"),), 4101),
    ],
)
def test_bad_parameters(query: Any, code: int):
    accept, text, close = LegacyServer().open(Opening(query=query), 0.0)
    assert accept == Accept()
    assert isinstance(text, Text)
    assert json.loads(text.data).keys() == {"error"}
    assert isinstance(close, Close)
    assert close.code == code


@pytest.mark.parametrize(("error", "code"), [(Denied("no"), 4001), (Overloaded("full"), 4102)])
def test_refusals(error: Any, code: int):
    server = LegacyServer()
    server.open(Opening(), 0.0)
    _, close = server.send(Ended(reason="refused", error=error.fault()), 0.0)
    assert isinstance(close, Close)
    assert close.code == code


@pytest.mark.parametrize(
    "text", ["", "{", "{}", '{"audio_data":"?"}', '{"type":"Terminate"}', '{"audio_data":1}']
)
def test_a_bad_message_is_4101_and_the_end(text: str):
    p = peer()
    p.text(text)
    assert p.told[-1].keys() == {"error"}
    assert p.close is not None
    assert p.close.code == 4101


@pytest.mark.parametrize(("ms", "code"), [(99, 4032), (100, None), (2_000, None), (2_001, 4033)])
def test_strict_sizes(ms: int, code: int | None):
    p = peer("heard", strict=True)
    p.say(audio_data=b64(bytes(32 * ms)))
    assert (p.close.code if p.close else None) == code


def test_strict_pace():
    p = peer("heard", strict=True)
    for _ in range(3):
        p.say(audio_data=b64(bytes(64_000)))
    assert p.close is not None
    assert p.close.code == 4029


# ── the client half ──


def test_a_client_in_base64():
    it = LegacyClient(base64=True)
    it.open(Configure(format=AudioFormat()))
    assert it.send(Audio(data=b"\0\1"), 0.0) == (Text('{"audio_data":"AAE="}'),)
    assert it.send(Finalize(), 0.0) == (Text('{"force_end_utterance":true}'),)
    assert it.send(End(), 0.0) == (Text('{"terminate_session":true}'),)
    assert LegacyClient().send(Audio(data=b"\0\1"), 0.0) == (Binary(b"\0\1"),)


def test_a_client_hears():
    it = LegacyClient()
    it.open(Configure(format=AudioFormat(), credential="KEY"))
    said: dict[str, Any] = {
        "audio_start": 0, "audio_end": 900, "confidence": 0.9, "created": "x", "text": "turn",
        "words": [],
    }  # fmt: skip
    it.send(Finalize(ref="f"), 0.0)

    def told(**message: Any) -> Any:
        return it.receive(Text(json.dumps(message)), 0.0)

    (began,) = told(message_type="SessionBegins", session_id="i", expires_at="2025-05-01T12:00:00")
    assert isinstance(began, Began)
    assert began.expires_at == 1_746_100_800.0
    assert told(message_type="PartialTranscript", **(said | {"text": ""})) == ()
    started, partial = told(message_type="PartialTranscript", **said)
    assert started == SpeechStarted(at_ms=0, turn=0)
    assert isinstance(partial, Transcript)
    ended, final = told(
        message_type="FinalTranscript", **said, punctuated=True, text_formatted=True
    )
    assert ended == SpeechEnded(at_ms=900, turn=0, reason="asked", ref="f")
    assert (final.final, final.ends_turn, final.ref) == (True, True, "f")
    assert told(message_type="SessionInformation", audio_duration_seconds=1.5) == ()
    assert told(message_type="SessionTerminated") == (Ended(audio_ms=1_500),)


@pytest.mark.parametrize(
    ("close", "code"),
    [
        (4001, "unauthorized"), (4102, "at_capacity"), (1006, "connection_lost"),
        (1011, "engine_failed"),
    ],
)  # fmt: skip
def test_how_it_ends(close: int, code: str):
    (ended,) = LegacyClient().receive(Close(close), 0.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.code == code


def test_the_message_before_the_close_gives_the_words():
    it = LegacyClient()
    assert it.receive(Text('{"error":"Not Authorized"}'), 0.0) == ()
    (ended,) = it.receive(Close(4001), 0.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert (ended.error.code, ended.error.text) == ("unauthorized", "Not Authorized")


def test_only_one_option_changes_while_it_runs():
    it = LegacyClient()
    patch = {"recognition": {"turns": {"silence_ms": 30_000}}}
    assert it.send(Configure(patch=patch), 0.0) == (
        Text('{"end_utterance_silence_threshold":20000}'),
    )
    (notice,) = it.send(Configure(patch={"label": "x"}), 0.0)
    assert isinstance(notice, Notice)
