"""gRPC-Web from a real browser: one recording and its answer, and a session that is followed, with
a client of a screenful and with the official runtime; at our own port and through Envoy."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chromium import Page, chromium
from harness import Talk, gateway_with, missing, until
from interop.sdk_table import record
from ossicle.core.commands import Configure, Join
from ossicle.core.events import Ended, Event, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.dialects.native.protobuf import read_answer, read_event, write_listen, write_question
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words

from .real_proxies import Certificates, proxy

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

HERE = Path(__file__).parent
KEY = "a-key-of-the-team"
WORDS = [1, 2, 0, 0, 0, 0, 3]
AUDIO = marked_audio(WORDS)
EXPECTED = [(word.text, word.start_ms, word.end_ms) for word in marked_expected(WORDS)]
SERVICE = "/ossicle.v1.Speech"
QUESTION = base64.b64encode(write_question(Configure(format=AudioFormat()), AUDIO)).decode()
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("hand", {}),
    ("official", {"format": "text"}),
    ("official", {"format": "binary"}),
]
NAMES = ["by hand", "official, text", "official, binary"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page's script with the official runtime in it, and that one's version."""
    node, modules = shutil.which("node"), HERE / "js" / "node_modules"
    found = modules / "grpc-web" / "package.json"
    if node is None or not found.exists():
        missing("node and grpc-web are needed: npm ci in tests/interop/js")
    out = tmp_path_factory.mktemp("bundle") / "page.js"
    made = subprocess.run(
        [
            str(node),
            str(HERE / "amazon" / "bundle.cjs"),
            str(HERE / "grpcweb" / "page.mjs"),
            str(out),
        ],
        env={**os.environ, "OSSICLE_JS": str(HERE / "js")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return out.read_text(), json.loads(found.read_text())["version"]


class Caller:
    """A page, and the calls it makes."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.made = 0

    async def begin(
        self, way: tuple[str, dict[str, Any]], method: str, request: str, key: str | None = KEY
    ) -> str:
        """Make a call; its name."""
        how, options = way
        self.made += 1
        name = f"call{self.made}"
        headers = {"authorization": f"Bearer {key}"} if key else {}
        more = {**options, "unary": method == "Recognize"}
        values = (name, how, f"{self.url}{SERVICE}/{method}", request, headers, more)
        await self.page.run(f"void call({', '.join(json.dumps(value) for value in values)})")
        return name

    async def messages(self, name: str) -> list[bytes]:
        """What came so far."""
        found = await self.page.run(f"calls.{name}.messages")
        return [base64.b64decode(each) for each in found]

    async def over(self, name: str) -> dict[str, str]:
        """How it ended."""
        await self.page.until(f"calls.{name}.trailers !== null || calls.{name}.failed !== null")
        failed = await self.page.run(f"calls.{name}.failed")
        assert failed is None, failed
        return await self.page.run(f"calls.{name}.trailers")


class Place:
    """A gateway with a key, and a page of another origin that calls it."""

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        self.gateway, self.caller = gateway, caller


@contextlib.asynccontextmanager
async def calling(folder: Path, script: str, *, through_envoy: bool) -> AsyncIterator[Place]:
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            gateway_with(folder, grpc_port=0, keys=(("team", KEY),))
        )
        port = gateway.doors["http"].port
        page_url, url = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        if through_envoy:
            assert gateway.rpc is not None
            rpc = gateway.rpc.urls["grpc"].rpartition(":")[2]
            places = {
                "port_value: 50051": f"port_value: {rpc}",
                "https://app.example": page_url,
            }
            certificates = Certificates(folder)
            url = await stack.enter_async_context(proxy("envoy.yaml", places, certificates, folder))
        browser = await stack.enter_async_context(chromium(folder, "--ignore-certificate-errors"))
        page = await browser.open(page_url + "/healthz", script=script)
        yield Place(gateway, Caller(page, url))


@pytest.mark.parametrize("through_envoy", [False, True], ids=["own port", "Envoy"])
async def test_a_browser_recognizes_and_follows(
    tmp_path: Path, bundle: tuple[str, str], through_envoy: bool
) -> None:
    script, version = bundle
    async with calling(tmp_path, script, through_envoy=through_envoy) as place:
        for way, name in zip(WAYS, NAMES, strict=True):
            await recognizes(place, way)
            if name != "official, binary":  # that one tells everything at the end
                await follows(place, way)
            await is_refused(place, way, name)
        door = "through Envoy" if through_envoy else "http"
        for use in ("Recognize", "Listen: a session is followed"):
            record("gRPC-Web `ossicle.v1.Speech`", sdk="grpc-web", version=version,
                   language="Chromium", door=door, use=use)  # fmt: skip


async def recognizes(place: Place, way: tuple[str, dict[str, Any]]) -> None:
    caller = place.caller
    name = await caller.begin(way, "Recognize", QUESTION)
    assert (await caller.over(name))["grpc-status"] == "0"
    (answer,) = await caller.messages(name)
    finals, audio_ms, _, _ = read_answer(answer)
    assert audio_ms == len(AUDIO) // 32
    words = [word for final in finals for word in final.words or ()]
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == EXPECTED


async def follows(place: Place, way: tuple[str, dict[str, Any]]) -> None:
    """What is heard comes while the session lives, and all of it comes."""
    caller = place.caller
    headers = {"authorization": f"Bearer {KEY}"}
    async with Talk.open(place.gateway.url, headers=headers, encoding="pcm_s16le") as talk:
        session = talk.messages[0]["session"]
        asked = write_listen(Join(session=session, role="observer"), False)
        name = await caller.begin(way, "Listen", base64.b64encode(asked).decode())
        await talk.audio(marked_audio([1, 2, 0, 0, 0, 0]))
        async with asyncio.timeout(20):
            while not any(final(event) for event in await events(caller, name)):
                await asyncio.sleep(0.02)
        assert await caller.page.run(f"calls.{name}.trailers") is None
        await talk.audio(marked_audio([3]))
        await talk.say("end")
        await talk.over.wait()
    assert (await caller.over(name))["grpc-status"] == "0"
    told = await events(caller, name)
    assert isinstance(told[-1], Ended)
    assert [word.text for word in marked_words(told)] == ["w1", "w2", "w3"]


async def events(caller: Caller, name: str) -> list[Event]:
    return [read_event(message) for message in await caller.messages(name)]


def final(event: Event) -> bool:
    return isinstance(event, Transcript) and event.final


async def is_refused(place: Place, way: tuple[str, dict[str, Any]], name: str) -> None:
    caller = place.caller
    wrong = await caller.over(await caller.begin(way, "Recognize", QUESTION, key="WRONG"))
    assert wrong["grpc-status"] == "16", name
    gone = write_listen(Join(session="nobody", role="observer"), False)
    asked = base64.b64encode(gone).decode()
    missed = await caller.over(await caller.begin(way, "Listen", asked))
    assert missed["grpc-status"] == "5", name
    assert "session" in missed["grpc-message"].replace("%20", " ")


async def test_a_call_that_streams_says_what_to_use(
    tmp_path: Path, bundle: tuple[str, str]
) -> None:
    async with calling(tmp_path, bundle[0], through_envoy=False) as place:
        name = await place.caller.begin(WAYS[0], "Stream", "")
        ended = await place.caller.over(name)
        assert ended["grpc-status"] == "12"
        assert "WebSocket" in ended["grpc-message"]
        assert await place.caller.messages(name) == []


async def test_a_page_that_leaves_frees_what_it_followed(
    tmp_path: Path, bundle: tuple[str, str]
) -> None:
    async with calling(tmp_path, bundle[0], through_envoy=False) as place:
        headers = {"authorization": f"Bearer {KEY}"}
        async with Talk.open(place.gateway.url, headers=headers, encoding="pcm_s16le") as talk:
            name = talk.messages[0]["session"]
            session = place.gateway.house.sessions[name]
            asked = write_listen(Join(session=name, role="observer"), False)
            await place.caller.begin(WAYS[0], "Listen", base64.b64encode(asked).decode())
            await until(lambda: len(session.legs) == 2)
            await place.caller.page.ask("Page.close")
            await until(lambda: len(session.legs) == 1)
            await talk.say("end")
            await talk.over.wait()


async def test_without_keys_only_pages_of_this_machine_may(
    tmp_path: Path, bundle: tuple[str, str]
) -> None:
    """The preflight says no, so that the browser does not even ask."""
    rules = "--host-resolver-rules=MAP elsewhere.example 127.0.0.1"
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path, rules) as browser:
        port = gateway.doors["http"].port
        for host, allowed in (("127.0.0.1", True), ("elsewhere.example", False)):
            page = await browser.open(f"http://{host}:{port}/healthz", script=bundle[0])
            caller = Caller(page, f"http://localhost:{port}")
            name = await caller.begin(WAYS[0], "Recognize", QUESTION, key=None)
            if allowed:
                assert (await caller.over(name))["grpc-status"] == "0"
            else:
                await page.until(f"calls.{name}.failed !== null")
                assert await caller.messages(name) == []
        assert gateway.house.sessions == {}
