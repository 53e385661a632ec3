"""Opening engines for a session, whatever they do, and leaving nothing behind."""

import asyncio

import pytest

from ossicle.core.commands import End, Finalize
from ossicle.core.errors import EngineFailed, Overloaded
from ossicle.core.events import Began, Ended
from ossicle.core.session import SessionSettings
from ossicle.core.wire import Accept
from ossicle.testing.house import HeldEngine

PIECE = bytes(640)


def accepted(peer) -> bool:
    return any(isinstance(message, Accept) for message in peer.channel.sent)


async def test_a_quick_engine_is_open_before_the_handshake_is_answered(gateway):
    async with gateway() as g:
        peer = g.peer()
        assert not accepted(peer), "held"
        assert peer.channel.paused
        await g.until(lambda: accepted(peer))
        assert not peer.channel.paused
        assert isinstance(peer.told[0], Began)
        assert peer.told[0].engine == "held"
        assert len(g.engine.streams) == 1


async def test_a_slow_engine_is_waited_for_only_so_long(gateway, waiting_engine):
    async with gateway(waiting_engine(), patience_s=0.03) as g:
        peer = g.peer()
        await g.until(lambda: g.engine.opening == 1)
        assert not accepted(peer)
        await g.until(lambda: accepted(peer))
        peer.audio(PIECE)
        peer.ask(Finalize(ref="q"))
        assert not g.engine.streams
        g.engine.go.set()
        await g.until(lambda: g.engine.streams and g.engine.stream.asked)
        assert g.engine.stream.order == [PIECE, Finalize(ref="q")]


async def test_no_room_is_a_refusal_before_anything_is_accepted(gateway):
    engine = HeldEngine()
    engine.fails = [Overloaded("no room")]
    async with gateway(engine) as g:
        peer = g.peer()
        await g.until(lambda: peer.ended)
        assert [type(e) for e in peer.told] == [Ended]
        assert peer.ended[0].error.code == "at_capacity"
        await g.until(lambda: not g.house.sessions)


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_an_engine_that_fails_to_open_is_tried_again_up_to_a_bound(gateway, times):
    engine = HeldEngine()
    engine.fails = [EngineFailed("one"), ValueError("secret words"), EngineFailed("three")][:times]
    settings = SessionSettings(replays=2, replay_wait_s=(0.0,))
    async with gateway(engine, session=settings) as g:
        peer = g.peer()
        await g.until(lambda: peer.ended or g.engine.streams)
        assert bool(peer.ended) == (times == 3)
        assert len(peer.ended) <= 1
        assert "secret" not in str(peer.told)


async def test_an_engine_whose_session_is_gone_is_not_waited_for(gateway, waiting_engine):
    async with gateway(waiting_engine(), patience_s=0.0) as g:
        peer = g.peer()
        await g.until(lambda: accepted(peer) and g.engine.opening)
        peer.drop()
        await g.until(lambda: not g.house.sessions)
        assert g.engine.cancelled == 1


async def test_a_peer_that_leaves_before_it_was_let_in_leaves_nothing(gateway, waiting_engine):
    async with gateway(waiting_engine(), patience_s=0.02) as g:
        peer = g.peer()
        await g.until(lambda: g.engine.opening == 1)
        peer.close()
        await g.until(lambda: not g.house.sessions)
        assert not peer.told


async def test_a_session_without_a_format_is_let_in_at_once(gateway):
    from ossicle.core.commands import Configure

    async with gateway() as g:
        peer = g.peer(Configure())
        await g.until(lambda: accepted(peer))
        assert not g.engine.streams
        peer.audio(b"RIFF")
        peer.ask(End())
        assert peer.ended[0].error.code == "unsupported_audio"
        peer.close()
        await g.until(lambda: not g.house.sessions)


async def test_a_lost_engine_is_replaced(gateway):
    async with gateway(session=SessionSettings(replay_wait_s=(0.0,))) as g:
        peer = g.peer()
        await g.until(lambda: accepted(peer))
        peer.audio(PIECE)
        g.engine.stream.sink.tell(Ended(error=EngineFailed("x").fault()))
        await g.until(lambda: len(g.engine.streams) == 2 and g.engine.stream.fed)
        assert g.engine.stream.fed == [PIECE]


async def test_an_ended_session_lingers_for_who_may_come_back(gateway):
    async with gateway(session=SessionSettings(resume_window_s=0.05)) as g:
        peer = g.peer()
        await g.until(lambda: accepted(peer))
        peer.audio(PIECE)
        session = peer.session
        peer.leg.writable(False)
        session.finish("shutdown")
        peer.drop()
        await asyncio.sleep(0)
        assert session.id in g.house.sessions
        await g.until(lambda: not g.house.sessions)


@pytest.mark.parametrize("when", ["held", "opening", "live", "draining", "ended", "waits to retry"])
async def test_stopping_at_any_moment_leaves_no_session_no_task_and_no_stream(
    gateway, waiting_engine, when
):
    engine = waiting_engine() if when in {"held", "opening"} else HeldEngine()
    if when == "waits to retry":
        engine.fails = [EngineFailed("x")]
    patience = 60 if when == "held" else 0.0
    async with gateway(
        engine, patience_s=patience, session=SessionSettings(replay_wait_s=(60.0,))
    ) as g:
        peer = g.peer()
        if when == "held":
            await g.until(lambda: engine.opening)
        else:
            await g.until(lambda: accepted(peer))
        if when in {"draining", "ended"}:
            await g.until(lambda: engine.streams)
            peer.ask(End())
        if when == "ended":
            engine.stream.sink.tell(Ended())
    assert len(peer.ended) == 1
    assert all(stream.aborts for stream in engine.streams)
    if when == "held":
        assert peer.ended[0].error.code == "draining"
        assert not accepted(peer) or peer.channel.closed


async def test_stopping_in_the_moment_an_engine_opens_aborts_its_stream(gateway, waiting_engine):
    engine = waiting_engine()
    async with gateway(engine, patience_s=60) as g:
        g.peer()
        await g.until(lambda: engine.opening)
        engine.go.set()
    assert all(stream.aborts for stream in engine.streams)
