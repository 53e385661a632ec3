"""OpenAI's protocols in front and behind: with every client dialect, and before every provider's.

They carry no times of words, and hear 24 kHz, at which marked audio names no words. So the engine
behind says its words by the clock of the audio, and the text of the turns is what is compared. One
test for each provider, its clients all at once: they mostly wait.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from harness import Talk, gateway_with, until
from ossicle.audio.g711 import encode_mulaw
from ossicle.core.commands import Audio, Configure, End
from ossicle.core.events import Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Engine
from ossicle.engines.openai_http import TranscriptionServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from pair_table import record
from pairs import CLIENTS, HTTP, TIMELESS, UPSTREAMS, Conversation, source_of, talk, url_of

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

SAID = "one two three. four five."
WITHOUT_ASKING = ("google", "amazon", "amazon-http2", "riva")
"""Upstreams that have no word for `Finalize`."""


class Loud:
    """Tells sound from silence, which is all there is here."""

    frame_samples = 512

    def probability(self, frame: bytes) -> float:
        return float(np.abs(np.frombuffer(frame, "<i2")).max() > 1_000)


def sound(source: AudioFormat) -> bytes:
    """1.6 s that are loud, for five words of 300 ms, and a second of silence."""
    rate = source.sample_rate
    loud = (np.sin(np.arange(int(rate * 1.6)) * 0.2) * 8_000).astype("<i2")
    return np.concatenate([loud, np.zeros(rate, "<i2")]).tobytes()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fronts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Gateway]]:
    """Gateways in front of another one, by every provider's protocol."""
    folder = tmp_path_factory.mktemp("pairs")
    async with contextlib.AsyncExitStack() as stack:
        far = await stack.enter_async_context(
            gateway_with(folder / "behind", ScriptedEngine(SAID), grpc_port=0)
        )

        def upstream(name: str) -> Engine:
            if name == HTTP:
                return TranscriptionServer(f"{far.url}/v1", vad=Loud).engine()
            return open_upstream(
                "it", {"it": f"{name}@{url_of(far, CLIENTS[name].wire)} answer_s=0.2"}
            )

        yield {
            name: await stack.enter_async_context(
                gateway_with(folder / name, upstream(name), grpc_port=0)
            )
            for name in (*UPSTREAMS, *TIMELESS, HTTP)
        }


def words(text: str) -> list[str]:
    return text.replace(".", " ").split()


async def one_conversation(front: Gateway, client: str, upstream: str) -> None:
    """Every word once and in order, its turns ended, and an end."""
    speaker, source = CLIENTS[client], source_of(client)
    conversation = await Conversation.open(
        speaker, url_of(front, speaker.wire), Configure(format=source)
    )
    audio = sound(source)
    for at in range(0, len(audio), 3_200):
        conversation.ask(Audio(data=audio[at : at + 3_200]))
        await asyncio.sleep(0)

    def finals() -> list[Transcript]:
        return [final for final in conversation.finals if final.side == "in"]

    def heard() -> list[str]:
        return [word for final in finals() for word in words(final.text)]

    if client in TIMELESS and upstream in WITHOUT_ASKING:
        # OpenAI has no word for the end: its client asks for what is left, and closes when that is
        # answered. These providers cannot be asked, and answer with the next end of a turn.
        await conversation.until(lambda: len(heard()) == 5)
    ended = await talk(conversation, [b""])
    assert ended.error is None
    assert heard() == words(SAID)
    assert all(final.ends_turn for final in finals()[-1:])
    assert not [notice for notice in conversation.of(Notice) if notice.level == "error"]
    turns = [final for final in finals() if final.ends_turn]
    record(client, upstream, f"{len(heard())} words, {len(turns)} turns")


@pytest.mark.parametrize("upstream", [*UPSTREAMS, *TIMELESS, HTTP])
async def test_one_conversation_with_each_client(fronts: dict[str, Gateway], upstream: str) -> None:
    hearing = [name for name, each in CLIENTS.items() if each.hears]
    clients = TIMELESS if upstream in UPSTREAMS else hearing
    async with asyncio.TaskGroup() as group:
        for client in clients:
            work = one_conversation(fronts[upstream], client, upstream)
            group.create_task(work, name=f"{client} before {upstream}")


@pytest.mark.parametrize("upstream", [*TIMELESS, HTTP])
async def test_a_call(fronts: dict[str, Gateway], upstream: str) -> None:
    """A telephone hears no words: they go to who follows its session."""
    front = fronts[upstream]
    configure = Configure(format=AudioFormat("mulaw", 8_000), names=("CA" + "2" * 32,))
    conversation = await Conversation.open(CLIENTS["twilio"], front.url, configure)
    await until(lambda: any(s.owner for s in front.house.sessions.values()))
    (session,) = [s.id for s in front.house.sessions.values() if s.owner]
    async with Talk.open(front.url, session=session) as watch:
        loud = encode_mulaw(sound(AudioFormat("pcm_s16le", 8_000)))
        for at in range(0, len(loud), 160):
            conversation.ask(Audio(data=loud[at : at + 160]))
        conversation.ask(End())
        ended = await watch.ended()
        assert "error" not in ended
        finals = [m for m in watch.of("transcript", final=True) if m.get("side", "in") == "in"]
        assert [word for m in finals for word in words(m["text"])] == words(SAID)
    conversation.link.abort()
    record("twilio", upstream, f"5 words, {sum(bool(m['text']) for m in finals)} turns")
