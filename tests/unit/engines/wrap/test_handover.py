"""Streams that follow one another without a gap: rollover before a limit, failover and the way
back. The clock is moved by hand; engines open when they are awaited."""

import asyncio

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Configure, End, Finalize
from ossicle.core.errors import EngineFailed, Overloaded, Refused
from ossicle.core.events import Ended, Event, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.engines.wrap.failover import Failover, Member, common
from ossicle.engines.wrap.health import Health
from ossicle.engines.wrap.rollover import Rollover
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HeldEngine, HeldStream

OPTIONS = Options(hears=PCM16K)
SECOND = 32_000


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.credits: list[int] = []
        self.settled_ms = 0

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def credit(self, until_ms: int) -> None:
        self.credits.append(until_ms)

    def settled(self, until_ms: int) -> None:
        self.settled_ms = until_ms

    @property
    def words(self) -> list[tuple[str, int | None, int | None]]:
        return [
            (e.text, e.start_ms, e.end_ms)
            for e in self.events
            if isinstance(e, Transcript) and e.final and e.text
        ]

    @property
    def codes(self) -> list[str]:
        return [e.code for e in self.events if isinstance(e, Notice)]


async def settle() -> None:
    """Let tasks that were made run to where they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


def numbered(seconds: int, start: int = 0) -> bytes:
    """Sound in which each second is another value."""
    return b"".join(bytes([start + n + 1]) * SECOND for n in range(seconds))


def says(stream: HeldStream, text: str, start_ms: int, end_ms: int, *, last: bool = True) -> None:
    stream.sink.tell(SpeechStarted(at_ms=start_ms))
    stream.sink.tell(
        Transcript(text=text, start_ms=start_ms, end_ms=end_ms, final=True, ends_turn=last)
    )


# ── rollover ──


async def test_the_next_stream_is_opened_ahead_and_takes_over_at_the_end_of_the_turn() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    first = engine.streams[0]
    stream.audio(numbered(3))
    first.sink.tell(SpeechStarted(at_ms=500))
    timers.advance(50)
    await settle()
    assert len(engine.streams) == 2
    stream.audio(numbered(1, start=3))
    assert engine.streams[1].heard == b""  # somebody still speaks
    says(first, "one two", 500, 2_500)
    second = engine.streams[1]
    assert first.aborts
    assert second.heard == numbered(4)[2_500 * 32 :]  # from the end of what is final
    stream.audio(numbered(1, start=4))
    says(second, "three", 100, 900)
    assert sink.words == [("one two", 500, 2_500), ("three", 2_600, 3_400)]
    assert sink.codes == ["rolled_over"]


async def test_in_silence_it_takes_over_at_once() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    stream.audio(numbered(20))
    timers.advance(50)
    await settle()
    assert engine.streams[0].aborts
    # the oldest kept is 15 s old, at the edge of a piece
    assert len(engine.streams[1].heard) == 20 * SECOND
    assert "rolled_over" in sink.codes


async def test_what_is_kept_is_bounded() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    for second in range(40):
        stream.audio(bytes([second + 1]) * SECOND)
    timers.advance(50)
    await settle()
    heard = engine.streams[1].heard
    assert len(heard) == 15 * SECOND
    assert heard[0] == 26
    says(engine.streams[1], "late", 1_000, 2_000)
    assert sink.words == [("late", 26_000, 27_000)]


async def test_nobody_paused_until_the_limit() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    stream.audio(numbered(1))
    engine.streams[0].sink.tell(SpeechStarted(at_ms=0))
    timers.advance(50)
    await settle()
    timers.advance(10)
    ended = sink.events[-1]
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.retryable  # the session replays
    assert all(each.aborts for each in engine.streams)


async def test_the_clock_of_the_next_stream_runs_from_its_opening() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    engine.streams[0].sink.tell(SpeechStarted(at_ms=0))
    stream.audio(numbered(1))
    timers.advance(50)
    await settle()
    timers.advance(9)
    says(engine.streams[0], "one", 0, 500)  # nine seconds after the next one was opened
    timers.advance(41)
    await settle()
    assert len(engine.streams) == 3


async def test_a_next_stream_that_does_not_open_is_tried_again() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    stream.audio(numbered(1))
    engine.fails.append(EngineFailed("not now"))
    timers.advance(50)
    await settle()
    assert sink.codes == ["rollover_failed"]
    assert not engine.streams[0].aborts
    timers.advance(3)
    await settle()
    assert engine.streams[0].aborts
    assert sink.codes == ["rollover_failed", "rolled_over"]


async def test_a_next_stream_that_goes_away_while_it_waits_is_not_gone_on_with() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    first = engine.streams[0]
    stream.audio(numbered(1))
    first.sink.tell(SpeechStarted(at_ms=0))
    timers.advance(50)
    await settle()
    second = engine.streams[1]
    second.sink.tell(Ended(reason="failed", error=EngineFailed("idle").fault()))
    assert second.aborts
    says(first, "one", 0, 500)
    assert not first.aborts
    timers.advance(3)
    await settle()
    assert first.aborts
    assert engine.streams[2].heard
    assert sink.codes == ["rollover_failed", "rolled_over"]


async def test_an_engine_whose_opening_breaks_in_a_foreign_way_is_tried_again() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    stream.audio(numbered(1))
    engine.fails.append(ValueError("a secret"))
    timers.advance(50)
    await settle()
    timers.advance(3)
    await settle()
    assert sink.codes == ["rollover_failed", "rolled_over"]
    assert not any("secret" in e.text for e in sink.events if isinstance(e, Notice))


async def test_one_that_breaks_while_it_opens_counts_as_failed() -> None:
    timers, sink = ManualTimers(), Told()
    a, b = named("a"), named("b")

    def breaks(stream: HeldStream) -> None:
        stream.sink.tell(Ended(reason="failed", error=EngineFailed("gone at once").fault()))

    a.prepare = breaks
    engine = Failover((Member(a), Member(b, tier=1)), timers=timers)
    stream = await engine.open(OPTIONS, sink)
    stream.abort()
    assert engine.members[0].health.failures == 1
    assert engine.members[0].health.open == 0
    assert [m.name for m in engine.order(timers.now())] == ["b", "a"]


async def test_a_foreign_exception_is_an_engines_failure() -> None:
    a, b = named("a"), named("b")
    a.fails.append(ValueError("a secret"))
    sink = Told()
    await Failover((Member(a), Member(b, tier=1)), timers=ManualTimers()).open(OPTIONS, sink)
    assert len(b.streams) == 1
    assert not any("secret" in e.text for e in sink.events if isinstance(e, Notice))


async def test_a_question_is_answered_by_whom_it_was_asked() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    first = engine.streams[0]
    stream.audio(numbered(1))
    stream.ask(Finalize(ref="q"))
    timers.advance(50)
    await settle()
    assert not first.aborts
    first.sink.tell(Transcript(text="", final=True, ends_turn=True, ref="q", end_ms=1_000))
    assert first.aborts
    assert engine.streams[1].asked == []


async def test_options_of_the_moment_go_along() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    stream.ask(Configure(patch={"recognition": {"language": "de-DE"}}))
    timers.advance(50)
    await settle()
    assert engine.streams[1].options.recognition.language == "de-DE"


async def test_after_the_end_nothing_is_opened() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    stream.ask(End())
    timers.advance(50)
    await settle()
    engine.streams[0].sink.tell(Ended(reason="done"))
    timers.advance(100)
    await settle()
    assert len(engine.streams) == 1
    assert [type(e) for e in sink.events] == [Ended]


async def test_an_abort_while_the_next_one_opens_leaves_nothing() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    engine.streams[0].sink.tell(SpeechStarted(at_ms=0))
    timers.advance(50)
    await settle()
    stream.abort()
    timers.advance(100)
    await settle()
    assert all(each.aborts for each in engine.streams)
    engine.streams[0].sink.tell(Ended(reason="done"))
    assert [type(e) for e in sink.events] == [SpeechStarted]


async def test_credit_is_told_on_the_time_of_the_whole() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    stream = await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    engine.streams[0].sink.credit(5_000)
    stream.audio(numbered(2))
    says(engine.streams[0], "one", 0, 2_000)
    timers.advance(50)
    await settle()
    engine.streams[1].sink.credit(1_000)
    assert sink.credits[0] == 5_000
    assert sink.credits[-1] == 3_000


async def test_a_voice_finishes_what_it_says_first() -> None:
    timers, engine, sink = ManualTimers(), HeldEngine(), Told()
    await Rollover(engine, limit_s=60, margin_s=10, timers=timers).open(OPTIONS, sink)
    first = engine.streams[0]
    first.sink.tell(SpeechStarted(side="out", utterance="u1"))
    timers.advance(50)
    await settle()
    assert not first.aborts
    first.sink.tell(SpeechEnded(side="out", utterance="u1", reason="done"))
    assert first.aborts


# ── failover ──


def named(name: str, **able: object) -> HeldEngine:
    return HeldEngine(Capabilities(name=name, **able))  # type: ignore[arg-type]


async def test_the_first_that_can_hears() -> None:
    timers, sink = ManualTimers(), Told()
    a, b = named("a"), named("b")
    a.fails.append(EngineFailed("gone"))
    engine = Failover((Member(a), Member(b, tier=1)), timers=timers)
    stream = await engine.open(OPTIONS, sink)
    stream.audio(numbered(1))
    assert b.streams[0].heard == numbered(1)
    assert sink.codes == ["engine_failed", "failover"]
    assert not engine.members[0].health.well(timers.now())


async def test_one_that_breaks_is_left_alone_and_the_session_may_try_again() -> None:
    timers, sink = ManualTimers(), Told()
    a, b = named("a"), named("b")
    engine = Failover((Member(a), Member(b, tier=1)), timers=timers)
    await engine.open(OPTIONS, sink)
    hopeless = EngineFailed("the key was refused").fault()
    hopeless = type(hopeless)(hopeless.code, hopeless.text, "upstream", retryable=False)
    a.streams[0].sink.tell(Ended(reason="failed", error=hopeless))
    ended = sink.events[-1]
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.retryable
    await engine.open(OPTIONS, sink)
    assert len(b.streams) == 1


async def test_a_better_one_takes_over_again_at_the_end_of_a_turn() -> None:
    timers, sink = ManualTimers(), Told()
    a, b = named("a"), named("b")
    a.fails.append(EngineFailed("gone"))
    engine = Failover((Member(a, health=Health(rest_s=5)), Member(b, tier=1)), timers=timers)
    stream = await engine.open(OPTIONS, sink)
    stream.audio(numbered(2))
    b.streams[0].sink.tell(SpeechStarted(at_ms=0))
    timers.advance(6)
    await settle()
    assert len(a.streams) == 1
    says(b.streams[0], "one", 0, 1_500)
    assert b.streams[0].aborts
    assert len(a.streams[0].heard) == SECOND // 2
    says(a.streams[0], "two", 0, 400)
    assert sink.words == [("one", 0, 1_500), ("two", 1_500, 1_900)]
    assert sink.codes[-1] == "failback"
    timers.advance(100)
    await settle()
    assert len(a.streams) == 1


async def test_a_better_one_that_fails_again_rests_twice_as_long() -> None:
    timers, sink = ManualTimers(), Told()
    a, b = named("a"), named("b")
    a.fails += [EngineFailed("gone"), EngineFailed("still gone")]
    engine = Failover((Member(a, health=Health(rest_s=5)), Member(b, tier=1)), timers=timers)
    await engine.open(OPTIONS, sink)
    for _ in range(6):
        timers.advance(1)
        await settle()
    assert engine.members[0].health.failures == 2
    assert engine.members[0].health.down_until == pytest.approx(timers.now() + 10, abs=2)


async def test_what_the_client_did_wrong_is_tried_nowhere_else() -> None:
    a, b = named("a"), named("b")
    a.fails.append(Refused("no such language"))
    engine = Failover((Member(a), Member(b, tier=1)), timers=ManualTimers())
    with pytest.raises(Refused):
        await engine.open(OPTIONS, Told())
    assert engine.members[0].health.failures == 0


async def test_full_is_not_ill() -> None:
    a, b = named("a"), named("b")
    a.fails.append(Overloaded("all taken"))
    engine = Failover((Member(a), Member(b, tier=1)), timers=ManualTimers())
    await engine.open(OPTIONS, Told())
    assert len(b.streams) == 1
    assert engine.members[0].health.failures == 0


async def test_when_none_can_the_first_ones_reason_is_said() -> None:
    a, b = named("a"), named("b")
    a.fails.append(EngineFailed("first reason"))
    b.fails.append(EngineFailed("second reason"))
    with pytest.raises(EngineFailed, match="first reason"):
        await Failover((Member(a), Member(b, tier=1)), timers=ManualTimers()).open(OPTIONS, Told())


async def test_the_ailing_are_asked_last_and_not_never() -> None:
    timers = ManualTimers()
    a, b = named("a"), named("b")
    engine = Failover((Member(a), Member(b, tier=1)), timers=timers)
    engine.members[0].health.failed(timers.now())
    engine.members[1].health.failed(timers.now())
    engine.members[1].health.failed(timers.now())
    assert [m.name for m in engine.order(timers.now())] == ["a", "b"]


def test_weights_share_within_a_tier() -> None:
    import random

    chance = random.Random(1)
    engine = Failover(
        (Member(named("a"), weight=3), Member(named("b"), weight=1), Member(named("c"), tier=1)),
        timers=ManualTimers(),
        chance=chance.random,
    )
    firsts = [engine.order(0.0)[0].name for _ in range(4_000)]
    assert 0.72 < firsts.count("a") / len(firsts) < 0.78
    assert "c" not in firsts
    assert {tuple(m.name for m in engine.order(0.0))[-1] for _ in range(20)} == {"c"}


async def test_equals_are_asked_by_how_many_streams_they_have() -> None:
    a, b, c = named("a"), named("b"), named("c")
    engine = Failover((Member(a), Member(b), Member(c, tier=1)), timers=ManualTimers())
    for _ in range(10):
        await engine.open(OPTIONS, Told())
    assert (len(a.streams), len(b.streams), len(c.streams)) == (5, 5, 0)
    engine.members[0].health.open = 1
    assert engine.order(0.0)[0].name == "a"


def test_open_streams_are_counted_and_given_back() -> None:
    async def run() -> None:
        timers = ManualTimers()
        a = named("a")
        engine = Failover((Member(a),), timers=timers)
        first, _second = await engine.open(OPTIONS, Told()), await engine.open(OPTIONS, Told())
        assert engine.members[0].health.open == 2
        first.abort()
        a.streams[1].sink.tell(Ended(reason="done"))
        assert engine.members[0].health.open == 0

    asyncio.run(run())


def test_nothing_in_common_is_refused() -> None:
    mulaw = AudioFormat("mulaw", 8_000)
    with pytest.raises(Refused, match="a, b hear no format in common"):
        common([Capabilities(name="a"), Capabilities(name="b", hears=(mulaw,))])


def test_health() -> None:
    health = Health(rest_s=5, most_s=30)
    assert health.well(0.0)
    for rest in (5, 10, 20, 30, 30):
        health.failed(100.0)
        assert health.down_until == 100.0 + rest
    health.worked()
    assert health.well(100.0)
