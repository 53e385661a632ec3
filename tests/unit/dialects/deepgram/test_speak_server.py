"""`/v1/speak` over a WebSocket: what is said, flushed, cleared and closed, in order."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Played
from ossicle.core.errors import BadMessage
from ossicle.core.events import AudioOut
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.dialects.deepgram import speak_messages as m
from ossicle.dialects.deepgram.speak_server import SpeakServer, sound_of
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import CHARACTER_MS, ToneEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.dialect import check_server
from ossicle.testing.house import HandChannel, HandHouse

OPENING = Opening(id="r1", path="/v1/speak", query=(("model", "aura-2-thalia-en"),))
BYTES_MS = 48
"""24 kHz, 16 bit."""


class Speaker:
    def __init__(self, *query, engine=None, headers=(), deaf=False):
        self.house = HandHouse(engine or ToneEngine())
        self.channel = HandChannel()
        self.leg = Leg(SpeakServer(), self.channel, self.house)
        self.leg.start(Opening(id="r1", query=(*OPENING.query, *query), headers=headers))
        self.house.serve()

    def say(self, kind, **fields):
        self.leg.received(Text(json.dumps({"type": kind, **fields})))

    @property
    def story(self):
        """Types of messages; sound in milliseconds."""
        told, sound = [], 0
        for message in self.channel.sent:
            if isinstance(message, Binary):
                sound += len(message.data)
                continue
            if sound:
                told.append(round(sound / BYTES_MS))
                sound = 0
            match message:
                case Text(data=text):
                    told.append(json.loads(text)["type"])
                case Close(code=code):
                    told.append(code)
        return told + ([round(sound / BYTES_MS)] if sound else [])

    @property
    def messages(self):
        return [json.loads(m.data) for m in self.channel.sent if isinstance(m, Text)]


def near(story, *expected):
    """Sound is resampled: lengths to within some milliseconds."""
    assert len(story) == len(expected), story
    for one, other in zip(story, expected, strict=True):
        if isinstance(other, int) and other < 1000 and isinstance(one, int):
            assert abs(one - other) <= 6, story
        else:
            assert one == other, story


TABLE = [
    ("speak", '{"type":"Speak","text":"Hello."}', m.Speak("Hello.")),
    ("flush", '{"type":"Flush"}', m.Flush()),
    ("clear", '{"type":"Clear"}', m.Clear()),
    ("close", '{"type":"Close"}', m.Close()),
]
SERVER = [
    (
        "metadata",
        ('{"type":"Metadata","request_id":"r","model_name":"n","model_version":"v",'
        '"model_uuid":"u"}'),
        m.Metadata("r", "n", "v", "u"),
    ),
    ("flushed", '{"type":"Flushed","sequence_id":0}', m.Flushed(0)),
    ("cleared", '{"type":"Cleared","sequence_id":1}', m.Cleared(1)),
    ("warning", '{"type":"Warning","code":"X","description":"why"}', m.Warn("X", "why")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), TABLE)
def test_client_messages(name, text, message):
    assert m.decode_client(text) == message
    assert m.encode(message) == text


@pytest.mark.parametrize(("name", "text", "message"), SERVER)
def test_server_messages(name, text, message):
    assert m.decode_server(text) == message
    assert m.encode(message) == text


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '{"type":"Say"}', '{"type":"Speak"}', '{"type":"Speak","text":7}'],
)
def test_what_is_no_message(text):
    with pytest.raises(BadMessage):
        m.decode_client(text)


@settings(max_examples=200, derandomize=True)
@given(st.text(max_size=40) | st.sampled_from([row[1][:-3] for row in TABLE]))
def test_any_text_is_a_message_or_a_bad_message(text):
    try:
        message = m.decode_client(text)
    except BadMessage:
        return
    assert m.decode_client(m.encode(message)) == message


def test_an_error_never_quotes_what_somebody_wants_to_say():
    with pytest.raises(BadMessage) as refused:
        m.decode_client('{"type":"secret words"}')
    assert "secret" not in str(refused.value)


def test_it_keeps_the_laws_of_a_server_half():
    """The kit's session has no voice, so this half refuses it before it accepts: the laws of one
    that speaks are those below."""
    dialect = SpeakServer()
    (configure,) = dialect.open(OPENING, 0.0)
    assert configure.speaks.sample_rate == 24_000
    with pytest.raises(AssertionError, match="Accept comes first"):
        check_server(SpeakServer, OPENING)


def test_metadata_first_then_sound_then_flushed():
    speaker = Speaker()
    speaker.say("Speak", text="abcde")
    speaker.say("Flush")
    near(speaker.story, "Metadata", 5 * CHARACTER_MS, "Flushed")
    assert isinstance(speaker.channel.sent[0], Accept)
    assert ("dg-request-id", "r1") in speaker.channel.sent[0].headers
    assert speaker.messages[0] == {
        "type": "Metadata",
        "request_id": "r1",
        "model_name": "aura-2-thalia-en",
        "model_version": "1",
        "model_uuid": "r1",
    }
    assert speaker.messages[1] == {"type": "Flushed", "sequence_id": 0}


def test_each_flush_is_answered_after_its_own_sound():
    speaker = Speaker()
    for text in ("ab", "cd"):
        speaker.say("Speak", text=text)
        speaker.say("Flush")
    speaker.say("Flush")
    near(speaker.story, "Metadata", 120, "Flushed", 120, "Flushed", "Flushed")
    assert [x["sequence_id"] for x in speaker.messages[1:]] == [0, 1, 2]


def test_close_says_the_rest():
    speaker = Speaker()
    speaker.say("Speak", text="abc")
    speaker.say("Close")
    speaker.say("Speak", text="late")
    near(speaker.story, "Metadata", 180, 1000)


def test_minutes_of_speech_come_as_fast_as_they_are_read():
    """No pacing by a clock: nobody listens while it is made."""
    speaker = Speaker()
    text = "word " * 300
    speaker.say("Speak", text=text)
    speaker.say("Flush")
    *_, last = speaker.story
    assert last == "Flushed"
    sound = sum(len(x.data) for x in speaker.channel.sent if isinstance(x, Binary))
    assert sound / BYTES_MS > 80_000
    assert max(len(x.data) for x in speaker.channel.sent if isinstance(x, Binary)) < 1 << 20


def test_a_message_of_sound_is_smaller_than_clients_take():
    """Python's socket takes 1 MiB (wire note, /v1/speak)."""
    event = AudioOut(utterance="u", data=bytes(3 << 20), start_ms=0)
    *pieces, heard = sound_of(event, AudioFormat("pcm_s16le", 24_000))
    assert max(len(piece.data) for piece in pieces) < 1 << 20
    assert b"".join(piece.data for piece in pieces) == event.data
    assert heard == Played(utterance="u", until_ms=65_536)


