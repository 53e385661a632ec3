"""Whatever is written or fed: a documented refusal or a stream that keeps the order law."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Cancel, End, Finalize, Speak
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.options import Options
from ossicle.engines.compose import Combined
from ossicle.engines.espeak.pipe import Unpacker
from ossicle.engines.open import open_engine
from ossicle.engines.scripted import ScriptedEngine, parse_script
from ossicle.engines.tone import ToneEngine
from ossicle.testing.engine import HeldSink, check_order

pytestmark = pytest.mark.fuzz
bounded = settings(max_examples=200, deadline=None, derandomize=True)


@bounded
@given(st.text(max_size=60))
def test_any_script_is_read_or_refused(text):
    for query in ("", "?pace=" + text, "?fail_at=" + text):
        with contextlib.suppress(OssicleError):
            parse_script(text + query)


@bounded
@given(st.text(max_size=40))
def test_any_engine_name_is_opened_or_refused(text):
    with contextlib.suppress(OssicleError):
        open_engine(text)


@bounded
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_from_a_helper_are_messages_or_refused(pieces):
    unpacker = Unpacker()
    with contextlib.suppress(ValueError):
        for piece in pieces:
            list(unpacker.feed(piece))


SAMPLES = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 2, 300, -5]), st.integers(1, 4000)), max_size=4
).map(lambda runs: b"".join(v.to_bytes(2, "little", signed=True) * n for v, n in runs))
STEPS = st.one_of(
    SAMPLES,
    st.builds(Finalize, ref=st.sampled_from(["a", "b"])),
    st.builds(Cancel, side=st.sampled_from(["in", "out"])),
    st.builds(
        Speak, text=st.sampled_from(["", "Hi.", "Long enough. To be two", None]), more=st.booleans()
    ),
    st.integers(0, 2000),
)


@bounded
@given(st.lists(STEPS, max_size=15), st.sampled_from(["heard", "One two. Three four five"]))
async def test_any_order_of_commands_keeps_the_order_law(steps, script):
    engine = Combined(ScriptedEngine(script), ToneEngine())
    sink = HeldSink()
    stream = await engine.open(Options(), sink)
    asked = []
    for step in steps:
        if isinstance(step, bytes):
            if step:
                stream.audio(step)
        elif isinstance(step, int):
            stream.credit(step)
        elif isinstance(step, Speak) and step.text is None:
            with pytest.raises(Refused):
                stream.ask(step)
        else:
            stream.ask(step)
            asked += [step.ref] if isinstance(step, Finalize) else []
    stream.ask(End())
    stream.credit(3_600_000)
    check_order(sink.events)
    assert [final.ref for final in sink.finals if final.ref] == asked
