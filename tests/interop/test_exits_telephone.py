"""A telephone call has no message for words: they leave by the two general exits."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parent / "twilio_sdk"))
from caller import CALL, STREAM, Caller

from harness import address, ask, gateway_with, until
from ossicle.audio.g711 import encode_mulaw
from ossicle.engines.scripted import ScriptedEngine, parse_script

pytestmark = pytest.mark.interop


async def collected(port: list[int], bodies: list[dict[str, Any]]) -> asyncio.Server:
    """A receiver that takes everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                bodies.append(json.loads(await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 204 x\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port.append(server.sockets[0].getsockname()[1])
    return server


async def test_a_dashboard_and_a_webhook_get_the_words_of_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", "a secret of the test")
    bodies: list[dict[str, Any]] = []
    port: list[int] = []
    receiver = await collected(port, bodies)
    engine = ScriptedEngine(parse_script("Hello there. How are you?"))
    async with gateway_with(tmp_path, engine) as gateway:
        host, door = address(gateway.url)
        where = f"ws://{host}:{door}/v1/sessions/{CALL}/events?wait_s=10"
        hook = f"http://127.0.0.1:{port[0]}/words"
        async with connect(where, proxy=None, compression=None) as dashboard:
            assert json.loads(await dashboard.recv())["code"] == "waiting"
            async with Caller.dial(door, transcript_url=hook, label="front desk") as caller:
                await caller.talk(encode_mulaw(bytes(2 * 8_000 * 3)))
                await caller.stop()
                seen = [json.loads(message) async for message in dashboard]
        await until(lambda: bodies and bodies[-1]["type"] == "ended")
        said = ["Hello there.", "How are you?"]
        assert [m["text"] for m in seen if m.get("final") and m["text"]] == said
        assert [b["text"] for b in bodies if b["is_final"] and b["text"]] == said
        assert {body["label"] for body in bodies} == {"front desk"}
        await until(lambda: not gateway.house.sessions)
        for name in (CALL, STREAM, bodies[0]["session"]):
            record = (await ask(gateway.url, method="GET", path=f"/v1/sessions/{name}")).json
            assert (record["dialect"], record["names"]) == ("twilio", [CALL, STREAM])
            assert record["end"]["reason"] == "done"
    receiver.close()


async def test_a_call_may_not_have_the_gateway_call_elsewhere(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        _, door = address(gateway.url)
        async with Caller.dial(door, transcript_url="http://192.0.2.1/x") as caller:
            await caller.closed()
        assert gateway.house.sessions == {}
        assert b'ossicle_refused_total{code="forbidden"} 1.0' in gateway.house.metrics.page()
