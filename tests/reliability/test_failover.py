"""Upstreams that break, and upstreams that may be used for a short time only: the client of the
gateway in front sees one session in which every word comes once."""

import asyncio
import random

import pytest

from ossicle.client import SpeechStream, connect
from ossicle.core.events import Event, Notice
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.models.choices import open_choice
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import serving
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .conftest import CuttingProxy, GatewayProcess, gateway

pytestmark = pytest.mark.reliability

WORDS = [word for number in range(1, 41) for word in (number, *[0] * (number % 4 == 0))]
AUDIO = marked_audio(WORDS)


async def collect(stream: SpeechStream) -> list[Event]:
    return [event async for event in stream]


async def speak(stream: SpeechStream, pause_s: float) -> None:
    for start in range(0, len(AUDIO), 1_600):
        await stream.send(AUDIO[start : start + 1_600])
        await asyncio.sleep(pause_s)
    await stream.end()


def front(engine: str, **upstreams: str):
    entries = upstreams

    def make(spec: str):
        return open_upstream(spec.partition(":")[2], entries)

    settings = GatewaySettings(port=0, tls_port=None)
    return serving(settings, open_choice(engine, make))


def check(events: list[Event]) -> None:
    heard = [(word.text, word.start_ms, word.end_ms) for word in marked_words(events)]
    assert heard == [(word.text, word.start_ms, word.end_ms) for word in marked_expected(WORDS)]
    check_timeline(events)


def codes(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("dialect", ["native", "deepgram", "assemblyai"])
@pytest.mark.parametrize("seed", range(2))
async def test_the_connection_to_an_upstream_is_cut_many_times(dialect: str, seed: int) -> None:
    async with (
        gateway() as behind,
        CuttingProxy(behind.doors["http"].port, random.Random(seed), cuts=4) as proxy,
        front("up:a", a=f"{dialect}@http://127.0.0.1:{proxy.port}") as running,
        asyncio.timeout(60),
        connect(running.url) as stream,
    ):
        _, events = await asyncio.gather(speak(stream, 0.0), collect(stream))
    assert proxy.cuts >= 2
    assert stream.reconnects == 0
    check(events)


async def test_an_upstream_is_killed_in_mid_word_and_another_vendor_hears_on(
    processes: list[GatewayProcess],
) -> None:
    first = GatewayProcess(0)
    processes.append(first)
    await first.start()
    async with (
        gateway() as second,
        front(
            "up:dg | up:aai",
            dg=f"deepgram@http://127.0.0.1:{first.port}",
            aai=f"assemblyai@{second.url}",
        ) as running,
        asyncio.timeout(60),
        connect(running.url) as stream,
    ):
        speaking = asyncio.create_task(speak(stream, 0.005))
        listening = asyncio.create_task(collect(stream))
        await asyncio.sleep(0.4)
        await first.kill()
        await speaking
        events = await listening
    assert "failover" in codes(events)
    assert stream.reconnects == 0
    check(events)


async def test_a_time_limit_is_met_many_times_without_a_seam() -> None:
    async with (
        gateway() as behind,
        front("up:a", a=f"deepgram@{behind.url} limit_s=0.4 margin_s=0.2") as running,
        asyncio.timeout(60),
        connect(running.url) as stream,
    ):
        _, events = await asyncio.gather(speak(stream, 0.006), collect(stream))
    assert codes(events).count("rolled_over") >= 2
    check(events)
