"""Loss and jitter, beside stock aiortc in one run: what reaches the engine, and when."""

import asyncio
from collections.abc import Sequence

import pytest

pytest.importorskip("aiortc")

from pitch import heard_in, pitches
from webrtc_peers import Caller, Heard, Stock, encoded, impair, ours

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(90)]

WORDS = [number % 40 for number in range(0, 36 * 7, 7)]
SOUND = pitches(WORDS)
"""About ten seconds."""


async def carried(
    packets: Sequence[bytes], *, loss: float, jitter_ms: float, calls: int
) -> tuple[list[Heard], list[int], list[Heard], list[int], int]:
    """What ours and the stock receiver made of the same packets with the same ones lost, the lost
    of both, and how many ours had to make up."""
    stock = Stock()
    async with ours() as server, asyncio.timeout(60):
        callers = []
        lost_here: list[list[int]] = []
        lost_there: list[list[int]] = []
        try:
            for number in range(calls):
                for side, lost in ((server, lost_here), (stock, lost_there)):
                    context = Caller.call(side.answer, packets)
                    callers.append((context, await context.__aenter__()))
                    lost.append(
                        impair(side.sockets(number), loss=loss, jitter_ms=jitter_ms, seed=number)
                    )
            for _, caller in callers:
                await caller.track.over.wait()
            await asyncio.sleep(0.3)
            made_up = sum(call.figures.concealed for call in server.calls.calls)
        finally:
            for context, _ in callers:
                await context.__aexit__(None, None, None)
            await stock.close()
        return (
            server.all, [len(each) for each in lost_here],
            stock.all, [len(each) for each in lost_there], made_up,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "jitter_ms", "gap_ms"), [(0.015, 0, 100), (0.015, 30, 140), (0.05, 0, 160)]
)
async def test_no_sound_is_missing(loss: float, jitter_ms: float, gap_ms: float) -> None:
    packets = encoded(SOUND, loss_percent=10)
    here, lost, there, _, made_up = await carried(packets, loss=loss, jitter_ms=jitter_ms, calls=2)
    assert sum(lost) > 0, "nothing was lost: another seed"
    for heard in here:
        # The last packets may be lost themselves: nothing tells that they were sent.
        assert heard.frames / len(packets) * 50 >= 49.9, (heard.frames, len(packets))
        assert heard_in(heard.sound) == WORDS
    assert made_up <= sum(lost)
    # A stalled test machine delays both alike.
    worst, stock_worst = (max(h.worst_gap_ms for h in side) for side in (here, there))
    assert worst <= max(gap_ms, stock_worst / 2), (worst, stock_worst)
    assert sum(h.frames for h in here) > sum(h.frames for h in there)
