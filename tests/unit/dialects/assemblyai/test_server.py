"""Golden conversations of `/v3/ws`: a real session and a scripted engine behind the server half."""

import json
from itertools import pairwise
from typing import Any

import pytest
from assembly_peer import PCM, AssemblyPeer  # type: ignore[import-not-found]

from ossicle.core.commands import Configure, End
from ossicle.core.errors import CODES, Denied, EngineFailed, Overloaded
from ossicle.core.events import (
    Began,
    Ended,
    Flow,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.session import SessionSettings
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.dialects.assemblyai import AssemblyServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.wrap.endpointed import Endpointed
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HeldEngine
from ossicle.testing.marked import marked_audio


def scripted(text: str) -> ScriptedEngine:
    return ScriptedEngine(text, timers=ManualTimers())


def peer(
    script: str = "heard", *query: tuple[str, str], strict: bool = False, idle_s: float = 0.0
) -> AssemblyPeer:
    return AssemblyPeer(
        scripted(script),
        AssemblyServer(strict_audio=strict),
        (*PCM, *query),
        settings=SessionSettings(idle_s=idle_s),
    )


def held(*query: tuple[str, str]) -> Any:
    return AssemblyPeer(HeldEngine(), AssemblyServer(), (*PCM, *query))


def shape(messages: list[dict[str, Any]]) -> list[str]:
    """One line per message: what a person would check."""
    lines: list[str] = []
    for m in messages:
        match m["type"]:
            case "Turn":
                end = "end" if m["end_of_turn"] else "..."
                form = "formatted" if m["turn_is_formatted"] else "bare"
                lines.append(f"{m['turn_order']} {end} {form} {m['transcript']}".rstrip())
            case other:
                lines.append(other)
    return lines


def closed_words(p: AssemblyPeer) -> list[str]:
    """The words of all closed turns, each once."""
    return [
        word
        for turn in p.of("Turn")
        if turn["end_of_turn"] and not turn["turn_is_formatted"]
        for word in turn["transcript"].split()
    ]


# ── golden ──


def test_begin_comes_before_any_engine_is_open():
    engine = HeldEngine()
    p = AssemblyPeer(engine, AssemblyServer(), PCM, served=False)
    assert not engine.streams
    assert p.told == [
        {
            "type": "Begin",
            "id": "s0",
            "expires_at": 1_795_423_148 + 3 * 3_600,
            "configuration": {"model": "held", "mode": "", "api_version": "2025-05-12"},
        }
    ]


def test_turns_without_formatting():
    p = peer("Hello there. Bye")
    p.ms(1_000)
    p.say(type="Terminate")
    assert shape(p.told) == [
        "Begin",
        "SpeechStarted",
        "0 ... bare hello",
        "0 ... bare hello there",
        "0 end bare hello there",
        "SpeechStarted",
        "1 ... bare bye",
        "1 end bare bye",
        "Termination",
    ]
    assert p.close == Close(1000)


@pytest.mark.parametrize("yes", ["True", "true"])
def test_turns_with_their_formatted_twins(yes: str):
    p = peer("Hello there. Bye.", ("format_turns", yes))
    p.ms(1_000)
    p.say(type="Terminate")
    assert shape(p.told) == [
        "Begin",
        "SpeechStarted",
        "0 ... bare hello",
        "0 ... bare hello there",
        "0 end bare hello there",
        "0 end formatted Hello there.",
        "SpeechStarted",
        "1 ... bare bye",
        "1 end bare bye",
        "1 end formatted Bye.",
        "Termination",
    ]
    assert [w["text"] for w in p.of("Turn")[3]["words"]] == ["Hello", "there."]


def test_models_that_always_format_end_a_turn_once():
    p = peer("Hello there.", ("speech_model", "u3-rt-pro"), ("format_turns", "false"))
    p.ms(600)
    p.say(type="Terminate")
    assert shape(p.told)[2:] == [
        "0 ... bare Hello",
        "0 ... bare Hello there.",
        "0 end formatted Hello there.",
        "Termination",
    ]
    assert p.of("Begin")[0]["configuration"]["model"] == "u3-rt-pro"


def test_every_message_has_every_member_the_sdks_demand():
    p = peer("Hello there.", ("format_turns", "true"))
    p.ms(600)
    for turn in p.of("Turn"):
        assert turn.keys() >= {
            "type", "turn_order", "turn_is_formatted", "end_of_turn", "transcript",
            "end_of_turn_confidence", "words",
        }  # fmt: skip
        for word in turn["words"]:
            assert word.keys() == {"start", "end", "text", "confidence", "word_is_final"}
            assert isinstance(word["start"], int)
            assert isinstance(word["end"], int)
    assert all("error" not in m for m in p.told)


def test_force_endpoint_in_mid_word_loses_no_word_and_doubles_none():
    p = peer()
    audio = marked_audio([1, 2, 3, 4])
    cut = 2 * 16 * 330  # in the middle of the second word
    p.audio(audio[:cut])
    p.say(type="ForceEndpoint")
    p.audio(audio[cut:])
    p.say(type="Terminate")
    assert closed_words(p) == ["w1", "w2", "w3", "w4"]
    assert [t["turn_order"] for t in p.of("Turn") if t["end_of_turn"]] == [0, 1]


def test_terminate_in_mid_utterance_tells_the_tail():
    p = peer("heard", ("format_turns", "true"))
    p.audio(marked_audio([1, 2])[:-640])  # the last word is not followed by anything
    p.say(type="Terminate")
    assert closed_words(p) == ["w1", "w2"]
    assert shape(p.told)[-3:] == ["0 end bare w1 w2", "0 end formatted w1 w2", "Termination"]
    assert p.of("Termination")[0] == {
        "type": "Termination",
        "audio_duration_seconds": 0,
        "session_duration_seconds": 0,
    }


def test_terminate_before_any_audio():
    p = peer()
    p.say(type="Terminate")
    assert shape(p.told) == ["Begin", "Termination"]
    assert p.close == Close(1000)


def test_force_endpoint_with_no_open_turn_says_nothing():
    p = peer()
    p.say(type="ForceEndpoint")
    p.audio(marked_audio([0, 1, 0]))
    p.say(type="ForceEndpoint")
    p.say(type="Terminate")
    assert [t["turn_order"] for t in p.of("Turn") if t["end_of_turn"]] == [0]


def test_forcing_every_turn_a_hundred_times():
    p = peer()
    for number in range(1, 101):
        p.audio(marked_audio([number]))
        p.say(type="ForceEndpoint")
    p.say(type="Terminate")
    assert closed_words(p) == [f"w{number}" for number in range(1, 101)]
    assert [t["turn_order"] for t in p.of("Turn") if t["end_of_turn"]] == list(range(100))


def test_an_engine_that_breaks_is_not_seen():
    """The session replays; final words stay, and no word is lost or doubled."""
    p = AssemblyPeer(scripted("heard?fail_at=900"), AssemblyServer(), PCM)
    p.audio(marked_audio([1, 2, 3, 4, 5, 6]))
    p.say(type="Terminate")
    assert closed_words(p) == [f"w{n}" for n in range(1, 7)]
    before: list[str] = []
    for turn in p.of("Turn"):
        words = [w["text"] for w in turn["words"] if w["word_is_final"]]
        assert words[: len(before)] == before
        before = words


def test_a_client_that_just_closes_is_told_nothing_more():
    p = peer()
    p.audio(marked_audio([1]))
    count = len(p.told)
    p.leg.received(Close(1000))
    p.leg.closed(None)
    assert len(p.told) == count
    assert p.close is None
    assert p.house.sessions[0].life.state == "ended"


# ── options ──


def test_update_configuration_changes_a_running_session():
    p = held()
    p.say(max_turn_silence=900, keyterms_prompt=["Ossicle"], type="UpdateConfiguration")
    recognition = p.house.sessions[0].options.recognition
    assert recognition.turns.silence_ms == 900
    assert [hint.text for hint in recognition.hints] == ["Ossicle"]
    assert recognition.turns.threshold == 0.5


def test_formatting_can_be_turned_on_between_two_turns():
    p = peer()
    p.audio(marked_audio([1, 0]))
    p.say(type="UpdateConfiguration", format_turns=True)
    p.audio(marked_audio([2, 0]))
    assert [line for line in shape(p.told) if " end " in line] == [
        "0 end bare w1",
        "1 end bare w2",
        "1 end formatted w2",
    ]


def test_an_update_out_of_range_of_the_session_is_a_warning():
    p = held()
    p.say(type="UpdateConfiguration", language_codes=["x" * 100])
    assert p.of("Warning")[0]["warning_code"] == 3006
    assert p.close is None


def test_notices_are_warnings_and_info_is_not():
    server = AssemblyServer()
    server.open(Opening(query=PCM), 0.0)
    (text,) = server.send(Notice(level="warning", code="audio_lost", text="some"), 0.0)
    assert isinstance(text, Text)
    assert json.loads(text.data) == {"type": "Warning", "warning_code": 3005, "warning": "some"}
    assert server.send(Notice(level="info", code="x", text="y"), 0.0) == ()


def test_the_engines_own_confidence_is_told_and_none_is_made_up():
    server = AssemblyServer()
    server.open(Opening(query=PCM), 0.0)
    words = (Word("go", 0, 200, confidence=0.5),)
    sure = Transcript(
        text="go", words=words, final=True, ends_turn=True, end_confidence=0.75, end_ms=200
    )
    (text,) = server.send(sure, 0.0)
    assert isinstance(text, Text)
    turn = json.loads(text.data)
    assert (turn["end_of_turn_confidence"], turn["words"][0]["confidence"]) == (0.75, 0.5)


def test_a_turn_ends_when_the_judge_is_sure_enough():
    """Pauses of 300 ms do not end it; what the judge says is what is told."""
    p = AssemblyPeer(
        Endpointed(scripted("heard")),
        AssemblyServer(),
        (*PCM, ("end_of_turn_confidence_threshold", "0.6")),
    )
    p.audio(marked_audio([1, 0, 2, 0, 3]))
    p.ms(1_000)
    ends = [turn for turn in p.of("Turn") if turn["end_of_turn"]]
    assert [turn["transcript"] for turn in ends] == ["w1 w2 w3"]
    assert 0.6 <= ends[0]["end_of_turn_confidence"] < 1
    before = [t["end_of_turn_confidence"] for t in p.of("Turn") if not t["end_of_turn"]]
    assert max(before) < 0.6


@pytest.mark.parametrize(("least", "words"), [("0", ["w1", "w2"]), ("500", ["w1 w2"])])
def test_no_turn_ends_before_min_turn_silence_however_sure(least: str, words: list[str]):
    """The rules are sure of `w1` after 400 ms of the pause of 450."""
    p = AssemblyPeer(
        Endpointed(scripted("heard")),
        AssemblyServer(),
        (*PCM, ("end_of_turn_confidence_threshold", "0.1"), ("min_turn_silence", least)),
    )
    p.audio(marked_audio([1]) + bytes(32 * 450) + marked_audio([2]))
    p.ms(1_000)
    ends = [turn["transcript"] for turn in p.of("Turn") if turn["end_of_turn"]]
    assert ends == words


def test_min_turn_silence_changes_in_a_running_session():
    p = AssemblyPeer(
        Endpointed(scripted("heard")),
        AssemblyServer(),
        (*PCM, ("end_of_turn_confidence_threshold", "0.1"), ("min_turn_silence", "0")),
    )
    p.audio(marked_audio([1]))
    p.say(type="UpdateConfiguration", min_turn_silence=900)
    p.ms(800)
    assert not any(turn["end_of_turn"] for turn in p.of("Turn"))
    p.ms(200)
    assert [turn["end_of_turn"] for turn in p.of("Turn")][-1] is True


def test_what_is_asked_for_and_not_done_is_a_warning_behind_begin():
    p = peer("heard", ("redact_pii", "true"), ("prompt", "x"))
    assert shape(p.told) == ["Begin", "Warning"]
    assert p.told[1]["warning"] == "not done by this gateway: redact_pii"
    assert "error" not in p.told[1]


def test_a_turn_ends_by_silence_whatever_the_judge_thinks():
    p = AssemblyPeer(
        Endpointed(scripted("heard")),
        AssemblyServer(),
        (*PCM, ("end_of_turn_confidence_threshold", "1"), ("max_turn_silence", "700")),
    )
    p.audio(marked_audio([1]))
    p.ms(600)
    assert not any(turn["end_of_turn"] for turn in p.of("Turn"))
    p.ms(200)
    assert [turn["end_of_turn"] for turn in p.of("Turn")][-1] is True


def test_a_turn_taken_up_again_starts_once():
    server = AssemblyServer()
    server.open(Opening(query=PCM), 0.0)
    assert len(server.send(SpeechStarted(at_ms=10, turn=0), 0.0)) == 1
    assert server.send(SpeechEnded(at_ms=20, turn=0, provisional=True), 0.0) == ()
    assert server.send(SpeechStarted(at_ms=30, turn=0), 0.0) == ()
    assert len(server.send(SpeechStarted(at_ms=90, turn=1), 0.0)) == 1


# ── time ──


def test_a_plain_session_has_no_timer_and_bypasses_the_dialect():
    p = peer()
    assert p.leg.dialect.plain
    assert p.leg.binary == p.leg.session.audio
    assert p.leg.dialect.deadline == float("inf")


def test_inactivity_ends_the_session_after_its_words():
    p = peer("heard", ("inactivity_timeout", "5"))
    assert not p.leg.dialect.plain
    p.house.pass_time(4)
    p.audio(marked_audio([1]))
    p.house.pass_time(4)
    p.say(type="KeepAlive")
    p.house.pass_time(4)
    assert p.close is None
    p.house.pass_time(1.1)
    assert closed_words(p) == ["w1"]
    assert p.told[-1]["type"] == "Error"
    assert p.told[-1]["error_code"] == 4031
    assert p.close is not None
    assert p.close.code == 4031


def test_no_inactivity_without_being_asked():
    p = peer()
    p.house.pass_time(4_000)
    assert p.close is None


def test_the_gateways_own_idle_limit_has_the_vendors_code():
    p = peer("heard", idle_s=10.0)
    p.house.pass_time(12)
    assert p.told[-1]["error_code"] == 4031


def test_heartbeats_about_once_a_second():
    p = peer("heard", ("session_heartbeat", "True"))
    p.ms(500)
    p.house.pass_time(3.05)
    beats = p.of("Heartbeat")
    assert [b["total_audio_received_ms"] for b in beats] == [500, 500, 500]
    assert [b["total_duration_ms"] for b in beats] == [1_000, 2_000, 3_000]
    p.say(type="UpdateConfiguration", session_heartbeat=False)
    p.house.pass_time(3)
    assert len(p.of("Heartbeat")) == 3


def test_silence_is_acknowledged_where_nobody_speaks():
    p = peer("heard", ("acknowledge_silence", "true"))
    p.audio(marked_audio([1, 0]))
    for _ in range(4):
        p.ms(1_000)
    stretches = [(s["start_ms"], s["end_ms"]) for s in p.of("Silence")]
    assert stretches
    assert stretches[0][0] == 200
    assert all(a[1] == b[0] for a, b in pairwise(stretches))
    assert all(end - start >= 1_000 for start, end in stretches)


def test_no_silence_while_a_turn_is_open():
    server = AssemblyServer()
    server.open(Opening(query=(*PCM, ("acknowledge_silence", "true"))), 0.0)
    server.send(Began(session="s"), 0.0)
    server.send(SpeechStarted(at_ms=0), 0.0)
    server.send(Transcript(text="hm"), 0.0)
    assert server.send(Flow(settled_ms=5_000), 0.0) == ()


# ── what is refused ──


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ((), 4000),
        ((("sample_rate", "1000"),), 4000),
        ((*PCM, ("encoding", "mp3")), 4000),
        ((*PCM, ("encoding", "flac")), 4000),
        ((("sample_rate", "fast"),), 3006),
        ((*PCM, ("format_turns", "maybe")), 3006),
        ((*PCM, ("keyterms_prompt", "a,b")), 3006),
        ((*PCM, ("inactivity_timeout", "1")), 3006),
    ],
)
def test_a_bad_parameter_is_said_after_the_upgrade(query: tuple[Any, ...], code: int):
    steps = AssemblyServer().open(Opening(query=query), 0.0)
    accept, text, close = steps
    assert accept == Accept()
    assert isinstance(text, Text)
    error = json.loads(text.data)
    assert (error["type"], error["error_code"]) == ("Error", code)
    assert isinstance(close, Close)
    assert close.code == code
    assert len(close.reason.encode()) <= 123


