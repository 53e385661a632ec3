"""What a frame and a session cost on a shared WebSocket, beside one socket each and gRPC.

One gateway for each wire, with an engine that does nothing but answer, all at once on one core; one
generator for all on another: our own client, so that figures are comparable with one another and
not with those of `bench websocket`, whose generator is C.
"""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

import uvloop

from ossicle.client import Reconnect, SpeechStream, Wire, connect

from .machine import Process, beside_servers, gateway
from .progress import Progress
from .results import Section, Written, spread

__all__ = ["measure"]

WIRES: tuple[Wire, ...] = ("websocket", "mux", "grpc")
NAMES: dict[Wire, str] = {
    "websocket": "a WebSocket each",
    "mux": "one WebSocket for all (`ossicle.v1.mux`)",
    "grpc": "gRPC",
}
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


def measure(progress: Progress, *, quick: bool) -> Section:
    sessions, seconds = (40, 1.5) if quick else (60, 3.0)
    engine = "python:bench.null_engine:NullEngine"
    with ExitStack() as stack:
        gateways: dict[Wire, Process] = {
            wire: stack.enter_context(gateway(engine, *(("--grpc",) if wire == "grpc" else ())))
            for wire in WIRES
        }
        progress.step("running")
        with beside_servers():
            found = uvloop.run(_measure(gateways, sessions, seconds))
    return _section(found, sessions, seconds)


def _section(found: dict[Wire, Figures], sessions: int, seconds: float) -> Section:
    alone = found["websocket"].us_per_frame
    table = Written(("wire", "CPU per message, us", "against a socket each", "KB of a session"))
    for wire, figures in found.items():
        ratio = spread(a / b for a, b in zip(figures.us_per_frame, alone, strict=True))
        table.rows.append(
            (
                NAMES[wire],
                spread(figures.us_per_frame).text(),
                "" if wire == "websocket" else f"{ratio.text(2)}x",
                f"{figures.bytes_per_session / 1024:.1f}",
            )
        )
    return Section(
        name="mux",
        title="Many sessions on one WebSocket",
        text=f"{sessions} sessions of 640-byte frames at 50/s on each wire, from one client process"
        " of ours, into an engine that answers every fifth; one gateway for each wire, all at once "
        "on one core. CPU is the gateway's own; memory is what an open session adds before it "
        f"talks; {WINDOWS} windows of {seconds:g} s. gRPC's calls share connections, as our client "
        "opens them.",
        tables=[table],
        figures={wire: figures._asdict() for wire, figures in found.items()},
    )
