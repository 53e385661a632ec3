"""Loss and jitter, beside stock aiortc in one run: what reaches the engine, and when."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("aiortc")

from pitch import heard_in, pitches
from stalls import Stalls
from webrtc_peers import Caller, Heard, Stock, encoded, impair, ours

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(90)]

WORDS = [number % 40 for number in range(0, 36 * 7, 7)]
SOUND = pitches(WORDS)
"""About ten seconds."""


CONDITIONS = {(0.015, 0): 100, (0.015, 30): 140, (0.05, 0): 160}
"""Share lost and milliseconds of jitter: the longest that nothing may come."""


class Run:
    """One receiver under one condition."""

    def __init__(self, heard: Heard, lost: list[int], call: Any = None) -> None:
        self.heard, self.lost, self.call = heard, lost, call


async def carried(
    packets: Sequence[bytes], stalls: Stalls
) -> dict[tuple[float, float], tuple[Run, Run]]:
    """What ours and the stock receiver made of the same packets with the same ones lost."""
    stock = Stock()
    runs: dict[tuple[float, float], tuple[Run, Run]] = {}
    async with stalls, ours() as server, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(stock.close)
        callers: list[Caller] = []
        for number, (loss, jitter_ms) in enumerate(CONDITIONS):
            pair: list[Run] = []
            for side in (server, stock):
                callers.append(await stack.enter_async_context(Caller.call(side.answer, packets)))
                lost = impair(side.sockets(number), loss=loss, jitter_ms=jitter_ms, seed=number)
                pair.append(Run(side.heard(number), lost))
            pair[0].call = server.calls.calls[number]
            runs[loss, jitter_ms] = (pair[0], pair[1])
        for caller in callers:
            await caller.track.over.wait()
        await asyncio.sleep(0.3)  # what is late is on its way
    return runs


async def test_no_sound_is_missing() -> None:
    packets = encoded(SOUND, loss_percent=10)
    stalls = Stalls()
    runs = await carried(packets, stalls)
    for (loss, jitter_ms), (here, there) in runs.items():
        shown = f"{loss:.1%} lost, {jitter_ms} ms jitter"
        assert here.lost, f"{shown}: nothing was lost, take another seed"
        # The last packets may be lost themselves: nothing tells that they were sent.
        assert here.heard.frames / len(packets) * 50 >= 49.9, (shown, here.heard.frames)
        assert heard_in(here.heard.sound) == WORDS, shown
        assert here.call.figures.concealed <= len(here.lost), shown
        # What other work on this machine took is no gap of ours. A machine that takes more than
        # 50 ms at once leaves a backlog of both ends besides, which no clock tells apart: the
        # buffer's own gaps are in test_under_loss.py, by a clock that nobody takes anything from.
        limit = CONDITIONS[loss, jitter_ms] + max(0.0, stalls.worst_ms - 50)
        worst, other = here.heard.worst_gap_ms(stalls), there.heard.worst_gap_ms(stalls)
        assert worst <= limit, (shown, worst, other, stalls.worst_ms)
        assert here.heard.frames > there.heard.frames, shown
        print(
            f"{shown}: gap {worst:.0f} ms, with stalls of up to {stalls.worst_ms:.0f} ms "
            f"{here.heard.worst_gap_ms():.0f} ms, stock {other:.0f} ms; {here.call.figures}"
        )
