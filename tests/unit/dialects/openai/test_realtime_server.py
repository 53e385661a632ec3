"""Golden conversations of `/v1/realtime`: a real session, a scripted recogniser, an agent that
repeats, and tones for a voice, behind the server half."""

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from realtime_peer import ID, RealtimePeer, agent, spoken  # type: ignore[import-not-found]

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Audio, Configure
from ossicle.core.errors import CODES, Denied, EngineFailed, Overloaded
from ossicle.core.events import Began, Ended, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.options import Options
from ossicle.core.session import SessionSettings
from ossicle.core.wire import (
    Accept,
    Binary,
    ChannelTraits,
    Clear,
    Close,
    Mark,
    Media,
    Opening,
    Part,
    Text,
)
from ossicle.dialects.openai import Books, RealtimeServer
from ossicle.dialects.openai.credentials import ephemeral
from ossicle.engines.responders import Piece, Question, ToolCall
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel
from ossicle.testing.marked import marked_audio

VAD = {"type": "server_vad", "silence_duration_ms": 200}

_EXPIRED = "invalid_request_error.session_expired"

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]
ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",  # what the resampler held back
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


class Tooled:
    """Asks for a tool at first, and tells its result then."""

    name = "tooled"

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        self.questions.append(question)
        last = question.entries[-1]
        if last.role == "result":
            yield f"It is {last.text}."
        else:
            yield ToolCall("call_1", "clock", '{"zone":"UTC"}')


# ── a whole turn ──


async def test_a_turn_and_its_answer():
    p = RealtimePeer()
    assert p.kinds == ["session.created"]
    p.turns(VAD)
    p.audio(spoken(1, 2, 3, 0))
    await p.settle()
    assert p.kinds == ["session.created", "session.updated", *TURN, *ANSWER]
    started, stopped = p.told[2], p.told[3]
    item = started["item_id"]
    assert {started["item_id"], stopped["item_id"], p.told[4]["item_id"]} == {item}
    assert p.last("conversation.item.input_audio_transcription.completed")["transcript"] == (
        "w1 w2 w3"
    )
    user, assistant = (event["item"] for event in p.of("conversation.item.done"))
    assert user["content"] == [{"type": "input_audio", "transcript": None}]
    assert assistant["content"] == [{"type": "output_audio", "transcript": "w1 w2 w3"}]
    assert assistant["status"] == "completed"
    assert p.of("conversation.item.done")[1]["previous_item_id"] == item
    response = p.last("response.done")["response"]
    assert response["status"] == "completed"
    assert response["output"] == [assistant]
    # 8 characters of 60 ms at 24 kHz
    assert len(p.sound) == pytest.approx(8 * 60 * 48, abs=200)


async def test_every_event_has_a_name_of_its_own_and_no_null_but_where_it_means_something():
    p = RealtimePeer()
    p.turns(VAD)
    p.audio(spoken(1, 0))
    await p.settle()
    names = [event["event_id"] for event in p.told]
    assert len(set(names)) == len(names)
    allowed = {
        "previous_item_id", "transcript", "status_details", "metadata", "usage", "include",
        "tracing", "prompt", "noise_reduction", "idle_timeout_ms", "transcription",
    }  # fmt: skip

    def look(value: Any, where: str) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                assert inner is not None or name in allowed, f"{where}.{name} is null"
                look(inner, f"{where}.{name}")
        elif isinstance(value, list):
            for inner in value:
                look(inner, where)

    for event in p.told:
        look(event, event["type"])


async def test_turns_chain_and_the_answer_stands_between():
    p = RealtimePeer()
    p.turns(VAD)
    for word in (1, 2):
        p.audio(spoken(word, 0))
        await p.settle(2)
    chain = [(e["previous_item_id"], e["item"]["id"]) for e in p.of("conversation.item.added")]
    assert [previous for previous, _ in chain] == [None, *[name for _, name in chain[:-1]]]
    assert len(p.of("response.done")) == 2


async def test_create_response_false_waits_to_be_asked():
    p = RealtimePeer()
    p.turns({**VAD, "create_response": False})
    p.audio(spoken(1, 0))
    await p.settle()
    assert not p.of("response.created")
    p.say("response.create", event_id="mine")
    assert p.kinds[-1] == "response.created"
    await p.settle()
    assert p.last("response.done")["response"]["output"][0]["content"][0]["transcript"] == "w1"


