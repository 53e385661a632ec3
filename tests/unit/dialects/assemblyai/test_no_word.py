"""No word lost, none twice: whatever order audio, forced ends and broken engines come in."""

from collections.abc import Callable
from typing import Any

import pytest
from assembly_peer import PCM, AssemblyPeer  # type: ignore[import-not-found]
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.ports import Dialect, Engine
from ossicle.dialects.assemblyai import AssemblyServer, LegacyServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.wrap.endpointed import Endpointed
from ossicle.testing.clock import ManualTimers
from ossicle.testing.marked import marked_audio

FORCE: dict[str, dict[str, Any]] = {
    "v3": {"type": "ForceEndpoint"},
    "v2": {"force_end_utterance": True},
}
END: dict[str, dict[str, Any]] = {"v3": {"type": "Terminate"}, "v2": {"terminate_session": True}}
CHANGE: dict[str, dict[str, Any]] = {
    "v3": {"type": "UpdateConfiguration", "max_turn_silence": 260},
    "v2": {"end_utterance_silence_threshold": 260},
}


def said(name: str, p: AssemblyPeer) -> list[str]:
    if name == "v2":
        texts = [m["text"] for m in p.of("FinalTranscript")]
    else:
        texts = [
            m["transcript"] for m in p.of("Turn") if m["end_of_turn"] and not m["turn_is_formatted"]
        ]
    return [word for text in texts for word in text.split()]


@pytest.mark.parametrize(("name", "make"), [("v3", AssemblyServer), ("v2", LegacyServer)])
@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    pauses=st.lists(st.booleans(), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 9_000), max_size=12),
    asks=st.dictionaries(st.integers(0, 12), st.sampled_from(["force", "change"]), max_size=6),
    fails=st.none() | st.integers(50, 3_000),
    formatted=st.booleans(),
    judged=st.booleans(),
)
def test_whatever_happens(
    name: str,
    make: Callable[[], Dialect],
    pauses: list[bool],
    cuts: list[int],
    asks: dict[int, str],
    fails: int | None,
    formatted: bool,
    judged: bool,
):
    numbers: list[int] = []
    for number, pause in enumerate(pauses):
        numbers += [number + 1, *([0] if pause else [])]
    audio = marked_audio(numbers)
    script = "heard" if fails is None else f"heard?fail_at={fails}"
    query = (*PCM, ("format_turns", str(formatted)))
    engine: Engine = ScriptedEngine(script, timers=ManualTimers())
    if judged:
        engine = Endpointed(engine)
        query = (*query, ("end_of_turn_confidence_threshold", "0.5"))
    p = AssemblyPeer(engine, make(), query)
    at = 0
    for turn, size in enumerate([*cuts, len(audio)]):
        match asks.get(turn):
            case "force":
                p.say(**FORCE[name])
            case "change":
                p.say(**CHANGE[name])
            case _:
                pass
        p.audio(audio[at : at + 2 * size], 640)
        at += 2 * size
        p.house.pass_time(0.1)
    p.say(**END[name])
    p.house.pass_time(3.0)
    assert said(name, p) == [f"w{n}" for n in numbers if n]
    assert p.close is not None
    assert p.close.code == 1000
    final: dict[int, list[str]] = {}
    for turn in p.of("Turn"):
        order, before = turn["turn_order"], final.get(turn["turn_order"], [])
        assert order in {len(final) - 1, len(final)}
        words = [word["text"] for word in turn["words"] if word["word_is_final"]]
        assert words[: len(before)] == before, "a final word changed"
        final[order] = words
