"""Pre-recorded `POST /v1/listen`: one body in, one answer out, over the real session."""

import hashlib
import json
from typing import Any

import msgspec

from ossicle.core.commands import Configure, Report
from ossicle.core.errors import CODES
from ossicle.core.events import Began, Configured, Ended, Event, Transcript, Word
from ossicle.core.legs import Leg
from ossicle.core.options import Options
from ossicle.core.wire import Binary, ChannelTraits, Close, Fin, Opening, Text
from ossicle.dialects.deepgram import PrerecordedServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

REQUEST = "6f0c0000-0000-4000-8000-000000000002"
RAW = (("encoding", "linear16"), ("sample_rate", "16000"))
BODY = ChannelTraits(framed=False)


def opening(*query: tuple[str, str], **headers: str) -> Opening:
    names = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Opening(id=REQUEST, at=1.5, method="POST", traits=BODY, query=query, headers=names)


def post(audio: bytes, *query: tuple[str, str], script: str = "heard", piece: int = 5000) -> Close:
    """The whole answer to one request."""
    house = HandHouse(ScriptedEngine(script, timers=ManualTimers()))
    channel = HandChannel()
    leg = Leg(PrerecordedServer(), channel, house)
    leg.start(opening(*query))
    house.serve()
    for at in range(0, len(audio), piece):
        leg.binary(audio[at : at + piece])
        house.serve()
    leg.received(Fin())
    house.serve()
    (close,) = channel.sent
    assert isinstance(close, Close)
    return close