async def test_manual_commit():
    p = RealtimePeer()
    p.turns(None)
    p.audio(spoken(1, 2, 0))
    await p.settle()
    assert not p.of("input_audio_buffer.speech_started")
    p.say("input_audio_buffer.commit")
    p.say("response.create")
    await p.settle()
    kinds = p.kinds[2:]
    assert kinds[:3] == [
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
    ]  # fmt: skip
    completed = p.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "w1 w2"
    assert completed["item_id"] == p.last("input_audio_buffer.committed")["item_id"]
    assert p.last("response.done")["response"]["status"] == "completed"
    assert p.sound


async def test_two_commits_are_two_items_with_their_own_words():
    p = RealtimePeer(query=(("intent", "transcription"),))
    p.say(
        "session.update",
        session={"type": "transcription", "audio": {"input": {"turn_detection": None}}},
    )
    for word in (1, 2):
        p.audio(spoken(word, 0))
        p.say("input_audio_buffer.commit")
    names = [event["item_id"] for event in p.of("input_audio_buffer.committed")]
    completed = p.of("conversation.item.input_audio_transcription.completed")
    assert [(e["item_id"], e["transcript"]) for e in completed] == list(
        zip(names, ("w1", "w2"), strict=True)
    )
    assert [e["previous_item_id"] for e in p.of("input_audio_buffer.committed")] == [None, names[0]]
    deltas = p.of("conversation.item.input_audio_transcription.delta")
    for name, word in zip(names, ("w1", "w2"), strict=True):
        assert "".join(e["delta"] for e in deltas if e["item_id"] == name) == word


async def test_a_transcription_session_never_answers():
    p = RealtimePeer(query=(("intent", "transcription"),))
    created = p.told[0]["session"]
    assert created["type"] == "transcription"
    assert "model" not in created
    assert "output" not in created["audio"]
    p.say(
        "session.update",
        session={"type": "transcription", "audio": {"input": {"turn_detection": VAD}}},
    )
    p.audio(spoken(1, 2, 0, 3, 0))
    await p.settle()
    completed = p.of("conversation.item.input_audio_transcription.completed")
    assert [event["transcript"] for event in completed] == ["w1 w2", "w3"]
    assert not [kind for kind in p.kinds if kind.startswith("response.")]
    p.say("response.create", event_id="no")
    assert p.last("error")["error"]["event_id"] == "no"


async def test_deltas_of_a_transcription_come_while_somebody_speaks():
    p = RealtimePeer(query=(("intent", "transcription"),))
    p.audio(spoken(1, 2))
    assert "".join(e["delta"] for e in p.of(TURN[5])) == "w1 w2"
    assert not p.of("input_audio_buffer.committed")


async def test_without_turn_detection_no_words_are_wanted_unless_asked_for():
    p = RealtimePeer()
    p.update(audio={"input": {"turn_detection": VAD}})
    p.audio(spoken(1, 0))
    await p.settle()
    assert not [kind for kind in p.kinds if "transcription" in kind]
    item = p.last("input_audio_buffer.committed")["item_id"]
    p.say("conversation.item.retrieve", item_id=item)
    assert p.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == "w1"


async def test_prefix_padding_is_in_the_start():
    p = RealtimePeer()
    p.turns({**VAD, "prefix_padding_ms": 100})
    p.audio(bytes(48 * 400) + spoken(1, 0))
    await p.settle()
    assert p.last("input_audio_buffer.speech_started")["audio_start_ms"] == 300


# ── text, tools, cancelling ──


async def test_text_in_and_text_out():
    p = RealtimePeer()
    p.update(output_modalities=["text"])
    p.say(
        "conversation.item.create",
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "say it again"}],
        },
    )
    p.say("response.create", response={"metadata": {"topic": "test"}})
    await p.settle()
    assert p.kinds[2:] == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert p.last("response.output_text.done")["text"] == "say it again"
    assert "".join(e["delta"] for e in p.of("response.output_text.delta")) == "say it again"
    done = p.last("response.done")["response"]
    assert done["metadata"] == {"topic": "test"}
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "say it again"}]


