"""Recordings over HTTP: a real session and a scripted engine behind the server half."""

import json
from typing import Any

import msgspec
import pytest
from realtime_peer import agent  # type: ignore[import-not-found]

from ossicle.core.errors import Denied
from ossicle.core.events import Ended, Transcript, Word
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening, Text
from ossicle.dialects.openai.multipart import Field, FileBegan, FileEnded, Multipart, boundary_of
from ossicle.dialects.openai.transcription_request import MOST_FILE, TranscriptionRequest
from ossicle.dialects.openai.transcription_text import Recording, segment_of
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

KIND = (("content-type", 'multipart/form-data; boundary="x y"'),)


def wav(data: bytes) -> bytes:
    head = b"RIFF" + (len(data) + 36).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
    head += (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little") + b"\x02\0\x10\0"
    return head + b"data" + len(data).to_bytes(4, "little") + data


SPEECH = wav(marked_audio([1, 2, 3, 0, 4, 5, 0]))
TEXT = "w1 w2 w3 w4 w5"


def form(*fields: tuple[str, str], file: bytes | None = SPEECH, first: bool = False) -> bytes:
    parts = [
        f'--x y\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    sound = (
        b'--x y\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n" + (file or b"") + b"\r\n"
    )
    held = [] if file is None else [sound]
    return b"".join((*held, *parts) if first else (*parts, *held)) + b"--x y--\r\n"


def send(body: bytes, *, step: int = 1_000, headers: Any = KIND) -> HandChannel:
    house = HandHouse(agent())
    channel = HandChannel()
    leg = Leg(TranscriptionRequest(), channel, house)
    leg.start(Opening(id="id", method="POST", headers=headers))
    for at in range(0, len(body), step):
        leg.binary(body[at : at + step])
        house.serve()
    leg.received(Fin())
    for _ in range(60):
        house.pass_time(0.002)
    return channel


def answer(channel: HandChannel) -> Close:
    (close,) = channel.sent
    assert isinstance(close, Close)
    return close


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("step", [97, 1_000, 1 << 20])
def test_the_words_of_a_recording_however_its_body_comes(first: bool, step: int):
    close = answer(send(form(("model", "whisper-1"), first=first), step=step))
    assert close.code == 200
    assert json.loads(close.body) == {
        "text": TEXT,
        "usage": {"type": "duration", "seconds": 1.7},
    }
    assert ("x-request-id", "id") in close.headers


@pytest.mark.parametrize(
    ("form_", "kind", "begins"),
    [
        ("text", "text/plain", "w1 w2 w3 w4 w5\n"),
        ("srt", "text/plain", "1\n00:00:00,000 --> 00:00:00,640\nw1 w2 w3\n\n2\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.640\nw1 w2 w3\n\n"),
    ],
)
def test_forms_of_text(form_: str, kind: str, begins: str):
    close = answer(send(form(("model", "whisper-1"), ("response_format", form_))))
    assert dict(close.headers)["content-type"].startswith(kind)
    assert close.body.decode().startswith(begins)


def test_words_and_segments():
    fields = (("model", "m"), ("response_format", "verbose_json"), ("language", "en"))
    both = (("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment"))
    body = json.loads(answer(send(form(*fields, *both))).body)
    assert [word["word"] for word in body["words"]] == TEXT.split()
    assert [segment["text"] for segment in body["segments"]] == ["w1 w2 w3", "w4 w5"]
    assert (body["duration"], body["language"]) == (1.7, "en")
    body = json.loads(answer(send(form(*fields))).body)
    assert "words" not in body
    body = json.loads(answer(send(form(*fields, both[0]))).body)
    assert "segments" not in body


def test_speakers_where_an_engine_tells_them():
    words = (Word("a", 0, 100, speaker="0"), Word("b", 100, 200, speaker="0"),
             Word("c", 200, 300, speaker="1"))  # fmt: skip
    final = Transcript(text="a b c", start_ms=0, end_ms=300, words=words, final=True)
    segments = segment_of(final, 0, 0)
    assert [(s["speaker"], s["text"], s["start"], s["end"]) for s in segments] == [
        ("0", "a b", 0.0, 0.2), ("1", "c", 0.2, 0.3),
    ]  # fmt: skip
    body = json.loads(Recording([final], duration_ms=300).written("diarized_json"))
    assert len(body["segments"]) == 2


def test_streamed_words_join_to_the_text():
    channel = send(form(("model", "m"), ("stream", "true")))
    accept, *texts, close = channel.sent
    assert isinstance(accept, Accept)
    assert dict(accept.headers)["content-type"] == "text/event-stream"
    assert close == Close()
    events = [json.loads(t.data.removeprefix("data: ")) for t in texts if isinstance(t, Text)]
    deltas = [e["delta"] for e in events if e["type"] == "transcript.text.delta"]
    assert "".join(deltas) == TEXT
    assert len(deltas) > 2
    assert events[-1]["type"] == "transcript.text.done"
    assert events[-1]["text"] == TEXT


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (form(file=SPEECH), 400, "missing_required_parameter"),
        (form(("model", "m"), file=None), 400, "missing_required_parameter"),
        (form(("model", "m"), file=b""), 400, "invalid_value"),
        (form(("model", "m"), ("response_format", "yaml")), 400, "invalid_value"),
        (form(("model", "m"), file=b"not a recording" * 100), 400, "invalid_value"),
        (form(("model", "m"))[:-12], 400, "invalid_value"),
        (b"--x y\r\nX: y\r\n\r\n--x y--", 400, "invalid_value"),
        (b"", 400, "invalid_value"),
        (form(("model", "x" * 70_000)), 413, "request_too_large"),
        (form(*[("a", "b")] * 300), 413, "request_too_large"),
    ],
)
def test_what_is_no_request(body: bytes, status: int, word: str):
    close = answer(send(body))
    error = json.loads(close.body)["error"]
    assert close.code == status, error
    assert error["message"]


