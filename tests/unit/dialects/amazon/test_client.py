"""The client half: signs, wraps, fills silence, and reads what a service says."""

from typing import Any

import msgspec
import pytest
from amazon_table import AT, AUDIO

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import BadAudio, Fault
from ossicle.core.events import Began, Ended, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Fin
from ossicle.dialects.amazon.client import AmazonClient, Credentials
from ossicle.dialects.amazon.errors import exception, refusal
from ossicle.dialects.amazon.eventstream import Frame, encode, read_frames, text
from ossicle.dialects.amazon.messages import (
    AlternativeBody,
    Item,
    Result,
    TranscriptBody,
    TranscriptEvent,
    audio_frame,
    event_frame,
)

PCM = Configure(format=AudioFormat())


def dialled(**made: Any) -> AmazonClient:
    client = AmazonClient(**made)
    client.open(PCM)
    client.receive(Accept((("x-amzn-transcribe-session-id", "theirs"),)), 0.0)
    return client


def results(*said: Result) -> Binary:
    return Binary(encode(event_frame(TranscriptEvent(TranscriptBody(list(said))))))


def test_the_request_over_http_and_over_websocket():
    http = AmazonClient(Credentials("AK", b"SK", "token"), at=AT, host="h:1").open(PCM)
    headers = dict(http.headers)
    assert (http.method, http.path) == ("POST", "/stream-transcription")
    assert headers["x-amzn-transcribe-media-encoding"] == "pcm"
    assert headers["x-amz-security-token"] == "token"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AK/20261124/us-east-1/")
    url = AmazonClient(Credentials("AK", b"SK", "token"), at=AT, wire="websocket").open(PCM)
    query = dict(url.query)
    assert url.path == "/stream-transcription-websocket"
    assert query["X-Amz-Expires"] == "300"
    assert query["X-Amz-Security-Token"] == "token"
    assert len(query["X-Amz-Signature"]) == 64
    assert "SK" not in repr(Credentials("AK", b"SK"))


def test_what_a_session_asks_for():
    configure = Configure(
        format=AudioFormat("mulaw", 8_000, 2),
        names=("0b1f4a0e-7d5c-4f4d-9a53-2f1f0a2d0001",),
        patch={"recognition": {"language": "de-DE", "channels": "split", "model": "mine"}},
    )
    given = dict(AmazonClient(wire="websocket").open(configure).query)
    assert given["media-encoding"] == "g711-ulaw"
    assert given["language-code"] == "de-DE"
    assert given["number-of-channels"] == "2"
    assert given["language-model-name"] == "mine"
    assert given["session-id"] == "0b1f4a0e-7d5c-4f4d-9a53-2f1f0a2d0001"
    more = Configure(patch={"recognition": {"diarize": True, "interim_results": False}})
    given = dict(AmazonClient(wire="websocket").open(more).query)
    assert given["show-speaker-label"] == "true"
    assert "enable-partial-results-stabilization" not in given
    assert "session-id" not in given


def test_audio_that_the_service_does_not_take():
    with pytest.raises(BadAudio, match="pcm_f32le"):
        AmazonClient().open(Configure(format=AudioFormat("pcm_f32le")))


@pytest.mark.parametrize("wire", ["http2", "websocket"])
def test_audio_goes_out_in_bounded_events_and_the_end_once(wire: Any):
    client = dialled(wire=wire)
    sent = client.send(Audio(data=bytes(70_000)), 0.1)
    frames = [f for m in sent if isinstance(m, Binary) for f in read_frames(m.data)]
    assert [len(f.payload) for f in frames] == [32_768, 32_768, 4_464]
    end = client.send(End(), 0.2)
    assert end[0] == Binary(encode(audio_frame(b"")))
    assert end[1:] == ((Fin(),) if wire == "http2" else ())
    assert client.send(End(), 0.3) == client.send(Audio(data=AUDIO), 0.3) == ()


def test_it_can_neither_be_hurried_nor_changed():
    client = dialled()
    for command in (Finalize(ref="f"), Configure(ref="f")):
        (notice,) = client.send(command, 0.1)
        assert isinstance(notice, Notice)
        assert notice.ref == "f"