async def test_a_tool_is_asked_for_and_its_result_is_told():
    tooled = Tooled()
    p = RealtimePeer(agent(responder=tooled))
    clock = {"type": "function", "name": "clock", "parameters": {"type": "object"}}
    p.turns(VAD, tools=[clock], instructions="Be short.")
    p.audio(spoken(1, 0))
    await p.settle()
    assert p.kinds[-9:] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    call = p.last("response.done")["response"]["output"][0]
    assert (call["call_id"], call["name"], call["arguments"]) == (
        "call_1", "clock", '{"zone":"UTC"}',
    )  # fmt: skip
    question = tooled.questions[0]
    assert question.options.instructions == "Be short."
    assert [tool.name for tool in question.options.tools] == ["clock"]
    p.say(
        "conversation.item.create",
        item={"type": "function_call_output", "call_id": "call_1", "output": "noon"},
    )
    await p.settle()
    assert len(p.of("response.created")) == 1, "the client asks for what follows, nobody else"
    p.say("response.create")
    await p.settle()
    assert p.last("response.output_audio_transcript.done")["transcript"] == "It is noon."


async def test_a_response_can_be_cancelled():
    p = RealtimePeer()
    p.turns({**VAD, "create_response": False})
    p.audio(spoken(1, 2, 3, 0))
    p.say("response.create")
    p.say("response.cancel")
    await p.settle()
    done = p.last("response.done")["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    p.say("response.cancel", event_id="again")
    error = p.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "again")


async def test_barge_in_ends_the_answer_and_says_how_much_was_heard():
    words = list(range(1, 13))
    p = RealtimePeer()
    p.turns(VAD)
    p.audio(spoken(*words, 0))
    await p.settle()
    # A voice that is still being heard, although all of it was made already.
    assert p.house.timers is not None
    p.house.pass_time(0.3)
    p.audio(spoken(20))
    await p.settle()
    assert p.last("input_audio_buffer.speech_started")
    # The client played some of it and says so.
    item = p.last("response.output_item.done")["item"]["id"]
    p.say("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=300)
    assert p.last("conversation.item.truncated")["audio_end_ms"] == 300
    p.say("conversation.item.retrieve", item_id=item)
    assert p.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == ""


async def test_one_response_at_a_time():
    p = RealtimePeer()
    p.turns(None)
    p.say("response.create")
    p.say("response.create", event_id="second")
    error = p.last("error")["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"
    p.say("response.create", response={"conversation": "none", "input": []})
    assert len(p.of("response.created")) == 2
    await p.settle()
    assert len(p.of("response.done")) == 2


async def test_an_engine_that_does_not_answer_says_so():
    p = RealtimePeer(ScriptedEngine("heard", timers=ManualTimers()))
    p.update()
    p.say("response.create")
    await p.settle()
    done = p.last("response.done")["response"]
    assert done["status"] == "failed"
    assert "no voice" in done["status_details"]["error"]["message"]


async def test_an_answer_apart_leaves_the_conversation_as_it_is():
    p = RealtimePeer()
    p.turns(None)
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hm"}]}
    asked = {"conversation": "none", "input": [said], "output_modalities": ["text"]}
    p.say("response.create", response=asked)
    await p.settle()
    done = p.last("response.done")["response"]
    assert done["output"][0]["content"][0]["text"] == "hm"
    assert "conversation_id" not in done
    assert not p.of("conversation.item.added")


# ── items ──


async def test_items_are_put_shown_and_taken_out():
    p = RealtimePeer()
    for name, after in (("b", None), ("a", "root"), ("c", "b")):
        p.say(
            "conversation.item.create",
            previous_item_id=after,
            item={
                "id": name,
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": name}],
            },
        )
    chain = [(e["previous_item_id"], e["item"]["id"]) for e in p.of("conversation.item.added")]
    assert chain == [(None, "b"), (None, "a"), ("b", "c")]
    p.say("conversation.item.delete", item_id="b")
    assert p.last("conversation.item.deleted")["item_id"] == "b"
    p.say("conversation.item.retrieve", item_id="b", event_id="gone")
    assert p.last("error")["error"]["event_id"] == "gone"
    p.say("conversation.item.create", item={"id": "a", "type": "message", "role": "user",
                                            "content": []}, event_id="twice")  # fmt: skip
    assert p.last("error")["error"]["event_id"] == "twice"


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"type": "mcp_call"}, "invalid_value"),
        ({"type": "message", "role": "king", "content": []}, "invalid_value"),
        ({"type": "message", "role": "user"}, "missing_required_parameter"),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_image"}]},
            "unsupported_content_type",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": ""}]},
            "unsupported_content_type",
        ),
        ({"type": "function_call_output", "output": "x"}, "missing_required_parameter"),
    ],
)
def test_items_that_are_not_taken(item: Any, code: str):
    p = RealtimePeer()
    p.say("conversation.item.create", item=item, event_id="mine")
    error = p.last("error")["error"]
    assert (error["code"], error["event_id"]) == (code, "mine")
    assert p.close is None


