"""Sessions that talk while everything around them breaks, and an exact count of what they lost.

    report = await storm(seconds=15, sessions=12, seed=1, folder=Path("/tmp/x"))
    report.words_lost, report.audio_lost_ms        0, 0

    native clients ─▶ faulty wire ─▶ HAProxy ─▶ gateway ─▶ faulty wires ─▶ nginx, HAProxy, nothing
    vendor clients (Deepgram) ──────────────────▶         upstream processes (`scripted:heard`) ◀──┘

Connections are cut, stalled, slowed and half closed; upstream processes and proxies are killed and
halted; the proxies cut what is idle for five seconds, and speakers pause for longer: all at random
by a seed. What is between a vendor's client and the gateway is left alone, since its protocol has
no way back. The audio names its words, so that a word lost, doubled, out of order or misplaced by a
millisecond is seen.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ossicle.client import SpeechStream, connect
from ossicle.core.errors import OssicleError
from ossicle.core.events import Ended, Notice, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.testing.marked import marked_audio, marked_expected

from .between import Between, free_port

__all__ = ["FaultyWire", "Report", "Served", "storm"]

_STEP_MS = 100
_BYTES_PER_MS = 32


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
    faults: Counter[str] = field(default_factory=Counter[str])
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


class _Connection:
    def __init__(self) -> None:
        self.stalled_until = self.slow_until = 0.0
        self.writers: list[asyncio.StreamWriter] = []
        self.pumps: list[asyncio.Task[None]] = []


class FaultyWire:
    """A TCP proxy whose connections go wrong when told to."""

    def __init__(self, port: int) -> None:
        """`port`: of loopback, where it leads to."""
        self._target = port
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> "FaultyWire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self, chance: random.Random) -> bool:
        """Reset one connection, whatever is on its way. False: there is none."""
        if (one := self._one(chance)) is None:
            return False
        for writer in one.writers:
            writer.transport.abort()
        return True

    def half_close(self, chance: random.Random) -> bool:
        """End one direction of one connection."""
        if (one := self._one(chance)) is None or len(one.pumps) < 2:
            return False
        one.pumps[chance.randrange(2)].cancel()
        return True

    def stall(self, chance: random.Random) -> bool:
        """Nothing moves on one connection for a while."""
        if (one := self._one(chance)) is None:
            return False
        one.stalled_until = time.monotonic() + chance.uniform(0.2, 4.0)
        return True

    def slow(self, chance: random.Random) -> bool:
        """One connection takes less than real time for a while."""
        if (one := self._one(chance)) is None:
            return False
        one.slow_until = time.monotonic() + chance.uniform(0.5, 3.0)
        return True

    def _one(self, chance: random.Random) -> _Connection | None:
        return chance.choice(list(self._open)) if self._open else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection()
        connection.writers.append(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            connection.writers.append(far_writer)
            connection.pumps += [
                asyncio.create_task(_pump(connection, reader, far_writer)),
                asyncio.create_task(_pump(connection, far_reader, writer)),
            ]
            self._open.add(connection)
            await asyncio.wait(connection.pumps)
        except OSError:
            pass  # nobody is behind it now: a process was killed
        except asyncio.CancelledError:
            pass  # by `__aexit__`, which waits for it; asyncio's streams would log it as an error
        finally:
            self._open.discard(connection)
            for pump in connection.pumps:
                pump.cancel()
            await asyncio.gather(*connection.pumps, return_exceptions=True)
            for each in connection.writers:
                each.transport.abort()
            self._tasks.discard(task)


async def _pump(
    connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while data := await reader.read(4_096):
            while (wait := connection.stalled_until - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            writer.write(data)
            await writer.drain()
            if connection.slow_until > time.monotonic():
                await asyncio.sleep(len(data) / 16_000)  # half of what a session sends
    except OSError:
        pass  # the other end is gone: the end of this direction is told below
    except asyncio.CancelledError:
        pass  # half closed, or the end
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()


class Served:
    """`ossicle serve`, in a process that may be killed and started again on the same port."""

    def __init__(self, folder: Path, config: str) -> None:
        """`config`: TOML without a port."""
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "ossicle.toml"
        self._file.write_text(
            f'port = {self.port}\ntls_port = "off"\ngrpc_port = "off"\nvoice = "off"\n'
            'log_level = "error"\n'
            f'state_dir = "{folder / "state"}"\ndrain_s = 1.0\n{config}'
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it listens and is warm."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("ossicle"), "serve", "--config", str(self._file),
                stdout=log, stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(90):
            while not await asyncio.to_thread(self._ready):
                if self._process.returncode is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2_000:])
                await asyncio.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as said:
                return said.status == 200
        except OSError:
            return False

    async def kill(self) -> None:
        """At once, with what it holds."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    def halt(self, *, on: bool) -> None:
        """It does nothing any more, and keeps its connections; or it goes on."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def resident(self) -> int:
        """Bytes of memory."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


