"""Several ways of saying the same sound, all at once: one gateway and its clients for each.

What differs between the lanes is only what is said, so the ratio of their costs is taken window by
window, and whatever else the machine does meanwhile is in all of them.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from .machine import Counters, Load, Process, gateway, load
from .progress import Progress

__all__ = ["Costs", "Lane", "Way", "beside"]


class Way(NamedTuple):
    """How the clients of one lane speak."""

    kind: str
    """Of the load generator: `ws` or `text`."""
    path: str
    text: str | None = None
    """What they say, for `text`."""


@dataclass
class Lane:
    """One gateway and its clients."""

    server: Process
    clients: Load
    before: tuple[int, Counters] = (0, Counters(0, 0, 0, 0, 0, 0, 0, 0))

    def mark(self) -> tuple[int, Counters]:
        """CPU and counters, at about the same moment."""
        return self.server.cpu_ns(), self.clients.mark()


@dataclass
class Costs:
    """What each lane cost, window by window."""

    cpu_us: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """CPU of the gateway for a frame."""
    wire_bytes: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Bytes of a frame."""
    late: int = 0
    """Frames that could not be sent in time."""

    def ratio(self, one: str, other: str) -> list[float]:
        """CPU of one lane against another's."""
        return [a / b for a, b in zip(self.cpu_us[one], self.cpu_us[other], strict=True)]


def beside(
    progress: Progress,
    ways: dict[str, Way],
    *,
    sessions: int,
    body: int,
    rounds: int,
    seconds: float,
) -> Costs:
    """Run all lanes at once into an engine that only counts.

    Args:
        progress: told of every round.
        ways: the lanes, by name.
        sessions: of each lane.
        body: bytes of a frame, every 20 ms.
        rounds: windows.
        seconds: of a window.
    """
    costs = Costs({name: [] for name in ways}, {name: [] for name in ways})
    with ExitStack() as stack:
        lanes: dict[str, Lane] = {}
        for name, way in ways.items():
            server = stack.enter_context(gateway("python:bench.null_engine:SilentEngine"))
            clients = stack.enter_context(
                load(
                    way.kind, server, connections=sessions, body=body, path=way.path, text=way.text
                )
            )
            lanes[name] = Lane(server, clients)
        time.sleep(2.0)
        for turn in range(rounds):
            progress.step(f"round {turn + 1} of {rounds}")
            for lane in lanes.values():
                lane.before = lane.mark()
            time.sleep(seconds)
            for name, lane in lanes.items():
                (cpu_before, before), (cpu, now) = lane.before, lane.mark()
                frames = now.frames - before.frames
                costs.cpu_us[name].append((cpu - cpu_before) / 1000 / frames)
                costs.wire_bytes[name].append((now.sent - before.sent) / frames)
                costs.late += now.late - before.late
                if now.closed:
                    raise SystemExit(f"{name}: {now.closed} sessions were closed")
    return costs
