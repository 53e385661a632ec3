"""Finals on demand from an engine that has no word for them: its stream is ended, and the next one
goes on where it stopped. The streams do what the test says."""

import asyncio

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, Command, Configure, End, Finalize, Played, Speak
from ossicle.core.errors import EngineFailed, Overloaded, Refused
from ossicle.core.events import Ended, Event, Notice, SpeechStarted, Transcript
from ossicle.core.options import Options
from ossicle.core.ports import Stream
from ossicle.engines.wrap.cut import Cut
from ossicle.testing.house import HeldEngine, HeldStream

OPTIONS = Options(hears=PCM16K)
SECOND = 32_000
Heard = list[tuple[str, str, int | None, int | None]]


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.credits: list[int] = []
        self.settled_ms: list[int] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def credit(self, until_ms: int) -> None:
        self.credits.append(until_ms)

    def settled(self, until_ms: int) -> None:
        self.settled_ms.append(until_ms)

    @property
    def finals(self) -> Heard:
        return [
            (e.text, e.ref, e.start_ms, e.end_ms)
            for e in self.events
            if isinstance(e, Transcript) and e.final
        ]

    @property
    def ended(self) -> list[Ended]:
        return [e for e in self.events if isinstance(e, Ended)]


async def settle() -> None:
    """Let the stream that is wanted open."""
    for _ in range(3):
        await asyncio.sleep(0)


async def opened(engine: HeldEngine) -> tuple[Stream, Told]:
    sink = Told()
    return await Cut(engine).open(OPTIONS, sink), sink


def final(text: str, start_ms: int, end_ms: int, channel: int = 0) -> Transcript:
    return Transcript(
        text=text, start_ms=start_ms, end_ms=end_ms, final=True, ends_turn=True, channel=channel
    )


def sound(seconds: float, value: int = 1) -> bytes:
    return bytes([value]) * int(SECOND * seconds)


async def test_its_last_words_are_the_answer_and_the_next_sound_opens_another_stream() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    first = engine.stream
    stream.audio(sound(2))
    stream.ask(Finalize(ref="q"))
    assert first.asked == [End()]
    first.sink.tell(final("one", 0, 900))
    first.sink.tell(final("two three", 1_000, 1_900))
    assert sink.finals == [("one", "", 0, 900)]  # this one may be the last
    first.sink.tell(Ended())
    assert sink.finals[1:] == [("two three", "q", 1_000, 1_900)]
    assert sink.settled_ms == [2_000]
    assert first.aborts
    await settle()
    assert len(engine.streams) == 1  # nobody has said anything
    stream.audio(sound(1, 2))
    await settle()
    second = engine.stream
    assert second is not first
    assert second.heard == sound(1, 2)
    second.sink.tell(SpeechStarted(at_ms=100))
    second.sink.tell(final("four", 100, 500))
    assert sink.finals[2:] == [("four", "", 2_100, 2_500)]
    stream.ask(End())
    second.sink.tell(Ended())
    assert not sink.ended[0].error


async def test_sound_and_questions_meanwhile_keep_their_order() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    first = engine.stream
    stream.audio(sound(1))
    stream.ask(Finalize(ref="a"))
    stream.audio(sound(1, 2))
    stream.ask(Finalize(ref="b"))
    stream.ask(Finalize(ref="c"))
    stream.audio(sound(1, 3))
    stream.ask(End())
    assert first.heard == sound(1)
    first.sink.tell(Ended())
    await settle()
    second = engine.stream
    assert second.heard == sound(1, 2)
    assert second.asked == [End()]
    second.sink.tell(final("two", 0, 800))
    second.sink.tell(Ended())
    await settle()
    third = engine.stream
    assert third.heard == sound(1, 3)
    third.sink.tell(final("three", 0, 700))
    third.sink.tell(Ended())
    assert sink.finals == [
        ("", "a", 1_000, 1_000),
        ("two", "b", 1_000, 1_800),
        ("", "c", 2_000, 2_000),
        ("three", "", 2_000, 2_700),
    ]
    assert len(sink.ended) == 1
    assert len(engine.streams) == 3


async def test_one_that_answers_at_once() -> None:
    """From inside `ask`, as an engine in this process does."""
    engine = HeldEngine()

    def prompt(stream: HeldStream) -> None:
        def asked(command: Command) -> None:
            stream.sink.tell(final("word", 0, 500))
            stream.sink.tell(Ended())

        stream.on_ask = asked

    engine.prepare = prompt
    stream, sink = await opened(engine)
    for number in range(3):
        stream.audio(sound(1))
        stream.ask(Finalize(ref=f"q{number}"))
        await settle()
    stream.ask(End())
    assert sink.finals == [
        ("word", f"q{number}", number * 1_000, number * 1_000 + 500) for number in range(3)
    ]
    assert not sink.ended[0].error
    assert len(engine.streams) == 3


