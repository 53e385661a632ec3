"""What is broken, how, and how often: four kinds of fault, at random by a seed, for each thing that
stands around a session.

    breaking = Breaking(random.Random(1), [
        Wires("client connection", [wire]),
        Workers([gateway]),
        Processes("proxy", proxies),
    ])
    await breaking.run(lambda: time.monotonic() < until, every_s=0.25)
    breaking.counted["proxy", "killed"]     7

| | killed | stalled | half closed | slowed |
|---|---|---|---|---|
| connection | reset | nothing moves, up to 4 s | one direction ends | half of real time |
| worker | SIGKILL | SIGSTOP, up to 3 s | its socket sends nothing more | a fifth of the time |
| gateway | SIGKILL | SIGSTOP, up to 3 s | SIGTERM: it drains | a fifth of the time |
| proxy | SIGKILL | SIGSTOP, up to 3 s | listens no more, ends when idle | a fifth of the time |

What was killed or left is started again. Of processes that serve everybody one is broken at a
time: somebody has to hear.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Literal, Protocol, TypeAlias

from .between import Between
from .faulty_wire import FaultyWire
from .served import Served
from .workers import busy, half_close, nursery, workers

__all__ = ["KINDS", "Breaking", "Kind", "Processes", "Target", "Wires", "Workers"]

After: TypeAlias = Callable[[], Coroutine[None, None, None]]
"""Makes whole what was broken."""

Kind: TypeAlias = Literal["killed", "stalled", "half closed", "slowed"]

KINDS: tuple[Kind, ...] = ("killed", "stalled", "half closed", "slowed")

_ON_S, _OFF_S = 0.02, 0.08
"""A slowed process runs for a fifth of the time."""


class Target(Protocol):
    """Something around sessions that can be broken."""

    name: str
    """As it stands in the table."""

    async def broken(self, kind: Kind, chance: random.Random) -> After | None:
        """Break one of them. What it returns goes on beside further faults; None: there is none."""
        ...


class Wires:
    """Connections that lead through faulty wires."""

    def __init__(self, name: str, wires: Sequence[FaultyWire]) -> None:
        self.name, self._wires = name, wires

    async def broken(self, kind: Kind, chance: random.Random) -> After | None:
        wire = chance.choice(self._wires)
        match kind:
            case "killed":
                done = wire.cut(chance)
            case "stalled":
                done = wire.stall(chance)
            case "half closed":
                done = wire.half_close(chance)
            case "slowed":
                done = wire.slow(chance)
        return _nothing if done else None


async def _nothing() -> None:
    """A connection becomes whole by itself, or is made again by those at its ends."""


class Processes:
    """Processes that serve everybody: gateways behind the gateway, and proxies."""

    def __init__(self, name: str, them: Sequence[Served | Between], down: set[object]) -> None:
        """`down`: those broken now, shared by all of these; at most one."""
        self.name, self._them, self._down = name, them, down

    async def broken(self, kind: Kind, chance: random.Random) -> After | None:
        if self._down:
            return None
        one = chance.choice(self._them)
        self._down.add(one)

        async def whole() -> None:
            try:
                match kind:
                    case "killed":
                        await one.kill()
                        await asyncio.sleep(chance.uniform(0.1, 1.0))
                        await one.start()
                    case "half closed":
                        await one.leave()
                        await one.start()
                    case "stalled":
                        await _stopped(one.halt, chance.uniform(0.5, 3.0))
                    case "slowed":
                        await _slowed(one.halt, chance.uniform(0.5, 3.0))
            finally:
                self._down.discard(one)

        return whole


class Workers:
    """Processes in which the engines of gateways work; those in the middle of a word first. What
    makes them, the process that holds the models, is killed with one chance in ten."""

    def __init__(self, gateways: Sequence[Served]) -> None:
        self.name = "worker process"
        self.mothers = 0
        """How often the process that holds the models was killed; it counts as a worker."""
        self._gateways = gateways

    async def broken(self, kind: Kind, chance: random.Random) -> After | None:
        pids = [pid for gateway in self._gateways for pid in workers(gateway.pid)]
        if not (chosen := await asyncio.to_thread(busy, pids)):
            return None
        pid = chance.choice(chosen)
        if kind == "killed" and chance.random() < 0.1:
            models = [found for gateway in self._gateways if (found := nursery(gateway.pid))]
            if models:
                pid = chance.choice(models)
                self.mothers += 1

        def halt(*, on: bool) -> None:
            with contextlib.suppress(ProcessLookupError):  # its stream ended, and it with it
                os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)

        match kind:
            case "killed":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return _nothing
            case "half closed":
                return _nothing if half_close(pid) else None
            case "stalled":
                return lambda: _stopped(halt, chance.uniform(0.5, 3.0))
            case "slowed":
                return lambda: _slowed(halt, chance.uniform(0.5, 3.0))


class _Halt(Protocol):
    def __call__(self, *, on: bool) -> None: ...


async def _stopped(halt: _Halt, seconds: float) -> None:
    halt(on=True)
    try:
        await asyncio.sleep(seconds)
    finally:
        halt(on=False)


async def _slowed(halt: _Halt, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        await _stopped(halt, _OFF_S)
        await asyncio.sleep(_ON_S)


class Breaking:
    """Something, at random, until the time is over."""

    def __init__(self, chance: random.Random, targets: Sequence[tuple[Target, int]]) -> None:
        """`targets`: each with its share."""
        self._chance, self._targets = chance, targets
        self.counted: Counter[tuple[str, Kind]] = Counter()
        """Faults by what was broken and how."""

    async def run(self, going_on: Callable[[], bool], every_s: float) -> None:
        """`every_s`: between two faults, about. Returns when all is whole again."""
        chance = self._chance
        them, shares = zip(*self._targets, strict=True)
        async with asyncio.TaskGroup() as group:
            while going_on():
                await asyncio.sleep(chance.expovariate(1 / every_s))
                (target,) = chance.choices(them, shares)
                kind = chance.choice(KINDS)
                if (after := await target.broken(kind, chance)) is not None:
                    self.counted[target.name, kind] += 1
                    group.create_task(after())
