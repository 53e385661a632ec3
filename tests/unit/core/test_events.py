"""Every event is a value that survives JSON."""

from typing import get_args

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

import ossicle.core.events as events
from ossicle.core.errors import Fault
from ossicle.core.events import Ended, Event, SpeechStarted, Transcript, Usage, Word
from ossicle.core.ledger import LedgerReport

EVENTS = get_args(Event)


def test_the_union_is_what_the_module_offers():
    structs = {
        name
        for name in events.__all__
        if isinstance(getattr(events, name), type)
        and issubclass(getattr(events, name), msgspec.Struct)
    }
    assert {kind.__name__ for kind in EVENTS} | {"Usage", "Word"} == structs


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_without_anything_is_complete(kind):
    event = kind()
    assert (event.seq, event.ref) == (0, "")
    assert msgspec.json.decode(msgspec.json.encode(event), type=kind) == event


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_does_not_change(kind):
    event = kind()
    with pytest.raises(AttributeError):
        event.seq = 1
    later = msgspec.structs.replace(event, seq=7, ref="r")
    assert (later.seq, later.ref, event.seq) == (7, "r", 0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_any_event_survives_json(data):
    # The types themselves say what may stand in a field; only NaN does not equal itself.
    kind = data.draw(st.sampled_from(EVENTS))
    event = data.draw(values(kind))
    assert msgspec.json.decode(msgspec.json.encode(event), type=kind) == event


def values(kind) -> st.SearchStrategy:
    """Values of a struct, from its own types and limits."""
    known = {
        Transcript: {
            "words": st.none() | st.lists(st.builds(Word, *[_text, _ms, _ms], _share)).map(tuple),
            "usage": st.none() | st.builds(Usage, _ms, _ms, _ms, _ms),
            "alternatives": st.lists(_text, max_size=3).map(tuple),
        },
        Ended: {
            "error": st.none() | st.builds(Fault, _text, _text, st.just("upstream"), st.booleans()),
            "ledger": st.none() | st.builds(LedgerReport, turns=_ms),
        },
    }
    chosen = known.get(kind, {})
    for field in msgspec.structs.fields(kind):
        plain = _PLAIN.get(field.type)
        if plain is not None and field.name not in chosen:
            chosen[field.name] = plain
    return st.builds(kind, **chosen)


_text = st.text(max_size=12)
_ms = st.integers(0, 10**12)
_share = st.none() | st.floats(0, 1)
_PLAIN = {
    str: _text,
    int: _ms,
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    int | None: st.none() | _ms,
    float | None: _share,
}


def test_first_fields_may_be_given_by_place():
    assert Transcript("hello", final=True).text == "hello"
    assert SpeechStarted(120).at_ms == 120
    assert Word("hello", 0, 300) == Word(text="hello", start_ms=0, end_ms=300)
