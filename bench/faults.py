"""What survives when everything around sessions breaks, for as long as is asked:
`python -m bench faults --minutes N`."""

import asyncio
import tempfile
from pathlib import Path

from .progress import Progress
from .results import Section, Verdict, Written
from .storm import storm

__all__ = ["measure"]

SESSIONS = 24
MINUTES = 10.0
QUICK_MINUTES = 1.0
MOST_PAUSE_S = 15.0
MOST_GROWTH_MB = 20.0


def measure(progress: Progress, *, quick: bool, minutes: float | None = None) -> Section:
    asked = minutes or (QUICK_MINUTES if quick else MINUTES)
    progress.step(f"{SESSIONS} sessions for {asked:g} minutes")
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(
            storm(seconds=asked * 60, sessions=SESSIONS, seed=1, folder=Path(folder))
        )
    table = Written(("", "counted"))
    table.rows += [
        ("sessions", f"{report.sessions:,}"),
        ("audio", f"{report.audio_ms / 60_000:,.1f} min"),
        ("words", f"{report.words:,}"),
        ("audio lost", f"{report.audio_lost_ms} ms"),
        ("words lost", f"{report.words_lost}"),
        ("words doubled", f"{report.words_doubled}"),
        ("words out of order", f"{report.words_disordered}"),
        ("words at another millisecond", f"{report.words_misplaced}"),
        ("sessions that failed", f"{len(report.failures)}"),
        ("client connections made again", f"{report.reconnects:,}"),
        ("longest that a word took", f"{report.longest_pause_s:.1f} s"),
        ("memory of the gateway, start", f"{report.memory[0] / 2**20:.0f} MB"),
        ("memory of the gateway, end", f"{report.memory[1] / 2**20:.0f} MB"),
    ]
    faults = Written(("fault", "how often"))
    faults.rows += [(name, f"{count:,}") for name, count in report.faults.most_common()]
    growth = (report.memory[1] - report.memory[0]) / 2**20
    return Section(
        name="faults",
        title="Faults",
        text=f"{SESSIONS} sessions at a time in real time for {asked:g} minutes, through a gateway "
        "with three upstreams by three protocols (ossicle.v1 directly, Deepgram behind nginx, "
        "AssemblyAI behind HAProxy); its own clients come through HAProxy. The proxies cut what is "
        "idle for 5 s, and a third of the speakers pause for longer. At random, about four times a "
        "second, a connection of a client or of an upstream is reset, half closed, stalled for up "
        "to 4 s or slowed below real time, or an upstream process or a proxy is killed or halted. "
        "A quarter of the clients speak Deepgram's protocol, and nothing is broken before the "
        "gateway for them. The audio names its words, so that each can be counted. Every bound of "
        "a session is the default.",
        tables=[table, faults],
        notes=[*report.failures[:5]],
        verdicts=[
            Verdict(
                "audio and words lost, doubled or moved",
                "none" if report.whole else "some",
                "none",
                report.whole,
            ),
            Verdict(
                "longest that a word took", f"{report.longest_pause_s:.1f} s",
                f"at most {MOST_PAUSE_S:.0f} s", report.longest_pause_s <= MOST_PAUSE_S,
            ),
            Verdict(
                "growth of the gateway", f"{growth:.1f} MB", f"at most {MOST_GROWTH_MB:.0f} MB",
                growth <= MOST_GROWTH_MB,
            ),
        ],
        figures={
            "minutes": asked,
            "sessions": report.sessions,
            "words": report.words,
            "faults": dict(report.faults),
            "longest_pause_s": report.longest_pause_s,
            "memory": report.memory,
        },
    )  # fmt: skip
