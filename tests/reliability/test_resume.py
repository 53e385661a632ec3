"""Nothing lost and nothing doubled: real gateways, real sockets, real cuts and kills."""

import asyncio
import random

import pytest

from ossicle.client import Reconnect, SpeechStream, connect
from ossicle.core.events import (
    Event,
    Notice,
    Transcript,
)
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .conftest import CuttingProxy, GatewayProcess, gateway

pytestmark = pytest.mark.reliability

QUICK = Reconnect(first_s=0.02, most_s=0.2, total_s=20.0)


def script(chance: random.Random, count: int) -> list[int]:
    """Words 1, 2, 3, … with pauses that end turns now and then."""
    words: list[int] = []
    for number in range(1, count + 1):
        words.append(number)
        if chance.random() < 0.3:
            words.append(0)
    return words


async def collect(stream: SpeechStream) -> list[Event]:
    return [event async for event in stream]


async def speak(stream: SpeechStream, audio: bytes, piece: int, pause_s: float = 0.0) -> None:
    for start in range(0, len(audio), piece):
        await stream.send(audio[start : start + piece])
        await asyncio.sleep(pause_s)
    await stream.end()


@pytest.mark.parametrize("seed", range(6))
async def test_a_socket_cut_anywhere_many_times(seed: int) -> None:
    chance = random.Random(seed)
    words = script(chance, 60)
    audio = marked_audio(words)
    async with (
        gateway() as running,
        CuttingProxy(running.doors["http"].port, chance, cuts=12) as proxy,
        asyncio.timeout(60),
        connect(f"http://127.0.0.1:{proxy.port}", reconnect=QUICK) as stream,
    ):
        _, events = await asyncio.gather(
            speak(stream, audio, chance.randrange(200, 5_000)), collect(stream)
        )
    assert proxy.cuts >= 5
    assert stream.moves == 0
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    assert stream.ended is not None
    assert stream.ended.error is None


@pytest.mark.parametrize("seed", range(3))
async def test_kill_9_in_mid_word_and_another_takes_the_port(
    seed: int, processes: list[GatewayProcess]
) -> None:
    chance = random.Random(seed)
    words = script(chance, 40)
    audio = marked_audio(words)
    first = GatewayProcess(0)
    processes.append(first)
    await first.start()
    async with (
        asyncio.timeout(60),
        connect(f"http://127.0.0.1:{first.port}", reconnect=QUICK) as stream,
    ):
        reading = asyncio.create_task(collect(stream))
        # A word lasts 6,400 bytes: cut inside one, and let the gateway have all but the last.
        cut = chance.randrange(len(audio) // 3, 2 * len(audio) // 3) & ~1
        for start in range(0, cut, 3_200):
            await stream.send(audio[start : min(cut, start + 3_200)])
            await asyncio.sleep(0.002)
        await first.kill()
        second = GatewayProcess(first.port)
        processes.append(second)
        _, events, _ = await asyncio.gather(
            speak(stream, audio[cut:], 3_200), reading, second.start()
        )
    assert stream.moves == 1
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    assert not [event for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("seed", range(3))
async def test_a_body_cut_anywhere_many_times(seed: int) -> None:
    """Chunked HTTP resumes by the same token."""
    chance = random.Random(100 + seed)
    words = script(chance, 40)
    audio = marked_audio(words)
    async with (
        gateway() as running,
        CuttingProxy(running.doors["http"].port, chance, cuts=8) as proxy,
        asyncio.timeout(60),
        connect(f"http://127.0.0.1:{proxy.port}", transport="http", reconnect=QUICK) as stream,
    ):
        _, events = await asyncio.gather(speak(stream, audio, 3_200), collect(stream))
    assert proxy.cuts >= 3
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)


@pytest.mark.parametrize("seed", range(3))
async def test_every_question_has_one_answer_over_cuts(seed: int) -> None:
    chance = random.Random(200 + seed)
    words = list(range(1, 61))
    audio = marked_audio(words)
    finals: list[Transcript] = []

    async def ask(stream: SpeechStream) -> None:
        for start in range(0, len(audio), 16_000):
            await stream.send(audio[start : start + 16_000])
            finals.append(await stream.finalize())
        await stream.end()

    async with (
        gateway() as running,
        CuttingProxy(running.doors["http"].port, chance, cuts=12) as proxy,
        asyncio.timeout(60),
        connect(f"http://127.0.0.1:{proxy.port}", reconnect=QUICK) as stream,
    ):
        _, events = await asyncio.gather(ask(stream), collect(stream))
    assert proxy.cuts >= 5
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    ending = [event for event in events if isinstance(event, Transcript) and event.ends_turn]
    assert [final for final in ending if final in finals] == finals
    assert len(finals) == -(-len(audio) // 16_000)


async def test_a_client_that_comes_back_too_late_goes_on_in_a_new_session() -> None:
    """The session waited `resume_window` and is gone; the gateway lives. Nothing is lost."""
    words = script(random.Random(7), 30)
    audio = marked_audio(words)
    half = len(audio) // 2
    async with (
        gateway(resume_window_s=0.05) as running,
        asyncio.timeout(60),
        connect(running.url, reconnect=QUICK) as stream,
    ):
        reading = asyncio.create_task(collect(stream))
        for start in range(0, half, 3_200):
            await stream.send(audio[start : min(half, start + 3_200)])
            await asyncio.sleep(0.002)
        dial, gone = stream._dial, stream.session

        async def late(opening, receiver):
            while gone in running.house.sessions:
                await asyncio.sleep(0.05)
            return await dial(opening, receiver)

        stream._dial = late
        assert stream._link is not None
        stream._link.abort()
        await speak(stream, audio[half:], 3_200)
        events = await reading
    assert stream.moves == 1
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)


async def test_a_gateway_that_stops_hands_its_sessions_to_the_next(
    processes: list[GatewayProcess],
) -> None:
    """SIGTERM: told to go on elsewhere, the client does; turns closed in haste lose no word."""
    words = script(random.Random(9), 30)
    audio = marked_audio(words)
    half = len(audio) // 2 + 2_000 & ~1
    first, second = GatewayProcess(0), GatewayProcess(0)
    processes += [first, second]
    await first.start()
    async with (
        asyncio.timeout(60),
        connect(f"http://127.0.0.1:{first.port}", reconnect=QUICK) as stream,
    ):
        reading = asyncio.create_task(collect(stream))
        for start in range(0, half, 3_200):
            await stream.send(audio[start : min(half, start + 3_200)])
            await asyncio.sleep(0.002)
        first.process.terminate()
        second.port = first.port
        await first.process.wait()
        await second.start()
        await speak(stream, audio[half:], 3_200)
        events = await reading
    assert stream.moves == 1
    assert [word.text for word in marked_words(events)] == [f"w{n}" for n in words if n]
    check_timeline(events)
