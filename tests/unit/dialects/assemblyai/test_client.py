"""The client half of `/v3/ws`: pieces the service takes, twins, times, and how it ends."""

import json
from typing import Any

import pytest
from assembly_table import SERVER  # type: ignore[import-not-found]
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio, Configure, End, Finalize, Speak
from ossicle.core.events import Began, Ended, Notice, SpeechEnded, SpeechStarted, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Ping, Text
from ossicle.dialects.assemblyai import AssemblyClient
from ossicle.dialects.assemblyai.pieces import Pieces

PCM = AudioFormat()


def client(**recognition: Any) -> AssemblyClient:
    it = AssemblyClient()
    it.open(Configure(patch={"recognition": recognition}, format=PCM, credential="KEY"))
    it.receive(Accept(), 0.0)
    return it


def told(it: AssemblyClient, **message: Any) -> Any:
    return it.receive(Text(json.dumps(message)), 0.0)


def turn(order: int, text: str, *, end: bool = False, formatted: bool = False) -> dict[str, Any]:
    words = [
        {"start": 100 * n, "end": 100 * n + 80, "text": w, "confidence": 0.9, "word_is_final": True}
        for n, w in enumerate(text.split())
    ]
    return {
        "type": "Turn", "turn_order": order, "turn_is_formatted": formatted, "end_of_turn": end,
        "transcript": text, "end_of_turn_confidence": 0.5, "words": words,
    }  # fmt: skip


def test_the_opening():
    opening = AssemblyClient().open(
        Configure(patch={"recognition": {"punctuate": True}}, format=PCM, credential="KEY")
    )
    assert opening.path == "/v3/ws"
    assert opening.header("authorization") == "KEY"
    assert dict(opening.query) == {
        "encoding": "pcm_s16le", "sample_rate": "16000", "format_turns": "true",
    }  # fmt: skip


