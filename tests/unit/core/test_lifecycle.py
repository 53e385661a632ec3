"""The table of a session's life: total, with one end, and nothing after it."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.core.lifecycle import TABLE, Lifecycle, State, Step

STATES, STEPS = get_args(State), get_args(Step)


def in_state(state: str) -> Lifecycle:
    life = Lifecycle()
    life.state = state
    return life


@pytest.mark.parametrize(("state", "step"), list(product(STATES, STEPS)))
def test_every_pair_is_a_step_or_names_itself(state, step):
    life = in_state(state)
    if (state, step) in TABLE:
        assert life.can(step)
        assert life.step(step) == life.state == TABLE[state, step]
    else:
        assert not life.can(step)
        with pytest.raises(RuntimeError, match=f"a session that is {state} cannot {step}"):
            life.step(step)
        assert life.state == state, "a step that is refused changes nothing"


def test_every_state_can_finish_but_the_last():
    assert [state for state in STATES if not in_state(state).can("finish")] == ["ended"]


def test_the_table_names_only_what_the_types_name():
    assert {state for state, _ in TABLE} | set(TABLE.values()) == set(STATES)
    assert {step for _, step in TABLE} == set(STEPS)


@given(st.lists(st.sampled_from(STEPS), max_size=30))
def test_draining_never_comes_back_to_hearing(steps):
    life, before = Lifecycle(), "opening"
    order = {"opening": 0, "live": 0, "draining": 1, "ended": 2}
    for step in steps:
        if life.can(step):
            life.step(step)
        assert order[life.state] >= order[before]
        before = life.state
