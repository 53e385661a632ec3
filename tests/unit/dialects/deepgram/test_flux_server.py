"""Golden conversations: what a Flux client sees, message by message, and the laws over all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flux_house import Flux, house
from ossicle.audio.wav import wav_header
from ossicle.core.commands import Configure
from ossicle.core.errors import EngineFailed
from ossicle.core.events import Began, Notice, SpeechEnded, SpeechStarted, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Close, Opening, Ping, Text
from ossicle.dialects.deepgram.flux_server import FluxServer
from ossicle.testing.dialect import check_server
from ossicle.testing.house import HeldEngine
from ossicle.testing.marked import marked_audio

OPENING = Opening(
    id="r1",
    path="/v2/listen",
    query=(("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "16000")),
)
EAGER = ("eager_eot_threshold", "0.4")


def pause(ms):
    return bytes(ms * 32)


def test_it_keeps_the_laws_of_a_server_half():
    check_server(FluxServer, OPENING)


def test_connected_is_the_first_message_and_comes_at_once():
    client = Flux(house())
    assert client.messages == [{"type": "Connected", "request_id": "r1", "sequence_id": 0}]
    accept = client.channel.sent[0]
    assert isinstance(accept, Accept)
    assert accept.headers == (("dg-request-id", "r1"),)


def test_what_is_asked_for_and_not_done_is_a_warning_behind_connected():
    client = Flux(house(), ("redact", "pci"), ("numerals", "true"), ("mip_opt_out", "true"))
    assert [m["type"] for m in client.messages] == ["Connected", "Warning"]
    assert client.messages[1]["sequence_id"] == 1
    assert client.messages[1]["code"] == "UNSUPPORTED_FEATURE"
    assert client.messages[1]["description"].endswith(": redact, numerals")
    assert len(Flux(house(), ("redact", ""), ("numerals", "false")).messages) == 1


def test_a_browser_sees_the_scheme_selected_and_never_its_key():
    client = Flux(house(), headers=(("sec-websocket-protocol", "token, KEY"),))
    assert client.channel.sent[0].subprotocol == "token"


def test_a_turn_from_its_first_word_to_its_end():
    client = Flux(house())
    client.hear(marked_audio([1, 2]) + pause(700))
    assert client.story == ["Connected", "0 StartOfTurn 'w1'", "0 EndOfTurn 'w1 w2' model"]
    client.check()
    last = client.messages[-1]
    assert last == {
        "type": "TurnInfo",
        "request_id": "r1",
        "sequence_id": last["sequence_id"],
        "event": "EndOfTurn",
        "turn_index": 0,
        "audio_window_start": 0.0,
        "audio_window_end": last["audio_window_end"],
        "transcript": "w1 w2",
        "words": [
            {"word": "w1", "confidence": 0.0, "start": 0.0, "end": 0.2},
            {"word": "w2", "confidence": 0.0, "start": 0.22, "end": 0.42},
        ],
        "end_of_turn_confidence": 0.7,
        "trigger": "model",
    }


def test_an_eager_end_is_resumed_or_confirmed_with_the_same_text():
    client = Flux(house(), EAGER)
    client.hear(marked_audio([1]) + pause(500) + marked_audio([2]) + pause(900))
    assert client.story == [
        "Connected",
        "0 StartOfTurn 'w1'",
        "0 EagerEndOfTurn 'w1'",
        "0 TurnResumed 'w1'",
        "0 EagerEndOfTurn 'w1 w2'",
        "0 EndOfTurn 'w1 w2' model",
    ]
    client.check()


def test_eager_is_off_unless_asked_for():
    client = Flux(house())
    client.hear(marked_audio([1]) + pause(500) + marked_audio([2]) + pause(900))
    assert client.story == ["Connected", "0 StartOfTurn 'w1'", "0 EndOfTurn 'w1 w2' model"]


def test_updates_come_every_quarter_second_changed_or_not():
    client = Flux(house())
    client.hear(pause(1000) + marked_audio([1]) + pause(300))
    updates = [m for m in client.messages if m.get("event") == "Update"]
    assert [m["audio_window_end"] for m in updates] == [0.26, 0.52, 0.78, 1.04, 1.3]
    assert [m["transcript"] for m in updates] == ["", "", "", "", "w1"]
    client.check()


def test_a_turn_that_nobody_is_sure_about_ends_by_its_timeout():
    client = Flux(house(), ("eot_threshold", "1.0"), ("eot_timeout_ms", "600"))
    client.hear(marked_audio([1]) + pause(700))
    assert client.story[-1] == "0 EndOfTurn 'w1' timeout"


def test_force_end_turn_ends_it_in_the_middle():
    client = Flux(house())
    client.hear(marked_audio([1]) + pause(100))
    client.say(type="ForceEndTurn")
    client.hear(marked_audio([2]) + pause(900))
    assert client.story == [
        "Connected",
        "0 StartOfTurn 'w1'",
        "0 EndOfTurn 'w1' manual",
        "1 StartOfTurn 'w2'",
        "1 EndOfTurn 'w2' model",
    ]
    client.check()


def test_force_end_turn_without_a_turn_is_warned_of():
    client = Flux(house())
    client.say(type="ForceEndTurn")
    (warning,) = client.messages[1:]
    assert (warning["type"], warning["code"]) == ("Warning", "NO_TURN_TO_END")


@pytest.mark.parametrize("held", [0, 100, 450])
def test_close_stream_gives_the_rest_as_an_update_and_closes_with_1000(held):
    client = Flux(house(), EAGER)
    client.hear(marked_audio([1, 2]) + pause(held))
    client.say(type="CloseStream")
    client.say(type="CloseStream")
    last = client.messages[-1]
    assert (last["event"], last["transcript"]) == ("Update", "w1 w2")
    assert client.close == (1000, "")
    assert not [line for line in client.story if "EndOfTurn '" in line and "Eager" not in line]
    client.check()


def test_close_stream_in_silence_just_closes():
    client = Flux(house())
    client.say(type="CloseStream")
    assert client.story == ["Connected"]
    assert client.close == (1000, "")


def test_an_empty_binary_message_closes_too():
    client = Flux(house())
    client.leg.binary(b"")
    assert client.close == (1000, "")


def test_a_client_that_leaves_frees_the_session_at_once():
    client = Flux(house())
    client.hear(marked_audio([1]))
    client.leg.received(Close(1000))
    client.leg.closed(None)
    (session,) = client.house.sessions
    assert session.life.state == "ended"
    assert session.over(client.house.timers.now())


def test_thresholds_change_in_the_stream():
    client = Flux(house(), ("eot_threshold", "1.0"))
    client.say(
        type="Configure",
        thresholds={"eot_threshold": 0.5, "eager_eot_threshold": 0.3, "eot_timeout_ms": 700},
        keyterms=["gateway"],
    )
    success = client.messages[1]
    assert success == {
        "type": "ConfigureSuccess",
        "request_id": "r1",
        "sequence_id": 1,
        "thresholds": {
            "eot_threshold": 0.5, "eager_eot_threshold": 0.3, "eot_timeout_ms": 700,
        },
        "keyterms": ["gateway"],
    }  # fmt: skip
    client.house.serve()
    client.hear(marked_audio([1]) + pause(600))
    assert client.story[-2:] == ["0 EagerEndOfTurn 'w1'", "0 EndOfTurn 'w1' model"]
    client.say(type="Configure", thresholds={"eager_eot_threshold": None})
    client.hear(marked_audio([2]) + pause(600))
    assert "1 EagerEndOfTurn 'w2'" not in client.story
    assert client.story[-1] == "1 EndOfTurn 'w2' model"
    client.check()


@pytest.mark.parametrize(
    "message",
    [
        {"thresholds": {"eot_threshold": 0.1}},
        {"thresholds": {"eot_timeout_ms": 5}},
        {"keyterms": "no list"},
        {"keyterms": [""]},
        {"keyterms": ["x" * 201]},
    ],
)
def test_a_change_that_cannot_be_made_is_said_and_nothing_changes(message):
    client = Flux(house())
    client.say(type="Configure", **message)
    failure = client.messages[1]
    assert failure["type"] == "ConfigureFailure"
    assert failure["code"] in {"INVALID_CONFIGURATION", "BAD_OPTION"}
    client.hear(marked_audio([1]) + pause(900))
    assert client.story[-1] == "0 EndOfTurn 'w1' model"
    client.check()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ((), "model"),
        ((("model", "flux-general-en"), ("encoding", "linear16")), "sample_rate"),
        ((("model", "flux-general-en"), ("encoding", "speex"), ("sample_rate", "8000")), "speex"),
        ((("model", "flux-general-en"), ("encoding", "mulaw"), ("sample_rate", "x")), "'x'"),
        ((("model", "flux-general-en"), ("encoding", "mulaw"), ("sample_rate", "1")), "1 Hz"),
        ((("model", "flux-general-en"), ("eot_threshold", "0.2")), "eot_threshold"),
        ((("model", "flux-general-en"), ("eot_threshold", "high")), "eot_threshold"),
        ((("model", "flux-general-en"), ("eager_eot_threshold", "0.95")), "eager_eot_threshold"),
        ((("model", "flux-general-en"), ("eot_timeout_ms", "100")), "eot_timeout_ms"),
        ((("model", "flux-general-en"), ("keyterm", "x" * 500)), "hints"),
    ],
)
def test_a_bad_parameter_is_refused_before_the_upgrade(query, says):
    (close,) = FluxServer().open(Opening(id="r1", query=query), 0.0)
    assert isinstance(close, Close)
    assert close.code == 400
    assert says.encode() in close.body
    assert ("dg-request-id", "r1") in close.headers


def test_what_is_not_known_is_ignored():
    (configure,) = FluxServer().open(
        Opening(query=(*OPENING.query, ("extra", "x"), ("numerals", "true"))), 0.0
    )
    assert isinstance(configure, Configure)


def test_ten_seconds_without_anything_close_the_stream():
    client = Flux(house())
    client.house.pass_time(9.0)
    client.leg.received(Ping())
    client.house.pass_time(9.0)
    client.say(type="KeepAlive")
    client.house.pass_time(9.0)
    client.hear(pause(20))
    client.house.pass_time(9.0)
    assert client.close is None
    client.house.pass_time(10.1)  # a frame that is only counted may stretch it
    assert client.messages[-1]["type"] == "Error"
    assert client.messages[-1]["code"] == "IDLE"
    assert client.close == (1011, "NET-0001")


def test_a_text_that_is_no_message_is_warned_of_and_the_stream_goes_on():
    client = Flux(house())
    client.leg.received(Text("not json"))
    assert client.messages[1]["code"] == "UNPARSABLE_CLIENT_MESSAGE"
    client.hear(marked_audio([1]) + pause(900))
    assert client.story[-1] == "0 EndOfTurn 'w1' model"
    client.check()


def test_an_engine_that_dies_is_an_error_and_a_close():
    engine = HeldEngine()
    engine.fails = [EngineFailed("it broke")] * 20
    client = Flux(house(engine))
    client.house.pass_time(10)
    assert client.messages[-1]["code"] == "INTERNAL_SERVER_ERROR"
    assert client.close[0] == 1011


def test_another_engine_that_revises_after_an_eager_end_is_resumed_first():
    """Not how our own judge behaves, but the law holds for any engine."""
    server = FluxServer()
    server.open(OPENING, 0.0)
    server.send(Began(), 0.0)
    server._eager = True
    told = []

    for event in (
        SpeechStarted(),
        Transcript(text="turn lift", end_ms=500),
        SpeechEnded(provisional=True, confidence=0.5),
        Transcript(text="turn left", end_ms=600, final=True, ends_turn=True),
    ):
        told += [m.data for m in server.send(event, 0.0)]
    events = [text.split('"event":"')[1].split('"')[0] for text in told]
    assert events == ["StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"]


def test_a_notice_of_weight_is_a_warning_and_the_habit_of_punctuation_is_none():
    server = FluxServer()
    server.open(OPENING, 0.0)
    server.send(Began(), 0.0)
    habit = "engine x: punctuate: the text has no punctuation"
    assert server.send(Notice("warning", "option_not_supported", habit), 0.0) == ()
    assert server.send(Notice("info", "turn_end_rules", "rules"), 0.0) == ()
    (warning,) = server.send(Notice("warning", "audio_lost", "200 ms"), 0.0)
    assert '"code":"AUDIO_LOST"' in warning.data


def test_confidences_of_words_pass_through():
    server = FluxServer()
    server.open(OPENING, 0.0)
    server.send(Began(), 0.0)
    (start,) = server.send(Transcript(text="a", words=(Word("a", 0, 10, 0.5),)), 0.0)
    assert '"words":[{"word":"a","confidence":0.5,"start":0.0,"end":0.01}]' in start.data


acts = st.one_of(
    st.tuples(st.just("word"), st.integers(1, 9)),
    st.tuples(st.just("pause"), st.sampled_from([20, 200, 260, 450, 650, 900, 2500])),
    st.tuples(st.just("force"), st.just(0)),
    st.tuples(st.just("eager"), st.sampled_from([None, 0.3, 0.6])),
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(acts, max_size=20), st.booleans(), st.sampled_from([640, 4000, 32_000]))
def test_the_laws_hold_and_every_word_is_in_one_turn(played, eager, piece):
    client = Flux(house(), *([EAGER] if eager else []))
    words, before = [], 0
    for kind, value in played:
        match kind:
            case "word":
                words.append(value + (10 if value == before else 0))
                before = words[-1]
                client.hear(marked_audio([before]), piece)
            case "pause":
                client.hear(pause(value), piece)
            case "force":
                client.say(type="ForceEndTurn")
            case "eager":
                client.say(type="Configure", thresholds={"eager_eot_threshold": value})
                client.house.serve()
    client.say(type="CloseStream")
    client.check()
    assert client.close == (1000, "")
    turns = {m["turn_index"]: m["transcript"] for m in client.messages if "turn_index" in m}
    said = " ".join(turns[index] for index in sorted(turns) if turns[index])
    assert said == " ".join(f"w{word}" for word in words)


def test_a_container_is_recognised_and_updates_follow_the_clock():
    """Its bytes are no measure of time."""
    audio = wav_header(AudioFormat("pcm_s16le", 16_000)) + marked_audio([1, 2]) + pause(900)
    client = Flux(house(), query=(("model", "flux-general-en"),))
    for at in range(0, len(audio), 3200):
        client.leg.binary(audio[at : at + 3200])
        client.house.serve()
        client.house.pass_time(0.1)
    assert client.story == ["Connected", "0 StartOfTurn 'w1'", "0 EndOfTurn 'w1 w2' model"]
    updates = [m for m in client.messages if m.get("event") == "Update"]
    assert 3 <= len(updates) <= 6
    client.check()


def test_bytes_that_are_no_audio_are_an_error_and_1008():
    client = Flux(house(), query=(("model", "flux-general-en"),))
    client.leg.binary(b"\x01\x02\x03 this is no container at all " * 2000)
    assert client.messages[-1]["type"] == "Error"
    assert client.close == (1008, "DATA-0000")
