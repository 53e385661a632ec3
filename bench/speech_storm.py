"""Human speech while everything around it breaks: by how much more is misheard.

    report = await speech_storm(seconds=60, sessions=3, seed=1, folder=..., clips=recordings())
    report.undisturbed, report.disturbed           word error rates, of the same recordings

    native clients ─▶ faulty wire ─▶ nginx ─▶ gateway ─▶ faulty wire ─▶ HAProxy ─▶ gateway behind
    Deepgram's SDK ─────────────────────▶      └─▶ pocketsphinx workers               └─▶ workers

The recordings are put together to talks, each of which is heard once by each client with nothing
broken, and then over and over while workers, the gateway behind, proxies and connections are broken
(`breaking`). Each disturbed session is compared with the undisturbed ones of its talk and client.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .between import Between
from .breaking import Breaking, Kind, Processes, Wires, Workers
from .faulty_wire import FaultyWire
from .recordings import Recording, errors
from .served import Served
from .speaker import BYTES_PER_MS, Speaker, Speaks

__all__ = ["SpeechReport", "Talk", "speech_storm", "talks"]

_BETWEEN_MS = 900
"""Silence after each recording: somebody breathes, and the turn ends."""
_TALK_S = 20.0
_CLIENTS: tuple[Speaks, ...] = ("native", "deepgram-sdk", "native")


@dataclass(frozen=True)
class Talk:
    """Some recordings, one after another."""

    name: str
    pcm: bytes
    text: str


def talks(clips: Sequence[Recording], least_s: float = _TALK_S) -> list[Talk]:
    """All of them, in their order, in talks of at least so many seconds."""
    made: list[Talk] = []
    held: list[Recording] = []
    silence = bytes(_BETWEEN_MS * BYTES_PER_MS)
    for number, clip in enumerate(clips, 1):
        held.append(clip)
        if sum(each.seconds for each in held) >= least_s or number == len(clips):
            pcm = b"".join(each.pcm + silence for each in held)
            text = " ".join(each.text for each in held)
            made.append(Talk(f"talk {len(made) + 1}", pcm, text))
            held = []
    return made


@dataclass
class SpeechReport:
    """What came of it."""

    undisturbed_sessions: int = 0
    undisturbed_pause_s: float = 0.0
    sessions: int = 0
    audio_ms: int = 0
    audio_lost_ms: int = 0
    words: int = 0
    """That were said in disturbed sessions."""
    wrong: int = 0
    """Words replaced, lost or added in disturbed sessions."""
    wrong_undisturbed: float = 0.0
    """The same in undisturbed sessions with the same talk and client; a mean for each."""
    wrong_by: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    longest_pause_s: float = 0.0
    """Without a new word, in a disturbed session; speakers pause for a second themselves."""
    reconnects: int = 0
    faults: Counter[tuple[str, Kind]] = field(default_factory=Counter[tuple[str, Kind]])
    mothers: int = 0
    """Of the workers killed, those that hold the models and make workers."""
    notices: Counter[str] = field(default_factory=Counter[str])
    memory: tuple[int, int] = (0, 0)

    @property
    def undisturbed(self) -> float:
        """Word error rate in per cent."""
        return 100 * self.wrong_undisturbed / self.words if self.words else 0.0

    @property
    def disturbed(self) -> float:
        """Word error rate in per cent."""
        return 100 * self.wrong / self.words if self.words else 0.0


class _World(NamedTuple):
    front: Served
    behind: Served
    proxies: list[Between]
    clients: FaultyWire
    wire: FaultyWire


@contextlib.asynccontextmanager
async def _world(folder: Path, pool: int) -> AsyncGenerator[_World]:
    async with contextlib.AsyncExitStack() as stack:
        behind = Served(folder / "behind", f'engine = "pocketsphinx:{pool}"\n')
        stack.push_async_callback(behind.kill)
        starting = asyncio.create_task(behind.start())
        haproxy = Between("haproxy", behind.port, folder / "before-behind")
        wire = await stack.enter_async_context(FaultyWire(haproxy.port))
        front = Served(
            folder / "front",
            f'engine = "1*pocketsphinx:{pool} + 1*upstream:behind"\n[upstreams]\n'
            f'behind = "native@http://127.0.0.1:{wire.port} open_s=5 stuck_s=4 finish_s=15"\n',
        )
        stack.push_async_callback(front.kill)
        await asyncio.gather(starting, front.start())
        nginx = Between("nginx", front.port, folder / "before-front")
        for proxy in (haproxy, nginx):
            await stack.enter_async_context(proxy)
        clients = await stack.enter_async_context(FaultyWire(nginx.port))
        yield _World(front, behind, [haproxy, nginx], clients, wire)


async def speech_storm(
    *,
    seconds: float,
    sessions: int,
    seed: int,
    folder: Path,
    said: Sequence[Talk],
    every_s: float = 1.5,
    pace: float = 1.0,
    clients: Sequence[Speaks] = _CLIENTS,
    report: SpeechReport | None = None,
) -> SpeechReport:
    """Each talk undisturbed, then talks one after another for so long, so many at a time. Who
    cancels it finds in `report` what was counted until then.

    Args:
        seconds: how long something is broken; a talk that began is heard to its end.
        sessions: at a time, while something is broken.
        seed: of what is broken when.
        folder: for what processes write.
        said: the talks.
        every_s: between two faults, about.
        pace: of the undisturbed sessions.
        clients: who talks, in turn.
        report: where it is counted, for who wants to look meanwhile; None = a new one.
    """
    chance, report = random.Random(seed), report or SpeechReport()
    kinds = sorted(set(clients))
    usual: dict[tuple[str, Speaks], int] = {}
    # A stalled upstream keeps a session whose gateway went elsewhere, until it notices.
    async with _world(folder, 4 * sessions) as world:
        front = world.front

        async def once(talk: Talk, speaks: Speaks, pace: float) -> Speaker:
            port = world.clients.port if speaks == "native" else front.port
            speaker = Speaker(f"http://127.0.0.1:{port}", talk.pcm, speaks=speaks, pace=pace)
            await speaker.run()
            return speaker

        async def undisturbed(talk: Talk, speaks: Speaks) -> None:
            speaker = await once(talk, speaks, pace)
            if speaker.error:
                raise RuntimeError(f"{speaks}, with nothing broken: {speaker.error}")
            usual[talk.name, speaks] = _wrong(talk, speaker)
            report.undisturbed_sessions += 1
            report.undisturbed_pause_s = max(report.undisturbed_pause_s, speaker.longest_silence_s)

        places = asyncio.Semaphore(sessions)

        async def in_turn(talk: Talk, speaks: Speaks) -> None:
            async with places:
                await undisturbed(talk, speaks)

        async with asyncio.TaskGroup() as group:
            for talk in said:
                for speaks in kinds:
                    group.create_task(in_turn(talk, speaks))
        until = time.monotonic() + seconds

        async def one_after_another(number: int) -> None:
            speaks = clients[number % len(clients)]
            turn = number
            while time.monotonic() < until:
                talk = said[turn % len(said)]
                turn += 1
                speaker = await once(talk, speaks, 1.0)
                _add(report, talk, speaks, speaker, usual[talk.name, speaks])

        down: set[object] = set()
        gateways = Workers([front, world.behind])
        breaking = Breaking(
            chance,
            [
                (Wires("client connection", [world.clients]), 2),
                (Wires("upstream connection", [world.wire]), 2),
                (gateways, 4),
                (Processes("upstream gateway", [world.behind], down), 1),
                (Processes("proxy", world.proxies, down), 1),
            ],
        )
        report.faults = breaking.counted
        start = front.resident()
        async with asyncio.TaskGroup() as group:
            talking = [group.create_task(one_after_another(n)) for n in range(sessions)]
            try:
                await breaking.run(lambda: not all(task.done() for task in talking), every_s)
            finally:
                report.mothers = gateways.mothers
                report.memory = (start, front.resident())
    return report


def _wrong(talk: Talk, speaker: Speaker) -> int:
    return errors(talk.text, " ".join(word.text.lower() for word in speaker.words))[0]


def _add(report: SpeechReport, talk: Talk, speaks: Speaks, speaker: Speaker, usual: int) -> None:
    wrong = _wrong(talk, speaker)
    report.sessions += 1
    if speaker.error:
        report.failures.append(f"{talk.name}, {speaks}: {speaker.error}")
    whole_ms = len(talk.pcm) // BYTES_PER_MS
    report.audio_ms += whole_ms
    report.audio_lost_ms += abs(whole_ms - speaker.audio_ms)
    report.words += len(talk.text.split())
    report.wrong += wrong
    report.wrong_undisturbed += usual
    report.wrong_by[f"{talk.name}, {speaks}, {wrong - usual:+d}"] += 1
    report.reconnects += speaker.reconnects
    report.notices += speaker.notices
    report.longest_pause_s = max(report.longest_pause_s, speaker.longest_silence_s)
