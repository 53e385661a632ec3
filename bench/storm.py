"""Sessions that talk while everything around them breaks, and an exact count of what they lost.

    report = await storm(seconds=15, sessions=12, seed=1, folder=Path("/tmp/x"))
    report.words_lost, report.audio_lost_ms        0, 0

    native clients ─▶ faulty wire ─▶ HAProxy ─▶ gateway ─▶ faulty wires ─▶ nginx, HAProxy, nothing
    Deepgram clients ───────────────────────▶   │  ▲       upstream processes (`scripted:heard`) ◀─┘
                                                ▼  │
                                        worker processes (`marked_worker`)

Connections, worker processes, upstream processes and proxies are killed, stalled, half closed and
slowed (`breaking`); the proxies cut what is idle for five seconds, and speakers pause for longer:
all at random by a seed. What is between a vendor's client and the gateway is left alone, since its
protocol has no way back; half of those are our client, half are Deepgram's SDK. The audio names its
words, so that a word lost, doubled, out of order or misplaced by a millisecond is seen.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ossicle.testing.marked import marked_audio, marked_expected

from .between import Between
from .breaking import Breaking, Kind, Processes, Wires, Workers
from .faulty_wire import FaultyWire
from .served import Served
from .speaker import BYTES_PER_MS, STEP_MS, Speaker, Speaks

__all__ = ["Report", "storm"]


@dataclass
class Report:
    """What came of it."""

    sessions: int = 0
    audio_ms: int = 0
    words: int = 0
    audio_lost_ms: int = 0
    words_lost: int = 0
    words_doubled: int = 0
    words_disordered: int = 0
    words_misplaced: int = 0
    """Right, and not at the millisecond where they were said."""
    failures: list[str] = field(default_factory=list[str])
    """Sessions that ended with an error."""
    longest_pause_s: float = 0.0
    """From the end of a word, as it should have been sent, to the first time it was told."""
    reconnects: int = 0
    openings: int = 0
    """Sessions that had to be opened again, since something broke before they began."""
    faults: Counter[tuple[str, Kind]] = field(default_factory=Counter[tuple[str, Kind]])
    """By what was broken and how."""
    notices: Counter[str] = field(default_factory=Counter[str])
    memory: tuple[int, int] = (0, 0)
    """Resident bytes of the gateway, at the start and at the end."""

    @property
    def whole(self) -> bool:
        """Nothing was lost, doubled, moved or refused."""
        return not (
            self.audio_lost_ms
            or self.words_lost
            or self.words_doubled
            or self.words_disordered
            or self.words_misplaced
            or self.failures
        )


class _Count:
    """One session of marked words, and what became of them."""

    def __init__(self, report: Report, seconds: float, first: int) -> None:
        count = max(4, round(seconds * 1_000 / 295))  # a word and its share of the pauses
        self.words = [
            word
            for number in range(count)
            for word in ((first + number) % 32_000 + 1, *[0] * (number % 4 == 3))
        ]
        self.audio = marked_audio(self.words)
        self._expected = marked_expected(self.words)
        self._report = report
        self._told = 0

    def heard(self, known: int, at_s: float) -> None:
        """See `Speaker`."""
        while self._told < min(known, len(self._expected)):
            # a word is complete with the frame after it
            said = self._expected[self._told].end_ms / 1_000 + 0.02 + STEP_MS / 1_000
            self._report.longest_pause_s = max(self._report.longest_pause_s, at_s - said)
            self._told += 1

    def add(self, speaker: Speaker) -> None:
        """It is over."""
        report, expected = self._report, self._expected
        report.sessions += 1
        report.reconnects += speaker.reconnects
        report.openings += max(0, speaker.openings - 1)
        report.notices += speaker.notices
        if speaker.error:
            report.failures.append(speaker.error)
        whole_ms = len(self.audio) // BYTES_PER_MS
        report.audio_ms += whole_ms
        report.audio_lost_ms += abs(whole_ms - speaker.audio_ms)
        report.words += len(expected)
        wanted = Counter(word.text for word in expected)
        got = Counter(word.text for word in speaker.words)
        report.words_lost += (wanted - got).total()
        report.words_doubled += (got - wanted).total()
        starts = [word.start_ms for word in speaker.words]
        report.words_disordered += sum(b < a for a, b in pairwise(starts))
        places = {(word.text, word.start_ms, word.end_ms) for word in expected}
        report.words_misplaced += sum(
            (word.text, word.start_ms, word.end_ms) not in places for word in speaker.words
        )


class _World(NamedTuple):
    upstreams: list[Served]
    proxies: list[Between]
    front: Served
    clients: FaultyWire
    wires: list[FaultyWire]
    """To the upstreams."""


_DIALECTS = ("native", "deepgram", "assemblyai")
_BEFORE = {"deepgram": "nginx", "assemblyai": "haproxy"}
"""Which proxy stands before which upstream."""


@contextlib.asynccontextmanager
async def _world(folder: Path) -> AsyncGenerator[_World]:
    """Upstreams, the gateway in front of them, and what is between."""
    upstreams = [Served(folder / name, 'engine = "scripted:heard"\n') for name in _DIALECTS]
    async with contextlib.AsyncExitStack() as stack:
        for each in upstreams:
            stack.push_async_callback(each.kill)
        await asyncio.gather(*(each.start() for each in upstreams))
        proxies: list[Between] = []
        wires: list[FaultyWire] = []
        for name, each in zip(_DIALECTS, upstreams, strict=True):
            port = each.port
            if name in _BEFORE:
                between = Between(_BEFORE[name], port, folder / f"before-{name}")
                proxies.append(await stack.enter_async_context(between))
                port = between.port
            wires.append(await stack.enter_async_context(FaultyWire(port)))
        entries = "".join(
            f'{name} = "{name}@http://127.0.0.1:{wire.port} open_s=2 stuck_s=2 finish_s=4"\n'
            for name, wire in zip(_DIALECTS, wires, strict=True)
        )
        shared = ("upstream:native", "upstream:deepgram", "python:bench.marked_worker:engine")
        tier = " + ".join(f"1*{each}" for each in shared)
        front = Served(
            folder / "front", f'engine = "{tier} | upstream:assemblyai"\n[upstreams]\n{entries}'
        )
        stack.push_async_callback(front.kill)
        await front.start()
        before = Between("haproxy", front.port, folder / "before-front")
        proxies.append(await stack.enter_async_context(before))
        clients = await stack.enter_async_context(FaultyWire(before.port))
        yield _World(upstreams, proxies, front, clients, wires)


async def storm(
    *,
    seconds: float,
    sessions: int,
    seed: int,
    folder: Path,
    session_s: float = 60.0,
    every_s: float = 0.25,
    report: Report | None = None,
) -> Report:
    """Sessions one after another for so long, so many at a time. Who cancels it finds in `report`
    what was counted until then; sessions that are not over are left out.

    Args:
        seconds: how long something is broken.
        sessions: at a time.
        seed: of what is broken when.
        folder: for what processes write.
        session_s: the longest session.
        every_s: between two faults, about.
        report: where it is counted, for who wants to look meanwhile; None = a new one.
    """
    chance, report = random.Random(seed), report or Report()
    async with _world(folder) as world:
        front = world.front
        until = time.monotonic() + seconds

        async def one_after_another(number: int) -> None:
            while (left := until - time.monotonic()) > 1:
                length = min(left, session_s * chance.uniform(0.5, 1.0) if left > 20 else left)
                speaks = _speaks(number)
                port = world.clients.port if speaks == "native" else front.port
                pause_s = chance.uniform(5.5, 8.0) if number % 3 == 1 and length > 15 else 0.0
                count = _Count(report, length - pause_s, number * 997)
                speaker = Speaker(
                    f"http://127.0.0.1:{port}", count.audio,
                    speaks=speaks, pause_s=pause_s, heard=count.heard,
                )  # fmt: skip
                await speaker.run()
                count.add(speaker)

        down: set[object] = set()
        breaking = Breaking(
            chance,
            [
                (Wires("client connection", [world.clients]), 4),
                (Wires("upstream connection", world.wires), 4),
                (Workers([front]), 2),
                (Processes("upstream gateway", world.upstreams, down), 1),
                (Processes("proxy", world.proxies, down), 1),
            ],
        )
        report.faults = breaking.counted
        async with asyncio.TaskGroup() as group:
            for number in range(sessions):
                group.create_task(one_after_another(number))
            await asyncio.sleep(1.0)
            start = front.resident()
            try:
                await breaking.run(lambda: time.monotonic() < until, every_s)
            finally:
                report.memory = (start, front.resident())
        report.memory = (start, front.resident())
    return report


def _speaks(number: int) -> Speaks:
    """A quarter speaks Deepgram's protocol, half of those with Deepgram's SDK."""
    if number % 4 != 3:
        return "native"
    return "deepgram-sdk" if number % 8 == 3 else "deepgram"
