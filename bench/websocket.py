"""What a frame of audio costs in the gateway, beside servers that do nothing else."""

import time
from dataclasses import dataclass

from .machine import Load, Process, gateway, load, rival
from .progress import Progress
from .results import Section, Verdict, Written, spread

__all__ = ["measure"]

SESSIONS = 250
RAW_TARGET, LIBRARY_TARGET = 1.3, 0.65


@dataclass
class Lane:
    """One server and the generator that loads it."""

    name: str
    server: Process
    load: Load

    def mark(self) -> tuple[int, int, int, int]:
        counters = self.load.mark()
        return self.server.cpu_ns(), counters.frames, counters.replies, counters.payload


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (3, 3.0) if quick else (10, 6.0)
    costs: dict[str, list[float]] = {}
    reply = 0.0
    with (
        gateway("python:bench.null_engine:NullEngine") as ours,
        gateway("python:bench.null_engine:SilentEngine") as mute,
        rival("tcp") as raw,
        rival("websockets") as library,
        load("ws", ours, connections=SESSIONS) as to_ours,
        load("ws", mute, connections=SESSIONS) as to_mute,
        load("tcp", raw, connections=SESSIONS) as to_raw,
        load("ws", library, connections=SESSIONS, path="/") as to_library,
    ):
        lanes = [
            Lane("ossicle", ours, to_ours),
            Lane("ossicle, no replies", mute, to_mute),
            Lane("bare TCP on uvloop", raw, to_raw),
            Lane("bare server on `websockets`", library, to_library),
        ]
        time.sleep(2.0)
        for turn in range(rounds):
            progress.step(f"round {turn + 1} of {rounds}")
            before = [lane.mark() for lane in lanes]
            time.sleep(seconds)
            for lane, then in zip(lanes, before, strict=True):
                cpu, frames, replies, payload = lane.mark()
                cost = (cpu - then[0]) / 1000 / (frames - then[1])
                costs.setdefault(lane.name, []).append(cost)
                if lane is lanes[0]:
                    reply = (payload - then[3]) / (replies - then[2])
        late = sum(lane.load.mark().late for lane in lanes)
    return _section(costs, reply, late, rounds, seconds)


def _section(
    costs: dict[str, list[float]], reply: float, late: int, rounds: int, seconds: float
) -> Section:
    ours, _, raw, library = costs.values()
    to_raw = spread(a / b for a, b in zip(ours, raw, strict=True))
    to_library = spread(a / b for a, b in zip(ours, library, strict=True))
    table = Written(("server", "CPU per frame, us", "ossicle is"))
    for name, values in costs.items():
        share = spread(a / b for a, b in zip(ours, values, strict=True))
        table.rows.append((name, spread(values).text(), f"{share.text(2)}x" if share else ""))
    return Section(
        name="websocket",
        title="Audio over WebSocket",
        text=f"{SESSIONS} sessions of 640-byte frames at 50/s, spread evenly, into an engine that "
        f"does nothing but answer every fifth frame. All servers ran at once on one core, their "
        f"generators on another; CPU is each process's own, of {rounds} windows of {seconds:g} s; "
        "ratios were taken window by window. The TCP server read as many bytes and wrote 204 per "
        "five frames, the library's server wrote 200 as text. Ossicle's reply went the whole way: "
        "engine, turns, log, dialect, JSON.",
        tables=[table],
        verdicts=[
            Verdict("WebSocket, CPU per frame against bare TCP", f"{to_raw.text(2)}x",
                    f"at most {RAW_TARGET}x", to_raw.median <= RAW_TARGET),
            Verdict("WebSocket, CPU per frame against `websockets`", f"{to_library.text(2)}x",
                    f"at most {LIBRARY_TARGET}x", to_library.median <= LIBRARY_TARGET),
        ],
        notes=[
            f"Messages to its clients were {reply:.0f} bytes on average, flow reports included.",
            f"{late} frames were late because a server had not read the one before.",
        ],
        figures={"us_per_frame": costs, "reply_bytes": reply, "late": late},
    )  # fmt: skip