# ── the sessions ──


class _Speaker:
    """One session, in real time."""

    def __init__(
        self,
        url: str,
        seconds: float,
        first: int,
        report: Report,
        *,
        dialect: str = "native",
        pause_s: float = 0.0,
    ) -> None:
        """`pause_s`: how long nothing is sent, in the middle."""
        self._dialect, self._pause_s = dialect, pause_s
        count = max(4, round(seconds * 1_000 / 295))  # a word and its share of the pauses
        self.words = [
            word
            for number in range(count)
            for word in ((first + number) % 32_000 + 1, *[0] * (number % 4 == 3))
        ]
        self._audio = marked_audio(self.words)
        self._url, self._report = url, report
        self._began = 0.0
        self._heard: list[Word] = []
        self._told = 0

    async def run(self) -> None:
        """Talk, listen, count."""
        report = self._report
        report.sessions += 1
        vendor = self._dialect != "native"
        stream = connect(
            self._url, dialect=self._dialect, format=AudioFormat(), reconnect=not vendor
        )
        try:
            async with stream:
                self._began = time.monotonic()
                await asyncio.gather(self._speak(stream), self._listen(stream))
        except OssicleError as error:
            report.failures.append(f"{error.code}: {error}")
        report.reconnects += stream.reconnects
        self._count(stream.ended)

    async def _speak(self, stream: SpeechStream) -> None:
        step = _STEP_MS * _BYTES_PER_MS
        half = len(self._audio) // 2
        for number, at in enumerate(range(0, len(self._audio), step)):
            if self._pause_s and at >= half > at - step:
                await asyncio.sleep(self._pause_s)
                self._began += self._pause_s  # what is told after that is late by so much less
            due = self._began + (number + 1) * _STEP_MS / 1_000
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await stream.send(self._audio[at : at + step])
        await stream.end()

    async def _listen(self, stream: SpeechStream) -> None:
        expected = marked_expected(self.words)
        async for event in stream:
            match event:
                case Transcript(words=words):
                    known = len(self._heard) + len(words or ())
                    if event.final:
                        self._heard += words or ()
                    while self._told < min(known, len(expected)):
                        # a word is complete with the frame after it
                        said = expected[self._told].end_ms / 1_000 + 0.02 + _STEP_MS / 1_000
                        pause = time.monotonic() - self._began - said
                        self._report.longest_pause_s = max(self._report.longest_pause_s, pause)
                        self._told += 1
                case Notice(code=code):
                    self._report.notices[code] += 1
                case _:
                    pass

    def _count(self, ended: Ended | None) -> None:
        report, expected = self._report, marked_expected(self.words)
        whole_ms = len(self._audio) // _BYTES_PER_MS
        report.audio_ms += whole_ms
        report.audio_lost_ms += abs(whole_ms - (ended.audio_ms if ended is not None else 0))
        report.words += len(expected)
        wanted = Counter(word.text for word in expected)
        got = Counter(word.text for word in self._heard)
        report.words_lost += (wanted - got).total()
        report.words_doubled += (got - wanted).total()
        starts = [word.start_ms for word in self._heard]
        report.words_disordered += sum(b < a for a, b in pairwise(starts))
        places = {(word.text, word.start_ms, word.end_ms) for word in expected}
        report.words_misplaced += sum(
            (word.text, word.start_ms, word.end_ms) not in places for word in self._heard
        )


