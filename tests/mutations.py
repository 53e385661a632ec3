"""Messages that are nearly right: what a parser meets before it meets noise.

texts = mutated(SEEDS) | misfilled(GOOD) | anything.map(json.dumps)
"""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["anything", "misfilled", "mutated"]

_LONGEST = 3_000

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
"""Any small value of JSON."""


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[str]) -> str:
    """A message with a piece cut out, doubled or replaced."""
    seed = draw(st.sampled_from(seeds))[:_LONGEST]
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 20)))
    return seed[:start] + draw(st.text(max_size=5) | st.just(seed[start:end] * 2)) + seed[end:]


@st.composite
def misfilled(draw: st.DrawFn, good: Sequence[str]) -> str:
    """A good message with one member, or one of a member's, of another kind."""
    held = whole = json.loads(draw(st.sampled_from(good)))
    inner = [name for name in sorted(held) if isinstance(held[name], dict)]
    if inner and draw(st.booleans()):
        held = held[draw(st.sampled_from(inner))]
    held[draw(st.sampled_from(sorted(held) or ["x"]) | st.text(max_size=5))] = draw(anything)
    return json.dumps(whole)
