"""Whatever arrives at Flux, it answers in its own words or not at all; the halves never raise."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flux_house import Flux, house
from flux_table import CLIENT, MALFORMED, SERVER
from ossicle.core.errors import BadMessage
from ossicle.core.wire import Close, Opening, Text
from ossicle.dialects.deepgram.flux_client import FluxClient
from ossicle.dialects.deepgram.flux_messages import decode_client, decode_server, encode
from ossicle.dialects.deepgram.flux_server import FluxServer

pytestmark = pytest.mark.fuzz

seeds = st.sampled_from([row[1] for row in CLIENT + SERVER] + MALFORMED)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@st.composite
def broken(draw):
    """A seed with a piece cut out, doubled, or replaced."""
    text = draw(seeds)
    at = draw(st.integers(0, len(text)))
    until = draw(st.integers(at, len(text)))
    return text[:at] + draw(st.text(max_size=5) | st.just(text[at:until])) + text[until:]


@st.composite
def configures(draw):
    fields = st.sampled_from(["thresholds", "keyterms", "language_hints", "numerals", "x"])
    return json.dumps({"type": "Configure", **draw(st.dictionaries(fields, json_values))})


@settings(max_examples=400, derandomize=True)
@given(seeds | broken() | configures() | st.text(max_size=50))
def test_a_text_is_a_message_or_a_bad_message(text):
    for decode in (decode_client, decode_server):
        try:
            message = decode(text)
        except BadMessage:
            continue
        assert decode(encode(message)) == message


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(seeds | broken() | configures() | st.binary(max_size=2000), max_size=12))
def test_a_session_bears_anything(said):
    client = Flux(house())
    for each in said:
        if isinstance(each, bytes):
            client.leg.binary(each)
        else:
            client.leg.received(Text(each))
        client.house.serve()
    client.say(type="CloseStream")
    client.check()
    assert client.close is not None


@settings(max_examples=200, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "model",
                    "encoding",
                    "sample_rate",
                    "eot_threshold",
                    "eager_eot_threshold",
                    "eot_timeout_ms",
                    "keyterm",
                    "language_hint",
                    "profanity_filter",
                    "tag",
                    "x",
                ]
            ),
            st.text(max_size=12) | st.sampled_from(["linear16", "16000", "0.7", "5000", "nan"]),
        ),
        max_size=8,
    )
)
def test_any_query_is_taken_or_refused(query):
    steps = FluxServer().open(Opening(id="r", query=tuple(query)), 0.0)
    assert len(steps) == 1
    if isinstance(steps[0], Close):
        assert steps[0].code == 400
        assert json.loads(steps[0].body)["request_id"] == "r"


@settings(max_examples=200, derandomize=True)
@given(st.lists(seeds | broken() | st.text(max_size=20), max_size=10))
def test_the_client_half_bears_any_server(said):
    from ossicle.core.commands import Configure

    client = FluxClient()
    client.open(Configure())
    for text in said:
        client.receive(Text(text), 0.0)
    client.receive(Close(1006), 0.0)
