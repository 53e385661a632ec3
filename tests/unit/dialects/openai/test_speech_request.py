"""Texts over HTTP: a real session and a voice behind the server half."""

import base64
import json
from typing import Any

import pytest

from ossicle.audio.speechfile import speech_file
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening, Text
from ossicle.dialects.openai.speech_request import MOST_TEXT, SpeechRequest
from ossicle.engines.compose import Combined
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import ToneEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse

ASKED = {"model": "tts-1", "input": "Hi.", "voice": "alloy"}


def say(body: Any, engine: Any = None) -> HandChannel:
    ears = ScriptedEngine("heard", timers=ManualTimers())
    house = HandHouse(engine or Combined(ears, ToneEngine()))
    channel = HandChannel()
    leg = Leg(SpeechRequest(speech_file), channel, house)
    leg.start(Opening(id="id", method="POST"))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for at in range(0, len(data), 50):
        leg.binary(data[at : at + 50])
    leg.received(Fin())
    house.serve()
    return channel


@pytest.mark.parametrize(
    ("form", "kind", "head"),
    [
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
        ("aac", "audio/aac", b"\xff"),
        ("flac", "audio/flac", b"fLaC"),
        ("wav", "audio/wav", b"RIFF"),
        ("pcm", "audio/l16", b""),
    ],
)
def test_every_form(form: str, kind: str, head: bytes):
    channel = say({**ASKED, "response_format": form})
    accept, *sound, close = channel.sent
    assert isinstance(accept, Accept)
    assert dict(accept.headers)["content-type"].startswith(kind)
    data = b"".join(m.data for m in sound if isinstance(m, Binary))
    assert data.startswith(head)
    assert close == Close()
    if form == "pcm":
        assert len(data) == pytest.approx(3 * 60 * 48, abs=400)


def test_sound_as_events():
    channel = say({**ASKED, "response_format": "pcm", "stream_format": "sse"})
    accept, *texts, _ = channel.sent
    assert isinstance(accept, Accept)
    assert dict(accept.headers)["content-type"] == "text/event-stream"
    events = [json.loads(t.data.removeprefix("data: ")) for t in texts if isinstance(t, Text)]
    sound = b"".join(base64.b64decode(e["audio"]) for e in events[:-1])
    assert len(sound) == pytest.approx(3 * 60 * 48, abs=400)
    assert events[-1]["type"] == "speech.audio.done"


def test_twice_as_fast_is_half_as_long():
    sizes = [
        sum(
            len(m.data)
            for m in say({**ASKED, "response_format": "pcm", "speed": speed}).sent
            if isinstance(m, Binary)
        )
        for speed in (1.0, 2.0)
    ]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.1)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"", 400, "invalid_value"),
        (b"[]", 400, "invalid_value"),
        (b"{", 400, "invalid_value"),
        ({}, 400, "invalid_value"),
        ({"input": " "}, 400, "invalid_value"),
        ({"input": 3}, 400, "invalid_value"),
        ({**ASKED, "input": "x" * (MOST_TEXT + 1)}, 400, "invalid_value"),
        ({**ASKED, "speed": 9}, 400, "invalid_value"),
        ({**ASKED, "response_format": "midi"}, 400, "invalid_value"),
        ({**ASKED, "input": "x" * 200_000}, 413, "request_too_large"),
    ],
)
def test_what_is_no_request(body: Any, status: int, word: str):
    (close,) = say(body).sent
    assert isinstance(close, Close)
    assert close.code == status
    assert json.loads(close.body)["error"]["code"] == word


def test_an_engine_without_a_voice():
    (close,) = say(ASKED, ScriptedEngine("heard", timers=ManualTimers())).sent
    assert isinstance(close, Close)
    assert close.code == 400
    assert "no voice" in json.loads(close.body)["error"]["message"]
