"""The whole client against a whole gateway, in memory, with wires cut at every kind of place."""

import asyncio
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.client import SpeechStream
from ossicle.core.commands import Tell
from ossicle.core.events import Event, Told, Transcript
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
