"""The tree of errors and its values."""

import pickle
import re

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

import ossicle.core.errors as errors
from ossicle.core.errors import (
    CODES,
    Denied,
    Fault,
    OssicleError,
    Overloaded,
    Refused,
    TimedOut,
)

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, OssicleError)
]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_survives_the_way_through_a_value(code):
    error = CODES[code]("the sentence", code=code)
    fault = msgspec.json.decode(msgspec.json.encode(error.fault()), type=Fault)
    again = OssicleError.of(fault)
    assert type(again) is type(error)
    assert (again.code, again.whose, again.retryable) == (code, error.whose, error.retryable)
    assert str(again) == "the sentence"
    assert again.fault() == fault


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_has_a_code_of_its_own(kind):
    assert CODES[kind.code] is kind
    assert kind.__doc__
    assert kind.__name__ in errors.__all__
    assert kind.whose in {"client", "us", "upstream"}


def test_the_drawing_names_every_class():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    assert drawn | {"OssicleError"} == {kind.__name__ for kind in CLASSES}


@settings(derandomize=True, deadline=None)
@given(
    st.builds(
        Fault,
        code=st.sampled_from(sorted(CODES)) | st.text(min_size=1, max_size=20),
        text=st.text(max_size=40),
        whose=st.sampled_from(["client", "us", "upstream"]),
        retryable=st.booleans(),
    )
)
def test_a_fault_from_anywhere_survives_unchanged(fault):
    error = OssicleError.of(fault)
    assert error.fault() == fault
    assert type(error) is CODES.get(fault.code, OssicleError)


def test_one_error_does_not_change_its_class():
    OssicleError.of(Fault("unauthorized", "x", whose="upstream", retryable=True))
    assert (Denied.whose, Denied.retryable) == ("client", False)


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(Refused("x", code="too_large")))
    assert (type(error), error.fault()) == (Refused, Fault("too_large", "x", "client"))


def test_foreign_errors_are_named_by_type_only():
    ours = Refused("x")
    assert OssicleError.wrap(ours) is ours
    assert isinstance(OssicleError.wrap(TimeoutError("quoting a user")), TimedOut)
    wrapped = OssicleError.wrap(KeyError("what a user said"))
    assert wrapped.fault() == Fault("internal", "unexpected KeyError")


def test_when_to_try_again():
    assert Overloaded("x").fault().wait_s == 1
    later = Overloaded("x", retry_after_s=12.2)
    assert later.fault().wait_s == 13
    assert OssicleError.of(later.fault()).retry_after_s == 12.2
    assert Refused("x", retry_after_s=5).fault().wait_s == 0, "a retry does not help"
    assert b"retry_after_s" not in msgspec.json.encode(Overloaded("x").fault())
    assert b'"retry_after_s":12.2' in msgspec.json.encode(later.fault())
    old = b'{"code":"rate_limited","text":"x","whose":"us","retryable":true}'
    assert OssicleError.of(msgspec.json.decode(old, type=Fault)).retry_after_s is None
