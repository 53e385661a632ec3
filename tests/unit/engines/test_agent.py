"""The agent: what is heard is answered, what is said can be cut off at any word, and only what was
heard of it is part of the conversation."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, Configure, End, Line, Speak, Tell
from ossicle.core.errors import EngineFailed
from ossicle.core.events import (
    Asked,
    AudioOut,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Usage,
)
from ossicle.core.options import AnswerOptions, Options
from ossicle.core.session import SessionSettings
from ossicle.engines.agent import Agent
from ossicle.engines.compose import Combined
from ossicle.engines.lifecycle import running
from ossicle.engines.responders import Entry, Piece, Question, ToolCall
from ossicle.engines.responders.function import Function, function
from ossicle.engines.responders.parrot import Parrot
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import CHARACTER_MS, ToneEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.engine import check_engine
from ossicle.testing.house import HandHouse
from ossicle.testing.marked import marked_audio


class Sink:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.on: Callable[[Event], None] = lambda event: None

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.on(event)

    def credit(self, until_ms: int) -> None: ...
    def settled(self, until_ms: int) -> None: ...

    def of(self, kind: type[Any]) -> list[Any]:
        return [
            e for e in self.events if isinstance(e, kind) and getattr(e, "side", "out") == "out"
        ]


class Slow:
    """Says a word each time it is let."""

    name = "slow"

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = pieces
        self.questions: list[Question] = []
        self.go = asyncio.Semaphore(0)
        self.closed = 0

    async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        self.questions.append(question)
        try:
            for piece in self.pieces:
                await self.go.acquire()
                yield piece
        finally:
            self.closed += 1


def ears() -> ScriptedEngine:
    return ScriptedEngine("heard", timers=ManualTimers())


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def opened(responder: Any = None, **answers: Any) -> tuple[Any, Sink, Agent]:
    engine = Agent(Combined(ears(), ToneEngine()), responder or Parrot())
    sink = Sink()
    options = Options(hears=PCM16K, speaks=PCM16K, answers=AnswerOptions(**answers))
    return await engine.open(options, sink), sink, engine


async def test_what_was_said_is_answered_aloud():
    stream, sink, _ = await opened()
    stream.audio(marked_audio([1, 2, 0]))
    await settle()
    kinds = [type(e).__name__ for e in sink.events if getattr(e, "side", "out") == "out"]
    assert kinds[0] == "SpeechStarted"
    assert kinds[-1] == "SpeechEnded"
    (said,) = sink.of(Transcript)
    assert said.text == "w1 w2"
    assert sum(len(e.data) for e in sink.of(AudioOut)) == PCM16K.bytes(5 * CHARACTER_MS)
    (ended,) = sink.of(SpeechEnded)
    assert ended.reason == "done"
    assert {e.utterance for e in (*sink.of(AudioOut), said, ended)} == {"a1"}


async def test_the_final_comes_before_its_answer():
    stream, sink, _ = await opened()
    stream.audio(marked_audio([1, 0]))
    await settle()
    order = [
        type(e).__name__
        for e in sink.events
        if (isinstance(e, Transcript) and e.side == "in" and e.final)
        or (isinstance(e, SpeechStarted) and e.side == "out")
    ]
    assert order == ["Transcript", "SpeechStarted"]


async def test_a_sentence_is_said_while_the_rest_is_still_written():
    slow = Slow("One. ", "Two.")
    stream, sink, _ = await opened(slow)
    stream.ask(Speak(ref="r"))
    slow.go.release()
    await settle()
    assert [e.text for e in sink.of(Transcript)] == ["One."]
    assert not sink.of(SpeechEnded)
    slow.go.release()
    await settle()
    assert [e.text for e in sink.of(Transcript)] == ["One.", "Two."]
    assert {e.ref for e in sink.of(Transcript)} == {"r"}
    assert sink.of(SpeechEnded)[0].ref == "r"


async def test_it_can_be_cancelled_at_any_word():
    slow = Slow("One. ", "Two.")
    stream, sink, agent = await opened(slow)
    stream.ask(Speak(ref="r"))
    slow.go.release()
    await settle()
    stream.ask(Cancel(side="out", heard_ms=0))
    await settle()
    (ended,) = sink.of(SpeechEnded)
    assert (ended.reason, ended.heard_ms, ended.ref) == ("cancelled", 0, "r")
    assert slow.closed == 1, "the responder is not told that nobody listens"
    assert len(agent.children) == 0
    slow.go.release()
    await settle()
    assert len(sink.of(SpeechEnded)) == 1


async def test_who_speaks_interrupts_an_answer_that_is_only_thought_of():
    slow = Slow("Never said.")
    stream, sink, _ = await opened(slow)
    stream.audio(marked_audio([1, 0]))
    await settle()
    assert len(slow.questions) == 1
    stream.audio(marked_audio([2]))
    await settle()
    assert [e.reason for e in sink.of(SpeechEnded)] == ["cancelled"]


async def test_without_interruption_it_speaks_on():
    slow = Slow("Said.")
    stream, sink, _ = await opened(slow, interrupt=False)
    stream.audio(marked_audio([1, 0, 2]))
    slow.go.release()
    await settle()
    assert [e.reason for e in sink.of(SpeechEnded)] == ["done"]


async def test_the_conversation_goes_along_with_each_question():
    slow = Slow("Yes.")
    stream, _, _ = await opened(slow, auto=False)
    stream.ask(Tell(text="Be kind.", role="system"))
    stream.ask(Tell(text="hello"))
    for _ in range(2):
        stream.ask(Speak())
        slow.go.release()
        await settle()
    last = slow.questions[-1].entries
    assert [(e.role, e.text) for e in last] == [
        ("system", "Be kind."), ("user", "hello"), ("assistant", "Yes."),
    ]  # fmt: skip
    stream.ask(Speak(lines=(Line("only this"),)))
    slow.go.release()
    await settle()
    assert [e.text for e in slow.questions[-1].entries] == ["only this"]
    stream.ask(Speak())
    slow.go.release()
    await settle()
    assert len(slow.questions[-1].entries) == 4, "what was apart came into the conversation"


async def test_a_tool_is_asked_for_and_its_result_goes_on_by_itself():
    class Tooled:
        name = "tooled"

        async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
            if question.entries[-1].role == "result":
                yield f"It is {question.entries[-1].text}."
            else:
                yield ToolCall("c1", "clock", "{}")
                yield Usage(input_tokens=7, output_tokens=3)

    stream, sink, _ = await opened(Tooled(), aloud=False)
    stream.ask(Tell(text="what time is it"))
    stream.ask(Speak())
    await settle()
    (asked,) = sink.of(Asked)
    assert (asked.call, asked.name, asked.utterance) == ("c1", "clock", "a1")
    assert sink.of(SpeechEnded)[0].usage.input_tokens == 7
    stream.ask(Tell(kind="result", text="noon", call="c1"))
    await settle()
    assert sink.of(Transcript)[-1].text == "It is noon."
    assert not sink.of(AudioOut)


async def test_a_responder_that_breaks_is_told_and_names_nothing_that_was_said():
    class Broken:
        name = "broken"

        async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
            raise ValueError("secret words")
            yield ""

    class Refusing:
        name = "refusing"

        async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
            raise EngineFailed("no model there")
            yield ""

    for responder, text in ((Broken(), "broken broke: ValueError"), (Refusing(), "no model there")):
        stream, sink, _ = await opened(responder)
        stream.ask(Speak(ref="r"))
        await settle()
        (notice,) = sink.of(Notice)
        assert (notice.text, notice.ref, notice.level) == (text, "r", "error")
        assert sink.of(SpeechEnded)[0].reason == "failed"


async def test_the_end_waits_for_the_last_answer():
    stream, sink, _ = await opened()
    stream.audio(marked_audio([1, 2]))
    stream.ask(End())
    await settle()
    finals = [e for e in sink.events if isinstance(e, Transcript) and e.side == "in" and e.final]
    assert [e.text for e in finals] == ["w1 w2"]
    assert all(not e.ref for e in finals)
    assert [e.text for e in sink.of(Transcript)] == ["w1 w2"]
    assert isinstance(sink.events[-1], Ended)
    assert sum(isinstance(e, Ended) for e in sink.events) == 1


async def test_without_a_voice_the_answer_is_text():
    engine = Agent(ears(), Parrot())
    sink = Sink()
    stream = await engine.open(Options(hears=PCM16K), sink)
    stream.audio(marked_audio([1, 2, 0]))
    await settle()
    texts = [e.text for e in sink.of(Transcript)]
    assert texts == ["w1", "w1 w2", "w1 w2"]
    assert sink.of(Transcript)[-1].final
    assert engine.capabilities.answers
    assert not engine.capabilities.speaks


async def test_a_conversation_outlives_a_stream_that_is_opened_again():
    slow = Slow("Yes.")
    seat = Agent(Combined(ears(), ToneEngine()), slow).seat()
    names = []
    for _ in range(2):
        sink = Sink()
        stream = await seat.open(Options(hears=PCM16K, speaks=PCM16K), sink)
        stream.ask(Tell(text="hello"))
        stream.ask(Speak())
        slow.go.release()
        await settle()
        names += [e.utterance for e in sink.of(SpeechEnded)]
        stream.abort()
    assert [e.role for e in slow.questions[-1].entries] == ["user", "assistant", "user"]
    assert names == ["a1", "a2"]


async def test_another_engine_in_the_middle_of_a_session_goes_on_with_its_conversation():
    slow = Slow("Yes.")
    agent = Agent(Combined(ears(), ToneEngine()), slow)
    first, second = agent.seat(), agent.seat()
    for seat in (first, second):
        if seat is second:
            second.follow(first)
        stream = await seat.open(Options(hears=PCM16K, speaks=PCM16K), Sink())
        stream.ask(Tell(text="hello"))
        stream.ask(Speak())
        slow.go.release()
        await settle()
        stream.abort()
    assert [e.role for e in slow.questions[-1].entries] == ["user", "assistant", "user"]


async def test_a_changed_option_counts_at_once():
    stream, sink, _ = await opened()
    stream.ask(Configure(patch={"answers": {"auto": False}}))
    stream.audio(marked_audio([1, 0]))
    await settle()
    assert not sink.of(SpeechStarted)


async def test_aborting_ends_every_task():
    slow = Slow("x")
    stream, sink, agent = await opened(slow)
    stream.ask(Speak())
    await settle()
    stream.abort()
    count = len(sink.events)
    await settle()
    assert len(agent.children) == 0
    assert len(sink.events) == count


async def test_closing_the_engine_ends_every_answer():
    slow = Slow("x")
    agent = Agent(Combined(ears(), ToneEngine()), slow)
    async with running(agent):
        stream = await agent.open(Options(hears=PCM16K, speaks=PCM16K), Sink())
        stream.ask(Speak())
        await settle()
        assert len(agent.children) == 1
    assert len(agent.children) == 0


# ── in a session ──


async def test_barge_in_stops_the_sound_at_once_and_the_conversation_holds_what_was_heard():
    """The voice is held by its credit, so most of the answer is not made when somebody speaks."""
    slow = Slow("one two three four five six seven eight nine ten")
    engine = Agent(Combined(ears(), ToneEngine()), slow)
    house = HandHouse(engine, SessionSettings(speak_ahead_ms=400))
    peer = house.peer()
    house.serve()
    slow.go.release()
    peer.ask(Tell(text="count"), Speak())
    await settle()
    house.pass_time(0.5)
    await settle()
    for _ in range(3):
        house.pass_time(0.2)
        await settle()
    before = sum(isinstance(e, AudioOut) for e in peer.events)
    assert before
    assert not [e for e in peer.events if isinstance(e, SpeechEnded) and e.side == "out"]
    peer.audio(marked_audio([7]))
    await settle()
    (ended,) = [e for e in peer.events if isinstance(e, SpeechEnded) and e.side == "out"]
    assert ended.reason == "cancelled"
    # "one two " is 8 characters of 60 ms; heard until 1.1 s or so, never more than was sent
    heard = ended.heard_ms or 0
    sent = sum(PCM16K.ms(len(e.data)) for e in peer.events if isinstance(e, AudioOut))
    assert 0 < heard <= sent
    order = [type(e).__name__ for e in peer.events]
    assert "AudioOut" not in order[order.index("SpeechEnded") :], "it spoke on"
    whole = "one two three four five six seven eight nine ten"
    said = next(e.text for e in peer.events if isinstance(e, Transcript) and e.side == "out")
    assert whole.startswith(said)
    assert len(said) * CHARACTER_MS <= heard
    slow.go.release()
    peer.audio(marked_audio([0]))
    await settle()
    last = slow.questions[-1].entries
    assert [e.text for e in last if e.role == "assistant"] == ([said] if said else [])


# ── functions ──


async def collected(responder: Any, question: Question) -> list[Piece]:
    return [piece async for piece in responder.respond(question)]


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator", "list", "nothing"])
async def test_functions_of_every_kind(kind: str):
    def plain(question: Question) -> str:
        return f"you said {question.said}"

    async def coroutine(question: Question) -> str:
        return plain(question)

    async def generator(question: Question) -> AsyncGenerator[str, None]:
        yield "you said "
        yield question.said

    def many(question: Question) -> list[str]:
        return ["you said ", question.said]

    def nothing(question: Question) -> None:
        return None

    answer = {
        "plain": plain, "coroutine": coroutine, "generator": generator, "list": many,
        "nothing": nothing,
    }[kind]  # fmt: skip
    pieces = await collected(Function(answer), Question((Entry("user", "hi"),)))
    assert "".join(map(str, pieces)) == ("" if kind == "nothing" else "you said hi")


async def test_a_function_that_answers_with_something_else():
    with pytest.raises(EngineFailed, match="int"):
        await collected(Function(lambda question: 3), Question(()))


def test_functions_by_name():
    assert function("json:dumps").name == "json:dumps"
    for argument in ("json", "json:nothing", "nowhere:x", "json:decoder"):
        with pytest.raises(Exception, match="python:"):
            function(argument)


async def test_it_is_an_engine_like_any_other():
    engine = Agent(Combined(ears(), ToneEngine()), Parrot())
    async with running(engine):
        await check_engine(engine, options=Options(answers=AnswerOptions(auto=False)))
