"""What is known of a session after its end, and to whom."""

import msgspec
import pytest

from ossicle.core.commands import Configure
from ossicle.core.errors import OssicleError
from ossicle.core.events import Notice, Transcript
from ossicle.core.wire import Opening
from ossicle.gateway.reports.records import Known, Records, peer_class
from ossicle.gateway.reports.traces import Trace
from ossicle.testing.house import HandHouse, HeldEngine
from ossicle.transports.webrtc.figures import CallFigures

TRACE = Trace("0" * 31 + "1", "0" * 15 + "1")


class Book:
    def __init__(self, **limits):
        self.house = HandHouse(HeldEngine())
        self.records = Records(self.house.timers.now, **limits)

    def session(self, owner="ann", names=(), **opening):
        peer = self.house.peer()
        peer.leg.opening = Opening(**opening)
        known = Known(peer.session, peer.leg, owner, TRACE)
        known.names = names
        self.records.began(known)
        return peer.session

    def over(self, session):
        session.finish("done")
        return self.records.ended(session.id)


def test_a_session_that_runs_and_one_that_ran():
    book = Book()
    session = book.session(transport="websocket", headers=(("user-agent", "phone\n/1" * 99),))
    book.house.timers.advance(1.5)
    running = book.records.find(session.id, "ann")
    assert (running.state, running.session_ms, running.end) == ("opening", 1500, None)
    assert running.ended_at is None
    assert len(running.user_agent) == 200
    assert "\n" not in running.user_agent
    book.over(session)
    book.house.timers.advance(10.0)
    ran = book.records.find(session.id, "ann")
    assert (ran.state, ran.session_ms, ran.end.reason) == ("ended", 1500, "done")
    assert ran.ended_at > ran.began_at
    assert not book.records.live


def test_the_packets_of_a_call_while_it_stands():
    book = Book()
    session = book.session()
    assert book.records.find(session.id, "ann").packets is None  # no call
    session.owner.channel.figures = CallFigures(received=50, lost=2, depth_ms=60)
    packets = book.records.find(session.id, "ann").packets
    assert (packets.received, packets.lost, packets.depth_ms) == (50, 2, 60)


def test_only_for_its_owner():
    book = Book()
    session = book.session("ann", ("CA1",))
    assert book.records.find("CA1", "bob") is None
    assert book.records.find(session.id, "") is None
    book.over(session)
    assert book.records.find("CA1", "bob") is None
    assert book.records.find("CA1", "ann").session == session.id


def test_the_newest_of_a_name():
    book = Book()
    first, second = book.session(names=("line",)), book.session(names=("line",))
    assert book.records.find("line", "ann").session == second.id
    book.over(second)
    assert book.records.find("line", "ann").session == first.id, "one that lives comes first"
    book.over(first)
    assert book.records.find("line", "ann").session == first.id, "the one that ended last"


def test_bounded_in_age():
    book = Book(keep_s=60.0)
    session = book.session()
    book.over(session)
    book.house.timers.advance(59.0)
    assert book.records.find(session.id, "ann") is not None
    book.house.timers.advance(2.0)
    assert book.records.find(session.id, "ann") is None


def test_bounded_in_number():
    book = Book(most=3)
    for number in range(5):
        session = book.session()
        session.id = f"s{number}"
        book.records.live[session.id] = book.records.live.pop(next(iter(book.records.live)))
        book.over(session)
    kept = [f"s{n}" for n in range(5) if book.records.find(f"s{n}", "ann") is not None]
    assert kept == ["s2", "s3", "s4"]


def test_no_words_whatever_was_said():
    book = Book()
    session = book.session()
    session.configure(
        Configure(patch={"recognition": {"hints": [{"text": "verysecret"}]}, "label": "desk"})
    )
    peer = session.owner
    session.audio(bytes(3200))
    book.house.serve()
    sink = book.house.engine.streams[-1].sink
    sink.tell(Transcript("verysecret", 0, 100, final=True, ends_turn=True))
    sink.tell(Notice(level="warning", code="engine_slow", text="while hearing verysecret"))
    session.fail(OssicleError("about verysecret"))
    record = book.records.ended(session.id)
    assert b"verysecret" not in msgspec.json.encode(record)
    assert record.options["recognition"]["hints"] == 1
    assert record.notices["engine_slow"] == 1
    assert record.counts.turns == 1
    assert record.counts.audio_bytes == 3200
    assert (record.end.reason, record.end.code, record.end.whose) == ("failed", "internal", "us")
    assert session.token not in str(record)
    assert peer is not None


@pytest.mark.parametrize(
    ("peer", "where"),
    [
        ("127.0.0.1:5", "loopback"),
        ("::1:5", "loopback"),
        ("[::1]:5", "loopback"),
        ("::ffff:127.0.0.1:5", "loopback"),
        ("10.1.2.3:5", "private"),
        ("fe80::1%eth0:5", "private"),
        ("8.8.8.8:5", "public"),
        ("", ""),
        ("memory", ""),
    ],
)
def test_where_a_peer_is(peer, where):
    assert peer_class(peer) == where
