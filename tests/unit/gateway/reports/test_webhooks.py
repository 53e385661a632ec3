"""What is posted, in which order, and when nobody tries any more. The clock is the test's."""

import asyncio
import json

import pytest

from ossicle.core.commands import Configure, Played, Report
from ossicle.core.errors import ConnectionLost, Refused
from ossicle.core.events import (
    AudioOut,
    Began,
    Ended,
    Flow,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
    Word,
)
from ossicle.core.options import Options
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.gateway.configuration.settings import HookSettings
from ossicle.gateway.fetching.reach import Reach, Reply
from ossicle.gateway.reports.signing import Signer
from ossicle.gateway.reports.traces import trace_of
from ossicle.gateway.reports.webhooks import Hook, HookChannel, Reports, Twin
from ossicle.testing.house import HandHouse, HeldEngine

FIXED = {"session", "seq", "type", "text", "is_final", "start_ms", "end_ms", "channel", "words"}


def bodies(steps):
    return [json.loads(step.data) for step in steps if isinstance(step, Text)]


def test_the_names_that_are_fixed_are_always_there():
    hook = Hook()
    word = Word("hi", 0, 90, 0.5)
    events = [
        Began(session="s1", options=Options(label="desk")),
        SpeechStarted(seq=1, at_ms=5),
        Transcript("hi", 0, 90, words=(word,), seq=2, final=True, ends_turn=True, channel=1),
        SpeechEnded(seq=3, at_ms=90, reason="silence"),
        Told(seq=4, kind="digits", text="7"),
        Ended(seq=5, reason="done", audio_ms=100),
    ]
    said = [body for event in events for body in bodies(hook.send(event, 0.0))]
    assert [body["type"] for body in said] == [
        "began", "speech_started", "transcript", "speech_ended", "told", "ended",
    ]  # fmt: skip
    assert all(body.keys() >= FIXED for body in said)
    assert {body["session"] for body in said} == {"s1"}
    assert {body["label"] for body in said} == {"desk"}
    final = said[2]
    assert (final["text"], final["is_final"], final["channel"]) == ("hi", True, 1)
    assert final["words"][0]["text"] == "hi"
    assert said[4]["kind"] == "digits"


def test_sound_and_flow_are_not_posted():
    hook = Hook()
    assert hook.send(AudioOut(data=b"x", seq=1), 0.0) == ()
    assert hook.send(Flow(), 0.0) == ()


class Chatty:
    """A dialect with everything that nobody is there for."""

    name = "chatty"
    plain = True
    resumable = True

    def __init__(self):
        self.deadline = 10.0
        self.say = ()

    def open(self, opening, now):
        return (Accept(), Text("hello"), Configure())

    def receive(self, message, now):
        return ()

    def send(self, event, now):
        return (Text("event"), Configure(), Played(utterance="u1", until_ms=5))

    def expire(self, now):
        return self.say


def test_a_twin_says_its_texts_and_files_and_asks_for_nothing():
    """`Played` is no wish: what a twin collects counts as heard."""
    heard = Played(utterance="u1", until_ms=5)
    twin = Twin(Chatty())
    assert twin.open(Opening(), 0.0) == (Accept(), Text("hello"))
    assert twin.send(Transcript("a"), 0.0) == (Text("event"), heard)
    assert twin.send(Ended(), 0.0) == (Text("event"), heard, Close())
    dialect = Chatty()
    twin = Twin(dialect)
    dialect.say = (Accept((("content-type", "audio/wav"),)), Binary(b"x"), Configure())
    assert twin.expire(9.0) == dialect.say[:2]


def test_a_twin_does_not_take_silence_for_an_idle_peer():
    """It hears no audio, and would say goodbye by the clock."""
    dialect = Chatty()
    twin = Twin(dialect)
    dialect.say = (Text("too long without audio"), Close(1011))
    assert twin.expire(10.0) == ()
    assert twin.deadline == float("inf")
    dialect.say, dialect.deadline = (Text("utterance end"),), 20.0
    assert twin.expire(15.0) == (Text("utterance end"),)
    assert twin.deadline == 20.0


