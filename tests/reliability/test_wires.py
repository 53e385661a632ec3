"""Exactly once over every wire: the same faults, the same words."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from ossicle.client import Wire, connect
from ossicle.core.events import Notice
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .conftest import CuttingProxy, gateway
from .test_resume import QUICK, collect, script, speak

pytestmark = pytest.mark.reliability

WIRES: tuple[Wire, ...] = ("websocket", "mux", "http", "grpc")


def scheme(wire: Wire) -> str:
    return "grpc" if wire == "grpc" else "http"


def port_of(running: Gateway) -> int:
    """The door that was opened for the wire."""
    if running.rpc is not None:
        return int(running.rpc.urls["grpc"].rpartition(":")[2])
    return running.doors["http"].port


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("wire", WIRES)
async def test_a_connection_cut_anywhere_many_times(wire: Wire, seed: int) -> None:
    """Inside a handshake, inside a message, on the way in or out."""
    chance = random.Random(300 + seed)
    words = script(chance, 50)
    audio = marked_audio(words)
    async with (
        gateway(rpc=wire == "grpc", resume_window_s=30.0) as running,
        CuttingProxy(port_of(running), chance, cuts=8) as proxy,
        asyncio.timeout(60),
        connect(
            f"{scheme(wire)}://127.0.0.1:{proxy.port}", transport=wire, reconnect=QUICK
        ) as stream,
    ):
        _, events = await asyncio.gather(
            speak(stream, audio, chance.randrange(1_000, 5_000)), collect(stream)
        )
    assert proxy.cuts >= 3
    assert stream.wire == wire
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    assert stream.ended is not None
    assert stream.ended.error is None


@pytest.mark.parametrize("wire", WIRES)
async def test_another_gateway_takes_over_in_mid_word(wire: Wire) -> None:
    """It knows no token: the client replays, and says nothing twice. (`kill -9` of a process:
    test_resume and test_grpc.)"""
    chance = random.Random(7)
    words = script(chance, 30)
    audio = marked_audio(words)
    cut = len(audio) // 2 + 1
    async with (
        gateway(rpc=wire == "grpc") as first,
        gateway(rpc=wire == "grpc") as second,
        CuttingProxy(port_of(first), chance, cuts=0) as proxy,
        asyncio.timeout(60),
        connect(
            f"{scheme(wire)}://127.0.0.1:{proxy.port}", transport=wire, reconnect=QUICK
        ) as stream,
    ):
        reading = asyncio.create_task(collect(stream))
        for start in range(0, cut, 3_200):
            await stream.send(audio[start : min(cut, start + 3_200)])
            await asyncio.sleep(0.002)
        proxy.target = port_of(second)
        proxy.cut()
        _, events = await asyncio.gather(speak(stream, audio[cut:], 3_200), reading)
    assert stream.moves == 1
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    assert not [event for event in events if isinstance(event, Notice)]


async def test_many_streams_of_one_connection_survive_its_cuts_each_by_itself() -> None:
    chance = random.Random(11)
    scripts = [script(chance, 20) for _ in range(6)]
    async with (
        gateway(resume_window_s=30.0) as running,
        CuttingProxy(port_of(running), chance, cuts=0) as proxy,
        asyncio.timeout(60),
        AsyncExitStack() as stack,
    ):
        url = f"http://127.0.0.1:{proxy.port}"
        streams = [
            await stack.enter_async_context(connect(url, transport="mux", reconnect=QUICK))
            for _ in scripts
        ]
        assert proxy.connections == 1
        talks = [
            asyncio.gather(speak(stream, marked_audio(words), 1_600, 0.002), collect(stream))
            for stream, words in zip(streams, scripts, strict=True)
        ]
        for _ in range(4):
            await asyncio.sleep(0.1)  # somewhere in the middle of everything
            proxy.cut()
        for stream, words, talk in zip(streams, scripts, talks, strict=True):
            _, events = await talk
            assert marked_words(events) == marked_expected(words)
            assert (stream.moves, stream.reconnects > 0) == (0, True)
            check_timeline(events)
        assert proxy.connections <= 10
