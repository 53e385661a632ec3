"""Merge patches on options, against the text of RFC 7396."""

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings
from msgspec import UNSET

from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Hint, Options, RecognitionOptions, TurnOptions, merged


def rfc7396(target, patch):
    """Section 2 of the RFC, word for word."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = rfc7396(result.get(name), value)
    return result


ms = st.none() | st.integers(0, 3_600_000)
share = st.none() | st.floats(0, 1)
flag = st.none() | st.booleans()
words = st.none() | st.text(max_size=20)
audio = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "encoding": st.sampled_from([None, "mulaw", "pcm_s16le"]),
        "sample_rate": st.sampled_from([None, 8_000, 48_000]),
        "header": st.sampled_from([None, "AAEC"]),
    },
)
turns = st.none() | st.fixed_dictionaries(
    {}, optional={"silence_ms": ms, "max_ms": ms, "threshold": share, "eager": share}
)
hints = st.none() | st.lists(
    st.fixed_dictionaries({"text": st.text(min_size=1, max_size=9)}), max_size=3
)
recognition = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "language": words,
        "interim_results": flag,
        "alternatives": st.none() | st.integers(1, 10),
        "hints": hints,
        "channels": st.sampled_from([None, "mix", "split"]),
        "turns": turns,
    },
)
patches = st.fixed_dictionaries(
    {},
    optional={
        "recognition": recognition,
        "synthesis": st.none()
        | st.fixed_dictionaries({}, optional={"voice": words, "speed": st.none() | st.just(2.0)}),
        "overload": st.sampled_from([None, "pause", "drop_oldest", "refuse"]),
        "label": words,
        "strict": flag,
        "speaks": audio,
    },
)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(patches, min_size=1, max_size=4))
def test_patches_merge_as_the_rfc_says(chain):
    options = Options()
    for patch in chain:
        expected = msgspec.convert(rfc7396(msgspec.to_builtins(options), patch), Options)
        before = msgspec.json.encode(options), repr(patch)
        after = merged(options, patch)
        assert after == expected
        assert (msgspec.json.encode(options), repr(patch)) == before
        options = after


def test_absent_is_unchanged_and_null_is_the_default():
    options = merged(Options(), {"recognition": {"language": "de", "turns": {"silence_ms": 300}}})
    options = merged(options, {"recognition": {"turns": {"silence_ms": None}}})
    assert options.recognition == RecognitionOptions(language="de", turns=TurnOptions())
    assert merged(options, {"recognition": None}) == Options()


def test_nulls_in_a_value_that_was_absent_are_defaults_too():
    options = merged(Options(), {"speaks": {"encoding": "mulaw", "channels": None}})
    assert options.speaks == AudioFormat("mulaw")


@pytest.mark.parametrize("patch", [{}, UNSET])
def test_nothing_to_change_is_the_same_object(patch):
    options = Options()
    assert merged(options, patch) is options


def test_lists_are_replaced_whole():
    options = merged(Options(), {"recognition": {"hints": [{"text": "a"}, {"text": "b"}]}})
    options = merged(options, {"recognition": {"hints": [{"text": "c", "boost": 2}]}})
    assert options.recognition.hints == (Hint("c", 2.0),)


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({"lable": "x"}, "'lable' is not known; did you mean 'label'"),
        ({"recognition": {"langauge": "x"}}, "'recognition.langauge'.*'recognition.language'"),
        ({"qqqq": 1}, "'qqqq' is not known$"),
        ({"recognition": {"turns": {"silence_ms": -1}}}, ">= 0"),
        ({"recognition": {"turns": {"silence_ms": 3_600_001}}}, "<= 3600000"),
        ({"recognition": {"turns": {"threshold": 1.01}}}, "<= 1.0"),
        ({"recognition": {"alternatives": 0}}, ">= 1"),
        ({"recognition": {"hints": [{"text": ""}]}}, ">= 1"),
        ({"recognition": 7}, "recognition"),
        ({"synthesis": {"speed": "fast"}}, "speed"),
        ({"overload": "panic"}, "overload"),
        ({"label": "x" * 201}, "<= 200"),
        ({"speaks": {"encoding": "mp5"}}, "speaks.encoding"),
        ({"speaks": {"sample_rate": 0}}, "speaks.sample_rate"),
        ({"x" * 100_000: 1}, "^.{,80}$"),
    ],
)
def test_what_cannot_be_is_refused_by_name(patch, text):
    with pytest.raises(Refused, match=text) as caught:
        merged(Options(), patch)
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("path", [("recognition", "turns", "threshold"), ("synthesis", "speed")])
def test_no_number_is_out_of_every_range(value, path):
    patch = value
    for name in reversed(path):
        patch = {name: patch}
    with pytest.raises(Refused):
        merged(Options(), patch)


def test_a_refusal_does_not_quote_hints():
    with pytest.raises(Refused) as caught:
        merged(Options(), {"recognition": {"hints": [{"text": "secret" * 50}]}})
    assert "secret" not in str(caught.value)


def test_depth_cannot_break_it():
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"turns": deep}
    with pytest.raises(Refused):
        merged(Options(), {"recognition": deep, "speaks": deep})