class Bench:
    """Reports on a house without sockets: posts end in a list, waits move the clock."""

    def __init__(self, **settings):
        self.house = HandHouse(HeldEngine())
        self.posted: list[dict] = []
        self.deliveries: list[str] = []
        self.counts: dict[str, int] = {}
        self.answers: list[object] = []
        self.always: object = 200
        self.waits: list[float] = []
        self.tasks: list[asyncio.Task] = []
        self.settings = HookSettings(**settings)
        self.blocked = asyncio.Event()
        self.blocked.set()
        self.reports = Reports(
            self.house,
            Reach(),
            Signer(lambda: (b"s",)),
            self.settings,
            count=self._count,
            spawn=self._spawn,
            twin=lambda opening: Chatty(),
        )

    def _count(self, outcome, count):
        self.counts[outcome] = self.counts.get(outcome, 0) + count

    def _spawn(self, work, name):
        self.tasks.append(asyncio.ensure_future(work))

    async def post(self, body, headers):
        await self.blocked.wait()
        answer = self.answers.pop(0) if self.answers else self.always
        if isinstance(answer, Exception):
            raise answer
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        if reply.status < 300:
            self.posted.append(json.loads(body))
            self.deliveries.append(dict(headers)["ossicle-delivery"])
        return reply

    async def pause(self, seconds, stopped):
        self.waits.append(seconds)
        self.house.timers.advance(seconds)
        await asyncio.sleep(0)

    def start(self, peer, report=None):
        """Only the socket is replaced."""
        report = report or Report("http://127.0.0.1/x")
        self.reports.start(peer.session, (report,), Opening(id="o"), trace_of(Opening(id="o")))
        channel = self.reports._running[peer.session.id][-1].channel
        channel._post, channel._pause, channel._chance = self.post, self.pause, lambda: 1.0
        return channel

    async def settle(self):
        for _ in range(300):
            await asyncio.sleep(0)

    def says(self, *texts):
        sink = self.house.engine.streams[-1].sink
        for text in texts:
            sink.tell(Transcript(text, 0, 100, final=True, ends_turn=True))

    @property
    def finals(self):
        return [body["text"] for body in self.posted if body["is_final"]]


def opened(bench):
    peer = bench.house.peer()
    peer.audio(bytes(3200))
    bench.house.serve()
    return peer


async def test_finals_in_order_and_the_end_is_the_last():
    bench = Bench()
    peer = opened(bench)
    bench.start(peer)
    bench.says("a", "b", "c")
    peer.session.finish("done")
    bench.reports.session_over(peer.session)
    await bench.settle()
    assert bench.finals == ["a", "b", "c"]
    assert bench.posted[-1]["type"] == "ended"
    assert bench.tasks[0].done()
    assert bench.reports.running == 0
    assert bench.counts == {"delivered": len(bench.posted)}


async def test_one_at_a_time_so_the_log_is_the_queue():
    bench = Bench()
    peer = opened(bench)
    bench.blocked.clear()
    channel = bench.start(peer)
    await bench.settle()
    sink = bench.house.engine.streams[-1].sink
    for number in range(5_000):
        sink.tell(Transcript(f"p{number}", 0, 100))
    assert len(channel._waiting) == 1
    bench.blocked.set()
    await bench.settle()
    partials = [body["text"] for body in bench.posted if body["type"] == "transcript"]
    assert partials == ["p4999"], "a newer guess replaces what was not sent"


async def test_it_is_tried_again_with_longer_and_longer_waits_and_the_same_number():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [503, ConnectionLost("x"), 500, 429, 200]
    bench.start(peer)
    await bench.settle()
    assert bench.waits == [0.5, 1.0, 2.0, 4.0]
    assert bench.counts["retried"] == 4
    assert bench.posted[0]["type"] == "began"
    assert len(set(bench.deliveries)) == len(bench.deliveries)


async def test_a_receiver_may_say_when_to_come_again():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [Reply(503, 7.0), Reply(503, 9_999.0), 200]
    bench.start(peer)
    await bench.settle()
    assert bench.waits == [7.0, bench.settings.most_wait_s]


async def test_the_jitter_takes_a_part_of_the_wait():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [503, 503, 200]
    bench.start(peer)._chance = lambda: 0.0
    await bench.settle()
    assert bench.waits == [0.25, 0.5]


