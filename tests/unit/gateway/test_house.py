"""Which sessions live, and who may join them."""

import asyncio

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Configure, End, Join
from ossicle.core.events import Began, Ended, Transcript
from ossicle.core.session import SessionSettings

PIECE = bytes(640)
KEYS = (("ann", "ka"), ("bob", "kb"))


def code(peer) -> str:
    return peer.ended[0].error.code


async def opened(g, **names):
    peer = g.peer(**names)
    await g.until(lambda: peer.told)
    return peer


async def test_as_many_sessions_as_are_allowed(gateway):
    async with gateway(sessions=2) as g:
        first, _ = await opened(g), await opened(g)
        third = g.peer()
        assert code(third) == "at_capacity"
        assert "limit is 2" in third.ended[0].error.text
        first.drop()
        await g.until(lambda: len(g.house.sessions) == 1)
        await opened(g)


async def test_a_key_is_asked_for_and_says_whose_a_session_is(gateway):
    async with gateway(keys=KEYS) as g:
        assert code(g.peer()) == "unauthorized"
        assert code(g.peer(credential="nope")) == "unauthorized"
        peer = await opened(g, credential="ka")
        assert [row["session"] for row in g.house.listing("ann")] == [peer.session.id]
        assert g.house.listing("bob") == []


async def test_pages_are_checked_first(gateway):
    async with gateway() as g:
        peer = g.peer(headers=(("origin", "https://evil.example"),))
        assert code(peer) == "forbidden"


async def test_what_cannot_be_configured_opens_nothing(gateway):
    async with gateway() as g:
        assert code(g.peer(patch={"recognition": {"nonsense": 1}})) == "bad_option"
        assert g.house.sessions == {}


async def test_a_token_takes_a_session_over(gateway):
    async with gateway() as g:
        peer = await opened(g)
        session, token = peer.session, peer.told[0].token
        peer.audio(PIECE)
        await g.until(lambda: g.engine.streams)
        g.engine.stream.sink.tell(Transcript(text="one", final=True, ends_turn=True, end_ms=20))
        since = peer.events[-1].seq
        peer.drop()
        back = g.peer(join=Join(token=token, since=since))
        began = back.told[0]
        assert isinstance(began, Began)
        assert (began.resumed, began.session, began.taken_bytes) == (True, session.id, 640)
        assert back.events == []
        newer = g.peer(join=Join(token=token, since=since))
        assert code(back) == "replaced"
        assert session.owner is newer.leg


async def test_tokens_that_open_nothing(gateway):
    async with gateway(node="n.1") as g:
        peer = await opened(g)
        token = peer.told[0].token
        assert code(g.peer(join=Join(token=token + "x"))) == "resume_denied"
        assert code(g.peer(join=Join(token="n.1.unknown.secret"))) == "resume_unknown"
        assert code(g.peer(join=Join(token="nonsense"))) == "resume_unknown"
        assert not peer.ended, "and nobody is disturbed"
        peer.ask(End())
        g.engine.stream.sink.tell(Ended())
        peer.close()
        await g.until(lambda: not g.house.sessions)
        assert code(g.peer(join=Join(token=token))) == "resume_expired"


async def test_a_token_of_another_key_is_denied(gateway):
    async with gateway(keys=KEYS) as g:
        peer = await opened(g, credential="ka")
        token = peer.told[0].token
        assert code(g.peer(credential="kb", join=Join(token=token))) == "resume_denied"
        by_name = Join(session=peer.session.id, role="observer")
        assert code(g.peer(credential="kb", join=by_name)) == "resume_denied"
        assert not peer.ended


@pytest.mark.parametrize("role", ["observer", "controller"])
async def test_joining_by_name_makes_no_owner(gateway, role):
    async with gateway() as g:
        peer = await opened(g)
        session = peer.session
        other = g.peer(join=Join(session=session.id, role=role))
        assert other.leg.role == role
        assert other.told[0].token == ""
        assert session.owner is peer.leg
        thief = g.peer(join=Join(session=session.id, role="owner"))
        assert thief.ended
        assert session.owner is peer.leg
        assert code(g.peer(join=Join(session="unknown", role=role))) == "not_found"


async def test_a_session_of_a_gateway_that_is_gone_goes_on_here(gateway):
    async with gateway() as g:
        join = Join(token="other.session.secret", since=9, settled_ms=1_000, turn=4)
        peer = await opened(g, join=join)
        await g.until(lambda: g.engine.streams)
        peer.audio(PIECE)
        g.engine.stream.sink.tell(Transcript(text="x", final=True, ends_turn=True, end_ms=20))
        (final,) = peer.finals
        assert (final.turn, final.end_ms) == (4, 1_020)
        assert peer.events[0].seq == 10
        assert peer.told[0].resumed is False
        assert peer.told[0].token != join.token


async def test_draining_refuses_the_new_and_lets_the_old_finish(gateway):
    async with gateway(drain_s=5) as g:
        peer = await opened(g)
        await g.until(lambda: g.engine.streams)
        draining = asyncio.create_task(g.house.drain())
        await asyncio.sleep(0)
        assert code(g.peer()) == "draining"
        assert "the gateway is stopping" in g.house.missing()
        peer.ask(End())
        g.engine.stream.sink.tell(Ended())
        peer.close()
        await asyncio.wait_for(draining, 2)
        assert peer.ended[0].reason == "done"


async def test_draining_tells_who_does_not_finish_to_go_elsewhere_in_time(gateway):
    async with gateway(drain_s=0.1) as g:
        peer = await opened(g)
        await asyncio.wait_for(g.house.drain(), 2)
        assert (peer.ended[0].reason, code(peer)) == ("shutdown", "draining")
        assert peer.ended[0].error.retryable


async def test_one_sessions_bug_is_not_the_others_end(gateway, monkeypatch):
    async with gateway(session=SessionSettings(idle_s=0)) as g:
        one, other = await opened(g), await opened(g)

        def bug(now: float) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(one.session, "tick", bug)
        g.house.tick()
        assert one.ended[0].reason == "failed"
        assert not other.ended


async def test_nothing_is_admitted_while_the_house_does_not_run():
    from ossicle.gateway.configuration.settings import GatewaySettings
    from ossicle.gateway.house import House
    from ossicle.testing.house import HeldEngine, Peer, PeerDialect

    house = House(GatewaySettings(), HeldEngine())
    peer = Peer(house, PeerDialect(Configure(format=PCM16K), plain=True, resumable=True))
    from ossicle.core.wire import Opening

    peer.leg.start(Opening())
    assert code(peer) == "draining"
    assert house.sessions == {}
