"""A recogniser and a voice as one engine."""

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, End, Speak
from ossicle.core.errors import EngineFailed
from ossicle.core.events import AudioOut, Ended, Notice, SpeechEnded
from ossicle.core.options import Options
from ossicle.engines.compose import Combined
from ossicle.engines.lifecycle import is_warm, running
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import ToneEngine
from ossicle.testing.engine import HeldSink, check_engine


def engine(script="Hello you. And more."):
    return Combined(ScriptedEngine(script), ToneEngine())


async def test_it_keeps_the_contract():
    async with running(engine()) as combined:
        assert is_warm(combined)
        assert combined.capabilities.name == "scripted+tone"
        assert combined.capabilities.hears == combined.capabilities.speaks == (PCM16K,)
        await check_engine(combined)


async def test_the_end_waits_for_what_is_still_to_be_said():
    sink = HeldSink()
    stream = await engine().open(Options(), sink)
    stream.credit(60)
    stream.audio(bytes(PCM16K.bytes(700)))
    stream.ask(Speak(text="two"))
    stream.ask(End())
    assert sink.finals[-1].text == ""
    assert sink.ended is None
    stream.credit(1000)
    assert sink.events[-1] == Ended()
    assert not any(isinstance(event, Notice) for event in sink.events)


async def test_what_is_still_said_after_the_end_can_be_cancelled():
    sink = HeldSink()
    stream = await engine().open(Options(), sink)
    stream.credit(60)
    stream.ask(Speak(text="two"))
    stream.ask(End())
    stream.ask(Cancel(ref="c"))
    assert [type(event).__name__ for event in sink.events[-2:]] == ["SpeechEnded", "Ended"]
    assert sink.events[-2].ref == "c"


async def test_a_cancel_goes_to_its_own_side():
    sink = HeldSink()
    stream = await engine().open(Options(), sink)
    stream.credit(60)
    stream.audio(bytes(PCM16K.bytes(300)))
    stream.ask(Speak(text="two"))
    stream.ask(Cancel(side="in"))
    stream.ask(Cancel(side="out"))
    ends = [event for event in sink.events if isinstance(event, SpeechEnded)]
    assert [(event.side, event.reason) for event in ends] == [
        ("in", "cancelled"),
        ("out", "cancelled"),
    ]


async def test_when_one_breaks_both_end_at_once():
    sink = HeldSink()
    stream = await engine("a b c?fail_at=500").open(Options(), sink)
    stream.credit(60)
    stream.ask(Speak(text="long words"))
    stream.audio(bytes(PCM16K.bytes(600)))
    assert sink.events[-1].error.code == "engine_failed"
    stream.credit(9000)
    stream.ask(Speak(text="more"))
    assert isinstance(sink.events[-1], Ended)
    assert sum(isinstance(event, AudioOut) for event in sink.events) == 1


async def test_a_voice_that_cannot_open_takes_the_recogniser_with_it():
    class Broken(ToneEngine):
        async def open(self, options, sink):
            raise EngineFailed("no voice today")

    sink = HeldSink()
    with pytest.raises(EngineFailed, match="no voice today"):
        await Combined(ScriptedEngine("a"), Broken()).open(Options(), sink)
    assert sink.events == []


def test_the_second_must_have_a_voice():
    with pytest.raises(ValueError, match="scripted has no voice"):
        Combined(ToneEngine(), ScriptedEngine(""))
