"""Peers that misbehave: what they can make the gateway hold, what stops them, and what is lost."""

import asyncio
import time
from dataclasses import dataclass

import uvloop

from .client import Client
from .machine import AUDIO, Process, gateway
from .progress import Progress
from .results import Section, Verdict, Written

__all__ = ["measure"]

FRAME = 640
BOUND_MB = 8.0
MARKED = "scripted:heard?pace=0.5"


@dataclass
class Outcome:
    """What one peer did to the gateway."""

    name: str
    stopped: str
    grew_mb: float
    kept: str
    lost: bool


class Watch:
    """The most memory the gateway had beyond what it had before."""

    def __init__(self, server: Process) -> None:
        self._server = server
        server.forget_peak()
        self._before = server.memory()["rss"]

    def grew_mb(self) -> float:
        return max(0.0, (self._server.memory()["peak"] - self._before) / 2**20)


async def warm(server: Process) -> None:
    """A polite session first, so that what is loaded once is not counted."""
    client = await Client.open(server.url, AUDIO)
    await client.until("began")
    for _ in range(500):
        client.audio(bytes(FRAME))
    client.say("end")
    await client.until("ended")
    client.drop()


async def deaf(server: Process, seconds: float) -> Outcome:
    """A client that never reads, at 50 times real time so that many replies are due; at the end
    it reads after all."""
    await warm(server)
    watch = Watch(server)
    client = await Client.open(server.url, AUDIO, receive_buffer=16 * 1024)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]  nothing is taken
    sent, began, stopped = 0, time.monotonic(), 0.0
    while sent < seconds * 50 * 32_000:
        client.audio(bytes(FRAME))
        sent += FRAME
        try:
            async with asyncio.timeout(0.5):
                await client.writer.drain()
        except TimeoutError:
            stopped = time.monotonic() - began
            break
        await asyncio.sleep(max(0.0, began + sent / 32_000 / 50 - time.monotonic()))
    grew = watch.grew_mb()
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    client.say("end")
    async with asyncio.timeout(30):
        ended = await client.until("ended")
    client.drop()
    seqs = [event["seq"] for _, event in client.events if event.get("seq")]
    audio_ms = 0 if ended is None else ended["audio_ms"]
    lost = audio_ms != sent // 32 or seqs != sorted(set(seqs))
    return Outcome(
        "a client that never reads, at 50x real time",
        f"by the wire after {stopped:.1f} s"
        if stopped
        else "nobody: its audio was taken; superseded partials were left out",
        grew,
        f"{sent // 32:,} ms of audio sent, {audio_ms:,} taken; {len(seqs):,} events when it read",
        lost,
    )


async def fast(server: Process, seconds: float) -> Outcome:
    """Marked audio at 50 times real time into an engine at half real time: credit is ignored."""
    await warm_paced(server)
    watch = Watch(server)
    return await _marked(server, watch, "a client at 50x real time, engine at 0.5x", 50.0, seconds)


async def paced(server: Process, seconds: float) -> Outcome:
    """Real time into an engine at half real time."""
    watch = Watch(server)
    return await _marked(server, watch, "a client in real time, engine at 0.5x", 1.0, seconds)


async def warm_paced(server: Process) -> None:
    client = await Client.open(server.url, AUDIO)
    await client.until("began")
    client.drop()


async def _marked(
    server: Process, watch: Watch, name: str, speed: float, seconds: float
) -> Outcome:
    """Words that the audio names, so that a lost or doubled piece is a wrong word."""
    count = int(seconds / 0.5) + 16 if speed > 1 else int(seconds / 0.5) + 6
    frames: list[bytes] = []
    for number in range(1, count + 1):
        frames += [number.to_bytes(2, "little") * 320] * 13 + [bytes(FRAME)] * 12
    client = await Client.open(server.url, AUDIO, send_buffer=16 * 1024)
    until_ms, behind = 0, 0.0

    def heard(event: dict[str, object]) -> None:
        nonlocal until_ms
        if event["type"] == "flow" and event.get("until_ms") is not None:
            until_ms = int(str(event["until_ms"]))

    client.heard = heard
    reading = asyncio.create_task(client.until("ended"))
    began = time.monotonic()
    stopped = over = 0.0
    for place, frame in enumerate(frames):
        client.audio(frame)
        if not over and (place + 1) * 20 > until_ms > 0:
            over = time.monotonic() - began
        try:
            async with asyncio.timeout(0.3):
                await client.writer.drain()
        except TimeoutError:
            stopped = stopped or time.monotonic() - began
            await client.writer.drain()
        behind = began + (place + 1) * 0.02 / speed - time.monotonic()
        if behind > 0:
            await asyncio.sleep(behind)
    client.say("end")
    async with asyncio.timeout(len(frames) * 0.02 / 0.5 + 30):
        await reading
    grew = watch.grew_mb()
    client.drop()
    said = [
        word
        for _, event in client.events
        if event["type"] == "transcript" and event["final"]
        for word in event["text"].split()
    ]
    wanted = [f"w{number}" for number in range(1, count + 1)]
    how = []
    if over:
        how.append(f"credit used up after {over:.1f} s")
    if stopped:
        how.append(f"the wire stood after {stopped:.1f} s")
    return Outcome(
        name,
        ", ".join(how) or "nobody had to",
        grew,
        f"{len(said)} of {count} words, in order" if said == wanted else
        f"{len(said)} words, {count} sent",
        said != wanted,
    )  # fmt: skip


def measure(progress: Progress, *, quick: bool) -> Section:
    seconds = 3.0 if quick else 30.0
    outcomes: list[Outcome] = []
    with gateway("python:bench.null_engine:NullEngine") as server:
        progress.step("never reads")
        outcomes.append(uvloop.run(deaf(server, seconds)))
    with gateway(MARKED) as server:
        progress.step("50 times real time")
        outcomes.append(uvloop.run(fast(server, seconds)))
        progress.step("an engine at half real time")
        outcomes.append(uvloop.run(paced(server, seconds)))
    table = Written(("peer", "stopped", "the gateway grew by, MB", "kept"))
    table.rows += [(o.name, o.stopped, f"{o.grew_mb:.1f}", o.kept) for o in outcomes]
    most = max(outcome.grew_mb for outcome in outcomes)
    return Section(
        name="slow",
        title="Peers that misbehave",
        text="One session each. Growth is the peak of the gateway's resident memory over what it "
        "had before. The words of the last two are named by the audio itself, so a piece that is "
        "lost, doubled or out of order is a wrong word. The engine's credit is 1 s ahead of its "
        "pace and the session's window 10 s beyond that: a client that honours `flow.until_ms` "
        "stops there, one that does not is stopped by the wire. Memory that the gateway had "
        "already is used again, so that growth may be less than what is held.",
        tables=[table],
        verdicts=[
            Verdict("memory for one slow or hasty peer", f"{most:.1f} MB",
                    f"within {BOUND_MB:g} MB", most <= BOUND_MB),
            Verdict("audio, words and finals lost", str(sum(o.lost for o in outcomes)), "0",
                    not any(outcome.lost for outcome in outcomes)),
        ],
        figures={o.name: vars(o) for o in outcomes},
    )  # fmt: skip
