"""Providers that misbehave, on real sockets: each has a name, and where there is somewhere to go
the session goes there without a word lost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ossicle.audio.speechfile import speech_file
from ossicle.client import SpeechStream, connect
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Command, End
from ossicle.core.errors import OssicleError
from ossicle.core.events import Ended, Event, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.core.ports import Sink
from ossicle.core.session import SessionSettings
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.models.choices import open_choice
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway, serving
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .conftest import gateway

pytestmark = pytest.mark.reliability

WORDS = [word for number in range(1, 21) for word in (number, *[0] * (number % 4 == 0))]
AUDIO = marked_audio(WORDS)

Behaviour = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def provider(
    behaviour: Behaviour, status: int | None = None, body: bytes = b""
) -> AsyncIterator[str]:
    """A provider by the `websockets` library, which knows nothing of ours."""

    async def refuse(connection: ServerConnection, _request: Request) -> Response | None:
        if status is None:
            return None
        return connection.respond(HTTPStatus(status), body.decode())

    async with serve(
        behaviour, "127.0.0.1", 0, process_request=refuse, max_queue=4, close_timeout=0.2
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def front(spec: str, *, replays: int = 10, **upstreams: str) -> AsyncIterator[Gateway]:
    settings = GatewaySettings(
        port=0, tls_port=None, drain_s=1.0, session=SessionSettings(replays=replays)
    )

    def make(name: str) -> Any:
        return open_upstream(name.partition(":")[2], upstreams)

    async with serving(settings, open_choice(spec, make)) as running:
        yield running


async def talked(stream: SpeechStream, pace_s: float = 0.02) -> list[Event]:
    """All of it, at a few times real time, and everything that came back."""

    async def speak() -> None:
        for at in range(0, len(AUDIO), 6_400):
            await stream.send(AUDIO[at : at + 6_400])
            await asyncio.sleep(pace_s)
        await stream.end()

    events, _ = await asyncio.gather(_collected(stream), speak())
    return events


async def _collected(stream: SpeechStream) -> list[Event]:
    return [event async for event in stream]


def codes(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Notice)]


def check(events: list[Event]) -> None:
    assert marked_words(events) == marked_expected(WORDS)
    check_timeline(events)


# ── how a provider may behave ──


async def _drain(wire: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in wire:
            pass


async def garbage(wire: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in wire:
            await wire.send("{this is no message")


async def noise(wire: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in wire:
            await wire.send('{"type":"Results","start":"yesterday"}')


async def closes(wire: ServerConnection) -> None:
    await wire.close(1011, "NET-0000 oops")


async def hangs_up(wire: ServerConnection) -> None:
    wire.transport.abort()


async def ends(wire: ServerConnection) -> None:
    """Politely, before anybody asked."""
    await wire.recv()
    await wire.close(1000)


async def silent(wire: ServerConnection) -> None:
    await _drain(wire)


async def deaf(wire: ServerConnection) -> None:
    """Never reads: the library stops reading when four messages wait."""
    await wire.wait_closed()


BAD: dict[str, tuple[Behaviour, str]] = {
    "garbage": (garbage, "bad message|not a message"),
    "a known message that is broken": (noise, "bad message|not a message"),
    "closes at once": (closes, "1011"),
    "hangs up": (hangs_up, "left|closed"),
    "ends by itself": (ends, "by itself"),
    "accepts and stays silent": (silent, "said nothing for . s of audio"),
    "never reads": (deaf, "took nothing for . s"),
}
PATIENCE = "open_s=2 stuck_s=1 finish_s=1 ahead_ms=2000 silent_s="


def patience(how: str) -> str:
    """Which of the two has to notice."""
    return PATIENCE + ("0" if how == "never reads" else "1")


REFUSALS = [401, 402, 403, 429, 500, 502, 503]


@pytest.mark.parametrize("how", BAD)
async def test_it_is_named_where_there_is_nowhere_to_go(how: str) -> None:
    behaviour, text = BAD[how]
    async with (
        provider(behaviour) as url,
        front("up:dg", replays=0, dg=f"deepgram@{url} {patience(how)}") as running,
        asyncio.timeout(20),
    ):
        with pytest.raises(OssicleError, match=f"dg.*({text})") as caught:
            async with connect(running.url, reconnect=False) as stream:
                for _ in range(400):
                    await stream.send(bytes(32_000))
                    await asyncio.sleep(0.01)
                await stream.end()
                await _collected(stream)
    assert caught.value.whose == "upstream"
    assert caught.value.code in {"engine_failed", "engine_unavailable"}


@pytest.mark.parametrize("how", BAD)
async def test_another_provider_hears_on(how: str) -> None:
    behaviour, _ = BAD[how]
    async with (
        provider(behaviour) as url,
        gateway() as good,
        front(
            "up:dg | up:aai", dg=f"deepgram@{url} {patience(how)}", aai=f"assemblyai@{good.url}"
        ) as running,
        asyncio.timeout(20),
        connect(running.url) as stream,
    ):
        events = await talked(stream, 0.1 if how.startswith("accepts") else 0.02)
    assert "failover" in codes(events)
    assert stream.reconnects == 0
    check(events)


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_is_named_and_another_provider_hears(status: int) -> None:
    body = json.dumps({"err_code": "X", "err_msg": "no thanks"}).encode()
    async with (
        provider(silent, status, body) as url,
        gateway() as good,
        front("up:dg", replays=0, dg=f"deepgram@{url}") as alone,
        front("up:dg | up:aai", dg=f"deepgram@{url}", aai=f"assemblyai@{good.url}") as running,
        asyncio.timeout(20),
    ):
        with pytest.raises(OssicleError, match=f"dg: .*{status}.*no thanks") as caught:
            async with connect(alone.url, reconnect=False) as stream:
                await talked(stream)
        assert caught.value.whose == "upstream"
        assert caught.value.code not in {"unauthorized", "forbidden", "bad_request"}
        async with connect(running.url) as stream:
            events = await talked(stream, 0.0)
        assert "engine_failed" in codes(events)
        check(events)


# ── what it says and cannot mean ──


def results(text: str, start: float, end: float, *, final: bool = True) -> str:
    word = {"word": text, "start": start, "end": end, "confidence": 0.9}
    return json.dumps(
        {
            "type": "Results", "channel_index": [0, 1], "start": start, "duration": end - start,
            "is_final": final, "speech_final": final, "from_finalize": False,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": [word]}]},
            "metadata": {"request_id": "r", "model_uuid": "m",
                         "model_info": {"name": "n", "version": "v", "arch": "a"}},
        }
    )  # fmt: skip


def saying(*messages: str) -> Behaviour:
    """A provider that says these, whatever it hears."""

    async def behaviour(wire: ServerConnection) -> None:
        await wire.recv()
        for message in messages:
            await wire.send(message)
        async for message in wire:
            if isinstance(message, str) and "CloseStream" in message:
                return

    return behaviour


async def _finals(behaviour: Behaviour) -> tuple[list[Transcript], list[str]]:
    async with (
        provider(behaviour) as url,
        front("up:dg", dg=f"deepgram@{url}") as running,
        asyncio.timeout(20),
        connect(running.url) as stream,
    ):
        events = await talked(stream, 0.0)
    check_timeline(events)
    finals = [e for e in events if isinstance(e, Transcript) and e.final and e.text]
    return finals, codes(events)


async def test_a_final_that_is_said_twice_is_taken_once() -> None:
    one, two = results("one", 0.0, 0.5), results("two", 0.5, 1.0)
    finals, told = await _finals(saying(one, one, two, one, two))
    assert [final.text for final in finals] == ["one", "two"]
    assert told.count("upstream_repeated") == 1


async def test_times_that_run_backwards_are_moved() -> None:
    finals, told = await _finals(saying(results("one", 2.0, 2.5), results("two", 0.5, 1.0)))
    assert [(final.text, final.start_ms, final.end_ms) for final in finals] == [
        ("one", 2_000, 2_500),
        ("two", 2_500, 2_500),
    ]
    assert told.count("upstream_times") == 1


async def test_one_that_reads_slowly_is_waited_for() -> None:
    """Slower than real time, and with small buffers: the session holds the client back."""
    taken = 0

    async def slowly(wire: ServerConnection) -> None:
        nonlocal taken
        async for message in wire:
            if isinstance(message, str):
                if "CloseStream" in message:
                    return
                continue
            taken += len(message)
            await asyncio.sleep(0.01)

    async with (
        provider(slowly) as url,
        front("up:dg", dg=f"deepgram@{url} stuck_s=1") as running,
        asyncio.timeout(20),
        connect(running.url) as stream,
    ):
        for _ in range(3):
            await talked_of(stream, AUDIO)
        await stream.end()
        events = await _collected(stream)
    assert taken == 3 * len(AUDIO)
    assert "engine_failed" not in codes(events)


async def talked_of(stream: SpeechStream, audio: bytes) -> None:
    for at in range(0, len(audio), 6_400):
        await stream.send(audio[at : at + 6_400])


class Counting:
    """Counts what it is fed, and how loud it is."""

    capabilities = Capabilities(name="counting")

    def __init__(self) -> None:
        self.fed = bytearray()

    async def open(self, options: Options, sink: Sink) -> "Counting":
        self._sink = sink
        return self

    def audio(self, data: bytes) -> None:
        self.fed += data

    def ask(self, command: Command) -> None:
        if isinstance(command, End):
            self._sink.tell(Ended())

    def credit(self, until_ms: int) -> None: ...

    def abort(self) -> None: ...


@pytest.mark.parametrize("container", ["wav", "ogg"])
async def test_a_container_goes_on_at_another_provider(container: str) -> None:
    """It is taken apart before anything goes upstream: the next one needs no header again, and
    hears the sound from its beginning, since nothing of it was final."""
    tone = (np.sin(np.arange(4 * 16_000) * 0.2) * 8_000).astype("<i2").tobytes()
    made = speech_file(PCM16K, "opus" if container == "ogg" else "linear16", container=container)
    file = made.encode(tone) + made.finish()
    counting = Counting()

    async def breaks(wire: ServerConnection) -> None:
        for _ in range(20):
            await wire.recv()
        wire.transport.abort()

    settings = GatewaySettings(port=0, tls_port=None, drain_s=1.0)
    async with (
        provider(breaks) as url,
        serving(settings, counting) as good,
        front("up:dg | up:aai", dg=f"deepgram@{url}", aai=f"assemblyai@{good.url}") as running,
        asyncio.timeout(20),
        connect(running.url, format=AudioFormat("auto")) as stream,
    ):
        for at in range(0, len(file), len(file) // 60):
            await stream.send(file[at : at + len(file) // 60])
            await asyncio.sleep(0.005)
        await stream.end()
        events = await _collected(stream)
    assert "failover" in codes(events)
    (ended,) = [event for event in events if isinstance(event, Ended)]
    assert ended.audio_ms == pytest.approx(4_000, abs=25)
    heard = np.frombuffer(bytes(counting.fed), "<i2")
    assert len(heard) / 16 == pytest.approx(4_000, abs=50)
    pieces = np.abs(heard[: len(heard) // 1_600 * 1_600]).reshape(-1, 1_600).max(axis=1)
    assert np.count_nonzero(pieces > 6_000) >= len(pieces) - 1  # no hole anywhere
