"""WebRTC beside stock aiortc in one run: CPU of a call, time to the first sound, loss and jitter.

Both servers take the same packets from the same stock callers at the same time, each in a process
of its own; what differs is what they do with them.
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from .progress import Progress
from .results import Section, Verdict, Written, spread
from .webrtc_latency import latency

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

__all__ = ["measure"]

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("ours", "stock")
WORDS = [number * 7 % 40 for number in range(70)]
"""Twenty seconds."""


class Child:
    """One server, seen from outside."""

    def __init__(self, kind: str, ways: str) -> None:
        self.kind = kind
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.webrtc_server", kind, ways],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self._reader: Any = None
        self._writer: Any = None

    async def ask(self, **what: Any) -> Any:
        """One question."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=1 << 26
            )
        self._writer.write(json.dumps(what).encode() + b"\n")
        return json.loads(await self._reader.readline())

    async def answer(self, offer: str) -> str:
        """The SDP of a new call."""
        return (await self.ask(offer=offer))["answer"]

    @property
    def cpu_s(self) -> float:
        """User and system, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """No more of it."""
        self._process.kill()
        self._process.wait()


async def _cost(ways: str, calls: int, seconds: float) -> dict[str, float]:
    """Milliseconds of CPU for each second of a call, both kinds alive at once."""
    from pitch import pitches
    from webrtc_peers import Caller, encoded

    packets = encoded(pitches(WORDS * 4), loss_percent=5)
    children = [Child(kind, ways) for kind in KINDS]
    try:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(calls):
                for child in children:
                    await stack.enter_async_context(Caller.call(child.answer, packets))
            await asyncio.sleep(2.0)
            before = [child.cpu_s for child in children]
            begun = time.monotonic()
            await asyncio.sleep(seconds)
            took = time.monotonic() - begun
            return {
                child.kind: (child.cpu_s - spent) * 1000 / took / calls
                for child, spent in zip(children, before, strict=True)
            }
    finally:
        for child in children:
            child.stop()


async def _first(repeats: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds from the offer to the first sound, and from a packet to its sound."""
    from pitch import pitches
    from webrtc_peers import Caller, encoded

    packets = encoded(pitches(WORDS[:6]))
    first: dict[str, list[float]] = {kind: [] for kind in KINDS}
    later: dict[str, list[float]] = {kind: [] for kind in KINDS}
    children = [Child(kind, "recv") for kind in KINDS]
    try:
        for number in range(repeats):
            for child in children:
                asked = 0.0

                async def answer(offer: str, child: Child = child) -> str:
                    nonlocal asked
                    asked = time.monotonic()
                    return await child.answer(offer)

                async with Caller.call(answer, packets) as caller:
                    assert caller.track is not None
                    await caller.track.over.wait()
                    await asyncio.sleep(0.2)
                    sent = caller.track.sent_at
                told = (await child.ask())[number]
                first[child.kind].append((told["first"] - asked) * 1000)
                heard = 0
                for at, size in told["pieces"]:
                    place = heard // 640
                    heard += size
                    if place < len(sent):
                        later[child.kind].append((at - sent[place]) * 1000)
    finally:
        for child in children:
            child.stop()
    return first, later


async def _losses(seconds: float) -> Written:
    from pitch import pitches
    from stalls import Stalls
    from webrtc_peers import Caller, Stock, encoded, impair, ours

    packets = encoded(pitches(WORDS), loss_percent=10)[: int(seconds * 50)]
    table = Written(
        ("loss, jitter", "receiver", "frames/s", "longest gap", "of the machine's", "lost",
         "recovered", "made up")
    )  # fmt: skip
    for loss, jitter_ms in ((0.015, 0), (0.015, 30), (0.05, 0), (0.05, 30)):
        stock, stalls = Stock(), Stalls()
        async with stalls, ours() as server, contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(stock.close)
            callers, lost = [], []
            for seed in range(3):
                for side in (server, stock):
                    callers.append(
                        await stack.enter_async_context(Caller.call(side.answer, packets))
                    )
                    lost.append(
                        impair(side.sockets(seed), loss=loss, jitter_ms=jitter_ms, seed=seed)
                    )
            for caller in callers:
                assert caller.track is not None
                await caller.track.over.wait()
            await asyncio.sleep(0.4)
            figures = [call.figures for call in server.calls.calls]
            for side, name, mine in ((server, "ours", lost[::2]), (stock, "stock", lost[1::2])):
                rate = statistics.mean(h.frames / len(packets) * 50 for h in side.all)
                gap = max(h.worst_gap_ms(stalls) for h in side.all)
                more_ms = max(h.worst_gap_ms() for h in side.all) - gap
                count = sum(map(len, mine))
                more = ("", "")
                if name == "ours":
                    more = (str(sum(f.recovered for f in figures)),
                            str(sum(f.concealed for f in figures)))  # fmt: skip
                table.rows.append(
                    (f"{loss:.1%}, {jitter_ms} ms", name, f"{rate:.1f}", f"{gap:.0f} ms",
                     f"{more_ms:.0f} ms", str(count), *more)
                )  # fmt: skip
    return table


