"""The whole client against a whole gateway, in memory, with wires cut at every kind of place."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.client import Buffering, Reconnect, SpeechStream
from ossicle.client.queue import EventQueue
from ossicle.core.commands import Tell
from ossicle.core.errors import ConnectionLost, OssicleError, Refused
from ossicle.core.events import Ended, Event, Told, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import RecognitionOptions
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Message, Opening
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .conftest import world


class Piece(NamedTuple):
    size: int


class Ask(NamedTuple):
    """`finalize` is awaited in a task of its own, so that audio goes on."""

    kind: str


def actions() -> st.SearchStrategy[list[Piece | Ask]]:
    piece = st.builds(Piece, st.integers(1, 5_000))
    ask = st.builds(Ask, st.sampled_from(["finalize", "tell", "breathe"]))
    return st.lists(st.one_of(piece, ask, ask), min_size=20, max_size=40)


def cuts(*, kills: bool) -> st.SearchStrategy[list[tuple[int, bool]]]:
    one = st.tuples(st.integers(0, 25), st.booleans() if kills else st.just(False))
    # The first connection lives through its greeting: before it there is no stream to go on with.
    first = st.tuples(st.integers(6, 40), st.booleans() if kills else st.just(False))
    return st.builds(lambda head, tail: [head, *tail], first, st.lists(one, max_size=12))


def words() -> st.SearchStrategy[list[int]]:
    """Numbered 1, 2, 3, … with pauses between."""
    return st.lists(st.booleans(), min_size=5, max_size=25).map(
        lambda pauses: [
            item
            for number, pause in enumerate(pauses, 1)
            for item in ((number, 0) if pause else (number,))
        ]
    )


class Outcome(NamedTuple):
    events: list[Event]
    finals: list[Transcript]
    told: list[str]
    stream: SpeechStream
    kills: int


async def play(said: list[int], todo: list[Piece | Ask], broken: list[tuple[int, bool]]) -> Outcome:
    audio = marked_audio(said, frames=5)
    told: list[str] = []
    async with world(broken) as here, here.stream() as stream, asyncio.TaskGroup() as group:
        finals: list[asyncio.Task[Transcript]] = []

        async def read() -> list[Event]:
            return [event async for event in stream]

        reading = group.create_task(read())
        at = 0
        for each in todo:
            match each:
                case Piece(size):
                    await stream.send(audio[at : at + size])
                    at += size
                case Ask("finalize"):
                    finals.append(group.create_task(stream.finalize()))
                    await asyncio.sleep(0)
                case Ask("tell"):
                    told.append(str(len(told)))
                    await stream.tell(Tell(text=told[-1]))
                case _:
                    for _ in range(30):
                        await asyncio.sleep(0)
        await stream.send(audio[at:])
        await stream.end()
        events = await reading
        answers = [await final for final in finals]
        return Outcome(events, answers, told, stream, here.kills)


def check(said: list[int], outcome: Outcome) -> None:
    events = outcome.events
    check_timeline(events)
    assert marked_words(events) == marked_expected(said, frames=5)
    # Commands: each question has one answer of its own, each thing told was told once.
    assert len({id(final) for final in outcome.finals}) == len(outcome.finals)
    assert [event.text for event in events if isinstance(event, Told)] == outcome.told
    assert all(final in events and final.ends_turn for final in outcome.finals)
    ended = outcome.stream.ended
    assert ended is not None
    assert ended.error is None
    assert ended.audio_ms == len(marked_audio(said, frames=5)) // 32


@settings(max_examples=80, deadline=None, derandomize=True)
@given(words(), actions(), cuts(kills=False))
def test_exactly_once_both_ways_over_cut_wires(
    said: list[int], todo: list[Piece | Ask], broken: list[tuple[int, bool]]
) -> None:
    outcome = asyncio.run(play(said, todo, broken))
    check(said, outcome)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(words(), actions(), cuts(kills=True))
def test_exactly_once_both_ways_when_gateways_die(
    said: list[int], todo: list[Piece | Ask], broken: list[tuple[int, bool]]
) -> None:
    outcome = asyncio.run(play(said, todo, broken))
    check(said, outcome)
    assert outcome.stream.moves <= outcome.kills + len(broken)


async def test_a_body_wire_carries_audio_and_the_end():
    """HTTP: the answer may be held until the audio is known, so audio goes first."""
    audio = marked_audio([1, 2, 3])
    broken = [(25, False), (9, False)]
    async with world(broken, framed=False) as here, here.stream() as stream:
        with pytest.raises(Refused, match="websocket"):
            await stream.finalize()
        for start in range(0, len(audio), 640):
            await stream.send(audio[start : start + 640])
            await asyncio.sleep(0)
        await stream.end()
        events = [event async for event in stream]
    check_timeline(events)
    assert marked_words(events) == marked_expected([1, 2, 3])
    assert stream.reconnects == 2
    assert stream.moves == 0


async def test_a_body_wire_cut_before_any_answer_begins_anew():
    audio = marked_audio([1, 2])
    async with world([(1, False)], framed=False) as here, here.stream() as stream:
        await stream.send(audio)
        await stream.end()
        events = [event async for event in stream]
    assert marked_words(events) == marked_expected([1, 2])


async def test_nobody_there_is_said_at_once():
    async def dial(opening: object, receiver: object) -> None:
        raise ConnectionLost("no connection to nowhere")

    async with world() as here:
        here.dial = dial  # type: ignore[method-assign, assignment]
        with pytest.raises(ConnectionLost, match="nowhere"):
            async with here.stream():
                pass
        assert here.clock.slept == []


async def test_it_gives_up_in_words_and_tells_the_end():
    async with world([(8, True)]) as here, here.stream(reconnect=Reconnect(total_s=3)) as stream:

        async def dial(opening: object, receiver: object) -> None:
            raise ConnectionLost("no connection to nowhere")

        stream._dial = dial  # type: ignore[assignment]
        events: list[Event] = []
        with pytest.raises(ConnectionLost, match=r"within 3 s and \d+ attempts: .*nowhere"):
            for number in range(1, 100):
                await stream.send(marked_audio([number]))
                await asyncio.sleep(0)
        with pytest.raises(ConnectionLost, match="attempts"):
            async for event in stream:
                events.append(event)  # noqa: PERF401  an exception ends it
        assert isinstance(events[-1], Ended)
        assert events[-1].reason == "lost"
        assert here.clock.at == pytest.approx(3.0)
        with pytest.raises(ConnectionLost):
            await stream.finalize()


async def test_without_reconnection_a_cut_is_the_end():
    async with world([(8, False)]) as here, here.stream(reconnect=Reconnect(total_s=0)) as stream:
        with pytest.raises(ConnectionLost, match="cut"):
            while True:
                await stream.send(marked_audio([1]))
                await asyncio.sleep(0)


async def test_replaced_by_another_connection_is_the_end():
    async with world() as here, here.stream() as stream:
        await stream.send(marked_audio([1]))
        token = stream._token
        async with here.stream() as other:
            other._token = token
            assert here.house is not None
            here.openings.clear()
            other._link.abort()  # type: ignore[union-attr]
            with pytest.raises(Refused, match="took this session over"):
                async for _ in stream:
                    pass
        assert stream.ended is not None
        assert stream.ended.error is not None
        assert stream.ended.error.code == "replaced"
        assert not stream.ended.error.retryable


class Nobody:
    """The receiver of a connection that its client gave up."""

    def received(self, message: Message) -> None: ...

    def binary(self, data: bytes) -> None: ...

    def writable(self, yes: bool) -> None: ...

    def closed(self, error: OssicleError | None) -> None: ...


async def test_its_own_attempt_delivered_late_is_no_end(monkeypatch: pytest.MonkeyPatch):
    """A client gives an attempt up, the next one goes on; then the network delivers the first, and
    the gateway cannot know that nobody is there."""
    said = [1, 2, 3, 0, 4, 5]
    audio = marked_audio(said)
    half = len(audio) // 2
    late: list[Opening] = []
    async with world() as here:
        straight = here.dial

        async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
            if here.openings and not late:
                late.append(opening)
                raise ConnectionLost("nobody answered in time")
            return await straight(opening, receiver)

        monkeypatch.setattr(here, "dial", dial)
        async with here.stream() as stream:
            await stream.send(audio[:half])
            events = [await anext(stream)]
            while not isinstance(events[-1], Transcript):
                events.append(await anext(stream))
            stream._link.abort()  # type: ignore[union-attr]
            while not stream.reconnects:
                await asyncio.sleep(0)
            await straight(late[0], lambda _: Nobody())
            while stream.reconnects < 2:
                assert not stream.over, stream.ended
                await asyncio.sleep(0)
            await stream.send(audio[half:])
            await stream.end()
            events += [event async for event in stream]
    assert marked_words(events) == marked_expected(said)
    check_timeline(events)
    assert stream.moves == 0


async def test_audio_waits_here_and_is_told_while_nobody_is_there():
    held: list[Buffering] = []
    plan = Reconnect(buffer_s=2.0, total_s=1e9)
    async with world([(8, True)]) as here:
        stream = here.stream(reconnect=plan, on_buffering=held.append)
        gate = asyncio.Event()
        dial = stream._dial

        async def later(opening, receiver):
            if here.kills:
                await gate.wait()
            return await dial(opening, receiver)

        stream._dial = later
        async with stream:
            sending = asyncio.create_task(stream.send(marked_audio(range(1, 60))))
            while not held or held[-1].bytes < 32_768:
                await asyncio.sleep(0)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not sending.done()
            assert (stream.buffered_s or 0) <= 2.1
            gate.set()
            await sending
            await stream.end()
            events = [event async for event in stream]
    assert marked_words(events) == marked_expected(range(1, 60))
    assert held[-1].connected


async def test_a_reader_that_does_not_read_stops_the_wire():
    """Events wait in a bounded queue; then the wire is not read, and nothing is lost."""
    said = list(range(1, 120))
    async with world() as here, here.stream() as stream:
        stream._queue = EventQueue(most=16)
        sending = asyncio.create_task(stream.send(marked_audio([w for n in said for w in (n, 0)])))
        for _ in range(3_000):
            await asyncio.sleep(0)
        assert len(stream._queue) <= 20
        ending = asyncio.create_task(_end_after(stream, sending))
        events = [event async for event in stream]
        await ending
    assert [word.text for word in marked_words(events)] == [f"w{number}" for number in said]


async def _end_after(stream: SpeechStream, sending: "asyncio.Task[None]") -> None:
    await sending
    await stream.end()


async def test_options_changed_on_the_way_are_kept_by_the_next_gateway():
    async with world() as here, here.stream() as stream:
        await stream.configure({"recognition": {"interim_results": False}})
        await stream.send(marked_audio([1]))
        while stream.options is None or stream.options.recognition.interim_results:
            await asyncio.sleep(0)
        here.kill()
        await stream.send(marked_audio([2, 3]))
        await stream.end()
        events = [event async for event in stream]
        assert ("interim_results", "false") in here.openings[-1].query
    assert marked_words(events) == marked_expected([1, 2, 3])


async def test_an_option_that_is_none_is_refused_in_words():
    async with world() as here:
        with pytest.raises(Refused, match="threshold"):
            async with here.stream(options={"recognition": {"turns": {"threshold": 7}}}) as stream:
                await stream.end()


async def test_recognition_options_and_formats_arrive():
    async with world() as here:
        options = RecognitionOptions(language="de")
        async with here.stream(options=options, source=AudioFormat("mulaw", 8_000)) as stream:
            assert stream.options is not None
            assert stream.options.recognition.language == "de"
            await stream.end()
            assert isinstance([event async for event in stream][-1], Ended)