@given(st.lists(st.binary(max_size=5_000).map(lambda b: b * 20), max_size=8))
@settings(max_examples=60, derandomize=True)
def test_every_piece_is_one_the_service_takes(chunks: list[bytes]):
    chunks = [chunk[: len(chunk) // 2 * 2] for chunk in chunks]
    pieces = Pieces(PCM)
    sent = [piece for chunk in chunks for piece in pieces.feed(chunk)]
    whole = b"".join(sent)
    sent += pieces.flush()
    assert all(50 <= PCM.ms(len(piece)) <= 1_000 for piece in sent)
    assert all(len(piece) % 2 == 0 for piece in sent)
    given_ = b"".join(chunks)
    assert given_.startswith(whole)
    heard = b"".join(sent)
    assert heard[: len(given_)] == given_
    assert not heard[len(given_) :].strip(b"\0")


def test_times_behind_a_fill_are_moved_back():
    pieces = Pieces(PCM)
    pieces.feed(bytes(32 * 60))
    assert [len(p) for p in pieces.flush()] == []
    pieces.feed(bytes(32 * 20))
    assert [len(p) for p in pieces.flush()] == [1_600]
    pieces.feed(bytes(32 * 100))
    assert [pieces.real_ms(ms) for ms in (0, 60, 80, 95, 110, 150)] == [0, 60, 80, 80, 80, 120]


def test_mulaw_is_filled_with_its_own_silence():
    pieces = Pieces(AudioFormat("mulaw", 8_000))
    pieces.feed(b"\x10" * 80)
    assert pieces.flush() == [b"\x10" * 80 + b"\xff" * 320]


def test_packets_pass_as_they_are():
    pieces = Pieces(AudioFormat("opus", 48_000))
    assert list(pieces.feed(b"xyz")) == [b"xyz"]
    assert pieces.flush() == []


def test_short_audio_goes_out_before_what_follows_it():
    it = client()
    assert it.send(Audio(data=bytes(640)), 0.0) == ()
    audio, force = it.send(Finalize(ref="f"), 0.0)
    assert isinstance(audio, Binary)
    assert len(audio.data) == 1_600
    assert force == Text('{"type":"ForceEndpoint"}')
    assert it.send(End(), 0.0) == (Text('{"type":"Terminate"}'),)


def test_a_turn_without_twins():
    it = client()
    assert told(it, type="Begin", id="i", expires_at=5) == (
        Began(session="i", expires_at=5.0, engine="assemblyai"),
    )
    assert told(it, type="SpeechStarted", timestamp=90) == (SpeechStarted(at_ms=90, turn=0),)
    (partial,) = told(it, **turn(0, "turn"))
    assert isinstance(partial, Transcript)
    assert (partial.text, partial.stable, partial.final) == ("turn", 4, False)
    ended, final = told(it, **turn(0, "turn left", end=True))
    assert ended == SpeechEnded(at_ms=180, turn=0, reason="model", confidence=0.5)
    assert (final.text, final.final, final.ends_turn) == ("turn left", True, True)
    assert final.words == (Word("turn", 0, 80, 0.9), Word("left", 100, 180, 0.9))
    assert final.end_confidence == 0.5


def test_older_models_do_not_say_when_speech_starts():
    it = client()
    started, partial = told(it, **turn(0, "turn"))
    assert started == SpeechStarted(at_ms=0, turn=0)
    assert partial.text == "turn"
    started, *_ = told(it, **turn(1, "left", end=True))
    assert started == SpeechStarted(at_ms=0, turn=1)


def test_the_twin_is_the_final():
    it = client(punctuate=True)
    assert told(it, **turn(0, "turn left", end=True)) == ()
    _, ended, final = told(it, **turn(0, "Turn left.", end=True, formatted=True))
    assert isinstance(ended, SpeechEnded)
    assert final.text == "Turn left."


@pytest.mark.parametrize("what", ["turn", "speech", "termination", "close"])
def test_a_twin_that_does_not_come_loses_no_word(what: str):
    it = client(punctuate=True)
    told(it, **turn(0, "turn left", end=True))
    match what:
        case "turn":
            steps = told(it, **turn(1, "then"))
        case "speech":
            steps = told(it, type="SpeechStarted", timestamp=900)
        case "termination":
            steps = told(
                it, type="Termination", audio_duration_seconds=1, session_duration_seconds=1
            )
        case _:
            steps = it.receive(Close(1006), 0.0)
    finals = [s for s in steps if isinstance(s, Transcript) and s.final]
    assert [f.text for f in finals] == ["turn left"]
    assert steps.index(finals[0]) < len(steps) - 1


def test_answers_come_back_in_the_order_of_the_questions():
    it = client()
    it.send(Finalize(ref="a"), 0.0)
    *_, final = told(it, **turn(0, "turn", end=True))
    assert final.ref == "a"
    *_, final = told(it, **turn(1, "left", end=True))
    assert final.ref == ""


def test_what_the_service_has_no_word_for_is_said_once():
    it = AssemblyClient()
    it.open(Configure(patch={"label": "x"}, format=PCM))
    began, notice = told(it, type="Begin", id="i", expires_at=5)
    assert isinstance(began, Began)
    assert isinstance(notice, Notice)
    assert "label" in notice.text


def test_changes():
    it = client()
    (text,) = it.send(Configure(patch={"recognition": {"turns": {"silence_ms": 900}}}), 0.0)
    assert text == Text('{"type":"UpdateConfiguration","max_turn_silence":900}')
    (notice,) = it.send(Configure(patch={"label": "y"}, ref="c"), 0.0)
    assert isinstance(notice, Notice)
    assert notice.ref == "c"
    (notice,) = it.send(Speak(text="hello"), 0.0)
    assert isinstance(notice, Notice)
    assert "hello" not in notice.text


def test_it_keeps_alive():
    it = client()
    assert it.expire(19.0) == ()
    assert it.expire(20.0) == (Text('{"type":"KeepAlive"}'), Ping())
    assert it.deadline == 40.0
    it.receive(Close(1000), 41.0)
    assert it.deadline == float("inf")


def test_it_says_nothing_while_sound_goes_past_it():
    it = client()
    assert list(it.pack(bytes(1_280))) == []
    assert list(it.pack(bytes(640))) == [Binary(bytes(1_920))]
    assert it.expire(20.0) == ()
    assert it.deadline == 40.0
    assert it.expire(40.0) == (Text('{"type":"KeepAlive"}'), Ping())


@given(st.lists(st.binary(max_size=4_000), max_size=8))
@settings(max_examples=40, derandomize=True)
def test_packed_sound_is_what_would_be_sent(chunks: list[bytes]):
    one, other = client(), client()
    for chunk in chunks:
        assert tuple(one.pack(chunk)) == other.send(Audio(data=chunk), 0.0)


@pytest.mark.parametrize(
    ("error", "close", "code", "retryable"),
    [
        (3009, 3009, "at_capacity", True),
        (4001, 4001, "unauthorized", False),
        (3006, 3006, "bad_message", False),
        (None, 1008, "unauthorized", False),
        (None, 401, "unauthorized", False),
        (None, 1006, "connection_lost", True),
        (None, 1000, "connection_lost", True),
        (None, 503, "engine_failed", True),
    ],
)
def test_how_it_ends(error: int | None, close: int, code: str, retryable: bool):
    it = client()
    if error is not None:
        assert told(it, type="Error", error_code=error, error="text") == ()
    (ended,) = it.receive(Close(close, "why"), 0.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert (ended.error.code, ended.error.retryable) == (code, retryable)
    assert it.receive(Close(close), 0.0) == ()


def test_after_the_termination_the_close_is_no_news():
    it = client()
    (ended,) = told(it, type="Termination", audio_duration_seconds=2, session_duration_seconds=3)
    assert ended == Ended(audio_ms=2_000, session_ms=3_000)
    assert it.receive(Close(1000), 0.0) == ()


def test_a_newer_message_is_passed_over_and_a_broken_one_is_not():
    it = client()
    assert told(it, type="LLMGatewayResponse", turn_order=0, transcript="", data={}) == ()
    close, ended = told(it, type="Termination")
    assert isinstance(close, Close)
    assert isinstance(ended, Ended)


@pytest.mark.parametrize(("name", "text", "message"), SERVER)
def test_every_message_is_taken(name: str, text: str, message: object):
    assert isinstance(client().receive(Text(text), 0.0), tuple)
