"""How long a client waits, from `connect(within_s=)` on every wire to the call that a gateway makes
for it elsewhere; and `audio_from` in a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from harness import gateway_with, until
from ossicle.client import connect
from ossicle.core.commands import Configure
from ossicle.core.errors import BadMessage, OssicleError, Refused, TimedOut
from ossicle.core.events import Ended, Event, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Engine
from ossicle.dialects.native.protobuf import read_answer, read_event, write_question, write_start
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_words
from remote import Remote, page, silent, wav

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

SPEECH = "/ossicle.v1.Speech/"
RECORDING = wav(marked_audio([1, 2, 0, 3, 0]))
PCM = AudioFormat()


def rpc(gateway: Gateway) -> str:
    assert gateway.rpc is not None
    return gateway.rpc.urls["grpc"].replace("localhost", "127.0.0.1")


async def talk(stream: Any) -> list[Event]:
    """Three words, and no end: the rest is waiting."""
    events: list[Event] = []
    async with stream:
        await stream.send(marked_audio([1, 2, 3]))
        with pytest.raises(TimedOut):
            async for event in stream:
                events.append(event)  # noqa: PERF401  what came before the error counts
    return events


@pytest.mark.parametrize("wire", ["websocket", "grpc"])
async def test_a_client_that_waits_so_long_gets_what_was_heard(tmp_path: Path, wire: str) -> None:
    async with gateway_with(tmp_path, grpc_port=0) as gateway:
        url = rpc(gateway) if wire == "grpc" else gateway.url
        began = asyncio.get_running_loop().time()
        events = await talk(connect(url, within_s=1.0))
        assert asyncio.get_running_loop().time() - began < 1.5
        assert [word.text for word in marked_words(events)] == ["w1", "w2", "w3"]
        ended = events[-1]
        assert isinstance(ended, Ended)
        assert ended.error is not None
        assert ended.error.code == "timed_out"
        await until(lambda: not gateway.house.sessions)


async def test_over_plain_http_it_is_said_in_the_query(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        stream = connect(gateway.url, within_s=1.0, transport="http", format=PCM)
        events = await talk(stream)
        assert [word.text for word in marked_words(events)] == ["w1", "w2", "w3"]


async def test_nobody_is_there_and_the_time_is_up() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(OssicleError):
        async with connect("http://127.0.0.1:9", within_s=0.3):
            pass
    assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize("within_s", [0, -1.0, 1e9])
def test_a_time_that_is_none_is_refused(within_s: float) -> None:
    with pytest.raises(Refused, match="within_s"):
        connect(within_s=within_s)


@pytest.mark.parametrize("dialect", ["native", "google", "riva"])
async def test_the_call_that_a_session_causes_ends_with_it(tmp_path: Path, dialect: str) -> None:
    """Client, gateway, gateway: the second is told how long the client of the first waits."""
    async with gateway_with(tmp_path / "b", grpc_port=0) as behind:
        engine = engine_of(behind, dialect)
        async with gateway_with(tmp_path / "a", engine, grpc_port=0) as front:
            waiting = asyncio.create_task(talk(connect(rpc(front), within_s=2.0)))
            await until(lambda: bool(behind.house.sessions))
            (session,) = behind.house.sessions.values()
            assert session.deadline.within_s is not None
            assert 1.0 < session.deadline.within_s <= 2.0
            events = await waiting
            assert [word.text for word in marked_words(events)] == ["w1", "w2", "w3"]
            await until(lambda: not behind.house.sessions)
    async with (
        gateway_with(tmp_path / "c", grpc_port=0) as behind,
        gateway_with(tmp_path / "d", engine_of(behind, dialect)) as front,
        connect(front.url) as stream,
    ):
        await stream.send(marked_audio([1]))
        await until(lambda: bool(behind.house.sessions))
        (session,) = behind.house.sessions.values()
        assert session.deadline.within_s is None
        await stream.end()
        assert [event async for event in stream]


def engine_of(gateway: Gateway, dialect: str) -> Engine:
    return open_upstream(f"{dialect}@{gateway.url if dialect == 'native' else rpc(gateway)}")


# ── audio_from in a call ──


@asynccontextmanager
async def calling(folder: Path, **pages: Any) -> AsyncIterator[tuple[Any, Remote]]:
    async with (
        Remote({f"/{name}": made for name, made in pages.items()}).running() as remote,
        gateway_with(folder, grpc_port=0, allow_hosts=("127.0.0.1",)) as gateway,
        grpc.aio.insecure_channel(rpc(gateway).partition("://")[2]) as channel,
    ):
        yield channel, remote


async def test_a_call_names_its_recording(tmp_path: Path) -> None:
    async with calling(tmp_path, a=page(RECORDING)) as (channel, remote):
        asked = Configure(audio_from=remote.url("/a"))
        call = channel.stream_stream(SPEECH + "Stream")()
        await call.write(write_start(asked))
        await call.done_writing()
        events = [read_event(data) async for data in call]
        assert await call.code() == grpc.StatusCode.OK
        finals = [e for e in events if isinstance(e, Transcript) and e.final]
        assert [e.text for e in finals if e.text] == ["w1 w2", "w3"]
        data = await channel.unary_unary(SPEECH + "Recognize")(write_question(asked, b""))
        said, audio_ms, _, _ = read_answer(data)
        assert [each.text for each in said] == ["w1 w2", "w3"]
        assert audio_ms == (len(RECORDING) - 44) // 32


async def test_audio_beside_it_is_refused(tmp_path: Path) -> None:
    from ossicle.dialects.native.byhand import audio_out

    async with calling(tmp_path, slow=silent(RECORDING[:4_000])) as (channel, remote):
        asked = Configure(audio_from=remote.url("/slow"))
        call = channel.stream_stream(SPEECH + "Stream")()
        await call.write(write_start(asked))
        await call.write(audio_out(bytes(640)))
        async for data in call:
            event = read_event(data)
            if isinstance(event, Notice) and event.level == "error":
                assert event.code == BadMessage("").code
                break
        else:
            pytest.fail("nobody said so")
        call.cancel()
        await until(lambda: not remote.open)
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await channel.unary_unary(SPEECH + "Recognize")(write_question(asked, bytes(640)))
        assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT
