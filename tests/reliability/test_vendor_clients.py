"""The client library over a provider's protocol, which has no way back to a broken session: its
connection is cut anywhere, a new session goes on, and every word comes once."""

import asyncio
import random

import pytest

from ossicle.client import Reconnect, SpeechStream, connect
from ossicle.core.errors import Refused
from ossicle.core.events import Event, Transcript
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .conftest import CuttingProxy, gateway

pytestmark = pytest.mark.reliability

QUICK = Reconnect(first_s=0.02, most_s=0.2, total_s=20.0)


async def collect(stream: SpeechStream) -> list[Event]:
    return [event async for event in stream]


async def speak(stream: SpeechStream, audio: bytes) -> None:
    for start in range(0, len(audio), 1_600):
        await stream.send(audio[start : start + 1_600])
        await asyncio.sleep(0)
    await stream.end()


@pytest.mark.parametrize(
    "dialect", ["deepgram", "deepgram-flux", "assemblyai", "amazon", "amazon-http2"]
)
@pytest.mark.parametrize("seed", range(3))
async def test_a_socket_cut_anywhere_many_times(dialect: str, seed: int) -> None:
    chance = random.Random(seed)
    words = [word for number in range(1, 41) for word in (number, *[0] * (number % 3 == 0))]
    audio = marked_audio(words)
    async with (
        gateway() as running,
        CuttingProxy(running.doors["http"].port, chance, cuts=6) as proxy,
        asyncio.timeout(60),
        connect(f"http://127.0.0.1:{proxy.port}", dialect=dialect, reconnect=QUICK) as stream,
    ):
        _, events = await asyncio.gather(speak(stream, audio), collect(stream))
    assert proxy.cuts >= 3
    assert stream.moves >= 3
    # two providers have no "not known" for a confidence: 0.0 is what they say
    heard = [(word.text, word.start_ms, word.end_ms) for word in marked_words(events)]
    assert heard == [(word.text, word.start_ms, word.end_ms) for word in marked_expected(words)]
    check_timeline(events)
    ends = [e.end_ms for e in events if isinstance(e, Transcript) and e.final and e.text]
    assert ends == sorted(ends, key=lambda ms: ms or 0)
    assert stream.ended is not None
    assert stream.ended.error is None


async def test_a_protocol_has_its_wire() -> None:
    with pytest.raises(Refused, match="deepgram goes over websocket, not over http"):
        connect("http://127.0.0.1:9", dialect="deepgram", transport="http")


async def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(Refused, match="did you mean 'deepgram'"):
        connect("http://127.0.0.1:9", dialect="deepgramm")