async def test_nothing_was_fed_so_nothing_is_owed() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.ask(Finalize(ref="q"))
    assert sink.finals == [("", "q", 0, 0)]
    assert not engine.stream.asked
    stream.ask(End())
    assert engine.stream.asked == [End()]


async def test_a_question_about_one_channel_is_answered_on_it() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q", channel=1))
    engine.stream.sink.tell(final("left", 0, 500, channel=0))
    engine.stream.sink.tell(Ended())
    answers = [e for e in sink.events if isinstance(e, Transcript)]
    assert [(e.text, e.channel, e.ref) for e in answers] == [("left", 0, ""), ("", 1, "q")]


async def test_partials_and_notices_pass_while_it_ends() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    ear = engine.stream.sink
    ear.tell(final("one", 0, 400))
    ear.tell(Transcript(text="tw", start_ms=500, end_ms=700))
    ear.tell(Notice(level="info", code="upstream", text="r2"))
    ear.tell(final("two", 500, 900))
    ear.tell(Ended())
    assert sink.finals == [("one", "", 0, 400), ("two", "q", 500, 900)]


async def test_it_breaks_while_it_is_ended_and_the_session_asks_again() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    stream.audio(sound(1))
    engine.stream.sink.tell(final("one", 0, 400))
    engine.stream.sink.tell(Ended(reason="failed", error=EngineFailed("gone").fault()))
    assert sink.finals == [("one", "", 0, 400)]
    assert sink.ended[0].error is not None
    stream.audio(sound(1))
    stream.ask(Finalize(ref="late"))
    assert len(sink.events) == 2


@pytest.mark.parametrize("error", [Overloaded("full"), RuntimeError("bug")])
async def test_the_next_one_cannot_be_opened(error: Exception) -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    engine.stream.sink.tell(Ended())
    engine.fails = [error]
    stream.audio(sound(1))
    await settle()
    (ended,) = sink.ended
    assert ended.error is not None
    assert "bug" not in ended.error.text


async def test_the_next_one_breaks_on_what_was_kept() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    engine.stream.sink.tell(Ended())

    def breaks(stream: HeldStream) -> None:
        def heard(data: bytes) -> None:
            raise RuntimeError("bug")

        stream.on_audio = heard

    engine.prepare = breaks
    stream.audio(sound(1))
    await settle()
    (ended,) = sink.ended
    assert ended.error is not None
    assert "RuntimeError" in ended.error.text
    assert engine.stream.aborts


async def test_credit_goes_on_in_the_time_of_the_whole() -> None:
    """And what the session sends the moment it may does not overtake what was kept."""
    engine = HeldEngine()
    stream, sink = await opened(engine)
    engine.stream.sink.credit(2_000)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    engine.stream.sink.tell(Ended())
    engine.prepare = lambda held: held.sink.credit(2_000)
    for value in (2, 3, 4):
        stream.audio(sound(0.1, value))
    sink.credit = lambda until_ms: stream.audio(sound(0.1, 5)) if until_ms > 3_000 else None
    await settle()
    second = engine.stream
    second.on_audio = lambda data: None
    assert second.heard == b"".join(sound(0.1, value) for value in (2, 3, 4))
    second.sink.credit(2_100)
    assert second.heard == b"".join(sound(0.1, value) for value in (2, 3, 4, 5))


async def test_what_changed_counts_for_the_next_one() -> None:
    engine = HeldEngine()
    stream, _ = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    stream.ask(Configure(patch={"recognition": {"language": "de-DE"}}))
    engine.stream.sink.tell(Ended())
    stream.audio(sound(1))
    await settle()
    assert engine.stream.options.recognition.language == "de-DE"
    stream.ask(Configure(patch={"recognition": {"language": "fr-FR"}}))
    assert engine.stream.asked == [Configure(patch={"recognition": {"language": "fr-FR"}})]


async def test_between_two_streams_it_has_no_voice_and_forgets_nothing() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.ask(Speak(text="hello"))
    assert engine.stream.asked == [Speak(text="hello")]
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    engine.stream.sink.tell(Ended())
    with pytest.raises(Refused, match="held has no word for Speak"):
        stream.ask(Speak(text="hello"))
    stream.ask(Played(utterance="u", until_ms=1))
    stream.ask(Cancel(side="in"))
    stream.ask(End())
    assert not sink.ended[0].error
    assert len(engine.streams) == 1


async def test_aborted_while_the_next_one_opens() -> None:
    engine = HeldEngine()
    stream, sink = await opened(engine)
    stream.audio(sound(1))
    stream.ask(Finalize(ref="q"))
    engine.stream.sink.tell(Ended())
    stream.audio(sound(1))
    stream.abort()
    await settle()
    assert len(engine.streams) == 1
    stream.abort()
    assert not sink.ended
