"""From the request to upgrade to `began`, with a warm engine; and the refusal beyond the pool."""

import asyncio

import uvloop

from .client import Client
from .machine import AUDIO, Process, gateway
from .progress import Progress
from .results import Section, Verdict, Written, spread

__all__ = ["measure"]

TARGET_MS = 5.0
ENGINES = {"null": "python:bench.null_engine:NullEngine", "pocketsphinx": "pocketsphinx"}


async def _open(server: Process, times: int) -> list[float]:
    """Milliseconds from the request leaving to `began`, one session after another."""
    took: list[float] = []
    for _ in range(times):
        client = await Client.open(server.url, AUDIO)
        began = await client.until("began")
        assert began is not None, client.events
        took.append((client.events[-1][0] - client.asked_at) * 1000)
        client.say("end")
        await client.until("ended")
        client.drop()
        await asyncio.sleep(0.05)  # the engine makes its next worker ready
    return took


def measure(progress: Progress, *, quick: bool) -> Section:
    times = 20 if quick else 100
    table = Written(("engine", "median, ms", "95 of 100 within, ms"))
    figures: dict[str, list[float]] = {}
    for name, spec in ENGINES.items():
        progress.step(name)
        with gateway(spec, pinned=name == "null") as server:
            uvloop.run(_open(server, 5))
            figures[name] = uvloop.run(_open(server, times))
        held = sorted(figures[name])
        table.rows.append((name, spread(held).text(2), f"{held[int(len(held) * 0.95)]:.2f}"))
    return Section(
        name="opening",
        title="Opening a session",
        text=f"{times} sessions one after another over loopback, from the upgrade request leaving "
        "the client to `began` parsed. The handshake waits for the engine's stream to be open, so "
        "its time is in it.",
        tables=[table],
        verdicts=[
            Verdict(f"upgrade to `began`, {name}", f"{spread(took).median:.2f} ms",
                    f"at most {TARGET_MS:g} ms", spread(took).median <= TARGET_MS)
            for name, took in figures.items()
        ],
        figures=figures,
    )  # fmt: skip
