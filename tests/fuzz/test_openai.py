"""Whatever arrives, OpenAI's dialects take it, or refuse it in their own words."""

import json
import re
import sys
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ossicle.audio.speechfile import speech_file
from ossicle.core.commands import Audio, Configure
from ossicle.core.errors import OssicleError
from ossicle.core.events import (
    Asked,
    AudioOut,
    Began,
    Configured,
    Ended,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)
from ossicle.core.wire import Accept, Binary, Close, Fin, Mark, Opening, Ping, Text
from ossicle.dialects.openai import RealtimeClient, RealtimeServer
from ossicle.dialects.openai.credentials import session_in, token_in
from ossicle.dialects.openai.multipart import Field, FileBegan, FileEnded, Multipart
from ossicle.dialects.openai.settings import Settings, patch_of, updated
from ossicle.dialects.openai.speech_request import SpeechRequest
from ossicle.dialects.openai.transcription_request import TranscriptionRequest

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "dialects" / "openai"))

from realtime_table import CLIENT, MALFORMED, SERVER  # type: ignore[import-not-found]

from mutations import anything, misfilled, mutated

pytestmark = pytest.mark.fuzz

GOOD = [row[1] for row in (*CLIENT, *SERVER)]
SEEDS = GOOD + [text for _, text in MALFORMED]

NAMES = st.sampled_from(
    (
        *("type", "model", "output_modalities", "instructions", "audio", "tools", "tool_choice"),
        *("max_output_tokens", "include", "tracing", "input", "output", "format", "rate"),
        *("transcription", "turn_detection", "noise_reduction", "voice", "speed", "eagerness"),
    )
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    anything
    | st.sampled_from(("realtime", "transcription", "server_vad", "semantic_vad", "audio/pcm")),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=10,
)
updates = st.dictionaries(NAMES, VALUES, max_size=4).map(
    lambda session: json.dumps({"type": "session.update", "session": session})
)
items = st.dictionaries(
    st.sampled_from(("id", "type", "role", "content", "call_id", "output", "name", "arguments")),
    VALUES
    | st.sampled_from(("message", "function_call", "function_call_output", "user", "assistant")),
).map(lambda item: json.dumps({"type": "conversation.item.create", "item": item}))
texts = (
    mutated(SEEDS)
    | misfilled(GOOD)
    | updates
    | items
    | anything.map(json.dumps)
    | st.text(max_size=40)
)
messages = st.one_of(
    texts.map(Text),
    st.binary(max_size=20).map(Binary),
    st.builds(Close, st.none() | st.integers(0, 5_000), st.text(max_size=20)),
    st.just(Ping()),
    st.just(Fin()),
    st.text(max_size=3).map(Mark),
)
events = st.one_of(
    st.builds(SpeechStarted, side=st.sampled_from(("in", "out")), turn=st.integers(0, 2),
              utterance=st.sampled_from(("", "a", "b"))),
    st.builds(SpeechEnded, side=st.sampled_from(("in", "out")), turn=st.integers(0, 2),
              utterance=st.sampled_from(("", "a", "b")), ref=st.sampled_from(("", "resp_1"))),
    st.builds(Transcript, text=st.text(max_size=5), side=st.sampled_from(("in", "out")),
              turn=st.integers(0, 2), final=st.booleans(), ends_turn=st.booleans(),
              stable=st.integers(0, 5), utterance=st.sampled_from(("", "a", "b")),
              ref=st.sampled_from(("", "item_1"))),
    st.builds(AudioOut, utterance=st.sampled_from(("a", "b")), data=st.binary(max_size=4)),
    st.builds(Asked, utterance=st.sampled_from(("a", "b")), call=st.text(max_size=3)),
    st.builds(Told, ref=st.sampled_from(("", "item_1"))),
    st.builds(Notice, level=st.just("error"), ref=st.sampled_from(("", "resp_1"))),
    st.just(Configured()),
)  # fmt: skip


@pytest.mark.parametrize("query", [(), (("intent", "transcription"),), (("call_id", "x"),)])
@pytest.mark.parametrize("headers", [(), (("openai-beta", "realtime=v1"),)])
@settings(max_examples=150, derandomize=True, deadline=None)
@given(told=st.lists(messages | events, max_size=6))
@example(told=[Text(text) for text in SEEDS])
def test_the_server_half(
    query: tuple[tuple[str, str], ...], headers: tuple[tuple[str, str], ...], told: list[Any]
):
    server = RealtimeServer()
    server.open(Opening(id="i", query=query, headers=headers), 0.0)
    server.send(Began(session="s"), 0.0)
    closed = False
    for number, each in enumerate(told):
        wire = type(each).__module__ == Accept.__module__
        steps = server.receive(each, 0.0) if wire else server.send(each, 0.0)
        assert not (closed and steps), "it went on after its own Close"
        closed = closed or any(isinstance(step, Close) for step in steps)
        for step in (*steps, *server.expire(float(number + 1))):
            assert not isinstance(step, Accept)
            if isinstance(step, Text):
                assert json.loads(step.data)["event_id"]
            if isinstance(step, Close):
                assert len(step.reason.encode()) <= 123
    assert closed == (server.send(Ended(), 0.0) == ())


