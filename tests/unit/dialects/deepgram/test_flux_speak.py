"""`/v2/speak`: turns in order, each with its own sound, and what an interrupt takes back."""

import json

import pytest

from ossicle.audio.speechfile import speech_file
from ossicle.core.errors import BadMessage, EngineFailed
from ossicle.core.legs import Leg
from ossicle.core.wire import Binary, ChannelTraits, Close, Fin, Opening, Text
from ossicle.dialects.deepgram import flux_speak_messages as m
from ossicle.dialects.deepgram.flux_speak_server import FluxSpeakServer
from ossicle.dialects.deepgram.speak_query import check_pace
from ossicle.dialects.deepgram.speak_request import SpeakRequest
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import CHARACTER_MS, ToneEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine

MODEL = (("model", "flux-haley-en"),)
TURN = {
    "speech_id": "dg_sp_0123456789ab", "audio_duration_ms": 5, "input_character_count": 2,
    "billable_character_count": 2,
    "controls_applied": {
        "pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0,
    },
}  # fmt: skip
CLIENT = [
    ({"type": "Speak", "text": "Hello."}, m.Speak("Hello.")),
    ({"type": "Flush"}, m.Flush()),
    ({"type": "Interrupt"}, m.Interrupt()),
    (
        {"type": "Interrupt", "playback_offset": {"type": "time_ms", "value": 9}},
        m.Interrupt(m.Offset(9)),
    ),
    ({"type": "Configure", "speed": 1.25}, m.Configure(1.25)),
    ({"type": "Configure"}, m.Configure()),
    ({"type": "Close"}, m.Close()),
]
SERVER = [
    (
        {
            "type": "Connected", "request_id": "r", "model_name": "n", "model_version": "1",
            "model_uuids": ["u"],
        },
        m.Connected("r", "n", "1", ["u"]),
    ),
    ({"type": "SpeechStarted", "speech_id": "s"}, m.SpeechStarted("s")),
    ({"type": "Flushed", "speech_id": "s"}, m.Flushed("s")),
    ({"type": "SpeechMetadata", **TURN}, m.SpeechMetadata("dg_sp_0123456789ab", 5, 2, 2)),
    (
        {"type": "SpeechInterrupted", "audio_played_ms": 3, "metadata": TURN},
        m.SpeechInterrupted(3, m.Turn("dg_sp_0123456789ab", 5, 2, 2)),
    ),
    (
        {
            "type": "SessionMetadata", "total_audio_duration_ms": 1,
            "total_input_character_count": 2, "total_billable_character_count": 3,
        },
        m.SessionMetadata(1, 2, 3),
    ),
    ({"type": "ConfigureSuccess", "applied": {}}, m.ConfigureSuccess(m.Applied())),
    ({"type": "ConfigureSuccess", "applied": {"speed": 1.5}}, m.ConfigureSuccess(m.Applied(1.5))),
    (
        {
            "type": "ConfigureFailure", "code": "C", "description": "d", "field": "speed",
            "value": 9.0,
        },
        m.ConfigureFailure("C", "d", "speed", 9.0),
    ),
    ({"type": "Warning", "code": "C", "description": "d"}, m.Warn("C", "d")),
    ({"type": "Error", "code": "C", "description": "d"}, m.Error("C", "d")),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message"), CLIENT, ids=lambda row: str(row)[:40])
def test_client_messages(said, message):
    assert m.decode_client(json.dumps(said)) == message
    assert json.loads(m.encode(message)) == said


@pytest.mark.parametrize(("said", "message"), SERVER, ids=lambda row: str(row)[:40])
def test_server_messages(said, message):
    assert m.decode_server(json.dumps(said)) == message
    assert json.loads(m.encode(message)) == said


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", '{"type":"Clear"}', '{"type":"Speak","text":7}',
        '{"type":"Interrupt","playback_offset":{"type":"bytes","value":1}}',
        '{"type":"Configure","speed":"fast"}',
    ],
)  # fmt: skip
def test_what_is_no_message(text):
    with pytest.raises(BadMessage):
        m.decode_client(text)


class Agent:
    """A voice agent's end of the wire."""

    def __init__(self, *query, engine=None, model=MODEL):
        self.house = HandHouse(engine or ToneEngine())
        self.channel = HandChannel()
        self.leg = Leg(FluxSpeakServer(), self.channel, self.house)
        self.leg.start(Opening(id="r1", path="/v2/speak", query=(*model, *query)))
        self.house.serve()

    def say(self, kind, **fields):
        self.leg.received(Text(json.dumps({"type": kind, **fields})))
        self.house.serve()

    def turn(self, text):
        self.say("Speak", text=text)
        self.say("Flush")

    @property
    def told(self):
        return [json.loads(each.data) for each in self.channel.sent if isinstance(each, Text)]

    def of(self, kind):
        return [each for each in self.told if each["type"] == kind]

    @property
    def story(self):
        """Types of messages; `~` where sound stands between them."""
        told = []
        for message in self.channel.sent:
            match message:
                case Binary() if told and told[-1] != "~":
                    told.append("~")
                case Text(data=text):
                    told.append(json.loads(text)["type"])
                case Close(code=code):
                    told.append(code)
        return told


