"""What a frame and a session cost on a shared WebSocket, beside one socket each and gRPC.

    python -m bench.mux [SESSIONS] [SECONDS]

One gateway for each wire, with an engine that does nothing but answer, all at once on one core; one
generator for all on another: our own client, so that figures are comparable with one another and
not with those of `bench websocket`, whose generator is C. CPU is the gateway's own; a row of
`median (least-most)` is over windows.
"""

import asyncio
import json
import os
import statistics
import sys
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

from ossicle.client import Reconnect, SpeechStream, Wire, connect

from .machine import Process, cores, gateway

WIRES: tuple[Wire, ...] = ("websocket", "mux", "grpc")
FRAME = bytes(640)
EVERY_S = 0.02
WINDOWS = 5


class Figures(NamedTuple):
    """Of one wire."""

    us_per_frame: list[float]
    """One for each window."""
    bytes_per_session: int


async def _drain(stream: SpeechStream) -> None:
    async for _ in stream:
        pass


async def _send(stream: SpeechStream, counted: list[int], phase: float) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time() + phase
    while True:
        due += EVERY_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        await stream.send(FRAME)
        counted[0] += 1


async def _measure(
    gateways: dict[Wire, Process], sessions: int, seconds: float
) -> dict[Wire, Figures]:
    counted: dict[Wire, list[int]] = {wire: [0] for wire in gateways}
    memory: dict[Wire, float] = {}
    costs: dict[Wire, list[float]] = {wire: [] for wire in gateways}
    async with AsyncExitStack() as stack:
        streams: dict[Wire, list[SpeechStream]] = {}
        for wire, process in gateways.items():
            url = process.url
            made = connect(url, transport=wire, reconnect=Reconnect())
            first = await stack.enter_async_context(made)  # what is made once is not counted
            before = process.memory()["uss"]
            streams[wire] = [first] + [
                await stack.enter_async_context(connect(url, transport=wire))
                for _ in range(sessions - 1)
            ]
            await asyncio.sleep(0.5)
            memory[wire] = (process.memory()["uss"] - before) / (sessions - 1)
        tasks = [
            asyncio.create_task(work)
            for wire, each in streams.items()
            for number, stream in enumerate(each)
            for work in (
                _drain(stream),
                _send(stream, counted[wire], EVERY_S * number / sessions),
            )
        ]
        await asyncio.sleep(2.0)
        for _ in range(WINDOWS):
            start = {wire: (p.cpu_ns(), counted[wire][0]) for wire, p in gateways.items()}
            await asyncio.sleep(seconds)
            for wire, process in gateways.items():
                cpu, frames = start[wire]
                costs[wire].append(
                    (process.cpu_ns() - cpu) / 1_000 / max(1, counted[wire][0] - frames)
                )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in streams.values():
            for stream in each:
                await stream.end()
    return {
        wire: Figures([round(cost, 2) for cost in costs[wire]], round(memory[wire]))
        for wire in gateways
    }


def main() -> None:
    """Prints a table, and the figures as JSON."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    os.sched_setaffinity(0, {cores()[1]})
    engine = "python:bench.null_engine:NullEngine"
    with ExitStack() as stack:
        gateways: dict[Wire, Process] = {
            wire: stack.enter_context(gateway(engine, *(("--grpc",) if wire == "grpc" else ())))
            for wire in WIRES
        }
        found = asyncio.run(_measure(gateways, sessions, seconds))
    print(f"{sessions} sessions, 50 frames of 640 bytes a second each, {WINDOWS} windows")
    for wire, figures in found.items():
        costs = figures.us_per_frame
        middle, least, most = statistics.median(costs), min(costs), max(costs)
        held = figures.bytes_per_session / 1024
        print(f"{wire:10} {middle:7.1f} us/frame ({least:.1f}-{most:.1f}) {held:7.1f} KiB/session")
    print(json.dumps({wire: figures._asdict() for wire, figures in found.items()}))


if __name__ == "__main__":
    main()