def test_clear_while_the_reader_is_slow_sends_no_older_sound():
    speaker = Speaker()
    speaker.leg.writable(False)
    speaker.say("Speak", text="abcdefgh. ")
    speaker.say("Clear")
    speaker.say("Speak", text="xy")
    speaker.say("Flush")
    speaker.leg.writable(True)
    near(speaker.story, "Metadata", "Cleared", 120, "Flushed")


def test_clear_of_nothing_is_cleared():
    speaker = Speaker()
    speaker.say("Clear")
    speaker.say("Clear")
    assert speaker.story == ["Metadata", "Cleared", "Cleared"]


def test_text_that_waits_for_its_flush_is_cleared():
    speaker = Speaker()
    speaker.say("Speak", text="no sentence end yet")
    speaker.say("Clear")
    speaker.say("Flush")
    assert speaker.story == ["Metadata", "Cleared", "Flushed"]


def test_the_twenty_first_flush_in_a_minute_is_warned_of():
    speaker = Speaker()
    for _ in range(21):
        speaker.say("Flush")
    assert speaker.story == ["Metadata", *["Flushed"] * 20, "Warning"]
    assert speaker.messages[-1]["code"] == "EXCESSIVE_FLUSH"
    speaker.house.pass_time(60)
    speaker.say("Flush")
    assert speaker.story[-1] == "Flushed"


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (Text("no json"), 1003, "MESSAGE-0000"),
        (Text('{"type":"Speak"}'), 1003, "MESSAGE-0000"),
        (Binary(b"sound"), 1003, "MESSAGE-0000"),
        (Text(json.dumps({"type": "Speak", "text": "x" * 2001})), 1009, "BIG-0000"),
    ],
)
def test_what_ends_the_stream(message, code, reason):
    speaker = Speaker()
    speaker.leg.received(message)
    speaker.say("Flush")
    close = speaker.channel.sent[-1]
    assert (close.code, close.reason) == (code, reason)
    assert speaker.story[-2] == "Warning"


def test_an_hour_without_a_word_closes():
    speaker = Speaker()
    speaker.house.pass_time(3_599)
    assert speaker.story == ["Metadata"]
    speaker.house.pass_time(2)
    assert (speaker.channel.sent[-1].code, speaker.channel.sent[-1].reason) == (1011, "NET-0001")


@pytest.mark.parametrize(
    ("encoding", "rate", "bytes_a_ms"),
    [("mulaw", "", 8), ("alaw", "", 8), ("linear16", "8000", 16)],
)
def test_formats(encoding, rate, bytes_a_ms):
    speaker = Speaker(("encoding", encoding), *((("sample_rate", rate),) if rate else ()))
    speaker.say("Speak", text="abcde")
    speaker.say("Flush")
    sound = sum(len(x.data) for x in speaker.channel.sent if isinstance(x, Binary))
    assert abs(sound / bytes_a_ms - 300) < 6


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (("encoding", "mp3"), "mp3"),
        (("sample_rate", "x"), "sample_rate"),
        (("sample_rate", "100"), "100 Hz"),
        (("speed", "fast"), "speed"),
        (("speed", "9"), "speed"),
    ],
)
def test_a_bad_parameter_is_refused_before_the_upgrade(query, says):
    speaker = Speaker(query)
    (close,) = speaker.channel.sent
    assert close.code == 400
    assert says.encode() in close.body


def test_a_gateway_without_a_voice_says_so_before_the_upgrade():
    speaker = Speaker(engine=ScriptedEngine("heard", timers=ManualTimers(0.0)))
    (close,) = speaker.channel.sent
    assert close.code == 400
    assert b"voice" in close.body


def test_a_model_of_the_vendor_chooses_the_language_any_other_a_voice():
    for model, voice, language in (
        ("aura-2-celeste-es", "", "es"),
        ("aura-asteria-en", "", "en"),
        ("en-us+f3", "en-us+f3", ""),
    ):
        (configure,) = SpeakServer().open(Opening(query=(("model", model),)), 0.0)
        synthesis = configure.patch["synthesis"]
        assert (synthesis.get("voice", ""), synthesis.get("language", "")) == (voice, language)