def test_a_turn_from_its_start_to_the_end_of_the_session():
    agent = Agent()
    agent.say("Speak", text="Hello ")
    agent.say("Speak", text="there.")
    agent.say("Flush")
    agent.house.pass_time(2)
    agent.say("Close")
    agent.house.pass_time(2)
    assert agent.story == [
        "Connected", "SpeechStarted", "~", "Flushed", "SpeechMetadata", "SessionMetadata", 1000,
    ]  # fmt: skip
    (connected,) = agent.of("Connected")
    assert connected["request_id"] == "r1"
    assert connected["model_name"] == "flux-haley-en"
    assert connected["model_uuids"]
    (started,), (flushed,) = agent.of("SpeechStarted"), agent.of("Flushed")
    (metadata,) = agent.of("SpeechMetadata")
    assert started["speech_id"] == flushed["speech_id"] == metadata["speech_id"]
    assert metadata["speech_id"].startswith("dg_sp_")
    assert len(metadata["speech_id"]) == len("dg_sp_") + 12
    assert metadata["input_character_count"] == metadata["billable_character_count"] == 12
    assert metadata["audio_duration_ms"] == pytest.approx(12 * CHARACTER_MS, abs=6)
    (total,) = agent.of("SessionMetadata")
    assert total["total_audio_duration_ms"] == metadata["audio_duration_ms"]
    assert total["total_input_character_count"] == 12


def test_turns_wait_for_each_other_and_each_has_its_own_sound():
    agent = Agent()
    for text in ("One.", "Two and more.", "Three."):
        agent.turn(text)
    agent.house.pass_time(5)
    whole = ["SpeechStarted", "~", "Flushed", "SpeechMetadata"]
    assert agent.story == ["Connected", *whole * 3]
    ids = [each["speech_id"] for each in agent.of("SpeechMetadata")]
    assert ids == [each["speech_id"] for each in agent.of("SpeechStarted")]
    assert len(set(ids)) == 3
    lengths = [each["audio_duration_ms"] for each in agent.of("SpeechMetadata")]
    assert lengths == [pytest.approx(n * CHARACTER_MS, abs=6) for n in (4, 13, 6)]


def test_what_was_not_flushed_is_said_at_the_close():
    agent = Agent()
    agent.say("Speak", text="Half a turn.")
    agent.say("Close")
    agent.house.pass_time(2)
    assert agent.story[-4:] == ["~", "SpeechMetadata", "SessionMetadata", 1000]
    assert agent.of("SpeechMetadata")[0]["audio_duration_ms"] > 0


def test_an_interrupt_takes_back_what_is_spoken_and_what_waits():
    agent = Agent()
    agent.say("Speak", text="A long answer. ")
    agent.house.pass_time(1)
    agent.leg.writable(False)  # the reader is slow: what follows is still to come
    agent.say("Speak", text="With many words in it.")
    agent.say("Flush")
    agent.turn("And one that waits.")
    agent.house.pass_time(1)
    agent.say("Interrupt", playback_offset={"type": "time_ms", "value": 120})
    agent.turn("Yes?")
    agent.leg.writable(True)
    agent.house.pass_time(5)
    story = agent.story
    at = story.index("SpeechInterrupted")
    assert story[at:] == [
        "SpeechInterrupted", "SpeechStarted", "~", "Flushed", "SpeechMetadata",
    ]  # fmt: skip
    (cut,) = agent.of("SpeechInterrupted")
    first, last = agent.of("SpeechStarted")[0], agent.of("SpeechStarted")[-1]
    assert cut["audio_played_ms"] == 120
    assert cut["metadata"]["speech_id"] == first["speech_id"] != last["speech_id"]
    assert "text_spoken" not in cut
    assert agent.of("SpeechMetadata")[-1]["speech_id"] == last["speech_id"]


def test_interrupts_that_are_none_are_warned_of():
    agent = Agent()
    agent.say("Interrupt")
    agent.turn("Hello there.")
    agent.house.pass_time(2)
    agent.say("Interrupt")
    agent.say("Flush")
    assert [each["code"] for each in agent.of("Warning")] == [
        "NO_AUDIO_GENERATED", "NO_ACTIVE_SPEECH", "NO_ACTIVE_SPEECH",
    ]  # fmt: skip