def measure(progress: Progress, *, quick: bool = False) -> Section:
    """All of it."""
    section = Section(
        "webrtc",
        "WebRTC beside stock aiortc",
        "What a call costs, how soon it is heard, and what loss and jitter leave of it, with the "
        "audio path of this gateway and with that of aiortc. Both take the same packets at the "
        "same time.",
    )
    calls, seconds, repeats = (3, 5.0, 5) if quick else (4, 15.0, 12)
    costs = Written(("a call", "ours, ms of CPU a second", "stock", "ratio"))
    for ways, text, most in (("recv", "heard only", 0.40), ("both", "both ways", 0.45)):
        progress.step(f"CPU, {text}")
        runs = [uvloop.run(_cost(ways, calls, seconds)) for _ in range(1 if quick else 3)]
        mine, theirs = (spread(run[kind] for run in runs) for kind in KINDS)
        ratio = mine.median / theirs.median
        costs.rows.append((text, mine.text(), theirs.text(), f"{ratio:.2f}"))
        section.verdicts.append(
            Verdict(
                f"CPU of a call, {text}", f"{ratio:.2f}x stock", f"<= {most:.2f}x", ratio <= most
            )
        )
    progress.step("first sound")
    first, later = uvloop.run(_first(repeats))
    times = Written(("median (least-most), ms", "ours", "stock"))
    begin = {kind: spread(first[kind]) for kind in KINDS}
    delay = {kind: statistics.median(later[kind]) for kind in KINDS}
    times.rows.append(("offer to first sound", *(begin[kind].text() for kind in KINDS)))
    times.rows.append(("packet sent to its sound", *(f"{delay[kind]:.1f}" for kind in KINDS)))
    ratio = begin["ours"].median / begin["stock"].median
    section.verdicts += [
        Verdict("offer to first sound", f"{begin['ours'].median:.0f} ms", "<= 80 ms",
                begin["ours"].median <= 80),
        Verdict("the same beside stock", f"{ratio:.2f}x", "<= 0.60x", ratio <= 0.6),
        Verdict("packet sent to its sound", f"{delay['ours']:.1f} ms", "<= 100 ms",
                delay["ours"] <= 100),
    ]  # fmt: skip
    progress.step("microphone to engine to ear")
    with tempfile.TemporaryDirectory() as folder:
        taken = uvloop.run(latency(Path(folder), seconds=10 if quick else 40))
    ends = Written(("Chromium, median (least-most)", "ms", "chirps found"))
    for name, target, found in (
        ("captured to engine", 100, taken.inwards), ("engine to ear", 100, taken.outwards)
    ):  # fmt: skip
        there = spread(found)
        ends.rows.append((name, there.text(0), f"{len(found)} of {taken.said}"))
        section.verdicts.append(
            Verdict(name, f"{there.median:.0f} ms", f"<= {target} ms",
                    there.median <= target and len(found) >= 0.8 * taken.said)
        )  # fmt: skip
    section.notes.append(
        "Captured to engine, and engine to ear: chirps in both directions at once, found by "
        "correlation where Chromium's fake microphone delivered them, where the engine got them, "
        "where it handed them over, and where the page plays them. Sound hardware comes on top."
    )
    progress.step("loss and jitter")
    losses = uvloop.run(_losses(6.0 if quick else 18.0))
    bounds = {"1.5%, 0 ms": 100, "1.5%, 30 ms": 140, "5.0%, 0 ms": 160}
    for row in losses.rows:
        if row[1] == "ours" and row[0] in bounds:
            gap, rate = int(row[3].split()[0]), float(row[2])
            section.verdicts.append(
                Verdict(f"frames a second at {row[0]}", row[2], ">= 49.9", rate >= 49.9)
            )
            section.verdicts.append(
                Verdict(f"longest gap at {row[0]}", row[3], f"<= {bounds[row[0]]} ms",
                        gap <= bounds[row[0]])
            )  # fmt: skip
            lost, made_up = int(row[5]), int(row[7])
            section.verdicts.append(
                Verdict(f"made up at {row[0]}", f"{made_up} packets of {lost} lost", "<= lost",
                        made_up <= lost)
            )  # fmt: skip
    section.notes.append(
        "A gap is counted without the time that other work on this machine took from the process "
        "within it, which stands beside it: a task looks at the clock every 5 ms, and what is "
        "missing between two looks and was not spent on the processor was taken."
    )
    section.tables += [costs, times, ends, losses]
    section.notes.append(
        f"{calls} calls to each server at once, callers are stock aiortc sending Opus of 24 kbit/s "
        "in 20 ms packets; both servers run on uvloop, in a process each."
    )
    return section
