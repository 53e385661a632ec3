"""Names that others gave a session, and those who wait for one."""

import asyncio

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Configure, Join
from ossicle.core.errors import Refused
from ossicle.core.events import Began, Ended, Notice
from ossicle.gateway.reports.names import Names

KEYS = (("ann", "ka"), ("bob", "kb"))


def test_names_belong_to_their_owner():
    names = Names()
    assert names.add("ann", "s1", ("call", "line")) == ("call", "line")
    assert names.find("ann", "call") == names.find("ann", "line") == "s1"
    assert names.find("bob", "call") is None


def test_the_newest_has_the_name_and_the_older_does_not_take_it_along():
    names = Names()
    names.add("ann", "s1", ("line",))
    names.add("ann", "s2", ("line",))
    names.drop("s1")
    assert names.find("ann", "line") == "s2"
    names.drop("s2")
    assert names.find("ann", "line") is None


@pytest.mark.parametrize("given", [("x" * 201,), ("",), tuple("abcdefghi")])
def test_names_are_bounded(given):
    with pytest.raises(Refused):
        Names().add("ann", "s1", given)


def test_more_names_later_and_not_too_many():
    names = Names()
    names.add("ann", "s1", tuple("abcdef"))
    assert names.add("ann", "s1", ("a", "g")) == tuple("abcdefg")
    with pytest.raises(Refused):
        names.add("ann", "s1", ("h", "i"))
    assert names.find("ann", "i") is None


def watcher(g, key=None, wait_s=30.0, name="CA1"):
    join = Join(session=name, role="observer", wait_s=wait_s)
    return g.peer(Configure(join=join, credential=key))


def told(peer, kind):
    return [event for event in peer.told if isinstance(event, kind)]


async def test_whoever_came_first_is_told_when_it_begins(gateway):
    async with gateway(keys=KEYS) as g:
        early, foreign = watcher(g, "ka"), watcher(g, "kb")
        assert [event.code for event in told(early, Notice)] == ["waiting"]
        assert not early.channel.paused, "one that leaves has to be noticed"
        peer = g.peer(credential="ka", names=("CA1",))
        await g.until(lambda: peer.told)
        assert told(early, Began)[0].session == peer.session.id
        assert told(early, Began)[0].token == ""
        assert not told(foreign, Began)
        late = watcher(g, "ka")
        assert told(late, Began)[0].session == peer.session.id


async def test_whoever_does_not_wait_is_told_at_once(gateway):
    async with gateway() as g:
        peer = watcher(g, wait_s=0.0)
        assert peer.ended[0].error.code == "not_found"


async def test_waiting_has_an_end(gateway):
    async with gateway() as g:
        peer = watcher(g, wait_s=0.05)
        await asyncio.sleep(0.06)
        g.house.tick()
        assert peer.ended[0].error.code == "not_found"


async def test_one_that_left_is_forgotten(gateway):
    async with gateway() as g:
        gone = watcher(g)
        gone.drop()
        g.house.tick()
        assert len(g.house.exits.waiting) == 0


async def test_not_too_many_wait(gateway, monkeypatch):
    monkeypatch.setattr("ossicle.gateway.reports.names._MOST_WAITING", 2)
    async with gateway() as g:
        first, _, third = watcher(g), watcher(g), watcher(g)
        assert third.ended[0].error.code == "at_capacity"
        first.drop()
        assert not told(watcher(g), Ended)


async def test_those_who_wait_are_sent_away_when_the_gateway_stops(gateway):
    async with gateway(drain_s=0.1) as g:
        peer = watcher(g)
        await g.house.drain()
        assert peer.ended[0].error.code == "draining"


async def test_a_session_has_its_names_from_its_owner_only(gateway):
    async with gateway() as g:
        peer = g.peer(names=("CA1",))
        await g.until(lambda: peer.told)
        other = g.peer(Configure(join=Join(session="CA1", role="controller")))
        other.ask(Configure(names=("mine",)))
        assert told(other, Notice)[-1].code == "forbidden"
        peer.ask(Configure(names=("too",)))
        assert g.house.find("too").id == g.house.find("CA1").id == peer.session.id


async def test_what_cannot_be_named_or_posted_opens_nothing(gateway):
    from ossicle.core.commands import Report

    async with gateway() as g:
        for configure in (
            Configure(format=PCM16K, names=("x" * 201,)),
            Configure(format=PCM16K, report_to=(Report("http://192.0.2.1/"),)),
        ):
            assert g.peer(configure).ended[0].reason == "refused"
        assert g.house.sessions == {}
