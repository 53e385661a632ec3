"""`POST /v1/speak`: one text, one file, and every refusal before the status is gone."""

import json

import msgspec
import pytest

from ossicle.audio.speechfile import speech_file
from ossicle.core.commands import End, Played, Report
from ossicle.core.commands import Speak as SpeakCommand
from ossicle.core.errors import EngineFailed
from ossicle.core.events import AudioOut, Configured, Ended
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.options import Options
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Opening
from ossicle.dialects.deepgram.speak_request import SpeakRequest
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import ToneEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine


def ask(body, *query, engine=None, pieces=1):
    house, channel = HandHouse(engine or ToneEngine()), HandChannel()
    leg = Leg(SpeakRequest(speech_file), channel, house)
    leg.start(Opening(id="r1", method="POST", query=query, traits=ChannelTraits(framed=False)))
    house.serve()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    step = -(-len(data) // pieces) or 1
    for at in range(0, len(data), step):
        leg.binary(data[at : at + step])
    leg.received(Fin())
    house.serve()
    house.pass_time(5)
    return channel.sent


@pytest.mark.parametrize(
    ("query", "kind", "start"),
    [
        ((), "audio/mpeg", b"\xff"),
        ((("encoding", "linear16"),), "audio/wav", b"RIFF"),
        ((("encoding", "linear16"), ("container", "none")), "audio/l16;rate=24000", b""),
        ((("encoding", "mulaw"), ("container", "none")), "audio/mulaw;rate=8000", b""),
        ((("encoding", "opus"),), "audio/ogg;codecs=opus", b"OggS"),
        ((("encoding", "flac"),), "audio/flac", b"fLaC"),
        ((("encoding", "aac"),), "audio/aac", b"\xff"),
    ],
)
def test_a_text_becomes_a_file(query, kind, start):
    accept, *sound, close = ask({"text": "Hello there."}, *query, pieces=3)
    assert isinstance(accept, Accept)
    headers = dict(accept.headers)
    assert headers["content-type"] == kind
    assert headers["dg-char-count"] == "12"
    assert headers["dg-request-id"] == "r1"
    assert headers["dg-model-name"] == "aura-asteria-en"
    assert headers["dg-model-uuid"]
    assert all(isinstance(each, Binary) for each in sound)
    assert b"".join(each.data for each in sound).startswith(start)
    assert close == Close()


def test_its_length_is_that_of_the_speech():
    _, *sound, _ = ask({"text": "Hello."}, ("encoding", "mulaw"), ("container", "none"))
    assert abs(sum(len(each.data) for each in sound) / 8 - 6 * 60) < 6


@pytest.mark.parametrize(
    ("body", "query", "status", "says"),
    [
        (b"", (), 400, b"JSON"),
        (b"not json", (), 400, b"JSON"),
        ({"url": "x"}, (), 400, b"text"),
        ({"text": 7}, (), 400, b"text"),
        ({"text": "  "}, (), 400, b"empty"),
        ({"text": "x" * 2001}, (), 413, b"2000"),
        (b"x" * 70_000, (), 413, b"65536"),
        ({"text": "x"}, (("encoding", "speex"),), 400, b"speex"),
        ({"text": "x"}, (("container", "wav"),), 400, b"wav"),
        ({"text": "x"}, (("bit_rate", "x"),), 400, b"bit_rate"),
        ({"text": "x"}, (("encoding", "opus"), ("sample_rate", "22050")), 400, b"22050"),
    ],
)
def test_what_is_refused(body, query, status, says):
    (close,) = ask(body, *query)
    assert close.code == status
    assert says in close.body
    assert json.loads(close.body)["request_id"] == "r1"


def test_a_gateway_without_a_voice():
    (close,) = ask({"text": "x"}, engine=ScriptedEngine("heard", timers=ManualTimers(0.0)))
    assert close.code == 400


def test_an_engine_that_does_not_open_is_a_status():
    engine = HeldEngine(ToneEngine.capabilities)
    engine.fails = [EngineFailed("broken")] * 20
    (close,) = ask({"text": "x"}, engine=engine)
    assert close.code == 502


CALLBACK = (("callback", "https://example.org/done"), ("callback_method", "put"))


def halves():
    """Who asked, and the twin that writes for whoever waits elsewhere."""
    owner, twin = SpeakRequest(speech_file), SpeakRequest(speech_file)
    opening = Opening(id="r1", method="POST", query=CALLBACK)
    (configure,) = owner.open(opening, 0.0)
    assert configure.report_to == (Report("https://example.org/done", "PUT", own=True),)
    twin.open(msgspec.structs.replace(opening, transport="webhook"), 0.0)
    return owner, twin


def test_a_callback_is_answered_at_once_and_its_twin_writes_the_file():
    owner, twin = halves()
    ready = Configured(options=Options(speaks=AudioFormat("pcm_s16le", 22_050)))
    for half in (owner, twin):
        assert half.send(ready, 0.0) == ()
    owner.receive(Binary(b'{"text": "Hello."}'), 0.0)
    *commands, answer = owner.receive(Fin(), 0.0)
    assert commands == [SpeakCommand(text="Hello.", ref="text"), End()]
    assert (answer.code, json.loads(answer.body)) == (200, {"request_id": "r1"})
    sound = AudioOut(utterance="u1", data=bytes(44_100), start_ms=0)
    assert owner.send(sound, 0.0) == ()
    assert twin.send(sound, 0.0) == (Played(utterance="u1", until_ms=1_000),)
    accept, file, close = twin.send(Ended(), 0.0)
    assert dict(accept.headers)["content-type"] == "audio/mpeg"
    assert dict(accept.headers)["dg-request-id"] == "r1"
    assert file.data.startswith(b"\xff")
    assert close == Close()
    assert owner.send(Ended(), 0.0) == ()


def test_a_callback_whose_body_is_whole_before_the_session_is_there():
    owner, _ = halves()
    owner.receive(Binary(b'{"text": "Hello."}'), 0.0)
    assert owner.receive(Fin(), 0.0) == (SpeakCommand(text="Hello.", ref="text"), End())
    (answer,) = owner.send(Configured(options=Options(speaks=AudioFormat())), 0.0)
    assert json.loads(answer.body) == {"request_id": "r1"}


def test_what_cannot_be_spoken_is_posted_as_the_error():
    _, twin = halves()
    fault = EngineFailed("the voice broke").fault()
    text, _ = twin.send(Ended(reason="failed", error=fault), 0.0)
    assert json.loads(text.data)["err_msg"] == "the voice broke"
    assert json.loads(text.data)["request_id"] == "r1"


def test_a_bad_method_is_refused():
    (close,) = ask({"text": "x"}, ("callback", "https://a.example"), ("callback_method", "GET"))
    assert close.code == 400
    assert b"callback_method" in close.body