async def test_the_session_is_told_once_and_goes_on():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [503] * 6
    bench.start(peer)
    await bench.settle()
    assert peer.session.notices["webhook_failing"] == 1
    assert peer.session.life.state == "live"
    bench.says("after")
    await bench.settle()
    assert bench.finals == ["after"]


async def test_while_the_session_lives_nobody_gives_up():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [503] * 200
    bench.start(peer)
    for _ in range(5):
        await bench.settle()
    assert bench.house.timers.now() > 3_000
    assert "given_up" not in bench.counts
    assert bench.posted


async def test_after_the_session_patience_ends_and_the_loss_is_counted():
    bench = Bench()
    peer = opened(bench)
    bench.always = 503
    bench.start(peer)
    bench.says("a", "b")
    peer.session.finish("done")
    bench.reports.session_over(peer.session)
    before = bench.house.timers.now()
    await bench.settle()
    assert bench.tasks[0].done()
    assert bench.house.timers.now() - before <= bench.settings.give_up_s
    # began, two turns with start, end and final, configured, ended: all of them are accounted for
    assert bench.counts["given_up"] >= 8
    assert not bench.posted


async def test_what_is_refused_is_left_out_and_the_rest_goes_on():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [404]
    bench.start(peer)
    bench.says("a")
    await bench.settle()
    assert bench.counts["rejected"] == 1
    assert bench.waits == []
    assert bench.finals == ["a"]
    assert peer.session.notices["webhook_rejected"] == 1


async def test_gone_ends_it():
    bench = Bench()
    peer = opened(bench)
    bench.answers = [410]
    bench.start(peer)
    await bench.settle()
    assert bench.tasks[0].done()
    assert peer.session.life.state == "live"
    assert len(peer.session.legs) == 1, "the leg is gone"


async def test_the_oldest_report_without_a_session_makes_room():
    bench = Bench(lingering=2)
    bench.blocked.clear()
    for _ in range(4):
        peer = opened(bench)
        bench.start(peer)
        await bench.settle()
        peer.session.finish("done")
        bench.reports.session_over(peer.session)
    bench.blocked.set()
    await bench.settle()
    ended = [body for body in bench.posted if body["type"] == "ended"]
    assert len(ended) == 2
    assert bench.counts["given_up"] > 0


async def test_a_report_does_not_hold_its_session():
    bench = Bench()
    bench.blocked.clear()
    peer = opened(bench)
    bench.start(peer)
    peer.session.finish("done")
    bench.reports.session_over(peer.session)
    assert [leg.role for leg in peer.session.legs] == ["owner"]
    bench.blocked.set()
    await bench.settle()
    assert bench.posted[-1]["type"] == "ended"


async def test_in_the_sessions_own_dialect():
    bench = Bench()
    peer = opened(bench)
    report = Report("http://127.0.0.1/x", own=True)
    said = []

    async def post(body, headers):
        said.append(body)
        return Reply(200)

    bench.start(peer, report)._post = post
    bench.says("a")
    peer.session.finish("done")
    bench.reports.session_over(peer.session)
    await bench.settle()
    assert said[0] == b"hello"
    assert set(said[1:]) == {b"event"}
    assert bench.tasks[0].done()


async def test_not_too_many_and_only_with_methods_that_post():
    bench = Bench()
    many = [Report("http://127.0.0.1/")] * 5
    with pytest.raises(Refused, match="limit is 4"):
        bench.reports.check(many)
    with pytest.raises(Refused, match="POST or PUT"):
        bench.reports.check([Report("http://127.0.0.1/", "DELETE")])


async def test_abort_ends_a_wait():
    channel = HookChannel(
        lambda body, headers: asyncio.sleep(0, Reply(503)),
        type("A", (), {"headers": lambda *_: (), "retried": lambda _: None})(),
        HookSettings(first_wait_s=3_600, most_wait_s=3_600),
        now=lambda: 0.0,
    )
    channel.send(Text("x"))
    running = asyncio.ensure_future(channel.run())
    await asyncio.sleep(0.01)
    channel.abort()
    await asyncio.wait_for(running, 1)