appends = st.builds(
    lambda audio, more, behind: json.dumps(
        {"type": "input_audio_buffer.append", **more, "audio": audio}
        if behind
        else {"audio": audio, "type": "input_audio_buffer.append", **more}
    ),
    st.binary(max_size=9).map(lambda data: b64encode(data).decode())
    | st.text(max_size=4)
    | anything,
    st.just({}) | st.dictionaries(st.sampled_from(("event_id", "x", "audio", "type")), anything),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=400, derandomize=True, deadline=None)
@given(told=st.lists(appends | appends | texts, max_size=8), declared=st.booleans())
def test_the_short_way_of_sound_and_the_long_one_say_the_same(told: list[str], declared: bool):
    def run(short: bool) -> list[Any]:
        server = RealtimeServer()
        server.open(Opening(id="i"), 0.0)
        server.send(Began(session="s"), 0.0)
        if declared:
            server.receive(Text('{"type":"session.update","session":{"type":"realtime"}}'), 0.0)
        said: list[Any] = []
        for number, text in enumerate(told):
            audio = server.spelled(text) if short else None
            steps = (Audio(audio),) if audio is not None else server.receive(Text(text), 0.0)
            for step in (*steps, *server.expire(float(number))):
                if isinstance(step, Audio) and said and isinstance(said[-1], bytes):
                    said[-1] += step.data
                elif isinstance(step, Text):
                    said.append(re.sub('"(event|item|sess|resp)_[^"]*"', '"id"', step.data))
                else:
                    said.append(step.data if isinstance(step, Audio) else step)
        return said

    assert run(short=True) == run(short=False)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(told=st.lists(messages, max_size=4), talks=st.booleans())
@example(told=[Text(text) for text in SEEDS], talks=True)
def test_the_client_half(told: list[Any], talks: bool):
    client = RealtimeClient(talks=talks)
    client.open(Configure())
    ends = 0
    for message in told:
        for step in client.receive(message, 0.0):
            ends += isinstance(step, Ended)
    assert ends <= 1


@settings(max_examples=300, derandomize=True, deadline=None)
@given(change=st.dictionaries(NAMES, VALUES, max_size=5))
def test_an_update_is_taken_or_refused(change: dict[str, Any]):
    try:
        made = updated(Settings(), change)
    except OssicleError:
        return
    patch_of(made)
    assert updated(made, {"type": made.type}) == made


@settings(max_examples=200, derandomize=True, deadline=None)
@given(key=st.text(max_size=40) | st.text(max_size=20).map("ek_a.b.c.".__add__))
def test_keys(key: str):
    assert isinstance(session_in(key), dict)
    assert isinstance(token_in(key), str)


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF\r\n--\r\n'
    b"--x--\r\n"
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(0, len(FORM)), max_size=8))
def test_a_form_is_the_same_however_it_is_cut(cuts: list[int]):
    places = [0, *sorted(cuts), len(FORM)]
    body = Multipart("x")
    found = [each for one, other in pairwise(places) for each in body.feed(FORM[one:other])]
    assert body.complete
    assert b"".join(each for each in found if isinstance(each, bytes)) == b"RIFF\r\n--"
    assert [each for each in found if not isinstance(each, bytes)] == [
        Field("model", "whisper-1"), FileBegan("file", "a"), FileEnded(),
    ]  # fmt: skip


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    pieces=st.lists(
        st.binary(max_size=20) | st.sampled_from([FORM[:30], FORM[30:], b"\r\n--x", b"--x--"]),
        max_size=6,
    )
)
def test_bodies_of_recordings(pieces: list[bytes]):
    request = TranscriptionRequest()
    request.open(Opening(headers=(("content-type", "multipart/form-data; boundary=x"),)), 0.0)
    closes = 0
    for message in (*map(Binary, pieces), Fin()):
        for step in request.receive(message, 0.0):
            closes += isinstance(step, Close)
    assert closes <= 1


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    body=st.binary(max_size=30)
    | st.dictionaries(
        st.sampled_from(("input", "model", "voice", "response_format", "speed", "stream_format")),
        anything | st.sampled_from(("mp3", "pcm", "sse")),
    ).map(lambda body: json.dumps(body).encode())
)
def test_bodies_of_texts(body: bytes):
    request = SpeechRequest(speech_file)
    request.open(Opening(), 0.0)
    steps = (*request.receive(Binary(body), 0.0), *request.receive(Fin(), 0.0))
    assert isinstance(steps[0], Configure | Close)
