"""The three overload policies, with an engine in this process and with one at another gateway, each
of which takes 0.4 s of sound for every second that passes: what waits is bounded by each, and what
is said of it is true. The client is one that does not heed what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness import Talk, gateway_with
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio

pytestmark = pytest.mark.reliability

WORDS = [*range(1, 16), 0]
SOUND = marked_audio(WORDS)
"""5 s, sent at once."""
UNSENT_MS = 500


@contextlib.asynccontextmanager
async def slow(kind: str, folder: Path, pace: str) -> AsyncIterator[Gateway]:
    """A gateway whose engine is slower than its client."""
    bound = {"unsent_ms": UNSENT_MS, "resume_window_s": 0.05}
    engine = ScriptedEngine(f"heard?pace={pace}")
    if kind == "embedded":
        async with gateway_with(folder, engine, session=bound, drain_s=0.1) as gateway:
            yield gateway
        return
    async with gateway_with(folder / "far", engine, session=bound, drain_s=0.1) as far:
        upstream = open_upstream(f"native@{far.url}")
        async with gateway_with(folder / "near", upstream, session=bound, drain_s=0.1) as gateway:
            yield gateway


async def burst(talk: Talk) -> None:
    await talk.audio(SOUND)
    await talk.say("end")


QUERY = {"encoding": "pcm_s16le", "sample_rate": 16_000}
KINDS = pytest.mark.parametrize("kind", ["embedded", "upstream"])


@KINDS
async def test_pause_makes_the_client_wait_and_loses_nothing(kind: str, tmp_path: Path) -> None:
    async with (
        slow(kind, tmp_path, "20") as gateway,
        Talk.open(gateway.url, overload="pause", **QUERY) as talk,
    ):
        (session,) = gateway.house.sessions.values()
        sending = asyncio.create_task(burst(talk))
        most = 0
        while "ended" not in {message["type"] for message in talk.messages}:
            most = max(most, session.span(session.journal.waiting))
            await asyncio.sleep(0.005)
        await sending
        assert "error" not in await talk.ended()
        assert talk.words() == [f"w{number}" for number in WORDS if number]
        assert UNSENT_MS < most < 5_000, "it was stopped, and not at the end only"
        assert not talk.of("notice", code="audio_dropped")


@KINDS
async def test_drop_oldest_goes_on_with_what_is_said_now_and_counts(
    kind: str, tmp_path: Path
) -> None:
    async with (
        slow(kind, tmp_path, "0.4") as gateway,
        Talk.open(gateway.url, overload="drop_oldest", **QUERY) as talk,
    ):
        (session,) = gateway.house.sessions.values()
        await talk.audio(SOUND)
        notice = await talk.until("notice", code="audio_dropped")
        assert "ms of audio were dropped so far" in notice["text"]
        async with asyncio.timeout(5):
            while session.taken_bytes < len(SOUND):
                await asyncio.sleep(0.005)
        held = sum(len(item) for item in session.journal._unsent if isinstance(item, bytes))
        assert session.span(held) <= UNSENT_MS  # the rest of what waits are gaps
        assert talk.close == (None, None), "it goes on"


@KINDS
async def test_refuse_ends_the_session_in_words(kind: str, tmp_path: Path) -> None:
    async with (
        slow(kind, tmp_path, "0.4") as gateway,
        Talk.open(gateway.url, overload="refuse", **QUERY) as talk,
    ):
        with contextlib.suppress(ConnectionError):
            await talk.audio(SOUND)
        ended = await talk.ended()
        assert ended["error"]["code"] == "overloaded"
        assert f"more than {UNSENT_MS} ms of audio wait" in ended["error"]["text"]
