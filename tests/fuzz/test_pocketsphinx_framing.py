"""Random bytes against the frames between stream and worker: messages or ValueError."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Finalize
from ossicle.core.events import Transcript, Word
from ossicle.core.options import Options
from ossicle.engines.pocketsphinx.framing import Framer, Progress, frame

pytestmark = pytest.mark.fuzz

SEEDS = [
    frame(message)
    for message in (
        b"abcd",
        Options(),
        Finalize(ref="r"),
        Progress(5),
        Transcript(text="a b", words=(Word("a", 1, 2),)),
    )
]


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(derandomize=True, max_examples=400, deadline=None)
def test_anything(pieces):
    framer = Framer()
    try:
        for piece in pieces:
            framer.feed(piece)
    except ValueError:
        pass


@given(st.sampled_from(SEEDS), st.integers(0, 200), st.integers(0, 255))
@settings(derandomize=True, max_examples=600, deadline=None)
def test_one_byte_changed(seed, at, value):
    data = bytearray(seed)
    data[at % len(data)] = value
    told = ""
    try:
        for message in Framer().feed(bytes(data)):
            frame(message)
    except ValueError as refusal:
        told = str(refusal)
    assert "a b" not in told  # an error never carries what was said
