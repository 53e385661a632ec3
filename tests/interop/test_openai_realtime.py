"""`/v1/realtime` through a real gateway, with clients that are not ours: keys that end, sidebands,
hanging up, large messages; and OpenAI's protocol as an upstream, from one gateway to another."""

import asyncio
import base64
import contextlib
import json
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from harness import Talk, ask, gateway_with, refusal, until
from ossicle.client.dialects import PROVIDERS
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.engines.tone import ToneEngine
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

KEY = "sk-of-a-test"
DETECT = {"type": "server_vad", "silence_duration_ms": 200}


def at_24k(words: list[int]) -> bytes:
    samples = array("h", marked_audio(words))
    return array("h", (samples[n * 2 // 3] for n in range(len(samples) * 3 // 2))).tobytes()


class Wire:
    """One socket, and the events that came."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def audio(self, data: bytes, step: int = 4_800) -> None:
        for at in range(0, len(data), step):
            piece = base64.b64encode(data[at : at + step]).decode()
            await self.say("input_audio_buffer.append", audio=piece)

    async def until(self, kind: str, seconds: float = 10.0) -> dict[str, Any]:
        """The next event of a type."""
        async with asyncio.timeout(seconds):
            while True:
                event = json.loads(await self.socket.recv())
                self.events.append(event)
                if event["type"] == kind:
                    return event


@contextlib.asynccontextmanager
async def opened(
    gateway: Gateway, query: str = "model=gpt-realtime", key: str = KEY, **more: Any
) -> AsyncIterator[Wire]:
    port = gateway.doors["http"].port
    url = f"ws://localhost:{port}/v1/realtime?{query}"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with connect(
        url, additional_headers=headers, proxy=None, max_size=None, **more
    ) as socket:
        yield Wire(socket)


@contextlib.asynccontextmanager
async def gateway(tmp_path: Path, **settings: Any) -> AsyncIterator[Gateway]:
    engine = Combined(open_engine("scripted:heard"), ToneEngine())
    async with gateway_with(tmp_path, engine, keys=(("me", KEY),), **settings) as it:
        await it.ready()
        yield it


async def secret(at: Gateway, seconds: int = 600, **session: Any) -> str:
    answer = await ask(
        at.url,
        json.dumps({"expires_after": {"seconds": seconds}, "session": session or None}).encode(),
        path="/v1/realtime/client_secrets",
        headers={"authorization": f"Bearer {KEY}"},
    )
    assert answer.status == 200, answer.body
    return str(answer.json["value"])


async def test_a_browser_opens_with_an_ephemeral_key_and_its_session(tmp_path: Path) -> None:
    async with gateway(tmp_path) as at:
        key = await secret(at, type="realtime", instructions="Be short.")
        offered = ["realtime", f"openai-insecure-api-key.{key}"]
        async with opened(at, "", key="", subprotocols=offered) as wire:
            created = await wire.until("session.created")
            assert wire.socket.subprotocol == "realtime"
            assert created["session"]["instructions"] == "Be short."


async def test_a_key_that_has_ended_opens_nothing(tmp_path: Path) -> None:
    async with gateway(tmp_path) as at:
        key = await secret(at, 10)
        mint = at.house.tokens()
        before = mint.now
        async with opened(at, key=key) as wire:
            await wire.until("session.created")
            mint.now = lambda: before() + 11  # the clock of the mint goes on
            # a session that runs outlives its key
            await wire.say("session.update", session={"type": "realtime"})
            await wire.until("session.updated")
        for offered in ([], ["realtime", f"openai-insecure-api-key.{key}"]):
            async with opened(at, key="" if offered else key, subprotocols=offered or None) as wire:
                error = await wire.until("error")
                assert error["error"]["code"] == "invalid_api_key"
                with pytest.raises(ConnectionClosed):
                    await wire.socket.recv()
                assert wire.socket.close_code == 3000
                assert wire.socket.close_reason == "invalid_request_error.invalid_api_key"
        answer = await ask(
            at.url, b"{}", path="/v1/realtime/client_secrets",
            headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip
        assert answer.status == 401


async def test_a_key_mints_no_further_keys(tmp_path: Path) -> None:
    async with gateway(tmp_path) as at:
        key = await secret(at)
        answer = await ask(
            at.url, b"{}", path="/v1/realtime/client_secrets",
            headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip
        assert answer.status == 401, answer.body


async def test_a_sideband_and_hanging_up(tmp_path: Path) -> None:
    async with gateway(tmp_path) as at, opened(at) as wire:
        created = await wire.until("session.created")
        await wire.say(
            "session.update",
            session={"type": "realtime", "audio": {"input": {"turn_detection": DETECT}}},
        )
        await wire.until("session.updated")
        call = created["session"]["id"]
        async with opened(at, f"call_id={call}") as side:
            assert (await side.until("session.created"))["session"]["id"] == call
            await wire.audio(at_24k([1, 2, 0]))
            mine = (await wire.until("response.done"))["response"]
            theirs = (await side.until("response.done"))["response"]
            assert mine == theirs
            await side.say("session.update", session={"type": "realtime", "instructions": "New."})
            for each in (wire, side):
                updated = await each.until("session.updated")
                assert updated["session"]["instructions"] == "New."
            path = f"/v1/realtime/calls/{call.removeprefix('sess_')}/hangup"
            refused = await ask(at.url, b"", path=path, headers={"authorization": "Bearer x"})
            assert refused.status == 401
            answer = await ask(at.url, b"", path=path, headers={"authorization": f"Bearer {KEY}"})
            assert answer.status == 200
            for each in (wire, side):
                with pytest.raises(ConnectionClosed):
                    await each.until("nothing more")
                assert each.socket.close_code == 1000
        gone = await ask(at.url, b"", path=path, headers={"authorization": f"Bearer {KEY}"})
        assert gone.status == 404


async def test_an_unknown_call(tmp_path: Path) -> None:
    async with gateway(tmp_path) as at, opened(at, "call_id=rtc_nobody") as wire:
        assert (await wire.until("error"))["error"]["code"] == "not_found"


async def test_fifteen_megabytes_in_one_message(tmp_path: Path) -> None:
    """Larger than any other dialect takes; heard whole, in order, and nobody else waits."""
    async with gateway(tmp_path) as at, opened(at, "intent=transcription") as wire:
        await wire.until("session.created")
        session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        await wire.say("session.update", session=session)
        data = at_24k([*range(1, 40), 0])
        data += bytes((15 << 20) - len(data))
        async with Talk.open(
            at.url, headers={"authorization": f"Bearer {KEY}"}, sample_rate=16_000,
            encoding="pcm_s16le",
        ) as beside:  # fmt: skip
            await wire.audio(data, 15 << 20)
            await wire.say("input_audio_buffer.commit")
            await beside.audio(marked_audio([1, 0]))
            await beside.until("transcript", 5.0, final=True)
            completed = await wire.until(
                "conversation.item.input_audio_transcription.completed", 30
            )
            await beside.say("end")
            await beside.ended()
        assert completed["transcript"].split() == [f"w{n}" for n in range(1, 40)]
        too_much = base64.b64encode(bytes((15 << 20) + 2)).decode()
        await wire.say("input_audio_buffer.append", audio=too_much, event_id="big")
        error = (await wire.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("request_too_large", "big")


async def test_a_client_that_leaves_in_the_middle_of_an_answer_frees_its_session(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path, session={"speak_ahead_ms": 500}) as at:
        async with opened(at) as wire:
            session = {"type": "realtime", "audio": {"input": {"turn_detection": DETECT}}}
            await wire.say("session.update", session=session)
            await wire.audio(at_24k([*range(1, 13), 0]))
            await wire.until("response.output_audio.delta")
            wire.socket.transport.abort()
        await until(lambda: not at.house.sessions)


async def test_who_speaks_silences_the_answer_within_100_ms(tmp_path: Path) -> None:
    """From the first sound of the caller to the end of the answer, and nothing is said after it.
    The median of five: the machine has other things to do."""
    took: list[float] = []
    loop = asyncio.get_running_loop()
    async with gateway(tmp_path, session={"speak_ahead_ms": 500}) as at:
        for _ in range(5):
            async with opened(at) as wire:
                heard = {"turn_detection": DETECT}
                await wire.say(
                    "session.update", session={"type": "realtime", "audio": {"input": heard}}
                )
                await wire.audio(at_24k([*range(1, 13), 0]))
                await wire.until("response.output_audio.delta")
                began = loop.time()
                await wire.audio(at_24k([20]))
                done = await wire.until("response.done")
                took.append(loop.time() - began)
                assert done["response"]["status"] == "cancelled"
                kinds = [event["type"] for event in wire.events]
                second = kinds.index(
                    "input_audio_buffer.speech_started", kinds.index("response.created")
                )
                assert "response.output_audio.delta" not in kinds[second:]
    assert sorted(took)[2] < 0.1, took


# ── as an upstream ──


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_transcription_from_one_gateway_to_another(tmp_path: Path, rate: int) -> None:
    assert PROVIDERS["openai"].key == "OPENAI_API_KEY"
    async with gateway(tmp_path / "inner") as inner:
        engine = open_upstream(
            f"openai@{inner.url.replace('http', 'ws', 1)}", {}, {"OPENAI_API_KEY": KEY}
        )
        async with gateway_with(tmp_path / "outer", engine) as outer:
            await outer.ready()
            async with Talk.open(outer.url, encoding="pcm_s16le", sample_rate=rate) as talk:
                words = [1, 2, 3, 0, 0, 0, 4, 5, 0, 0, 0]
                await talk.audio(at_24k(words) if rate == 24_000 else marked_audio(words))
                await talk.say("end")
                ended = await talk.ended()
            assert "error" not in ended, ended
            if rate == 24_000:  # at another rate the marks are resampled and are words no more
                assert talk.words() == ["w1", "w2", "w3", "w4", "w5"]


async def test_a_conversation_from_one_gateway_to_another(tmp_path: Path) -> None:
    async with gateway(tmp_path / "inner") as inner:
        engine = open_upstream(
            f"openai-realtime@{inner.url.replace('http', 'ws', 1)}", {}, {"OPENAI_API_KEY": KEY}
        )
        async with gateway_with(tmp_path / "outer", engine) as outer:
            await outer.ready()
            async with opened(outer, key="") as wire:
                heard = {"turn_detection": DETECT, "transcription": {"model": "whisper-1"}}
                await wire.say(
                    "session.update", session={"type": "realtime", "audio": {"input": heard}}
                )
                await wire.audio(at_24k([1, 2, 3, 0, 0]))
                done = await wire.until("response.done")
    assert done["response"]["status"] == "completed"
    assert done["response"]["output"][0]["content"][0]["transcript"] == "w1 w2 w3"
    texts = [
        event["transcript"]
        for event in wire.events
        if event["type"] == "conversation.item.input_audio_transcription.completed"
    ]
    assert texts == ["w1 w2 w3"]
    sound = sum(
        len(base64.b64decode(event["delta"]))
        for event in wire.events
        if event["type"] == "response.output_audio.delta"
    )
    assert sound == pytest.approx(8 * 60 * 48, abs=3_000)


async def test_an_upstream_whose_key_is_bad_is_named_and_not_blamed_on_the_client(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "inner") as inner:
        engine = open_upstream(
            f"openai@{inner.url.replace('http', 'ws', 1)}", {}, {"OPENAI_API_KEY": "wrong"}
        )
        async with gateway_with(tmp_path / "outer", engine) as outer:
            status, body = await refusal(outer.url, encoding="pcm_s16le", sample_rate=24_000)
    assert status == 503
    assert body["error"]["whose"] == "upstream"
    assert "wrong" not in json.dumps(body)
