"""What an idle session weighs."""

import time

from .machine import gateway, load
from .progress import Progress
from .results import Section, Verdict, Written

__all__ = ["measure"]

SESSIONS = 1_000
TARGET_KB = 30.0


def measure(progress: Progress, *, quick: bool) -> Section:
    count = 300 if quick else SESSIONS
    with gateway("python:bench.null_engine:NullEngine") as ours:
        progress.step("what only the first sessions need")
        with load("ws", ours, connections=50, interval_ms=0):
            time.sleep(1.0)
            before = ours.memory()
            progress.step(f"{count} sessions")
            with load("ws", ours, connections=count, interval_ms=0):
                time.sleep(2.0)
                held = ours.figures()
                after = ours.memory()
    assert held["live"] == count + 50, held
    rss = (after["rss"] - before["rss"]) / count / 1024
    uss = (after["uss"] - before["uss"]) / count / 1024
    table = Written(("", "per session, KB", "the whole process, MB"))
    table.rows += [
        ("resident (RSS)", f"{rss:.1f}", f"{after['rss'] / 2**20:.0f}"),
        ("its own (USS)", f"{uss:.1f}", f"{after['uss'] / 2**20:.0f}"),
    ]
    return Section(
        name="memory",
        title="Memory of idle sessions",
        text=f"{count} WebSocket sessions that declared their audio, have an engine stream open "
        "and send nothing; growth over the same gateway without them, divided. The kernel's "
        "socket buffers and the engine's own memory are not in it. A session that talks also "
        "keeps up to 15 s of its audio (480 KB at 16 kHz) to replay to another engine.",
        tables=[table],
        verdicts=[
            Verdict("memory of an idle session", f"{rss:.1f} KB", f"at most {TARGET_KB:.0f} KB",
                    rss <= TARGET_KB)
        ],
        figures={"sessions": count, "before": before, "after": after, "rss_kb": rss,
                 "uss_kb": uss},
    )  # fmt: skip
