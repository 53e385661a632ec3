"""OpenAI's JavaScript SDKs in a browser over WebRTC, unmodified: they change one URL. Each comes to
a whole turn with its transcript and a reply that is heard, and to a turn that is interrupted.

Both talk at once, in two pages of one browser and to one gateway whose origin is another than
theirs. The microphone and the voice are pitches (tests/pitch.py), which survive Opus, so that what
a page heard is compared word by word with what the engine said.
"""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from chromium import Page, chromium
from harness import ask, gateway_with, until
from pitch import heard_in, pitch_talker
from sdks import Client, javascript, node, ran
from webrtc_page import FLAGS

pytest.importorskip("aiortc")
pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

HERE = Path(__file__).parent
KEY = "sk-of-a-test"
SHORT = [3, 14, 15]
LONG = [9, 26, 5, 35, 8, 20, 1, 33, 28, 24]
SECOND = [30, 2]
HEARS = {
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
    "transcription": {"model": "whisper-1"},
}
COMPLETED = "conversation.item.input_audio_transcription.completed"


async def test_both_sdks_of_a_browser_talk_and_are_interrupted(tmp_path: Path) -> None:
    openai, agents = javascript("openai"), javascript("@openai/agents-realtime")
    script = await bundled(openai, tmp_path)
    async with (
        gateway_with(
            tmp_path, pitch_talker(), keys=(("me", KEY),), session={"speak_ahead_ms": 500}
        ) as gateway,
        chromium(tmp_path, *FLAGS) as browser,
    ):
        port = gateway.doors["http"].port
        at = f"http://localhost:{port}/v1"
        elsewhere = f"http://127.0.0.1:{port}/healthz"  # another origin, and a secure context
        pages = [await browser.open(elsewhere, script=script) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            group.create_task(with_openai(pages[0], at))
            group.create_task(with_agents(pages[1], at))
        await until(lambda: not gateway.webrtc.calls.calls, what="both calls are over")
        await until(lambda: not gateway.house.sessions)
        for page in pages:  # what was refused and nobody's icon, but nothing about CORS
            found = [each for each in page.complaints if "Failed to load resource" not in each]
            assert not found
    ran(openai, "OpenAI /v1/realtime/calls", door="webrtc", use="conversation, browser")
    ran(openai, "OpenAI /v1/realtime/calls", door="webrtc", use="interrupted, hang-up")
    ran(agents, "OpenAI /v1/realtime/calls", door="webrtc", use="conversation, browser")
    ran(agents, "OpenAI /v1/realtime/calls", door="webrtc", use="interrupted")


async def with_openai(page: Page, at: str) -> None:
    """Its own request posts a form: the offer, and a session."""
    key = await secret(at)
    session = {"type": "realtime", "model": "gpt-realtime", "audio": {"input": HEARS}}
    call = await page.run(
        f"connectOpenAI({json.dumps(at)}, {json.dumps(key)}, {json.dumps(session)})"
    )
    assert call.startswith("rtc_")
    await talked(page)
    assert (await event(page, "session.created"))["session"]["audio"]["input"]["transcription"] == {
        "model": "whisper-1"
    }
    for verb, more in (("accept", session), ("reject", {}), ("refer", {"target_uri": "tel:+1"})):
        refused = await page.run(f"refused({json.dumps(verb)}, {json.dumps(more)})")
        assert (refused["name"], refused["status"]) == ("BadRequestError", 400), refused
        assert refused["code"] == "call_not_sip"
    await page.run("hangUp()")
    await page.until("it.state === 'remote'")


async def with_agents(page: Page, at: str) -> None:
    """Its transport posts the bare offer, without candidates; the key carries the session."""
    key = await secret(at, {"type": "realtime", "audio": {"input": {"transcription": None}}})
    config = {"audio": {"input": {
        "turnDetection": {"type": "server_vad", "silenceDurationMs": 200},
        "transcription": {"model": "whisper-1"},
    }}}  # fmt: skip
    calls = json.dumps(f"{at}/realtime/calls")
    call = await page.run(f"connectAgents({calls}, {json.dumps(key)}, {json.dumps(config)})")
    assert call.startswith("rtc_")
    await talked(page)
    assert not await page.run("it.errors")
    history = await page.run("it.history")
    spoken = [
        (item["role"], part.get("transcript"))
        for item in history
        for part in item.get("content", ())
    ]
    assert [read(text) for role, text in spoken if role == "user"] == [SHORT, LONG, SECOND]
    answers = [text for role, text in spoken if role == "assistant"]
    assert (read(answers[0]), read(answers[-1])) == (SHORT, SECOND)
    await page.run("close()")
    await page.until("it.state === 'disconnected'")


async def talked(page: Page) -> None:
    """A whole turn, then one whose answer is interrupted by the next."""
    await page.run(f"say({SHORT})")
    await page.until("it.events.some((e) => e.type === 'output_audio_buffer.stopped')")
    assert await hears(page) == SHORT
    assert await page.run("it.events.filter((e) => e.type === 'response.output_audio.delta')") == []
    (done,) = await events(page, "response.done")
    assert done["response"]["status"] == "completed"
    answer = (await event(page, "response.output_audio_transcript.done"))["transcript"]
    assert read(answer) == SHORT
    await in_order(page)

    await page.run(f"it.interrupter = {{numbers: {SECOND}, ms: 900}}")
    await page.run(f"say({LONG})")
    await page.until(counted("output_audio_buffer.stopped", 2))
    statuses = [e["response"]["status"] for e in await events(page, "response.done")]
    assert statuses == ["completed", "cancelled", "completed"]
    cut = (await events(page, "response.done"))[1]["response"]
    assert cut["status_details"]["reason"] == "turn_detected"
    cleared = await event(page, "output_audio_buffer.cleared")
    assert cleared["response_id"] == cut["id"]
    truncated = await event(page, "conversation.item.truncated")
    assert truncated["item_id"] == cut["output"][0]["id"]
    heard = await hears(page)
    assert heard[: len(SHORT)] == SHORT
    assert heard[-len(SECOND) :] == SECOND
    first = heard[len(SHORT) : -len(SECOND)]
    assert first == LONG[: len(first)]
    assert 1 <= len(first) < len(LONG) - 1
    # The server says how much was heard, and it is what the page heard, a word more or less.
    assert abs(truncated["audio_end_ms"] - (200 + 280 * len(first))) <= 400
    assert [read(e["transcript"]) for e in await events(page, COMPLETED)] == [SHORT, LONG, SECOND]


async def in_order(page: Page) -> None:
    """The events of a turn that was not disturbed (wire note, sections 5 and 6)."""
    kinds = await page.run("it.events.map((e) => e.type)")
    wanted = [
        "session.created", "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed", "conversation.item.done", "response.created",
        "response.output_item.added", "response.content_part.added", "output_audio_buffer.started",
        "response.output_audio.done", "response.output_item.done", "response.done",
        "output_audio_buffer.stopped",
    ]  # fmt: skip
    places = [kinds.index(kind) for kind in wanted]
    assert places == sorted(places), [kind for _, kind in sorted(zip(places, wanted, strict=True))]


async def hears(page: Page) -> list[int]:
    """The words in the sound that the page received."""
    return heard_in(base64.b64decode(await page.run("heard()")), mends=True)


async def events(page: Page, kind: str) -> list[Any]:
    """All of one type."""
    return await page.run(f"it.events.filter((e) => e.type === {json.dumps(kind)})")


async def event(page: Page, kind: str) -> Any:
    """The only one, or the first."""
    found = await events(page, kind)
    assert found, await page.run("it.events.map((e) => e.type)")
    return found[0]


def counted(kind: str, count: int) -> str:
    """An expression: so many came."""
    return f"it.events.filter((e) => e.type === {json.dumps(kind)}).length >= {count}"


def read(text: str) -> list[int]:
    """The words of a transcript."""
    return [int(word[1:]) for word in text.split()]


async def secret(at: str, session: Any = None) -> str:
    """A key for a page, as its server would ask for one."""
    answer = await ask(
        at.removesuffix("/v1"),
        json.dumps({"session": session}).encode(),
        path="/v1/realtime/client_secrets",
        headers={"authorization": f"Bearer {KEY}"},
    )
    assert answer.status == 200, answer.body
    return str(answer.json["value"])


async def bundled(client: Client, folder: Path) -> str:
    """The page's script with both SDKs in it."""
    modules = client.variables["NODE_PATH"]
    out = folder / "page.js"
    bundle, page = HERE / "amazon" / "bundle.cjs", HERE / "openai_sdk" / "page.mjs"
    process = await asyncio.create_subprocess_exec(
        node(), str(bundle), str(page), str(out),
        env={**os.environ, "OSSICLE_JS": modules}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return out.read_text("utf-8")