def test_a_wrong_key_is_4001_after_the_upgrade():
    server = AssemblyServer()
    accept, configure = server.open(Opening(query=PCM), 0.0)
    assert accept == Accept()
    assert isinstance(configure, Configure)
    text, close = server.send(Ended(reason="refused", error=Denied("no such key").fault()), 0.0)
    assert isinstance(text, Text)
    assert json.loads(text.data) == {"type": "Error", "error_code": 4001, "error": "no such key"}
    assert isinstance(close, Close)
    assert close.code == 4001


@pytest.mark.parametrize(
    ("headers", "query", "credential"),
    [
        ((("authorization", "KEY"),), (), "KEY"),
        ((("authorization", "Bearer KEY"),), (), "KEY"),
        ((("authorization", "bearer KEY"),), (), "KEY"),
        ((), (("token", "TOKEN"),), "TOKEN"),
        ((("authorization", "KEY"),), (("token", "TOKEN"),), "KEY"),
        ((), (), None),
        ((("authorization", "Bearer"),), (), "Bearer"),
    ],
)
def test_credentials(headers: Any, query: Any, credential: str | None):
    _, configure = AssemblyServer().open(Opening(headers=headers, query=(*PCM, *query)), 0.0)
    assert isinstance(configure, Configure)
    assert configure.credential == credential


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Overloaded("full"), 3009),
        (Overloaded("stopping", code="draining"), 3005),
        (EngineFailed("broke"), 3005),
        (CODES["session_limit"]("too long", code="session_limit"), 3008),
        (CODES["internal"]("bug"), 3005),
    ],
)
def test_errors_have_the_vendors_codes(error: Any, code: int):
    server = AssemblyServer()
    server.open(Opening(query=PCM), 0.0)
    server.send(Began(session="s"), 0.0)
    _, close = server.send(Ended(reason="failed", error=error.fault()), 0.0)
    assert isinstance(close, Close)
    assert close.code == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{",
        "[]",
        '{"type":"Dance"}',
        '{"audio_data":"AAAA"}',
        '{"type":"UpdateConfiguration","max_turn_silence":"900"}',
        '{"type":"UpdateConfiguration","vad_threshold":2}',
        '{"type":"\\ud800"}',
    ],
)
def test_a_bad_message_is_3006_and_the_end(text: str):
    p = peer()
    p.text(text)
    assert p.told[-1]["error_code"] == 3006
    assert p.close is not None
    assert p.close.code == 3006
    count = len(p.channel.sent)
    p.audio(marked_audio([1]))
    p.say(type="Terminate")
    assert len(p.channel.sent) == count, "something was said after the close"


