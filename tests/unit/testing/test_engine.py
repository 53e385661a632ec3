"""The conformance kit finds every law that an engine breaks: each engine here breaks one."""

import pytest

from ossicle.core.commands import Cancel, End, Finalize, Speak
from ossicle.core.events import (
    AudioOut,
    Began,
    Ended,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import ToneEngine
from ossicle.testing.engine import check_engine, check_order


class Broken:
    """A good engine with one thing changed, on its way in or out."""

    def __init__(self, inner=None, told=None, asked=None, opened=None, aborted=None):
        self.inner = inner or ScriptedEngine("heard")
        self.capabilities = self.inner.capabilities
        self.told, self.asked, self.opened, self.aborted = told, asked, opened, aborted

    async def open(self, options, sink):
        stream = BrokenStream(self, sink)
        stream.inner = await self.inner.open(options, stream)
        if self.opened:
            self.opened(sink)
        return stream


class BrokenStream:
    def __init__(self, engine, sink):
        self.engine, self.sink = engine, sink

    def tell(self, event):
        for each in self.engine.told(event) if self.engine.told else (event,):
            self.sink.tell(each)

    def credit(self, until_ms):
        if hasattr(self, "inner"):
            self.inner.credit(until_ms)

    def settled(self, until_ms):
        self.sink.settled(until_ms)

    def audio(self, data):
        self.inner.audio(data)

    def ask(self, command):
        if self.engine.asked:
            self.engine.asked(self, command)
        else:
            self.inner.ask(command)

    def abort(self):
        if self.engine.aborted:
            self.engine.aborted(self)
        else:
            self.inner.abort()


def twice(kind, **match):
    def told(event):
        same = isinstance(event, kind) and all(
            getattr(event, name) == value for name, value in match.items()
        )
        return (event, event) if same else (event,)

    return told


def without(kind):
    return lambda event: () if isinstance(event, kind) else (event,)


def changed(kind, **values):
    import msgspec

    return lambda event: (
        (msgspec.structs.replace(event, **values),) if isinstance(event, kind) else (event,)
    )


def deaf_to(kind):
    return lambda stream, command: isinstance(command, kind) or stream.inner.ask(command)


def still_talks(stream):
    stream.sink.tell(Transcript(text="late"))
    stream.inner.abort()


def lower(sink):
    sink.credit(60_000)
    sink.credit(50_000)


def crashes_late(stream, command):
    if isinstance(command, End) and getattr(stream, "over", False):
        raise AttributeError("x")
    stream.over = getattr(stream, "over", False) or isinstance(command, End)
    stream.inner.ask(command)


LAWS = {
    "Ended twice": (Broken(told=twice(Ended)), "Ended is the last event"),
    "no Ended": (Broken(told=without(Ended)), "no Ended after End"),
    "started twice": (Broken(told=twice(SpeechStarted)), "SpeechStarted came twice"),
    "ended twice": (Broken(told=twice(SpeechEnded)), "SpeechEnded came twice"),
    "answered twice": (
        Broken(told=twice(Transcript, ref="at once")),
        "exactly one final with its ref",
    ),
    "never answered": (Broken(asked=deaf_to(Finalize)), "exactly one final with its ref"),
    "turn left open": (
        Broken(told=lambda e: () if isinstance(e, Transcript) and e.final else (e,)),
        "SpeechStarted came twice in one turn",
    ),
    "partial after the end": (
        Broken(told=lambda e: (e, Transcript(text="x")) if isinstance(e, SpeechEnded) else (e,)),
        "after SpeechEnded comes the final",
    ),
    "beyond what was fed": (Broken(told=changed(Transcript, end_ms=10**6)), "speaks of 1000000"),
    "stable too long": (Broken(told=changed(Transcript, stable=999)), "stable=999 is beyond"),
    "words go back": (
        Broken(told=changed(Transcript, words=(Word("a", 9, 9), Word("b", 3, 4)))),
        "word times rise",
    ),
    "not the engine's": (Broken(told=lambda e: (Began(), e)), "Began is the session's to tell"),
    "talks after abort": (Broken(aborted=still_talks), "nothing is told after abort"),
    "cannot be aborted": (Broken(aborted=lambda _: 1 / 0), ""),
    "credit lowered": (Broken(opened=lower), "credit was lowered from 60000 to 50000"),
    "forgets nothing": (Broken(asked=deaf_to(Cancel)), "nothing heard before Cancel"),
    "crashes late": (Broken(asked=crashes_late), "ignored or refused, not AttributeError"),
    "speaks without credit": (
        Broken(ToneEngine(), opened=None, told=None, asked=None),
        "with credit until 300 ms",
    ),
    "speaks after a cancel": (Broken(ToneEngine(), asked=deaf_to(Cancel)), "no SpeechEnded"),
    "says nothing": (Broken(ToneEngine(), asked=deaf_to(Speak)), "no sound up to the credit"),
    "half samples": (Broken(ToneEngine(), told=changed(AudioOut, data=b"abc")), "whole sample"),
}


@pytest.mark.parametrize("name", LAWS)
async def test_a_broken_law_is_named(name):
    engine, sentence = LAWS[name]
    if name == "speaks without credit":
        engine = ToneEngine()
        opened = engine.open

        async def deaf_to_credit(options, sink):
            stream = await opened(options, sink)
            stream.credit = lambda until_ms: None
            return stream

        engine.open = deaf_to_credit
    if name == "cannot be aborted":
        with pytest.raises(ZeroDivisionError):
            await check_engine(engine, patience=0.3)
        return
    with pytest.raises(AssertionError, match=sentence):
        await check_engine(engine, patience=0.3)


async def test_shared_state_between_streams_is_found():
    class Shared(ScriptedEngine):
        count = 0

        async def open(self, options, sink):
            Shared.count += 1
            return await ScriptedEngine(f"w{Shared.count}.").open(options, sink)

    with pytest.raises(AssertionError, match="must share nothing"):
        await check_engine(Shared(""))


def test_a_provisional_end_may_be_taken_back():
    check_order(
        [
            SpeechStarted(at_ms=0),
            Transcript(text="a"),
            SpeechEnded(at_ms=5, provisional=True),
            SpeechStarted(at_ms=0),
            Transcript(text="a b"),
            SpeechEnded(at_ms=9),
            Transcript(text="a b", final=True, ends_turn=True),
            Ended(),
        ]
    )


def test_a_bare_final_is_enough():
    check_order([Transcript(text="a", final=True), Transcript(text="b", final=True), Ended()])


def test_an_end_before_its_utterance_is_closed_is_found():
    with pytest.raises(AssertionError, match="utterance 'u' is closed"):
        check_order([SpeechStarted(side="out", utterance="u"), Ended()])
    with pytest.raises(AssertionError, match="sound came before"):
        check_order([AudioOut(utterance="u", data=bytes(2)), Ended()])