# ── the session ──


def test_an_update_merges_and_shows_the_whole_session():
    p = RealtimePeer()
    p.update(instructions="Be short.")
    p.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
    session = p.last("session.updated")["session"]
    assert session["instructions"] == "Be short."
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["model"] == "gpt-realtime"
    p.update(instructions="", audio={"input": {"turn_detection": None}})
    session = p.last("session.updated")["session"]
    assert session["instructions"] == ""
    assert session["audio"]["input"]["turn_detection"] is None
    turns = p.session.options.recognition.turns
    assert (turns.detect, turns.confidence) == (False, None)


@pytest.mark.parametrize(
    ("session", "code", "word"),
    [
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({}, "missing_required_parameter", "session.type"),
        ({"type": "realtime", "modalities": ["text"]}, "unknown_parameter", "session.modalities"),
        ({"type": "realtime", "output_modalities": ["audio", "text"]}, "invalid_value", "session"),
        (
            {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 8}}}},
            "invalid_value",
            "session.audio",
        ),
        ({"type": "realtime", "audio": {"output": {"speed": 9}}}, "invalid_value", "session"),
        ({"type": "realtime", "tools": [{"type": "mcp"}]}, "invalid_value", "session.tools"),
        ({"type": "realtime", "tools": [{"type": "function"}]}, "missing_required", "session"),
    ],
)
def test_an_update_that_cannot_be_is_an_error_and_the_session_goes_on(
    session: Any, code: str, word: str
):
    p = RealtimePeer()
    before = p.told[0]["session"]
    p.say("session.update", session=session, event_id="mine")
    error = p.last("error")["error"]
    assert error["code"].startswith(code)
    assert error["param"].startswith(word)
    assert error["event_id"] == "mine"
    p.update()
    assert p.last("session.updated")["session"] == before


def test_the_format_is_declared_once():
    p = RealtimePeer()
    telephone = {"type": "audio/pcmu"}
    p.update(audio={"input": {"format": telephone}, "output": {"format": telephone}})
    assert p.last("session.updated")["session"]["audio"]["input"]["format"] == telephone
    assert p.session.source is not None
    assert p.session.source.encoding == "mulaw"
    p.update(audio={"input": {"format": {"type": "audio/pcm", "rate": 24_000}}})
    assert "formats" in p.last("error")["error"]["message"]


async def test_the_voice_cannot_change_once_it_was_heard():
    p = RealtimePeer()
    p.update(audio={"output": {"voice": "marin"}})
    p.turns(VAD)
    p.audio(spoken(1, 0))
    await p.settle()
    p.update(audio={"output": {"voice": "cedar"}}, instructions="x")
    assert p.last("error")["error"]["code"] == "cannot_update_voice"
    p.update()
    assert p.last("session.updated")["session"]["instructions"] == ""


# ── opening, keys, closing ──