def test_an_offset_that_does_not_advance_is_ignored():
    agent = Agent()
    for value in (50, 50):
        agent.say("Speak", text="Hello there. And")
        agent.house.pass_time(1)
        agent.say("Interrupt", playback_offset={"type": "time_ms", "value": value})
        agent.house.pass_time(1)
    assert len(agent.of("SpeechInterrupted")) == 1
    assert agent.of("Warning")[0]["code"] == "INVALID_INTERRUPT_OFFSET"


def test_the_pace_changes_from_the_next_turn_on():
    agent = Agent()
    agent.turn("Hello there.")
    agent.say("Configure", speed=1.5)
    agent.turn("Hello there.")
    agent.house.pass_time(3)
    slow, fast = (each["audio_duration_ms"] for each in agent.of("SpeechMetadata"))
    assert fast == pytest.approx(slow / 1.5, abs=20)
    assert agent.of("ConfigureSuccess")[0]["applied"] == {"speed": 1.5}


@pytest.mark.parametrize(
    ("speed", "code"), [(1.6, "SPEED_OUT_OF_RANGE"), (1.01, "SPEED_INCREMENT_INVALID")]
)
def test_a_pace_that_is_none_is_a_failure_and_changes_nothing(speed, code):
    agent = Agent()
    agent.say("Configure", speed=speed)
    agent.say("Configure")
    (failure,) = agent.of("ConfigureFailure")
    assert (failure["code"], failure["field"], failure["value"]) == (code, "speed", speed)
    assert agent.of("ConfigureSuccess")[0]["applied"] == {}


def test_every_step_of_the_published_range_is_taken():
    assert [check_pace(n * 5 / 100) for n in range(10, 31)] == [None] * 21


def test_text_without_a_sound_is_a_turn_of_no_length():
    agent = Agent()
    agent.turn("   ")
    agent.house.pass_time(1)
    assert [each["code"] for each in agent.of("Warning")] == ["NO_SYNTHESIZABLE_TEXT"]
    assert agent.of("SpeechMetadata")[0]["audio_duration_ms"] == 0


@pytest.mark.parametrize(
    ("message", "close"),
    [
        (Text("nonsense"), Close(1003, "MESSAGE-0000")),
        (Text('{"type":"Clear"}'), Close(1003, "MESSAGE-0000")),
        (Binary(b"x"), Close(1003, "MESSAGE-0000")),
        (Text(json.dumps({"type": "Speak", "text": "x" * 2001})), Close(1009, "BIG-0000")),
    ],
)
def test_what_ends_the_stream_is_an_error_first(message, close):
    agent = Agent()
    agent.leg.received(message)
    assert agent.channel.sent[-1] == close
    assert agent.told[-1]["type"] == "Error"
    assert agent.told[-1]["code"] == close.reason


def test_a_voice_that_breaks_is_an_error_before_the_close():
    engine = HeldEngine(ToneEngine.capabilities)
    engine.fails = [EngineFailed("broken")] * 20
    agent = Agent(engine=engine)
    agent.house.pass_time(60)
    agent.house.serve()
    assert agent.channel.sent[-1] == Close(1011, "NET-0000")
    assert agent.told[-1] == {"type": "Error", "code": "NET-0000", "description": "broken"}


@pytest.mark.parametrize(
    ("model", "query", "says"),
    [
        ((), (), b"model"),
        (MODEL, (("expressivity", "3"),), b"expressivity"),
        (MODEL, (("expressivity", "0.5"),), b"expressivity"),
        (MODEL, (("speed", "2"),), b"speed"),
        (MODEL, (("speed", "fast"),), b"speed"),
        (MODEL, (("encoding", "mp3"),), b"mp3"),
    ],
)
def test_a_bad_parameter_is_refused_before_the_upgrade(model, query, says):
    (close,) = Agent(*query, model=model).channel.sent
    assert close.code == 400
    assert says in close.body
    assert set(json.loads(close.body)) == {"category", "message", "details", "request_id"}


def test_a_gateway_without_a_voice_says_so_before_the_upgrade():
    (close,) = Agent(engine=ScriptedEngine("heard", timers=ManualTimers(0.0))).channel.sent
    assert close.code == 400


@pytest.mark.parametrize(("query", "status"), [(MODEL, None), ((), 400)])
def test_a_file_needs_a_model_too(query, status):
    house, channel = HandHouse(ToneEngine()), HandChannel()
    leg = Leg(SpeakRequest(speech_file, flux=True), channel, house)
    leg.start(Opening(id="r1", method="POST", query=query, traits=ChannelTraits(framed=False)))
    house.serve()
    leg.binary(b'{"text": "Hello."}')
    leg.received(Fin())
    house.serve()
    house.pass_time(5)
    assert channel.sent[-1].code == status
    if status:
        assert "category" in json.loads(channel.sent[-1].body)