def test_results_become_transcripts():
    client = dialled()
    items = [
        Item(start_time=0.3, end_time=0.6, type="pronunciation", content="Hello", stable=True),
        Item(start_time=0.6, end_time=0.6, type="punctuation", content=",", stable=True),
        Item(start_time=0.7, end_time=0.9, type="pronunciation", content="you", confidence=0.5,
             speaker="1"),
    ]  # fmt: skip
    result = Result(
        result_id="r", start_time=0.3, end_time=0.95, is_partial=True, channel_id="ch_1",
        language_code="en-US",
        alternatives=[AlternativeBody(transcript="Hello, you", items=items),
                      AlternativeBody(transcript="Hello, ewe")],
    )  # fmt: skip
    (partial,) = client.receive(results(result), 1.0)
    assert isinstance(partial, Transcript)
    assert (partial.text, partial.final, partial.stable) == ("Hello, you", False, 6)
    assert (partial.start_ms, partial.end_ms, partial.channel) == (300, 950, 1)
    assert partial.alternatives == ("Hello, ewe",)
    assert partial.words is not None
    assert [(w.text, w.start_ms, w.end_ms, w.confidence, w.speaker) for w in partial.words] == [
        ("Hello,", 300, 600, None, ""),
        ("you", 700, 900, 0.5, "1"),
    ]
    (final,) = client.receive(results(msgspec.structs.replace(result, is_partial=False)), 1.0)
    assert isinstance(final, Transcript)
    assert final.final
    assert final.ends_turn


def test_silence_is_filled_and_taken_out_of_the_times():
    client = dialled(quiet_s=5.0)
    client.send(Audio(data=bytes(32_000)), 0.5)  # one second
    assert client.expire(1.0) == ()
    assert client.deadline == 5.5
    for number in range(3):
        (message,) = client.expire(5.5 + number * 5)
        assert isinstance(message, Binary)
        (frame,) = read_frames(message.data)
        assert frame.payload == bytes(3_200)
    client.send(Audio(data=bytes(32_000)), 16.0)
    # the service heard 1 s, 0.3 s of ours, 1 s
    for theirs, ours in ((0.5, 500), (1.0, 1000), (1.15, 1000), (1.3, 1000), (2.0, 1700)):
        said = Result(result_id="r", start_time=theirs, is_partial=False, alternatives=[])
        (event,) = client.receive(results(said), 17.0)
        assert isinstance(event, Transcript)
        assert event.start_ms == ours
    client.send(End(), 18.0)
    assert client.deadline == float("inf")


@pytest.mark.parametrize(
    ("encoding", "byte"), [("mulaw", b"\xff"), ("alaw", b"\xd5"), ("flac", None)]
)
def test_silence_in_each_encoding(encoding: Any, byte: bytes | None):
    client = AmazonClient()
    client.open(Configure(format=AudioFormat(encoding, 8_000)))
    client.receive(Accept(), 0.0)
    sent = client.expire(5.0)
    if byte is None:
        assert sent == ()
    else:
        (message,) = sent
        assert isinstance(message, Binary)
        assert read_frames(message.data)[0].payload == byte * 800


def test_the_end_and_every_error():
    (ended,) = dialled().receive(Close(), 1.0)
    assert ended == Ended(reason="done")
    fault = Fault("at_capacity", "25 streams are open", "us", True)
    (ended,) = dialled().receive(Binary(encode(exception(fault))), 1.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert (ended.error.code, ended.error.text) == ("rate_limited", "25 streams are open")
    assert ended.error.retryable
    client = AmazonClient()
    client.open(PCM)
    (ended,) = client.receive(refusal(Fault("bad_signature", "no", "client"), "r"), 0.1)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert (ended.reason, ended.error.code) == ("refused", "unauthorized")
    assert client.receive(Close(), 0.2) == ()


@pytest.mark.parametrize(
    ("close", "code"),
    [
        (Close(1006), "connection_lost"),
        (Close(500), "connection_lost"),
        (Close(404), "bad_request"),
    ],
)
def test_a_close_that_says_nothing_of_its_own(close: Close, code: str):
    (ended,) = dialled().receive(close, 1.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 20,
        encode(Frame((text(":message-type", "event"), text(":event-type", "TranscriptEvent")))),
        encode(event_frame(TranscriptEvent()))[:-1] + b"\0",
    ],
)
def test_what_a_service_must_not_say(data: bytes):
    (ended,) = dialled(wire="websocket").receive(Binary(data), 1.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.code == "engine_failed"


def test_events_of_tomorrow_and_errors_without_a_name():
    client = dialled()
    later = Frame((text(":message-type", "event"), text(":event-type", "Tomorrow")), b"?")
    assert client.receive(Binary(encode(later)), 1.0) == ()
    error = Frame((text(":message-type", "error"), text(":error-code", "Odd"),
                   text(":error-message", "odd")))  # fmt: skip
    (ended,) = client.receive(Binary(encode(error)), 1.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.text == "odd"


def test_the_session_id_of_the_service_is_told():
    client = AmazonClient()
    client.open(PCM)
    began, _ = client.receive(Accept((("X-Amzn-Transcribe-Session-Id", "s"),)), 0.0)
    assert began == Began(session="s")