def heard(*events: Event, query: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """What a server half makes of events."""
    server = PrerecordedServer()
    server.open(opening(*query), 0.0)
    server.send(Began(engine="e"), 0.0)
    server.receive(Binary(b"x"), 0.0)
    for event in events:
        assert server.send(event, 0.0) == ()
    (close,) = server.send(Ended(audio_ms=9000), 0.0)
    assert isinstance(close, Close)
    return json.loads(close.body)


def test_a_recording_is_answered_whole() -> None:
    audio = marked_audio([1, 2, 0, 3])
    close = post(audio, *RAW, ("model", "nova-3"), ("tag", "a"), ("extra", "k:v"))
    assert close.code == 200
    assert dict(close.headers)["dg-request-id"] == REQUEST
    answer = json.loads(close.body)
    metadata = answer["metadata"]
    assert metadata["sha256"] == hashlib.sha256(audio).hexdigest()
    assert metadata["duration"] == len(audio) / 32_000
    assert metadata["created"] == "1970-01-01T00:00:01.500Z"
    assert (metadata["tags"], metadata["extra"]) == (["a"], {"k": "v"})
    (channel,) = answer["results"]["channels"]
    assert channel["alternatives"][0]["transcript"] == "w1 w2 w3"
    assert [word["start"] for word in channel["alternatives"][0]["words"]] == [0.0, 0.22, 0.74]
    assert "utterances" not in answer["results"]
    assert "paragraphs" not in channel["alternatives"][0]


def test_silence_is_an_empty_transcript() -> None:
    answer = json.loads(post(bytes(32_000), *RAW).body)
    assert answer["results"]["channels"][0]["alternatives"] == [
        {"transcript": "", "confidence": 0.0, "words": []}
    ]


def test_an_empty_body_and_what_is_no_audio_are_400() -> None:
    for close in (post(b""), post(b"", *RAW), post(b"certainly no recording" * 50)):
        assert close.code == 400
        assert set(json.loads(close.body)) == {"err_code", "err_msg", "request_id"}


def test_every_error_is_a_status_with_json() -> None:
    for code, kind in CODES.items():
        server = PrerecordedServer()
        server.open(opening(), 0.0)
        fault = kind("a sentence", code=code).fault()
        (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
        assert isinstance(close, Close)
        assert 400 <= (close.code or 0) < 600
        assert json.loads(close.body)["request_id"] == REQUEST
        assert dict(close.headers)["dg-error"]
        repeats = close.code in {408, 429, 503}
        assert ("retry-after" in dict(close.headers)) == repeats


def test_paragraphs_sentences_and_utterances() -> None:
    one = (Word("One.", 0, 400, 0.5), Word("Two", 400, 800, 1.0), Word("three.", 2000, 2500, 0.0))
    answer = heard(
        Transcript(text="One. Two three.", words=one, final=True, ends_turn=True, end_ms=2500),
        query=(("smart_format", "true"), ("utterances", "true"), ("utt_split", "1.0")),
    )
    reading = answer["results"]["channels"][0]["alternatives"][0]
    assert reading["paragraphs"]["transcript"] == "\nOne. Two three."
    (paragraph,) = reading["paragraphs"]["paragraphs"]
    assert [sentence["text"] for sentence in paragraph["sentences"]] == ["One.", "Two three."]
    assert paragraph["num_words"] == 3
    utterances = answer["results"]["utterances"]
    assert [utterance["transcript"] for utterance in utterances] == ["One. Two", "three."]
    assert [utterance["confidence"] for utterance in utterances] == [0.75, 0.0]
    assert len({utterance["id"] for utterance in utterances}) == 2


def test_speakers_are_numbered_from_zero_and_split_paragraphs() -> None:
    words = (Word("Hi.", 0, 400, speaker="b"), Word("Yes.", 400, 800, speaker="a"))
    answer = heard(
        Transcript(text="Hi. Yes.", words=words, final=True, ends_turn=True, end_ms=800),
        query=(("diarize", "true"), ("paragraphs", "true"), ("utterances", "true")),
    )
    reading = answer["results"]["channels"][0]["alternatives"][0]
    assert [word["speaker"] for word in reading["words"]] == [0, 1]
    assert [each["speaker"] for each in reading["paragraphs"]["paragraphs"]] == [0, 1]
    assert [each["speaker"] for each in answer["results"]["utterances"]] == [0, 1]


def test_a_channel_that_said_nothing_is_there_too() -> None:
    query = (*RAW, ("channels", "2"), ("multichannel", "true"), ("detect_language", "true"))
    said = Transcript(text="b", final=True, ends_turn=True, channel=1, language="de", end_ms=5)
    answer = heard(Configured(options=Options()), said, query=query)
    first, second = answer["results"]["channels"]
    assert first["alternatives"][0]["transcript"] == ""
    assert second["alternatives"][0]["transcript"] == "b"
    assert second["detected_language"] == "de"
    assert answer["metadata"]["channels"] == 2


def test_a_url_is_read_by_the_gateway() -> None:
    server = PrerecordedServer()
    asked = opening(content_type="application/json; charset=utf-8", authorization="Token k")
    assert server.open(asked, 0.0) == ()
    assert server.receive(Binary(b'{"url": "https://exam'), 0.0) == ()
    assert server.receive(Binary(b'ple.org/a.wav"}'), 0.0) == ()
    (configure,) = server.receive(Fin(), 0.0)
    assert isinstance(configure, Configure)
    assert configure.audio_from == "https://example.org/a.wav"
    assert configure.credential == "k"
    assert server.send(Began(engine="e"), 0.0) == ()
    assert server.tap(b"by the gateway")
    (close,) = server.send(Ended(audio_ms=9), 0.0)
    assert isinstance(close, Close)
    summed = json.loads(close.body)["metadata"]["sha256"]
    assert summed == hashlib.sha256(b"by the gateway").hexdigest()
    assert not server.tap(b"late")


def test_a_url_with_a_callback_is_answered_before_it_is_read() -> None:
    query = (("callback", "https://example.org/done"),)
    asked = opening(*query, content_type="application/json")
    server, twin = PrerecordedServer(), PrerecordedServer()
    server.open(asked, 0.0)
    server.receive(Binary(b'{"url": "https://example.org/a.wav"}'), 0.0)
    server.receive(Fin(), 0.0)
    (queued,) = server.send(Began(engine="e"), 0.0)
    assert isinstance(queued, Close)
    assert (queued.code, json.loads(queued.body)) == (200, {"request_id": REQUEST})
    twin.open(msgspec.structs.replace(asked, transport="webhook"), 0.0)
    twin.send(Began(engine="e"), 0.0)
    fault = CODES["remote_content"]("answers 404", code="remote_content").fault()
    text, _ = twin.send(Ended(reason="refused", error=fault), 0.0)
    assert isinstance(text, Text)
    assert json.loads(text.data)["err_code"] == "REMOTE_CONTENT_ERROR"


def test_a_json_body_that_names_nothing_is_refused() -> None:
    for body in (b"", b"{}", b'{"url":1}', b'{"url":"file:///etc/passwd"}', b"\xff", b"[" * 5000):
        server = PrerecordedServer()
        server.open(opening(content_type="application/json"), 0.0)
        steps = server.receive(Binary(body), 0.0) if body else ()
        (close,) = (*steps, *server.receive(Fin(), 0.0))
        assert isinstance(close, Close)
        assert close.code == 400
    server = PrerecordedServer()
    server.open(opening(content_type="application/json"), 0.0)
    (close,) = server.receive(Binary(bytes(70_000)), 0.0)
    assert isinstance(close, Close)
    assert close.code == 413


def test_a_callback_is_answered_at_once_and_its_twin_writes_the_answer() -> None:
    query = (*RAW, ("callback", "https://example.org/done"), ("callback_method", "put"))
    owner, twin = PrerecordedServer(), PrerecordedServer()
    (configure,) = owner.open(opening(*query), 0.0)
    assert isinstance(configure, Configure)
    assert configure.report_to == (Report("https://example.org/done", "PUT", own=True),)
    twin.open(msgspec.structs.replace(opening(*query), transport="webhook"), 0.0)
    for half in (owner, twin):
        half.send(Began(engine="e"), 0.0)
    owner.receive(Binary(bytes(100)), 0.0)
    _, queued = owner.receive(Fin(), 0.0)
    assert isinstance(queued, Close)
    assert json.loads(queued.body) == {"request_id": REQUEST}
    said = Transcript(text="later", final=True, ends_turn=True, end_ms=3)
    assert twin.send(said, 0.0) == ()
    text, _ = twin.send(Ended(audio_ms=3), 0.0)
    assert isinstance(text, Text)
    answer = json.loads(text.data)
    assert answer["results"]["channels"][0]["alternatives"][0]["transcript"] == "later"
    assert owner.send(Ended(audio_ms=3), 0.0) == ()