def test_an_error_repeats_nothing_of_what_was_said():
    p = peer()
    p.say(type="UpdateConfiguration", keyterms_prompt={"my secret": "words"})
    assert "secret" not in p.channel.sent[-2].data


# ── the vendor's rules for audio, where they are to be kept ──


@pytest.mark.parametrize(("ms", "taken"), [(49, False), (50, True), (1_000, True), (1_001, False)])
def test_strict_sizes(ms: int, taken: bool):
    p = peer("heard", strict=True)
    p.leg.binary(bytes(32 * ms))
    assert (p.close is None) == taken
    if not taken:
        assert p.told[-1] == {
            "type": "Error",
            "error_code": 3007,
            "error": f"Input Duration Error: Input Duration Violation: {ms} ms. "
            "Expected between 50 and 1000 ms",
        }
        assert p.close is not None
        assert p.close.code == 3007


def test_strict_pace():
    p = peer("heard", strict=True)
    for _ in range(10):
        p.ms(1_000)
        p.house.pass_time(1)
    assert p.close is None
    for _ in range(5):
        p.ms(1_000)
    assert p.close is not None
    assert p.close.code == 3007


def test_lenient_by_default():
    p = peer()
    p.leg.binary(bytes(2))
    p.leg.binary(bytes(64_000))
    assert p.close is None


def test_an_empty_binary_is_nothing():
    server = AssemblyServer(strict_audio=True)
    server.open(Opening(query=PCM), 0.0)
    assert server.receive(Binary(b""), 0.0) == ()


def test_terminate_ends_the_idle_clock():
    server = AssemblyServer()
    server.open(Opening(query=(*PCM, ("inactivity_timeout", "5"))), 0.0)
    server.send(Began(session="s"), 0.0)
    assert server.receive(Text('{"type":"Terminate"}'), 1.0) == (End(),)
    assert server.receive(Text('{"type":"KeepAlive"}'), 2.0) == ()
    assert server.deadline == float("inf")
