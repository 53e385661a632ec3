"""Many talking sessions at once, in frames of 100 ms."""

import time

from .machine import gateway, load, percentile
from .progress import Progress
from .results import Section, Written, spread

__all__ = ["measure"]

SESSIONS = 1_000
FRAME_MS, FRAME_BYTES = 100, 3_200


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (2, 3.0) if quick else (6, 4.0)
    cost: list[float] = []
    lags: list[float] = []
    with gateway("python:bench.null_engine:NullEngine", "--lag") as ours:
        progress.step("opening")
        talk = load("ws", ours, connections=SESSIONS, body=FRAME_BYTES, interval_ms=FRAME_MS)
        with talk as talkers:
            time.sleep(2.0)
            ours.figures()
            start = talkers.mark()
            for turn in range(rounds):
                progress.step(f"round {turn + 1} of {rounds}")
                cpu, before = ours.cpu_ns(), talkers.mark()
                time.sleep(seconds)
                span = talkers.mark().now_ns - before.now_ns
                cost.append((ours.cpu_ns() - cpu) / span / SESSIONS * 100)
            held, memory, end = ours.figures(), ours.memory(), talkers.mark()
            lags = held["lag_ms"]
    expected = (end.now_ns - start.now_ns) / 1e6 / FRAME_MS * SESSIONS
    assert held["live"] == SESSIONS, held
    each = spread(cost)
    table = Written(("", ""))
    table.rows += [
        ("CPU per session, % of a core", each.text(4)),
        ("sessions per core at that", f"{100 / each.median:,.0f}"),
        ("frames taken of those due", f"{(end.frames - start.frames) / expected:.2%}"),
        ("frames late", f"{end.late:,}"),
        ("loop lag p99, ms", f"{percentile(lags, 0.99):.1f}"),
        ("resident, MB", f"{memory['rss'] / 2**20:,.0f}"),
    ]
    return Section(
        name="scale",
        title=f"{SESSIONS:,} talking sessions",
        text=f"Frames of {FRAME_MS} ms at {1000 // FRAME_MS}/s on every session, a reply to every "
        f"fifth; {rounds} windows of {seconds:g} s. Resident memory holds the audio kept for a "
        "replay, which grows for the first 15 s.",
        tables=[table],
        figures={"share_of_core_percent": cost, "lag_p99_ms": percentile(lags, 0.99),
                 "late": end.late, "memory": memory},
    )  # fmt: skip
