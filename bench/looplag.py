"""How late the gateway's loop runs while the embedded engine's pool is full, and what the session
beyond the pool is told."""

import asyncio
import json
import random
import time
from itertools import cycle

import uvloop

from .client import Client, Refusal
from .machine import AUDIO, Process, empty_loop, gateway, percentile
from .progress import Progress
from .results import Section, Verdict, Written, spread
from .speech import clips

__all__ = ["measure"]

TARGET_MS, TARGET_RATIO = 5.0, 2.0
FRAME = 640


async def _talk(client: Client, pcm: bytes, until: float) -> None:
    """At the pace of speech, round and round."""
    reading = asyncio.create_task(client.until("ended"))
    begun = time.monotonic()
    for turn in cycle(range(0, len(pcm) - FRAME, FRAME)):
        if time.monotonic() >= until or reading.done():
            break
        client.audio(pcm[turn : turn + FRAME])
        begun += 0.02
        await asyncio.sleep(max(0.0, begun - time.monotonic()))
    reading.cancel()
    client.drop()


async def _full(
    server: Process, idle: Process, seconds: float
) -> tuple[list[float], list[Refusal]]:
    """Fill the pool, talk on all of it, knock meanwhile."""
    sound = clips()
    talkers: list[Client] = []
    refusals: list[Refusal] = []
    while not refusals:
        try:
            client = await Client.open(server.url, AUDIO)
            await client.until("began")
            talkers.append(client)
        except Refusal as refusal:
            refusals.append(refusal)
    random.Random(1).shuffle(sound)
    until = time.monotonic() + seconds + 1.0
    async with asyncio.TaskGroup() as group:
        for place, client in enumerate(talkers):
            pcm = b"".join(sound[place:] + sound[:place])
            group.create_task(_talk(client, pcm, until))
        await asyncio.sleep(1.0)
        await asyncio.to_thread(server.figures)  # from now on
        await asyncio.to_thread(idle.figures)
        while time.monotonic() < until - 0.5:
            try:
                await Client.open(server.url, AUDIO)
                raise AssertionError("a session beyond the pool was taken")
            except Refusal as refusal:
                refusals.append(refusal)
            await asyncio.sleep(0.5)
        ours = (await asyncio.to_thread(server.figures))["lag_ms"]
        empty = (await asyncio.to_thread(idle.figures))["lag_ms"]
    return [percentile(ours, 0.99), percentile(empty, 0.99), float(len(talkers))], refusals


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (1, 8.0) if quick else (3, 15.0)
    lag: list[float] = []
    empty: list[float] = []
    refusals: list[Refusal] = []
    talkers = 0.0
    for turn in range(rounds):
        progress.step(f"round {turn + 1} of {rounds}")
        with empty_loop() as idle, gateway("pocketsphinx", "--lag", pinned=False) as server:
            (ours, theirs, talkers), said = uvloop.run(_full(server, idle, seconds))
        lag.append(ours)
        empty.append(theirs)
        refusals += said
    after = spread(refusal.after_ms for refusal in refusals)
    body = json.loads(refusals[-1].body)["error"]
    ratio = spread(a / b for a, b in zip(lag, empty, strict=True))
    met = spread(lag).median <= TARGET_MS or ratio.median <= TARGET_RATIO
    table = Written(("", ""))
    table.rows += [
        ("loop lag p99 of the gateway, ms", spread(lag).text(2)),
        ("loop lag p99 of an empty loop beside it, ms", spread(empty).text(2)),
        ("refusal beyond the pool, ms", after.text(1)),
        ("status and code", f"{refusals[-1].status} `{body['code']}`"),
        ("what it says", body["text"]),
    ]
    return Section(
        name="looplag",
        title="Loop lag with the pool full",
        text=f"{talkers:.0f} sessions of live speech on the embedded engine, as many as its pool "
        f"takes on this machine, {rounds} rounds of {seconds:g} s; the lag is taken 200 times a "
        "second, in the gateway and in a process beside it that does nothing else. A "
        "session more was asked for twice a second.",
        tables=[table],
        verdicts=[
            Verdict("loop lag p99, pool full",
                    f"{spread(lag).median:.2f} ms, {ratio.median:.1f}x an empty loop",
                    f"at most {TARGET_MS:g} ms, or {TARGET_RATIO:g}x", met),
            Verdict("beyond the pool: refused in words", f"{after.median:.1f} ms", "at once",
                    after.most < 250 and refusals[-1].status == 503),
        ],
        figures={"lag_p99_ms": lag, "empty_p99_ms": empty,
                 "refused_ms": [r.after_ms for r in refusals]},
    )  # fmt: skip