def test_another_kind_of_body():
    close = answer(send(b"{}", headers=(("content-type", "application/json"),)))
    assert close.code == 400
    assert "multipart/form-data" in json.loads(close.body)["error"]["message"]


def test_a_file_before_its_fields_is_bounded():
    request = TranscriptionRequest()
    request.open(Opening(headers=KIND), 0.0)
    head = b'--x y\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    assert request.receive(Binary(head), 0.0) == ()
    for _ in range(MOST_FILE >> 20):
        assert request.receive(Binary(bytes(1 << 20)), 0.0) == ()
    (close,) = request.receive(Binary(bytes(1 << 20)), 0.0)
    assert isinstance(close, Close)
    assert close.code == 413


def test_a_key_that_is_not_good():
    request = TranscriptionRequest()
    request.open(Opening(id="id", headers=(*KIND, ("authorization", "Bearer K"))), 0.0)
    request.receive(Binary(form(("model", "m"))), 0.0)
    (close,) = request.send(Ended(reason="refused", error=Denied("no").fault()), 0.0)
    assert isinstance(close, Close)
    assert close.code == 401
    assert msgspec.json.decode(close.body)["error"]["code"] == "invalid_api_key"


# ── multipart by itself ──


def test_parts_one_byte_at_a_time():
    body = Multipart("b")
    data = (
        b'preamble\r\n--b \r\ncontent-disposition: form-data; name="a"\r\n\r\n\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n\r\n-\r\n--\r\n'
        b"--b--\r\nepilogue"
    )
    found = [each for byte in data for each in body.feed(bytes([byte]))]
    assert [each for each in found if not isinstance(each, bytes)] == [
        Field("a", ""), FileBegan("file", "f"), FileEnded(),
    ]  # fmt: skip
    assert b"".join(each for each in found if isinstance(each, bytes)) == b"\r\n-\r\n--"
    assert body.complete


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; charset=x; boundary="a b"', "a b"),
    ],
)
def test_boundaries(kind: str, boundary: str):
    assert boundary_of(kind) == boundary