def test_a_browser_gets_its_subprotocol_and_never_its_key():
    offered = "realtime, openai-insecure-api-key.SECRET, openai-agents-sdk.0.20.0"
    p = RealtimePeer(headers=(("sec-websocket-protocol", offered),))
    accept = p.channel.sent[0]
    assert isinstance(accept, Accept)
    assert accept.subprotocol == "realtime"
    assert ("x-request-id", ID) in accept.headers
    assert accept.max_message >= 20 << 20
    configure = RealtimeServer().open(
        Opening(headers=(("sec-websocket-protocol", offered),), id=ID), 0.0
    )[0]
    assert configure.credential == "SECRET"


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (Denied("no"), 3000, "invalid_request_error.invalid_api_key"),
        (Overloaded("full"), 1013, "rate_limit_error.rate_limit_exceeded"),
        (Overloaded("stop", code="draining"), 1012, "server_error.draining"),
        (EngineFailed("broke"), 1011, "server_error.engine_failed"),
        (CODES["session_limit"]("x", code="session_limit"), 1001, _EXPIRED),
    ],
)  # fmt: skip
def test_refusals_are_said_behind_the_upgrade(error: Any, code: int, reason: str):
    server = RealtimeServer()
    server.open(Opening(id=ID), 0.0)
    accept, text, close = server.send(Ended(reason="refused", error=error.fault()), 0.0)
    assert isinstance(accept, Accept)
    assert json.loads(text.data)["type"] == "error"
    assert close == Close(code, reason)


def test_a_model_in_the_url_of_a_transcription_is_refused():
    p = RealtimePeer(query=(("intent", "transcription"), ("model", "gpt-realtime")))
    assert p.last("error")["error"]["code"] == "invalid_model"
    assert p.close is not None


def test_an_ephemeral_key_brings_its_session():
    carried = {"type": "transcription", "audio": {"input": {"transcription": {"model": "m"}}}}
    key = ephemeral("ossicle-t.payload.signature", carried)
    headers = (("authorization", f"Bearer {key}"),)
    p = RealtimePeer(query=(), headers=headers)
    session = p.told[0]["session"]
    assert session["type"] == "transcription"
    assert session["audio"]["input"]["transcription"] == {"model": "m"}
    configure = RealtimeServer().open(Opening(headers=headers), 0.0)[0]
    assert configure.credential == "ossicle-t.payload.signature"


# ── bad input ──


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"type":3}',
        '{"type":"dance","event_id":"mine"}',
        '{"type":"session.update","event_id":"mine"}',
        '{"type":"session.update","session":[],"event_id":"mine"}',
        '{"type":"input_audio_buffer.append","audio":"***","event_id":"mine"}',
        '{"type":"input_audio_buffer.append","audio":[1],"event_id":"mine"}',
        '{"type":"\\ud800"}',
        '{"type":' * 2_000,
    ],
)
def test_json_that_is_no_event_is_an_error_with_the_clients_name(text: str):
    p = RealtimePeer()
    p.text(text)
    error = p.last("error")["error"]
    assert error["type"] == "invalid_request_error"
    assert error.get("event_id", "") == ("mine" if '"mine"' in text else "")
    assert p.close is None


