"""The embedded engine as a client meets it: through the whole gateway, at the pace of speech."""

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from ossicle.dialects.native.messages import decode_server, event_of
from ossicle.engines.pocketsphinx.engine import default_pool

from .client import Client
from .machine import AUDIO, ROOT, Process, gateway, percentile
from .progress import Progress
from .recognition import DIGITS, Ear, Take
from .recordings import Recording, errors
from .results import Section, Verdict, Written
from .speech import prepared

__all__ = ["measure"]

PARTIAL_MS, FINAL_MS = 300.0, 100.0
POOL = default_pool()
SENTENCE = (
    "**For users: the embedded engine is good for commands and digits, best with `only_hints`; it "
    "is not for dictation.** For that, choose another engine."
)


async def _speak(server: Process, clip: Recording, query: str) -> Take:
    """One clip, live, with a second of silence after it."""
    client = await Client.open(server.url, AUDIO + query)
    await client.until("began")
    opened = (client.events[-1][0] - client.asked_at) * 1000
    reading = asyncio.create_task(client.until("ended"))
    began = time.perf_counter()
    pcm = clip.pcm + bytes(32_000)
    step = Take.PIECE * 32
    for at in range(0, len(pcm), step):
        await asyncio.sleep(max(0.0, began + (at + step) / 32_000 - time.perf_counter()))
        client.audio(pcm[at : at + step])
    client.say("end")
    await reading
    client.drop()
    ear = Ear()
    ear.events = [(at, event_of(decode_server(json.dumps(said)))) for at, said in client.events]
    return Take(clip, ear, began, opened)


async def _all(server: Process, clips: list[Recording], width: int, query: str) -> list[Take]:
    """Every clip, so many speakers at once."""
    waiting, takes = list(reversed(clips)), []

    async def speaker() -> None:
        while waiting:
            takes.append(await _speak(server, waiting.pop(), query))

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(speaker())
    return takes


def _row(name: str, takes: list[Take], figures: dict[str, Any]) -> tuple[str, ...]:
    assert not any(take.error for take in takes), [take.error for take in takes]
    counts = [errors(take.clip.text, take.text) for take in takes]
    wrong, words = (sum(count[part] for count in counts) for part in (0, 1))
    partial = [ms for take in takes for ms in take.partial_ms]
    final = [ms for take in takes for ms in take.final_ms]
    figures[name] = {
        "errors": [wrong, words],
        "partial_p50": statistics.median(partial),
        "partial_p95": percentile(partial, 0.95),
        "final_p50": statistics.median(final),
        "final_p95": percentile(final, 0.95),
        "finals": len(final),
    }
    held = figures[name]
    times = [f"{held[k]:.0f}" for k in ("partial_p50", "partial_p95", "final_p50", "final_p95")]
    return (name, f"{wrong}/{words} = {wrong / words:.0%}", *times, str(len(final)))


def _accuracy(parts: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "figures.json")
        subprocess.run(
            [sys.executable, "-m", "bench.recognition", *parts, "--json", str(found)],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        return dict(json.loads(found.read_text()))


def measure(progress: Progress, *, quick: bool) -> Section:
    clips = sorted(prepared(), key=lambda clip: clip.seconds)
    if quick:
        clips = clips[:4]
    figures: dict[str, Any] = {}
    live = Written(
        ("speakers", "word errors", "word to partial, ms: median", "p95",
         "endpoint to final, ms: median", "p95", "endpoints")
    )  # fmt: skip
    with gateway("pocketsphinx", pinned=False) as server:
        progress.step("one speaker at a time")
        takes = uvloop.run(_all(server, clips[:12], 1, ""))
        live.rows.append(_row("one at a time", takes, figures))
        progress.step("the pool full")
        takes = uvloop.run(_all(server, clips, POOL, ""))
        live.rows.append(_row(f"{POOL} at a time", takes, figures))
        digits = [clip for clip in clips if re.match("digits", clip.name)]
        if digits:
            hints = "&only_hints=true" + "".join(f"&hint={word}" for word in DIGITS)
            takes = uvloop.run(_all(server, digits, 1, hints))
            live.rows.append(_row("digits, with only_hints", takes, figures))
    tables = [live]
    if not quick:
        progress.step("word errors per setting")
        rows = _accuracy(["--only", "accuracy"])["accuracy"]
        table = Written(("setting of the decoder, without the gateway", "word errors", "real time"))
        for row in rows:
            wrong, words = row["all"]
            share = f"{wrong}/{words} = {wrong / words:.0%}"
            table.rows.append((row["setting"], share, f"{row['cpu_share']:.2f}"))
        tables.append(table)
        figures["settings"] = rows
    alone = figures["one at a time"]
    return Section(
        name="engine",
        title="The embedded engine",
        text=f"{len(clips)} recordings of human speech, {sum(c.seconds for c in clips):.0f} s, "
        "sent by a WebSocket client in 20 ms frames as they are spoken; delays are the client's: "
        "from the end of a word in the audio it sent to the first partial that has it, and from "
        "the frame that lets the end-pointer fire to the final. " + SENTENCE,
        tables=tables,
        verdicts=[
            Verdict("spoken word to first partial, median", f"{alone['partial_p50']:.0f} ms",
                    f"at most {PARTIAL_MS:g} ms", alone["partial_p50"] <= PARTIAL_MS),
            Verdict("endpoint to fast final, p95", f"{alone['final_p95']:.0f} ms",
                    f"at most {FINAL_MS:g} ms", alone["final_p95"] <= FINAL_MS),
        ],
        figures=figures,
    )  # fmt: skip
