"""A gateway whose engine is another gateway, over each protocol both speak: client, gateway, wire,
provider, and every word once."""

import asyncio
from pathlib import Path

import pytest

import ossicle
from harness import ask, gateway_with
from ossicle.core.errors import OssicleError
from ossicle.core.events import Ended, Notice, Transcript
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.models.upstreams import open_upstream

WORDS = "the quick brown fox. jumps over the dog."
HEARING = ("native", "deepgram", "deepgram-flux", "assemblyai")


async def spoken(url: str) -> tuple[list[Transcript], list[Notice], Ended]:
    """Six seconds of sound through a gateway: the finals, the notices and the end."""
    finals: list[Transcript] = []
    notices: list[Notice] = []
    async with ossicle.connect(url) as stream:

        async def feed() -> None:
            for _ in range(60):
                await stream.send(bytes(3_200))
            await stream.end()

        feeding = asyncio.create_task(feed())
        async for event in stream:
            if isinstance(event, Transcript) and event.final:
                finals.append(event)
            elif isinstance(event, Notice):
                notices.append(event)
            elif isinstance(event, Ended):
                await feeding
                return finals, notices, event
    raise AssertionError("the stream did not end")


@pytest.mark.parametrize("dialect", HEARING)
async def test_every_word_comes_back_once(tmp_path: Path, dialect: str) -> None:
    async with (
        gateway_with(tmp_path / "b", ScriptedEngine(WORDS)) as behind,
        gateway_with(tmp_path / "a", open_upstream(f"{dialect}@{behind.url}")) as front,
    ):
        finals, notices, ended = await spoken(front.url)
        assert ended.error is None
        heard = " ".join(final.text for final in finals)
        # AssemblyAI writes bare words unless it is asked for formatted turns
        assert heard.replace(".", "") == WORDS.replace(".", "")
        assert finals[-1].end_ms is not None
        assert finals[-1].end_ms <= 6_000
        assert [n.code for n in notices] == ["upstream"]


async def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    engine = open_upstream("deepgram@ws://127.0.0.1:9")
    async with gateway_with(tmp_path, engine, session={"replays": 0}) as front:
        with pytest.raises(OssicleError, match="deepgram: ") as caught:
            await spoken(front.url)
        assert caught.value.whose == "upstream"


async def test_a_key_that_is_refused_is_not_the_clients(tmp_path: Path) -> None:
    async with (
        gateway_with(
            tmp_path / "b", ScriptedEngine(WORDS), keys=(("us", "right-key-0123456789"),)
        ) as behind,
        gateway_with(
            tmp_path / "a",
            open_upstream(f"deepgram@{behind.url}", environment={"DEEPGRAM_API_KEY": "wrong"}),
        ) as front,
    ):
        with pytest.raises(OssicleError, match="deepgram: ") as caught:
            await spoken(front.url)
        assert caught.value.code == "engine_unavailable"
        assert caught.value.whose == "upstream"
        assert "wrong" not in str(caught.value)


async def test_the_key_of_the_environment_opens_it(tmp_path: Path) -> None:
    async with (
        gateway_with(
            tmp_path / "b", ScriptedEngine(WORDS), keys=(("us", "right-key-0123456789"),)
        ) as behind,
        gateway_with(
            tmp_path / "a",
            open_upstream(
                f"assemblyai@{behind.url}",
                environment={"ASSEMBLYAI_API_KEY": "right-key-0123456789"},
            ),
        ) as front,
    ):
        finals, _, ended = await spoken(front.url)
        assert ended.error is None
        assert len(finals) == 2


async def test_what_the_provider_calls_it_stands_in_the_record(tmp_path: Path) -> None:
    async with (
        gateway_with(tmp_path / "b", ScriptedEngine(WORDS)) as behind,
        gateway_with(tmp_path / "a", open_upstream(f"deepgram@{behind.url}")) as front,
    ):
        async with ossicle.connect(front.url) as stream:
            await stream.send(bytes(3_200))
            (session,) = front.house.sessions
            await stream.end()
            told = [event async for event in stream]
        record = (await ask(front.url, method="GET", path=f"/v1/sessions/{session}")).json
        (theirs,) = [n.text for n in told if isinstance(n, Notice) and n.code == "upstream"]
        assert record["provider_ids"] == [theirs]
        assert theirs.startswith("deepgram: ")
        assert len(theirs) == len("deepgram: ") + 36