# ── the storm ──

_DIALECTS = ("native", "deepgram", "assemblyai")
_FAULTS = ("cut", "half_close", "stall", "slow")


class _World(NamedTuple):
    upstreams: list[Served]
    proxies: list[Between]
    front: Served
    wires: list[FaultyWire]
    """That of the clients first."""


_BEFORE = {"deepgram": "nginx", "assemblyai": "haproxy"}
"""Which proxy stands before which upstream."""


@contextlib.asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[_World]:
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
        first, *others = (f"upstream:{name}" for name in _DIALECTS)
        front = Served(
            folder / "front",
            f'engine = "1*{first} + 1*{others[0]} | {others[1]}"\n[upstreams]\n{entries}',
        )
        stack.push_async_callback(front.kill)
        await front.start()
        before = Between("haproxy", front.port, folder / "before-front")
        proxies.append(await stack.enter_async_context(before))
        clients = await stack.enter_async_context(FaultyWire(before.port))
        yield _World(upstreams, proxies, front, [clients, *wires])


async def storm(
    *, seconds: float, sessions: int, seed: int, folder: Path, session_s: float = 60.0,
    every_s: float = 0.25,
) -> Report:  # fmt: skip
    """Sessions one after another for so long, so many at a time.

    Args:
        seconds: how long something is broken.
        sessions: at a time.
        seed: of what is broken when.
        folder: for what processes write.
        session_s: the longest session.
        every_s: between two faults, about.
    """
    chance, report = random.Random(seed), Report()
    async with _world(folder) as world:
        front, wires = world.front, world.wires
        until = time.monotonic() + seconds

        async def one_after_another(number: int) -> None:
            while (left := until - time.monotonic()) > 1:
                length = min(left, session_s * chance.uniform(0.5, 1.0) if left > 20 else left)
                vendor = number % 4 == 3
                port = front.port if vendor else wires[0].port
                pause_s = chance.uniform(5.5, 8.0) if number % 3 == 1 and length > 15 else 0.0
                await _Speaker(
                    f"http://127.0.0.1:{port}", length - pause_s, number * 997, report,
                    dialect="deepgram" if vendor else "native", pause_s=pause_s,
                ).run()  # fmt: skip

        talking = [asyncio.create_task(one_after_another(n)) for n in range(sessions)]
        await asyncio.sleep(1.0)
        start = front.resident()
        breaking = asyncio.create_task(_break(chance, report, world, until, every_s))
        try:
            await asyncio.gather(*talking)
            await breaking
        finally:
            for task in (*talking, breaking):
                task.cancel()
            await asyncio.gather(*talking, breaking, return_exceptions=True)
        report.memory = (start, front.resident())
    return report


async def _break(
    chance: random.Random, report: Report, world: _World, until: float, every_s: float
) -> None:
    """Something, at random, until the time is over; what was killed is started again."""
    wires = world.wires
    down: set[Served | Between] = set()

    async def again(one: Served | Between) -> None:
        await one.kill()
        await asyncio.sleep(chance.uniform(0.1, 1.0))
        await one.start()
        down.discard(one)

    async def halted(one: Served | Between) -> None:
        one.halt(on=True)
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        one.halt(on=False)
        down.discard(one)

    async with asyncio.TaskGroup() as group:
        while time.monotonic() < until:
            await asyncio.sleep(chance.expovariate(1 / every_s))
            kind = chance.choice((*_FAULTS, *_FAULTS, "kill", "halt"))
            if kind in {"kill", "halt"}:
                one = chance.choice((*world.upstreams, *world.proxies))
                if not down:  # one at a time: somebody has to hear
                    down.add(one)
                    what = "proxy" if isinstance(one, Between) else "upstream process"
                    report.faults[f"{what} {kind}ed"] += 1
                    group.create_task(again(one) if kind == "kill" else halted(one))
                continue
            place = chance.randrange(2 * len(wires))
            wire = wires[place] if place < len(wires) else wires[0]  # half of it at the clients
            if getattr(wire, kind)(chance):
                where = "client" if wire is wires[0] else "upstream"
                report.faults[f"{where} connection: {kind.replace('_', ' ')}"] += 1
