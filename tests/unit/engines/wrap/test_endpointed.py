"""Turns that end by judgement: no word lost, none twice, the order law kept, at any speed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.capabilities import Capabilities
from ossicle.core.commands import Cancel, Configure, End, Finalize
from ossicle.core.errors import EngineFailed
from ossicle.core.events import Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.options import Options, RecognitionOptions, TurnOptions
from ossicle.core.turns import Turns
from ossicle.engines.adapt import from_generator
from ossicle.engines.lifecycle import running
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.wrap.endpointed import PAUSE_MS, Endpointed
from ossicle.testing.clock import ManualTimers
from ossicle.testing.engine import HeldSink, check_engine, check_order
from ossicle.testing.house import HeldEngine
from ossicle.testing.law import TurnLaws
from ossicle.testing.marked import marked_audio, marked_expected, marked_words

MS = 32  # bytes


class Ramp:
    """Sure in proportion to silence: a second is certain."""

    basis = "a ramp"

    def confidence(self, pause):
        return min(0.99, pause.silence_ms / 1000)


def asking(**turns):
    return Options(recognition=RecognitionOptions(turns=TurnOptions(**turns)))


JUDGED = {"silence_ms": 2000, "confidence": 0.7, "eager": 0.4}


async def opened(engine=None, **turns):
    sink = HeldSink()
    wrapper = Endpointed(engine or ScriptedEngine("heard"), Ramp())
    return await wrapper.open(asking(**(JUDGED | turns)), sink), sink


def opened_by_hand(sink, **turns):
    """Without an event loop, for hypothesis."""
    engine = Endpointed(ScriptedEngine("heard", timers=ManualTimers(0.0)))
    opening = engine.open(asking(**turns), sink)
    with pytest.raises(StopIteration) as done:
        opening.send(None)
    return done.value.value


def shape(events):
    """What happened, in short."""
    told = []
    for event in events:
        match event:
            case SpeechStarted():
                told.append("start")
            case SpeechEnded(provisional=True):
                told.append("eager")
            case SpeechEnded():
                told.append(f"end:{event.reason}")
            case Transcript(final=True):
                told.append(f"{'last' if event.ends_turn else 'frozen'}:{event.text}")
            case Ended():
                told.append("over")
    return told


def feed(stream, audio, piece=640):
    for at in range(0, len(audio), piece):
        stream.audio(audio[at : at + piece])


def pause(ms):
    return bytes(ms * MS)


@pytest.mark.parametrize("piece", [20, 100, 5_000])
async def test_a_short_pause_holds_the_turn_and_a_long_one_ends_it(piece):
    stream, sink = await opened()
    feed(stream, marked_audio([1]) + pause(300) + marked_audio([2]) + pause(1500), piece * MS)
    assert shape(sink.events) == [
        "start", "frozen:w1", "eager", "end:model", "last:w2",
    ]  # fmt: skip
    ended = sink.events[-2]
    assert (ended.at_ms, ended.confidence) == (720, 0.7)
    assert sink.finals[-1].end_confidence == 0.7


@pytest.mark.parametrize("piece", [20, 100, 5_000])
async def test_no_confidence_ends_a_turn_before_its_least_silence(piece):
    stream, sink = await opened(confidence=0.3, eager=None, least_ms=900)
    feed(stream, marked_audio([1]) + pause(800) + marked_audio([2]) + pause(1500), piece * MS)
    assert shape(sink.events) == ["start", "frozen:w1", "end:model", "last:w2"]


@pytest.mark.parametrize("piece", [20, 100, 5_000])
async def test_a_provisional_end_is_taken_back(piece):
    stream, sink = await opened()
    feed(stream, marked_audio([1]) + pause(500) + marked_audio([2]) + pause(1500), piece * MS)
    assert shape(sink.events) == [
        "start", "eager", "frozen:w1", "start", "eager", "end:model", "last:w2",
    ]  # fmt: skip


async def test_a_timeout_ends_what_the_judge_would_not():
    stream, sink = await opened(confidence=1.0, eager=None, silence_ms=1200)
    feed(stream, marked_audio([1]) + pause(1500))
    assert shape(sink.events) == ["start", "end:timeout", "last:w1"]


async def test_without_a_confidence_silence_ends_turns():
    stream, sink = await opened(confidence=None, silence_ms=1000)
    feed(stream, marked_audio([1]) + pause(1500))
    assert shape(sink.events) == ["start", "eager", "end:silence", "last:w1"]


async def test_finalize_in_a_pause_ends_the_held_turn_once():
    stream, sink = await opened()
    feed(stream, marked_audio([1]) + pause(450))
    stream.ask(Finalize(ref="now"))
    stream.ask(Finalize(ref="again"))
    feed(stream, pause(2000))
    stream.ask(End())
    assert shape(sink.events) == ["start", "eager", "end:asked", "last:w1", "last:", "over"]
    assert [final.ref for final in sink.finals] == ["now", "again"]


async def test_finalize_in_speech_after_a_pause_answers_with_the_last_words():
    stream, sink = await opened()
    feed(stream, marked_audio([1]) + pause(300) + marked_audio([2]))
    stream.ask(Finalize(ref="now"))
    assert shape(sink.events) == ["start", "frozen:w1", "end:asked", "last:w2"]
    assert [final.ref for final in sink.finals] == ["", "now"]


async def test_the_end_of_audio_ends_a_held_turn():
    stream, sink = await opened()
    feed(stream, marked_audio([1]) + pause(300))
    stream.ask(End())
    assert shape(sink.events) == ["start", "end:end", "last:w1", "over"]


async def test_cancel_forgets_a_held_turn():
    stream, sink = await opened()
    feed(stream, marked_audio([1]) + pause(300))
    stream.ask(Cancel(side="in", ref="c"))
    feed(stream, pause(2000))
    stream.ask(End())
    assert shape(sink.events) == ["start", "end:cancelled", "last:", "over"]


async def test_thresholds_change_while_a_turn_is_held():
    stream, sink = await opened(eager=None, confidence=1.0, silence_ms=60_000)
    feed(stream, marked_audio([1]) + pause(600))
    stream.ask(Configure(patch={"recognition": {"turns": {"confidence": 0.5}}}))
    feed(stream, pause(60))
    assert shape(sink.events) == ["start", "end:model", "last:w1"]


async def test_words_are_frozen_when_a_pause_is_long():
    """A session can hear 15 s again, no more."""
    stream, sink = await opened(eager=None, confidence=1.0, silence_ms=60_000)
    feed(stream, marked_audio([1]) + pause(11_000))
    assert shape(sink.events) == ["start", "frozen:w1"]
    stream.ask(Finalize(ref="now"))
    assert shape(sink.events)[-2:] == ["end:asked", "last:"]


async def test_nothing_is_settled_while_words_are_held():
    stream, sink = await opened()
    feed(stream, pause(1100) + marked_audio([1]))
    before = sink.settled_ms
    assert before > 0
    feed(stream, pause(600))
    assert sink.settled_ms == before
    feed(stream, pause(600))
    assert shape(sink.events)[-1] == "last:w1"


async def test_it_says_once_how_it_judges():
    wrapper = Endpointed(ScriptedEngine("heard"))
    sinks = [HeldSink(), HeldSink()]
    for sink in sinks:
        (await wrapper.open(asking(**JUDGED), sink)).abort()
    (notice,) = sinks[0].events
    assert isinstance(notice, Notice)
    assert "silence, word stability and simple grammar rules" in notice.text
    assert sinks[1].events == []


async def test_an_engine_that_only_gives_finals_has_turns():
    inner = HeldEngine(Capabilities(name="plain", turns=False))
    stream, sink = await opened(inner)
    feed(stream, pause(1000))
    inner.stream.sink.tell(Transcript(text="one", final=True))
    feed(stream, pause(300))
    inner.stream.sink.tell(Transcript(text="two", final=True))
    feed(stream, pause(1500))
    assert shape(sink.events) == ["start", "frozen:one", "eager", "end:model", "last:two"]


async def test_an_engine_elsewhere_is_judged_by_what_it_has_heard():
    """Fed ten seconds at once, it has heard nothing yet."""
    inner = HeldEngine()
    inner.prepare = lambda held: held.sink.credit(10_000)
    stream, sink = await opened(inner)
    stream.audio(pause(9_000))
    held = inner.stream.sink
    held.tell(SpeechStarted(at_ms=100))
    held.tell(SpeechEnded(at_ms=900))
    held.tell(Transcript(text="so far", start_ms=100, end_ms=1000, final=True, ends_turn=True))
    held.credit(11_200)
    assert shape(sink.events) == ["start"]
    held.tell(SpeechStarted(at_ms=1250))
    held.credit(12_000)
    assert shape(sink.events) == ["start", "frozen:so far"]
    held.tell(SpeechEnded(at_ms=2000))
    held.tell(Transcript(text="good", start_ms=1250, end_ms=2100, final=True, ends_turn=True))
    held.credit(12_400)
    assert shape(sink.events)[2:] == ["eager"]
    held.credit(12_700)
    assert shape(sink.events)[3:] == ["end:model", "last:good"]
    assert sink.credit_ms == 12_700


async def test_a_cough_alone_is_no_turn_to_be_sure_of():
    inner = HeldEngine()
    stream, sink = await opened(inner)
    stream.audio(pause(1000))
    inner.stream.sink.tell(SpeechStarted(at_ms=100))
    inner.stream.sink.tell(SpeechEnded(at_ms=300))
    inner.stream.sink.tell(Transcript(final=True, ends_turn=True, end_ms=300))
    assert shape(sink.events) == ["start", "end:silence", "last:"]


async def test_an_engine_that_breaks_says_so_and_nothing_else():
    inner = HeldEngine()
    stream, sink = await opened(inner)
    stream.audio(pause(1000))
    inner.stream.sink.tell(Transcript(text="one", final=True, ends_turn=True))
    inner.stream.sink.tell(Ended(reason="failed", error=EngineFailed("x").fault()))
    assert shape(sink.events) == ["start", "over"]


async def test_it_keeps_the_contract():
    await check_engine(Endpointed(ScriptedEngine("heard")), options=asking(**JUDGED))


async def test_it_keeps_the_contract_around_an_engine_elsewhere():
    async def recognize(audio, options):
        async for _ in audio:
            yield Transcript(text="word")
        yield Transcript(text="words", final=True, ends_turn=True)

    engine = Endpointed(from_generator(recognize, Capabilities(name="g")))
    async with running(engine):
        await check_engine(engine, options=asking(**JUDGED))


acts = st.one_of(
    st.tuples(st.just("word"), st.integers(1, 9)),
    st.tuples(st.just("pause"), st.sampled_from([20, 200, 260, 450, 650, 900, 3000])),
    st.tuples(st.just("finalize"), st.just(0)),
    st.tuples(st.just("forget"), st.just(0)),
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.lists(acts, max_size=20),
    st.sampled_from([20, 130, 900]),
    st.fixed_dictionaries(
        {
            "confidence": st.sampled_from([None, 0.3, 0.7, 1.0]),
            "eager": st.sampled_from([None, 0.3, 0.6]),
            "silence_ms": st.sampled_from([100, 800, 2500]),
        }
    ),
)
def test_no_word_is_lost_and_none_comes_twice(played, piece, turns):
    sink = HeldSink()
    stream = opened_by_hand(sink, **turns)
    words, refs, previous = [], [], 0
    for kind, value in played:
        match kind:
            case "word":
                number = value + (10 if value == previous else 0)
                previous = number
                words.append(number)
                feed(stream, marked_audio([number]), piece * MS)
            case "pause":
                feed(stream, pause(value), piece * MS)
            case "finalize":
                refs.append(f"f{len(refs)}")
                stream.ask(Finalize(ref=refs[-1]))
            case "forget":
                before = marked_words(sink.events)
                stream.ask(Cancel(side="in"))
                said = [int(word.text[1:]) for word in before]
                assert said == words[: len(said)]
                words = said
    stream.ask(End())
    assert [f"w{number}" for number in words] == [w.text for w in marked_words(sink.events)]
    assert [final.ref for final in sink.finals if final.ref] == refs
    check_order(sink.events)
    laws, session = TurnLaws(), Turns()
    laws.hear(each for event in sink.events for each in session.stamp(event))
    for each in sink.events:
        if isinstance(each, SpeechEnded) and each.provisional:
            assert turns["eager"] is not None
            assert each.confidence >= turns["eager"]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(acts, max_size=15))
def test_how_audio_is_cut_changes_nothing(played):
    def run(piece):
        sink = HeldSink()
        stream = opened_by_hand(sink, **JUDGED)
        audio = b"".join(
            marked_audio([v]) if kind == "word" else pause(v)
            for kind, v in played
            if kind in {"word", "pause"}
        )
        feed(stream, audio, piece * MS)
        stream.ask(End())
        return [
            event
            for event in sink.events
            if not (isinstance(event, Transcript) and not event.final)
        ]

    assert run(20) == run(4000)


def test_the_inner_pause_is_never_longer_than_what_was_asked():
    assert TurnOptions().silence_ms > PAUSE_MS


def test_words_expected():
    assert marked_expected([1])[0].end_ms == 200
