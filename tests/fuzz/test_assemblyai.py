"""Whatever arrives, both halves of AssemblyAI's dialects take it, or refuse it in their words."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Configure
from ossicle.core.endpoint import Minted, Request
from ossicle.core.events import Began, Ended, Event, SpeechStarted, Transcript, Word
from ossicle.core.ports import Dialect
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening, Ping, Text
from ossicle.dialects.assemblyai import (
    AssemblyClient,
    AssemblyServer,
    LegacyClient,
    LegacyServer,
)
from ossicle.dialects.assemblyai.endpoints import legacy_token, v3_token

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "dialects" / "assemblyai"))

from assembly_table import (  # type: ignore[import-not-found]
    CLIENT,
    LEGACY_CLIENT,
    LEGACY_MALFORMED,
    LEGACY_SERVER,
    MALFORMED,
    SERVER,
)

from mutations import anything, misfilled, mutated

pytestmark = pytest.mark.fuzz

GOOD = [row[1] for row in (*CLIENT, *SERVER, *LEGACY_CLIENT, *LEGACY_SERVER)]
SEEDS = GOOD + [text for _, text in (*MALFORMED, *LEGACY_MALFORMED)]
PCM = (("sample_rate", "16000"), ("inactivity_timeout", "5"), ("session_heartbeat", "true"))

texts = mutated(SEEDS) | misfilled(GOOD) | anything.map(json.dumps) | st.text(max_size=40)
messages = st.one_of(
    texts.map(Text),
    st.binary(max_size=20).map(Binary),
    st.builds(Close, st.none() | st.integers(0, 5_000), st.text(max_size=20)),
    st.just(Ping()),
    st.just(Fin()),
    st.just(Accept()),
)


@pytest.mark.parametrize(
    "make",
    [AssemblyServer, lambda: AssemblyServer(strict_audio=True), LegacyServer],
    ids=["v3", "v3 strict", "v2"],
)
@settings(max_examples=300, derandomize=True, deadline=None)
@given(told=st.lists(messages, max_size=4))
@example(told=[Text(text) for text in SEEDS])
def test_the_server_halves(make: Callable[[], Dialect], told: list[Any]):
    server = make()
    server.open(Opening(query=PCM), 0.0)
    server.send(Began(session="s"), 0.0)
    closed = False
    for message in told:
        steps = server.receive(message, 0.0)
        assert not (closed and steps), "it went on after its own Close"
        closed = closed or any(isinstance(step, Close) for step in steps)
        for step in steps:
            if isinstance(step, Close):
                assert len(step.reason.encode()) <= 123
            assert not isinstance(step, Accept)
    last = server.send(Ended(), 0.0)
    assert closed == (last == ())


@pytest.mark.parametrize("make", [AssemblyClient, LegacyClient])
@settings(max_examples=300, derandomize=True, deadline=None)
@given(told=st.lists(messages, max_size=4))
@example(told=[Text(text) for text in SEEDS])
def test_the_client_halves(make: Callable[[], Any], told: list[Any]):
    client = make()
    client.open(Configure())
    ends = 0
    for message in told:
        for step in client.receive(message, 0.0):
            ends += isinstance(step, Ended)
    assert ends <= 1


NAMES = st.sampled_from(
    (
        *("sample_rate", "encoding", "speech_model", "format_turns", "token", "vad_threshold"),
        *("end_of_turn_confidence_threshold", "min_turn_silence", "max_turn_silence"),
        *("inactivity_timeout", "keyterms_prompt", "language_codes", "language_code"),
        *("speaker_labels", "session_heartbeat", "acknowledge_silence", "word_boost"),
        *("disable_partial_transcripts", "enable_extra_session_information"),
    )
)
VALUES = st.text(max_size=10) | st.integers().map(str) | st.floats().map(str)
JSON = st.lists(st.text(max_size=5)).map(json.dumps)


@pytest.mark.parametrize("make", [AssemblyServer, LegacyServer])
@settings(max_examples=300, derandomize=True, deadline=None)
@given(query=st.lists(st.tuples(NAMES | st.text(max_size=8), VALUES | JSON), max_size=5))
@example(query=[("sample_rate", "1" + "0" * 5_000)])
@example(query=[("vad_threshold", "nan"), ("sample_rate", "16000")])
@example(query=[("keyterms_prompt", "[" * 5_000)])
@example(query=[("word_boost", '["\\ud800"]')])
def test_the_query(make: Callable[[], Dialect], query: list[tuple[str, str]]):
    accept, *rest = make().open(Opening(query=tuple(query)), 0.0)
    assert accept == Accept()
    if isinstance(rest[0], Configure):
        return
    text, close = rest
    assert isinstance(text, Text)
    assert "error" in json.loads(text.data)
    assert isinstance(close, Close)
    assert len(close.reason.encode()) <= 123


counts = st.integers(0, 2**40)
words = st.builds(Word, st.text(max_size=8), counts, counts, st.none() | st.floats(0, 1))
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(SpeechStarted, at_ms=st.none() | counts, turn=st.integers(0, 3)),
    st.builds(
        Transcript,
        text=st.text(max_size=12),
        start_ms=st.none() | counts,
        end_ms=st.none() | counts,
        final=st.booleans(),
        ends_turn=st.booleans(),
        stable=st.integers(0, 20),
        words=st.none() | st.lists(words, max_size=3).map(tuple),
        confidence=st.none() | st.floats(0, 1),
        end_confidence=st.none() | st.floats(0, 1),
        language=st.text(max_size=3),
    ),
)
INTEGERS = {
    *("start", "end", "timestamp", "turn_order", "audio_start", "audio_end"),
    *("audio_duration_seconds", "session_duration_seconds"),
}


@pytest.mark.parametrize("make", [AssemblyServer, LegacyServer])
@settings(max_examples=300, derandomize=True, deadline=None)
@given(told=st.lists(events, max_size=6))
def test_what_an_engine_says_never_breaks_a_client(make: Callable[[], Dialect], told: list[Event]):
    """The Python SDK dies of a fraction, the JavaScript one of a member named `error`."""
    server = make()
    server.open(Opening(query=(*PCM, ("format_turns", "true"))), 0.0)
    server.send(Began(session="s"), 0.0)

    def check(value: object) -> None:
        match value:
            case dict():
                assert "error" not in value
                for name, inner in value.items():
                    assert name not in INTEGERS or type(inner) is int, (name, inner)
                    check(inner)
            case list():
                for inner in value:
                    check(inner)
            case _:
                pass

    for event in told:
        for message in server.send(event, 0.5):
            assert isinstance(message, Text)
            check(json.loads(message.data))


class _Desk:
    async def owner(self, credential: str | None) -> str:
        return credential or ""

    async def mint(
        self, credential: str | None, ttl_s: float, limits: Any = None, *, once: bool = False
    ) -> Minted:
        assert 1 <= ttl_s <= 360_000
        return Minted("t", ttl_s, 0.0)

    def secret(self, name: str) -> bytes | None:
        return None


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    query=st.lists(
        st.tuples(
            st.sampled_from(["expires_in_seconds", "max_session_duration_seconds", "x"]), VALUES
        ),
        max_size=3,
    ),
    body=st.binary(max_size=30) | texts.map(lambda text: text.encode(errors="replace")),
)
def test_token_requests(query: list[tuple[str, str]], body: bytes):
    request = Request("GET", "/", query=tuple(query), body=body)
    for endpoint in (v3_token, legacy_token):
        coroutine = endpoint(request, _Desk())
        with pytest.raises(StopIteration) as done:  # nothing in it waits
            coroutine.send(None)
        response = done.value.value
        assert response.status in {200, 400}
        assert isinstance(json.loads(response.body), dict)
