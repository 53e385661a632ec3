"""A client that does not read: what it costs is bounded, and nothing final is lost."""

import asyncio
import json
import socket

import pytest
import websockets

from harness import address, gateway_with, resident, until
from ossicle.engines.scripted import ScriptedEngine, parse_script

pytestmark = [pytest.mark.reliability, pytest.mark.filterwarnings("ignore::ResourceWarning")]

TURNS = 1_500
SCRIPT = " ".join(f"these are the words of turn number{n}." for n in range(TURNS))
WORDS = SCRIPT.split()
SECOND = bytes(32_000)


def narrow(url: str) -> socket.socket:
    """A connection whose kernel buffer holds little, so that not reading is felt soon."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    peer.connect(address(url))
    peer.setblocking(False)
    return peer


async def test_it_stops_the_client_and_finds_every_final_when_it_reads_again(tmp_path) -> None:
    engine = ScriptedEngine(parse_script(SCRIPT))
    async with gateway_with(tmp_path, engine) as gateway:
        url = gateway.url.replace("http", "ws") + "/v1/stream?encoding=pcm_s16le"
        before = resident()
        async with websockets.connect(url, sock=narrow(gateway.url), max_queue=1) as peer:
            await until(lambda: gateway.house.sessions)
            (session,) = gateway.house.sessions.values()
            sent = 0

            async def talk() -> None:
                nonlocal sent
                for sent in range(len(WORDS) * 300 // 1000 + 2):  # noqa: B007
                    await peer.send(SECOND)
                await peer.send('{"type":"end"}')

            talking = asyncio.create_task(talk())
            await until(lambda: session.feed.held and session.journal.waiting > 32_000)
            stopped = -1
            while stopped != sent:  # the wire is full: nothing goes out any more
                stopped = sent
                await asyncio.sleep(0.2)
            assert not talking.done()
            assert session.log.missed(session.owner.cursor - 1) == 0, "something fell off unread"
            assert resident() - before < 64 << 20
            words: list[str] = []
            numbers: list[int] = []
            partials = 0
            async for message in peer:
                event = json.loads(message)
                numbers += [event["seq"]] if event.get("seq") else []
                if event["type"] == "transcript":
                    partials += not event["final"]
                    words += event["text"].split() if event["final"] else []
            await talking
        assert words == WORDS
        assert numbers == sorted(set(numbers))
        assert partials < len(WORDS) - TURNS, "older partials were sent although newer ones waited"
