"""How much of 300 ms a protocol takes: from a piece of sound handed to our client to the words that
answer it, over loopback, behind an engine that answers at once. Set-up, network and recognition are
no part of it; both ends of the wire are, with everything in between.
"""

import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import Any

import uvloop

from ossicle.client import SpeechStream, Wire, connect
from ossicle.core.events import Transcript

from .machine import Process, beside_servers, gateway, percentile
from .progress import Progress
from .results import Written

__all__ = ["Shares", "measure"]

WIRES: tuple[tuple[str, Wire], ...] = (
    ("WebSocket", "websocket"),
    ("many sessions on one WebSocket (mux)", "mux"),
    ("chunked HTTP/1.1", "http"),
    ("gRPC", "grpc"),
)
SESSIONS = 5
FRAME = bytes(640)
EVERY_S = 0.02
BUDGET_MS = 300.0
CLAIM_MS = (1.0, 5.0)
"""What is commonly said of a protocol's share."""


@dataclass
class Shares:
    """What was found."""

    table: Written
    note: str
    figures: dict[str, Any] = field(default_factory=dict[str, Any])


def measure(progress: Progress, *, quick: bool) -> Shares:
    """One wire after another, in turn, some rounds."""
    rounds, seconds = (2, 1.5) if quick else (4, 3.0)
    engine = "python:bench.null_engine:PromptEngine"
    with ExitStack() as stack:
        doors: dict[Wire, Process] = {
            wire: stack.enter_context(gateway(engine, *(("--grpc",) if wire == "grpc" else ())))
            for _, wire in WIRES
        }
        with beside_servers():
            found = uvloop.run(_rounds(progress, doors, rounds, seconds))
    return _told(found)


async def _rounds(
    progress: Progress, doors: dict[Wire, Process], rounds: int, seconds: float
) -> dict[Wire, list[float]]:
    spans: dict[Wire, list[float]] = {wire: [] for wire in doors}
    for turn in range(rounds):
        for wire, door in doors.items():
            progress.step(f"share of {wire}, round {turn + 1} of {rounds}")
            spans[wire] += await _spans(wire, door.url, seconds)
    return spans


async def _spans(wire: Wire, url: str, seconds: float) -> list[float]:
    """Milliseconds from each piece to its words."""
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(connect(url, transport=wire)) for _ in range(SESSIONS)
        ]
        async with asyncio.timeout(seconds + 30), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_talk(stream, seconds, EVERY_S * number / SESSIONS))
                for number, stream in enumerate(streams)
            ]
        return [span for task in tasks for span in task.result()]


async def _talk(stream: SpeechStream, seconds: float, phase: float) -> list[float]:
    """Pieces at their pace; each is answered by a partial that counts them."""
    loop = asyncio.get_running_loop()
    sent: list[float] = []
    spans: list[float] = []

    async def listen() -> None:
        async for event in stream:
            if isinstance(event, Transcript) and event.text.startswith("piece "):
                number = int(event.text.split()[1])
                if number <= len(sent):
                    # not the loop's clock: uvloop's counts whole milliseconds
                    spans.append((time.perf_counter() - sent[number - 1]) * 1000)

    hearing = asyncio.create_task(listen())
    due = loop.time() + phase
    for _ in range(int(seconds / EVERY_S)):
        due += EVERY_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        sent.append(time.perf_counter())
        await stream.send(FRAME)
    await stream.end()
    await hearing
    return spans[25:]  # the first half second warms caches


def _told(found: dict[Wire, list[float]]) -> Shares:
    table = Written(
        ("share of 300 ms that a protocol takes", "p50, ms", "p99, ms", "of 300 ms, at p50")
    )
    names = {wire: name for name, wire in WIRES}
    medians: list[float] = []
    for wire, spans in found.items():
        middle = statistics.median(spans)
        medians.append(middle)
        table.rows.append(
            (names[wire], f"{middle:.2f}", f"{percentile(spans, 0.99):.2f}",
             f"{middle / BUDGET_MS:.1%}")
        )  # fmt: skip
    low, high = CLAIM_MS
    most = max(medians)
    verdict = (
        f"less than {low:g} ms at the median for every wire here"
        if most < low
        else f"up to {most:.1f} ms at the median, within it"
        if most <= high
        else f"up to {most:.1f} ms at the median, more than it"
    )
    note = (
        f"That a protocol takes {low:g} to {high:g} ms of the 300 ms, set-up apart, is what is "
        f"said; measured: {verdict}. From handing 20 ms of sound to our Python client to the words "
        "of its answer, over loopback, one piece at a time; the network comes on top. WebRTC is "
        "measured apart: it waits for a packet to fill and for a jitter buffer, by intent."
    )
    figures = {wire: [round(span, 4) for span in spans[:5_000:5]] for wire, spans in found.items()}
    return Shares(table, note, figures)


if __name__ == "__main__":
    from rich.console import Console

    print(measure(Progress(Console()), quick="--full" not in sys.argv).table)
