"""Posts to receivers that speak TLS, with an authority of their own that the gateway is told to
trust: our webhook, and Deepgram's `callback` in Deepgram's own words. What is not trusted gets
nothing, and is given up in time."""

import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from harness import Talk, address, ask, gateway_with, pieces, until
from interop.test_exits import FORMAT, SECRET, Receiver, say
from ossicle.core.events import Ended, Transcript
from ossicle.gateway.configuration.settings import HookSettings
from ossicle.gateway.reports.signing import verify
from ossicle.testing.house import HeldEngine
from ossicle.testing.marked import marked_audio
from remote import identity, wav

Identity = tuple[ssl.SSLContext, Path]

AUDIO = marked_audio([1, 2, 0, 3, 0])
RAW = "encoding=linear16&sample_rate=16000&interim_results=true&utterance_end_ms=1000"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", SECRET)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("theirs"))


async def test_words_are_posted_over_tls(tmp_path: Path, theirs: Identity) -> None:
    tls, authority = theirs
    async with (
        Receiver().running(tls=tls) as hook,
        gateway_with(tmp_path, trust_ca=authority) as gateway,
    ):
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            await say(talk, 1, 2)
        await until(lambda: hook.of("ended"))
        assert hook.finals() == ["w1", "w2"]
        for head, raw in zip(hook.heads, hook.raw, strict=True):
            assert verify(SECRET.encode(), head["ossicle-signature"], raw, time.time())
        assert hook.connections == 1, "one handshake for all of it"


async def test_who_is_not_trusted_gets_nothing_and_is_given_up(
    tmp_path: Path, theirs: Identity
) -> None:
    tls, _ = theirs
    bounds = HookSettings(first_wait_s=0.02, most_wait_s=0.1, warn_after=2, give_up_s=0.4)
    async with (
        Receiver().running(tls=tls) as hook,
        gateway_with(tmp_path, webhooks=bounds) as gateway,
    ):
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            notice = await talk.until("notice", code="webhook_failing")
            assert "certificate is not trusted" in notice["text"]
            assert "hush" not in notice["text"]
            await say(talk, 1)
            over = time.monotonic()
        await until(lambda: not gateway.house.exits.reports.running)
        assert time.monotonic() - over < 5.0
        assert hook.requests == 0
        page = gateway.house.metrics.page().decode()
        assert 'ossicle_webhook_posts_total{outcome="given_up"}' in page
        assert 'outcome="delivered"' not in page


async def live(url: str, query: str, audio: bytes) -> list[dict[str, Any]]:
    """What a client of Deepgram's live protocol is told."""
    host, port = address(url)
    async with connect(
        f"ws://{host}:{port}/v1/listen?{query}", proxy=None, compression=None
    ) as wire:
        for frame in pieces(audio):
            await wire.send(frame)
        await wire.send('{"type":"CloseStream"}')
        return [json.loads(message) async for message in wire]


def told(messages: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What has to be the same for whoever is told."""
    return [
        (m["type"], m["start"], m["speech_final"], m["channel"]["alternatives"][0]["transcript"])
        for m in messages
        if m["type"] == "Results" and m["is_final"]
    ]


async def test_deepgrams_callback_live(tmp_path: Path, theirs: Identity) -> None:
    """In the service's own messages, each once and in order, though the receiver fails at times."""
    tls, authority = theirs
    bounds = HookSettings(first_wait_s=0.02, most_wait_s=0.1)
    async with (
        Receiver().running(tls=tls) as hook,
        gateway_with(tmp_path, trust_ca=authority, webhooks=bounds) as gateway,
    ):
        hook.answer = lambda number: 503 if number % 3 == 0 else 200
        messages = await live(gateway.url, f"{RAW}&callback={hook.url}", AUDIO)
        await until(lambda: hook.of("Metadata"))
        assert told(hook.bodies) == told(messages)
        assert [w for *_, w in told(messages) if w] == ["w1 w2", "w3"]
        assert hook.bodies[-1]["type"] == "Metadata"
        (mine,) = [m for m in messages if m["type"] == "Metadata"]
        assert hook.bodies[-1]["request_id"] == mine["request_id"]
        assert hook.requests > len(hook.bodies), "some were tried again"
        assert len({head["ossicle-delivery"] for head in hook.heads}) == len(hook.heads)
        assert all(head[":line"].startswith("POST /words?key=hush ") for head in hook.heads)


async def test_deepgrams_callback_of_a_recording(tmp_path: Path, theirs: Identity) -> None:
    tls, authority = theirs
    bounds = HookSettings(first_wait_s=0.02, most_wait_s=0.1)
    async with (
        Receiver().running(tls=tls) as hook,
        gateway_with(tmp_path, trust_ca=authority, webhooks=bounds) as gateway,
    ):
        hook.answer = lambda number: (500, 429, 200)[min(number, 2)]
        query = f"smart_format=true&callback_method=put&callback={hook.url}"
        answer = await ask(gateway.url, wav(AUDIO), path=f"/v1/listen?{query}")
        assert (answer.status, set(answer.json)) == (200, {"request_id"})
        await until(lambda: hook.raw)
        await until(lambda: not gateway.house.exits.reports.running)
        assert (len(hook.raw), hook.requests) == (1, 3)
        posted = json.loads(hook.raw[0])
        whole = await ask(gateway.url, wav(AUDIO), path="/v1/listen?smart_format=true")
        assert posted["results"] == whole.json["results"]
        assert posted.keys() == whole.json.keys()
        assert posted["metadata"].keys() == whole.json["metadata"].keys()
        assert posted["metadata"]["request_id"] == answer.json["request_id"]
        assert hook.heads[0][":line"].startswith("PUT ")
        assert verify(SECRET.encode(), hook.heads[0]["ossicle-signature"], hook.raw[0], time.time())


async def test_a_callback_comes_however_slow_the_engine_is(tmp_path: Path) -> None:
    """The client is long gone, and nobody would come back to this session."""
    engine = HeldEngine()
    session = {"resume_window_s": 0.1}
    async with (
        Receiver().running() as hook,
        gateway_with(tmp_path, engine, session=session) as gateway,
    ):
        query = f"encoding=linear16&sample_rate=16000&callback={hook.url}"
        answer = await ask(gateway.url, AUDIO, path=f"/v1/listen?{query}")
        assert set(answer.json) == {"request_id"}
        (live,) = gateway.house.sessions.values()
        await until(lambda: live.owner is None)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 1.5 or live.ended, 3)  # it is ticked twice
        assert live.ended is None
        sink = engine.streams[0].sink
        sink.tell(Transcript(text="late but there", end_ms=900, final=True, ends_turn=True))
        sink.tell(Ended())
        await until(lambda: hook.raw)
        reading = json.loads(hook.raw[0])["results"]["channels"][0]["alternatives"][0]
        assert reading["transcript"] == "late but there"
        await until(lambda: not gateway.house.sessions, 2)


async def test_a_callback_that_is_refused_is_refused_before_anything_is_heard(
    tmp_path: Path,
) -> None:
    async with gateway_with(tmp_path) as gateway:
        for url in (
            "https://elsewhere.example/done",
            "http://169.254.169.254/x",
            "ftp://localhost/",
        ):
            answer = await ask(gateway.url, wav(AUDIO), path=f"/v1/listen?callback={url}")
            assert answer.status in {400, 403}
            assert set(answer.json) == {"err_code", "err_msg", "request_id"}
        assert not gateway.house.sessions
