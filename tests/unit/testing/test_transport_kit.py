"""The kit has to find what it looks for: transports broken on purpose."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ossicle.core.wire import ChannelTraits
from ossicle.testing.recorder import Recorder
from ossicle.testing.transport import Pair, check_transport
from ossicle.transports.memory.pair import MemoryChannel, MemoryPair


def pairs(break_it):
    @asynccontextmanager
    async def make_pair(answer):
        loop = asyncio.get_running_loop()
        legs: dict[str, Recorder] = {}
        made: list[MemoryPair] = []

        def accept(opening, channel):
            legs["far"] = Recorder(channel)
            answer(channel)
            return legs["far"]

        def call(channel):
            legs["near"] = Recorder(channel)
            return legs["near"]

        def deliver():
            made[0].deliver()

        traits = ChannelTraits(max_message=1000)
        made.append(
            MemoryPair(accept, call, traits=traits, on_work=lambda: loop.call_soon(deliver))
        )
        break_it(made[0], legs)
        made[0].deliver()
        yield Pair(legs["near"], legs["far"])

    return make_pair


def closed_twice(pair: MemoryPair, legs: dict[str, Recorder]) -> None:
    inner = legs["near"].closed

    def closed(error) -> None:
        inner(error)
        inner(error)

    legs["near"].closed = closed


def reordered(pair: MemoryPair, legs: dict[str, Recorder]) -> None:
    inner = legs["far"].binary
    kept: list[bytes] = []

    def binary(data: bytes) -> None:
        kept.append(data)
        if len(kept) == 2:
            inner(kept.pop())
            inner(kept.pop())

    legs["far"].binary = binary


def deaf_to_pause(pair: MemoryPair, legs: dict[str, Recorder]) -> None:
    class Deaf(MemoryChannel):
        def pause(self) -> None: ...

    pair.far.__class__ = Deaf


@pytest.mark.parametrize(
    ("break_it", "check"),
    [(closed_twice, "refused"), (reordered, "order"), (deaf_to_pause, "pause")],
)
async def test_the_kit_names_the_check_that_failed(break_it, check: str, monkeypatch) -> None:
    inner = Recorder.until

    async def until(self, condition, *, within: float = 0.2) -> None:
        await inner(self, condition, within=within)

    monkeypatch.setattr(Recorder, "until", until)
    with pytest.raises(AssertionError, match=rf"^{check}"):
        await check_transport(pairs(break_it), half_close=True, pause_bound=1)
