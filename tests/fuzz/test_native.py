"""Whatever arrives, both halves of ossicle.v1 take it or refuse it with an error that is ours."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Configure
from ossicle.core.errors import Refused
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Opening, Ping, Text
from ossicle.dialects.native import NativeClient, NativeServer
from ossicle.dialects.native.query import configure_of

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "dialects" / "native"))

from table import CLIENT, MALFORMED, SERVER  # type: ignore[import-not-found]

from mutations import anything, misfilled, mutated

pytestmark = pytest.mark.fuzz

GOOD = [row[1] for row in (*CLIENT, *SERVER)]
SEEDS = GOOD + [text for _, text in MALFORMED]

texts = (
    mutated(SEEDS)
    | misfilled([row[1] for row in (*CLIENT, *SERVER)])
    | anything.map(json.dumps)
    | st.text(max_size=40)
)
messages = st.one_of(
    texts.map(Text),
    st.binary(max_size=20).map(Binary),
    st.builds(
        Close,
        st.none() | st.integers(0, 5_000),
        body=st.binary(max_size=20) | texts.map(lambda text: text.encode(errors="replace")),
    ),
    st.just(Ping()),
    st.just(Fin()),
    st.just(Accept()),
)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(messages, max_size=4), st.booleans())
@example([Text(text) for _, text in MALFORMED], True)
def test_the_server_half(told: list[Any], framed: bool):
    server = NativeServer()
    server.open(Opening(traits=ChannelTraits(framed=framed)), 0.0)
    for message in told:
        for step in server.receive(message, 0.0):
            assert step is not None


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(messages, max_size=4), st.booleans())
@example([Text(text) for _, text in MALFORMED], True)
def test_the_client_half(told: list[Any], framed: bool):
    client = NativeClient(framed=framed)
    client.open(Configure())
    for message in told:
        for step in client.receive(message, 0.0):
            assert step is not None


NAMES = st.sampled_from(
    (
        *(
            "encoding",
            "sample_rate",
            "channels",
            "hint",
            "tool",
            "speaks",
            "token",
            "resume",
            "since",
        ),
        *("settled_ms", "turn", "session", "role", "language", "alternatives", "silence_ms"),
        *("threshold", "eager", "strict", "speed", "multichannel", "final"),
    )
)
VALUES = st.text(max_size=10) | st.integers().map(str) | st.floats().map(str)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(st.tuples(NAMES | st.text(max_size=8), VALUES), max_size=5), st.text(max_size=30))
@example([("sample_rate", "1" + "0" * 5_000)], "")
@example([("since", "9" * 30)], "")
@example([("threshold", "nan"), ("speed", "inf")], "audio/l16;rate=x")
def test_the_query(query: list[tuple[str, str]], content_type: str):
    try:
        configure_of(query, content_type)
    except Refused as error:
        assert len(str(error)) < 1_000  # noqa: PT017  it may also be taken


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["authorization", "sec-websocket-protocol", "accept",
                                           "content-type"]), st.text(max_size=30))),
       st.booleans())  # fmt: skip
def test_the_headers(headers: list[tuple[str, str]], framed: bool):
    opening = Opening(headers=tuple(headers), traits=ChannelTraits(framed=framed))
    for step in NativeServer().open(opening, 0.0):
        assert isinstance(step, Configure | Close)
