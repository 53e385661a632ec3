"""Words become a question, or a sentence that says what there is."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.advisor import Inputs, read_inputs
from ossicle.advisor.inputs import FIELDS
from ossicle.core.errors import Refused


def test_nothing_is_a_question_too() -> None:
    assert read_inputs({}) == Inputs()


def test_every_input_can_be_asked_for() -> None:
    assert {field.name for field in FIELDS} == set(Inputs.__struct_fields__)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([("client", "browser"), ("latency", "100")], Inputs(client="browser", latency_ms=100)),
        ([("client", "Phone")], Inputs(client="telephone")),
        ([("latency", "80ms")], Inputs(latency_ms=80)),
        ([("latency-ms", "seconds")], Inputs(latency_ms=3_000)),
        ([("udp-blocked", ""), ("grpc", "no")], Inputs(udp_blocked=True)),
        ([("one-to-many", "yes")], Inputs(audience=True)),
        (
            [("browsers", "safari 26.3, firefox"), ("browser", "chrome 90")],
            Inputs(browsers=("safari 26.3", "firefox", "chrome 90")),
        ),
        ([("without", "webrtc"), ("without", "sip,moq")], Inputs(without=("webrtc", "sip", "moq"))),
        ([("provider", "")], Inputs()),
        ([("provider", "AWS")], Inputs(provider="amazon")),
    ],
)
def test_words(words: list[tuple[str, str]], asked: Inputs) -> None:
    assert read_inputs(words) == asked


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("client", "bowser", "did you mean 'browser'"),
        ("provider", "gogle", "did you mean 'google'"),
        ("wire", "grcp", "did you mean 'grpc'"),
        ("without", "smoke", "there are websocket, http"),
        ("latency", "soon", "milliseconds"),
        ("latency", "0", "milliseconds"),
        ("latency", "99999999999999", "milliseconds"),
        ("latency", "٣", "milliseconds"),
        ("grpc", "perhaps", "neither yes nor no"),
        ("browsers", "netscape 4", "there are chrome"),
        ("colour", "red", "there are client"),
        ("browsers", ",".join(["chrome"] * 21), "at most 20"),
    ],
)
def test_words_that_are_none(name: str, text: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        read_inputs({name: text})
    assert len(str(caught.value)) < 400


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from([f.name for f in FIELDS]), st.text(max_size=40))))
def test_anything_is_read_or_refused(words: list[tuple[str, str]]) -> None:
    try:
        asked = read_inputs(words)
    except Refused:
        return
    assert msgspec.convert(msgspec.to_builtins(asked), Inputs) == asked
