"""What a frame of audio costs in each provider's dialect, beside Ossicle's own.

A dialect is one `Row`: its name, the path a client asks for, and what it may cost. All gateways
run at once on one core, each with its own clients, so that a ratio compares the same moment.
"""

import contextlib
import time
from dataclasses import dataclass

from .machine import AUDIO, Counters, Load, Process, gateway, load
from .progress import Progress
from .results import Section, Verdict, Written, spread

__all__ = ["ROWS", "Row", "measure"]

SESSIONS = 100


@dataclass(frozen=True)
class Row:
    """One dialect."""

    name: str
    path: str
    """Path and query of a client that sends 16 kHz samples of 16 bit, or what else is cheapest."""
    target: float | None = 1.15
    """Most it may cost, as a multiple of the native dialect; None = only told."""


ROWS: tuple[Row, ...] = (
    Row(
        "deepgram.v1",
        "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true",
    ),
    Row(
        "deepgram.flux",
        "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000",
    ),
)
"""Every dialect over WebSocket whose audio is binary. Add a line; nothing else."""


@dataclass
class Lane:
    """One gateway and the clients that load it."""

    server: Process
    load: Load

    def mark(self) -> tuple[int, Counters]:
        """CPU and counters, at about the same moment."""
        return self.server.cpu_ns(), self.load.mark()


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (4, 3.0) if quick else (8, 5.0)
    table = Written(("dialect", "CPU per frame, us", "of native", "way in alone", "bytes a reply"))
    verdicts: list[Verdict] = []
    figures: dict[str, object] = {}
    for row in ROWS:
        whole = _beside(progress, row, "NullEngine", rounds, seconds)
        way_in = _beside(progress, row, "SilentEngine", rounds, seconds)
        ratio = spread(theirs / ours for ours, theirs, _ in whole)
        alone = spread(theirs / ours for ours, theirs, _ in way_in)
        table.rows.append(
            (
                row.name,
                spread(theirs for _, theirs, _ in whole).text(),
                ratio.text(2) + "x",
                alone.text(2) + "x",
                spread(size for _, _, size in whole).text(),
            )
        )
        figures[row.name] = {"whole": whole, "way_in": way_in}
        if row.target is not None:
            verdicts.append(
                Verdict(
                    f"{row.name}, CPU per frame against ossicle.v1",
                    f"{ratio.text(2)}x",
                    f"at most {row.target}x",
                    ratio.median <= row.target,
                )
            )
    return Section(
        name="dialects",
        title="Audio in other dialects",
        text=f"{SESSIONS} sessions of 640-byte frames at 50/s for each of two gateways at once on "
        "one core, one in Ossicle's own dialect and one in the provider's, into an engine that "
        f"does nothing but answer every fifth frame; {rounds} windows of {seconds:g} s, the ratio "
        "taken window by window. Way in alone: the engine answers nothing.",
        tables=[table],
        verdicts=verdicts,
        notes=[],
        figures=figures,
    )


def _beside(
    progress: Progress, row: Row, engine: str, rounds: int, seconds: float
) -> list[tuple[float, float, float]]:
    """Microseconds per frame, native and the other's, and the other's bytes per reply."""
    windows: list[tuple[float, float, float]] = []
    with contextlib.ExitStack() as stack:
        lanes: list[Lane] = []
        for path in (AUDIO, row.path):
            server = stack.enter_context(gateway(f"python:bench.null_engine:{engine}"))
            clients = stack.enter_context(load("ws", server, connections=SESSIONS, path=path))
            lanes.append(Lane(server, clients))
        time.sleep(2.0)
        for turn in range(rounds):
            progress.step(f"{row.name}, {engine}, round {turn + 1} of {rounds}")
            before = [lane.mark() for lane in lanes]
            time.sleep(seconds)
            after = [lane.mark() for lane in lanes]
            ours, theirs = (
                (now[0] - then[0]) / 1000 / (now[1].frames - then[1].frames)
                for now, then in zip(after, before, strict=True)
            )
            now, then = after[1][1], before[1][1]
            size = (now.payload - then.payload) / max(1, now.replies - then.replies)
            windows.append((ours, theirs, size))
    return windows