def test_an_empty_commit_is_an_error():
    p = RealtimePeer()
    p.turns(None)
    p.audio(bytes(4_799))
    p.say("input_audio_buffer.commit", event_id="early")
    error = p.last("error")["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["event_id"] == "early"


def test_fifteen_megabytes_in_one_event_are_heard_whole_and_in_order():
    p = RealtimePeer(ScriptedEngine("heard", timers=ManualTimers()), (("intent", "transcription"),))
    p.say(
        "session.update",
        session={"type": "transcription", "audio": {"input": {"turn_detection": None}}},
    )
    data = spoken(*range(1, 30), 0)
    data = data + bytes((15 << 20) - len(data))
    p.say("input_audio_buffer.append", audio=base64.b64encode(data).decode())
    p.say("input_audio_buffer.commit")
    for _ in range(400):
        p.house.pass_time(0.002)
    assert p.session.taken_bytes == 15 << 20
    (completed,) = p.of("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"].split() == [f"w{n}" for n in range(1, 30)]


def test_more_than_fifteen_megabytes_are_refused():
    p = RealtimePeer()
    data = base64.b64encode(bytes((15 << 20) + 1)).decode()
    p.say("input_audio_buffer.append", audio=data, event_id="big")
    error = p.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("request_too_large", "big")
    assert p.session.taken_bytes == 0


def test_a_binary_message_is_nothing():
    p = RealtimePeer()
    p.message(Binary(b"\0" * 320))
    assert p.kinds == ["session.created"]


# ── legs that share a session ──


class _Joining:
    """A house that lets a leg join one session."""

    def __init__(self, peer: RealtimePeer) -> None:
        self.peer = peer
        self.timers = peer.house.timers

    def admit(self, leg: Leg, configure: Configure) -> None:
        assert configure.join is not None
        assert configure.join.role == "controller"
        self.peer.session.attach(leg, "controller", since=configure.join.since)


async def test_a_sideband_sees_what_happens_and_may_ask():
    p = RealtimePeer()
    p.turns(VAD)
    p.audio(spoken(1, 0))
    await p.settle()
    channel = HandChannel()
    leg = Leg(RealtimeServer(p.books), channel, _Joining(p))
    leg.start(Opening(id="0" * 32, query=(("call_id", p.session.id),)))

    def told() -> list[Any]:
        return [json.loads(m.data) for m in channel.sent if isinstance(m, Text)]

    assert [event["type"] for event in told()] == ["session.created"]
    assert told()[0]["session"]["id"] == p.told[0]["session"]["id"]
    user = p.last("input_audio_buffer.committed")["item_id"]
    leg.received(Text(json.dumps({"type": "conversation.item.retrieve", "item_id": user})))
    assert told()[-1]["item"]["content"][0]["transcript"] == "w1"
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    leg.received(Text(json.dumps({"type": "conversation.item.create", "item": message})))
    leg.received(Text(json.dumps({"type": "response.create"})))
    await p.settle()
    mine = [e for e in told() if e["type"] == "response.done"][-1]["response"]
    theirs = p.last("response.done")["response"]
    assert mine == theirs
    assert mine["output"][0]["content"][0]["transcript"] == "x"
    added = p.last("conversation.item.added")
    assert added["item"]["id"] == mine["output"][0]["id"]
    before = p.session.taken_bytes
    audio = base64.b64encode(bytes(480)).decode()
    leg.received(Text(json.dumps({"type": "input_audio_buffer.append", "audio": audio})))
    assert told()[-1]["type"] == "error"
    assert p.session.taken_bytes == before


def test_a_book_lives_as_long_as_its_legs():
    books = Books()
    book, held = books.of("s")
    assert not held
    assert books.of("s") == (book, True)
    del book
    assert books.of("s")[1] is False


# ── a channel with media ──


def on_a_track(**more: Any) -> RealtimePeer:
    p = RealtimePeer(media=True, **more)
    p.turns(VAD)
    return p


def heard_of(p: RealtimePeer, most: int = 10_000) -> None:
    """The track tells its marks, the oldest first."""
    for mark in [m for m in p.channel.sent if isinstance(m, Mark)][:most]:
        p.message(mark)


async def test_on_a_track_sound_is_media_and_its_end_is_told():
    p = on_a_track()
    p.message(Media(marked_audio([1, 2, 0])))
    await p.settle()
    assert not p.of("response.output_audio.delta")
    assert any(isinstance(message, Media) for message in p.channel.sent)
    assert p.of("output_audio_buffer.started")
    assert not p.of("output_audio_buffer.stopped")
    heard_of(p)
    stopped = p.last("output_audio_buffer.stopped")
    assert stopped["response_id"] == p.last("response.done")["response"]["id"]
    p.say("output_audio_buffer.clear")
    assert any(isinstance(message, Clear) for message in p.channel.sent)
    assert not p.of("output_audio_buffer.cleared")  # nothing was being heard
    assert p.session.source == AudioFormat("pcm_s16le", 16_000)


async def test_a_track_has_one_format_whatever_is_asked_for():
    p = on_a_track()
    p.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
    assert p.last("session.updated")["session"]["audio"]["input"]["format"] == {
        "type": "audio/pcmu"
    }
    p.message(Media(marked_audio([1, 0])))
    await p.settle()
    assert p.last(TURN[6])["transcript"] == "w1"
    p.say("input_audio_buffer.append", audio="AAAA", event_id="no")
    assert "track" in p.last("error")["error"]["message"]


async def test_push_to_talk_on_a_track():
    p = RealtimePeer(media=True)
    p.turns(None)
    p.message(Media(bytes(32 * 99)))
    p.say("input_audio_buffer.commit")
    assert p.last("error")["error"]["code"] == "input_audio_buffer_commit_empty"
    p.message(Media(marked_audio([1, 0])))
    p.say("input_audio_buffer.commit")
    p.say("response.create")
    await p.settle()
    assert p.last("response.done")["response"]["output"][0]["content"][0]["transcript"] == "w1"


@pytest.mark.parametrize("ahead_ms", [300, 60_000])
async def test_who_interrupts_on_a_track_is_told_what_was_heard(ahead_ms: int):
    """Whether the answer was still being made, or was made whole and still being heard."""
    p = on_a_track(settings=SessionSettings(speak_ahead_ms=ahead_ms))
    p.message(Media(marked_audio([*range(1, 13), 0])))
    await p.settle()
    heard_of(p, 2)
    p.message(Media(marked_audio([20])))
    await p.settle()
    answer = p.of("response.created")[0]["response"]["id"]
    assert p.last("output_audio_buffer.cleared")["response_id"] == answer
    (truncated,) = p.of("conversation.item.truncated")
    assert truncated["audio_end_ms"] == 2 * 60  # a tone for each character
    p.say("conversation.item.retrieve", item_id=truncated["item_id"])
    content = p.last("conversation.item.retrieved")["item"]["content"]
    assert content == [{"type": "output_audio", "transcript": ""}]
    status = p.of("response.done")[0]["response"]["status"]
    assert status == ("cancelled" if ahead_ms == 300 else "completed")


@pytest.mark.parametrize("ahead_ms", [300, 60_000])
async def test_a_client_clears_what_is_on_its_way(ahead_ms: int):
    p = on_a_track(settings=SessionSettings(speak_ahead_ms=ahead_ms))
    p.message(Media(marked_audio([*range(1, 13), 0])))
    await p.settle()
    heard_of(p, 3)
    p.say("output_audio_buffer.clear")
    await p.settle()
    assert len(p.of("output_audio_buffer.cleared")) == 1
    (truncated,) = p.of("conversation.item.truncated")
    assert truncated["audio_end_ms"] == 3 * 60
    if ahead_ms == 300:
        details = p.last("response.done")["response"]["status_details"]
        assert details == {"type": "cancelled", "reason": "client_cancelled"}


def test_a_call_is_refused_in_the_answer_to_its_offer():
    server = RealtimeServer()
    media = Opening(id=ID, traits=ChannelTraits(media=True))
    server.open(media, 0.0)
    (close,) = server.send(Ended(reason="refused", error=Denied("no").fault()), 0.0)
    assert isinstance(close, Close)
    assert close.code == 401
    assert json.loads(close.body)["error"]["code"] == "invalid_api_key"
    asked = msgspec.structs.replace(media, parts=(Part("session", b'{"dance":1}'),))
    (close,) = RealtimeServer().open(asked, 0.0)
    assert json.loads(close.body)["error"]["code"] == "unknown_parameter"


async def test_the_end_of_a_call_is_not_answered():
    p = on_a_track()
    p.message(Media(marked_audio([1, 2])))
    p.message(Close(1000))
    assert p.close == Close(1000)
    await p.settle()
    assert not p.of("response.created")


# ── nobody speaks ──


IDLE = {**VAD, "idle_timeout_ms": 5_000}


async def idle(p: RealtimePeer, send: Any) -> None:
    """A turn and its answer, then silence."""
    send([1, 0])
    await p.settle()
    p.house.pass_time(1.0)
    for _ in range(6):
        send([0] * 25)  # more than a second of silence
        p.house.pass_time(1.0)
    await p.settle()


async def test_who_says_nothing_for_long_is_spoken_to():
    p = RealtimePeer()
    p.turns(IDLE)
    await idle(p, lambda words: p.audio(spoken(*words)))
    (triggered,) = p.of("input_audio_buffer.timeout_triggered")
    assert 4_000 <= triggered["audio_end_ms"] - triggered["audio_start_ms"] <= 5_000
    kinds = [event["type"] for event in p.told]
    at = kinds.index("input_audio_buffer.timeout_triggered")
    assert kinds[at + 1 : at + 6] == [
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
        TURN[6], "response.created",
    ]  # fmt: skip
    item = triggered["item_id"]
    assert p.of("input_audio_buffer.committed")[1]["item_id"] == item
    assert p.last(TURN[6])["transcript"] == ""
    assert len(p.of("response.done")) == 2
    # A client that is muted sends nothing, and is left alone from then on.
    p.house.pass_time(30.0)
    await p.settle()
    assert len(p.of("input_audio_buffer.timeout_triggered")) == 1


@pytest.mark.parametrize(
    "detection", [VAD, {"type": "semantic_vad"}, {**IDLE, "create_response": False}]
)
async def test_who_did_not_ask_for_it_is_not(detection: Any):
    p = RealtimePeer()
    p.turns(detection)
    await idle(p, lambda words: p.audio(spoken(*words)))
    assert not p.of("input_audio_buffer.timeout_triggered")


# ── what an engine knows of its words ──


class _Knowing:
    """Says one turn, with words that have speakers and confidences."""

    capabilities = Capabilities(name="knowing", hears=(PCM16K,), diarize=True)

    async def open(self, options: Options, sink: Any) -> Any:
        words = (
            Word("go", 0, 200, 0.5, speaker="A"),
            Word("on", 200, 400, 1.0, speaker="A"),
            Word("no", 400, 600, 0.25, speaker="B"),
        )
        return _Told(sink, Transcript(text="go on no", words=words, final=True, ends_turn=True))


class _Told:
    def __init__(self, sink: Any, said: Transcript) -> None:
        self._sink, self._said = sink, said

    def audio(self, data: bytes) -> None:
        self._sink.tell(self._said)

    def ask(self, command: Any) -> None: ...
    def credit(self, until_ms: int) -> None: ...
    def abort(self) -> None: ...


@pytest.mark.parametrize("wanted", [True, False])
async def test_segments_and_logprobs_where_the_engine_has_them(wanted: bool):
    p = RealtimePeer(_Knowing(), (("intent", "transcription"),))
    include = ["item.input_audio_transcription.logprobs"] if wanted else []
    model = {"model": "gpt-4o-transcribe-diarize"}
    session = {"type": "transcription", "include": include}
    p.say("session.update", session={**session, "audio": {"input": {"transcription": model}}})
    assert p.session.options.recognition.diarize
    p.audio(bytes(4_800))
    await p.settle()
    segments = p.of("conversation.item.input_audio_transcription.segment")
    assert [(e["speaker"], e["text"], e["start"], e["end"]) for e in segments] == [
        ("A", "go on", 0.0, 0.4), ("B", "no", 0.4, 0.6),
    ]  # fmt: skip
    completed = p.last(TURN[6])
    assert ("logprobs" in completed) is wanted
    if wanted:
        assert [each["token"] for each in completed["logprobs"]] == ["go", " on", " no"]


# ── the beta ──


async def test_the_beta_speaks_its_own_words():
    p = RealtimePeer(headers=(("openai-beta", "realtime=v1"),))
    assert p.kinds == ["session.created", "conversation.created"]
    created = p.told[0]["session"]
    assert created["modalities"] == ["audio", "text"]
    assert created["input_audio_format"] == "pcm16"
    p.say(
        "session.update",
        session={
            "turn_detection": VAD,
            "input_audio_transcription": {"model": "whisper-1"},
            "modalities": ["text", "audio"],
        },
    )
    assert p.last("session.updated")["session"]["turn_detection"]["silence_duration_ms"] == 200
    p.audio(spoken(1, 0))
    await p.settle()
    kinds = p.kinds
    assert "conversation.item.created" in kinds
    assert "conversation.item.added" not in kinds
    assert "response.audio.delta" in kinds
    assert "response.audio_transcript.done" in kinds
    done = p.last("response.done")["response"]
    assert done["output"][0]["content"][0]["type"] == "audio"
    assert done["modalities"] == ["audio", "text"]


def test_audio_is_declared_by_the_first_sound():
    server = RealtimeServer()
    server.open(Opening(id=ID), 0.0)
    server.send(Began(session="s"), 0.0)
    text = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"})
    configure, audio = server.receive(Text(text), 0.0)
    assert configure.format.sample_rate == 24_000
    assert audio == Audio(data=bytes(3))
    assert server.receive(Text(text), 0.0) == (Audio(data=bytes(3)),)
