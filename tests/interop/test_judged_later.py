"""Ends of turns that are judged from some point on: asked for in the middle of a session."""

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from harness import Talk, address, gateway_with
from ossicle.testing.marked import marked_audio

FORMAT: dict[str, Any] = {"encoding": "pcm_s16le", "sample_rate": 16000}


def turns(**values: float | None) -> dict[str, Any]:
    return {"recognition": {"turns": values}}


async def test_asked_for_in_mid_turn_it_begins_with_the_next(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, Talk.open(gateway.url, **FORMAT) as talk:
        await talk.audio(marked_audio([1, 0, 2]))
        await talk.until("transcript", text="w2")
        await talk.say("start", options=turns(confidence=0.5, eager=0.3), ref="r")
        await talk.until("configured", ref="r")
        await talk.audio(marked_audio([0]))
        await talk.until("transcript", text="w2", final=True)
        await talk.until("notice", code="turn_end_rules")
        await talk.audio(marked_audio([3, 0, 0, 0, 0]))
        final = await talk.until("transcript", text="w3", final=True)
        assert final["end_confidence"] >= 0.5
        first, second, eager, judged = talk.of("speech_ended")
        assert [first["reason"], second["reason"]] == ["silence", "silence"]
        assert eager["provisional"]
        assert 0.3 <= eager["confidence"] < 0.5 <= judged["confidence"]
        assert {eager["reason"], judged["reason"]} == {"model"}
        await talk.say("end")
        ended = await talk.ended()
        assert "error" not in ended
        assert talk.words() == ["w1", "w2", "w3"], "none lost, none twice"
        assert [m["turn"] for m in talk.of("transcript", final=True)] == [0, 1, 2]


async def test_while_nobody_speaks_it_begins_at_once_and_ends_again(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, Talk.open(gateway.url, **FORMAT) as talk:
        for number, confidence in ((1, None), (2, 0.5), (3, 0.9), (4, None), (5, 0.5)):
            await talk.say("start", options=turns(confidence=confidence), ref=f"r{number}")
            await talk.until("configured", ref=f"r{number}")
            await talk.audio(marked_audio([number, 0, 0, 0, 0, 0, 0, 0]))
            final = await talk.until("transcript", text=f"w{number}", final=True)
            judged = final.get("end_confidence") is not None
            assert judged is (confidence is not None), number
        await talk.say("end")
        await talk.ended()
        assert talk.words() == ["w1", "w2", "w3", "w4", "w5"]


async def test_whoever_follows_a_flux_session_is_told_what_judges_its_turns(tmp_path: Path) -> None:
    """Flux itself has no message for it; observers, webhooks and records have."""
    async with gateway_with(tmp_path) as gateway:
        host, port = address(gateway.url)
        flux = f"ws://{host}:{port}/v2/listen?model=flux-general-en&encoding=linear16"
        async with (
            asyncio.timeout(20),
            connect(flux + "&sample_rate=16000&tag=f", proxy=None, compression=None) as client,
            connect(
                f"ws://{host}:{port}/v1/sessions/f/events?wait_s=5", proxy=None, compression=None
            ) as observer,
        ):
            await client.send(marked_audio([1, 0, 0, 0]))
            while (told := json.loads(await observer.recv())).get("code") != "turn_end_rules":
                pass
    assert "silence, word stability and simple grammar rules; no model is asked" in told["text"]
