"""Clients that do not read: memory is bounded, nothing final is lost, nobody else waits."""

import asyncio
import json

import pytest

from harness import (
    Talk,
    address,
    beside,
    chunks,
    gateway_with,
    pieces,
    read_head,
    resident,
    until,
    words_of,
)
from ossicle.testing.marked import marked_audio
from ossicle.transports.websocket.channel import Phase, WebSocketSettings

pytestmark = pytest.mark.reliability

PCM = {"encoding": "pcm_s16le", "sample_rate": 16000}
TURNS, LONG = 60, 60
WORDS = [0 if n % (LONG + 1) == 0 else n for n in range(1, TURNS * (LONG + 1) + 1)]
SAID = [f"w{n}" for n in WORDS if n]
SOUND = marked_audio(WORDS, frames=1)
"""Two and a half minutes: 60 turns of 60 words, so 3,600 partials of up to 60 words each."""


async def test_interims_are_replaced_and_finals_kept_until_the_client_reads(tmp_path):
    async with gateway_with(tmp_path) as gateway:
        async with Talk.open(gateway.url, reading=False, **PCM) as talk:
            await until(lambda: gateway.house.sessions)
            (session,) = gateway.house.sessions.values()
            before = resident()
            await talk.audio(SOUND)
            await until(lambda: session.taken_bytes == len(SOUND))
            behind = session.log.next - session.owner.cursor
            assert behind > 1000
            held = sum(1 for entry in session.log._entries if entry is not None)
            assert held < 10 * TURNS  # one partial a segment, and what opens and closes turns
            assert resident() - before < 24 << 20
            talk.read()
            await talk.say("end")
            await talk.ended(20)
        assert talk.words() == SAID
        numbers = [m["seq"] for m in talk.messages if m.get("seq")]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] > 2 * len(numbers)  # it skips
        assert not talk.of("notice")
        assert talk.close[0] == 1000


async def test_a_body_that_is_answered_and_not_read(tmp_path):
    async with gateway_with(tmp_path) as gateway:
        reader, writer = await asyncio.open_connection(*address(gateway.url), limit=4096)
        writer.write(
            b"POST /v1/stream?encoding=pcm_s16le HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        before = resident()
        for piece in pieces(SOUND, 6400):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        (session,) = gateway.house.sessions.values()
        await until(lambda: session.taken_bytes == len(SOUND))
        assert resident() - before < 32 << 20
        writer.write(b"0\r\n\r\n")
        status, _ = await read_head(reader)
        assert status == 200
        body = b"".join([piece async for piece in chunks(reader)])
        lines = [json.loads(line) for line in body.splitlines()]
        assert words_of(lines) == SAID
        assert lines[-1]["type"] == "ended"
        writer.close()


async def test_a_client_that_never_reads_is_dropped_and_may_come_back(tmp_path, caplog):
    async with gateway_with(tmp_path, session={"resume_window_s": 20.0}) as gateway:
        door = gateway.doors["http"].config.ws_protocol_class.door
        door.settings = WebSocketSettings(slow_reader_s=1.0)
        async with (
            Talk.open(gateway.url, reading=False, **PCM) as late,
            Talk.open(gateway.url, reading=False, **PCM) as talk,
        ):
            await until(lambda: len(gateway.house.sessions) == 2)
            other, session = gateway.house.sessions.values()
            leg, told = session.owner, other.owner.channel
            gone = []
            closed = leg.closed
            leg.channel._owner = Closing(leg, lambda error: (gone.append(error), closed(error)))
            await asyncio.gather(late.audio(SOUND), talk.audio(SOUND))
            # one that reads again in the last moment finds why, behind what it had not read
            await until(lambda: told._phase is Phase.CLOSING)
            late.read()
            await asyncio.wait_for(late.over.wait(), 5)
            assert late.close == (1013, "the peer read nothing for 1 s")
            assert late.words() == SAID[: len(late.words())]
            await until(lambda: session.owner is None, 10)
            assert gone[0].code == "slow_reader"
            assert "1 s" in str(gone[0])
            assert session.detached_until is not None
            talk.socket.transport.abort()
        token, taken = session.token, session.taken_bytes
        async with Talk.open(gateway.url, resume=token, since=0) as again:
            assert again.began["taken_bytes"] == taken
            await again.audio(SOUND[taken:])
            await again.say("end")
            await again.ended(20)
            assert again.words() == SAID
        await until(lambda: session.id not in gateway.house.sessions)


class Closing:
    """A leg whose end is watched."""

    def __init__(self, leg, closed) -> None:
        self.leg, self.closed = leg, closed

    def __getattr__(self, name):
        return getattr(self.leg, name)


async def test_an_observer_that_never_reads_does_not_hurt_the_owner(tmp_path):
    async with gateway_with(tmp_path, session={"resume_window_s": 20.0}) as gateway:
        async with beside(gateway.url), Talk.open(gateway.url, **PCM) as owner:
            session = owner.began["session"]
            async with Talk.open(gateway.url, reading=False, session=session) as observer:
                await until(lambda: len(gateway.house.sessions[session].legs) == 2)
                before = resident()
                await owner.audio(SOUND)
                await owner.say("end")
                await owner.ended(20)
                assert owner.words() == SAID
                assert not owner.of("notice")
                assert resident() - before < 48 << 20
                observer.read()
                await observer.ended(20)
                assert observer.words() == SAID
                assert observer.close[0] == 1000
        await until(lambda: not gateway.house.sessions, 2)
