"""What a frame of audio costs in the gateway, beside servers that do nothing else."""

import time
from dataclasses import dataclass

from .machine import Counters, Load, Process, gateway, load, rival
from .progress import Progress
from .results import Section, Verdict, Written, spread

__all__ = ["measure"]

SESSIONS = 250
RAW_TARGET, LIBRARY_TARGET = 1.3, 0.65


@dataclass
class Lane:
    """One server and the generator that loads it."""

    server: Process
    load: Load

    def mark(self) -> tuple[int, Counters]:
        """CPU and counters, at about the same moment."""
        return self.server.cpu_ns(), self.load.mark()


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (4, 3.0) if quick else (8, 5.0)
    whole = _beside(progress, "NullEngine", "websockets", rounds, seconds)
    mute = _beside(progress, "SilentEngine", "websockets", max(2, rounds // 2), seconds)
    # In the place of the library's server: a fourth one would make the core busier, and with that
    # the work smaller that a frame is.
    floor = _beside(progress, "NullEngine", "picows", max(2, rounds // 2), seconds)
    return _section(whole, mute, floor, rounds, seconds)


@dataclass
class Window:
    """One round: microseconds per frame, by server."""

    ours: float
    raw: float
    other: float
    """The server on a library."""
    reply_bytes: float
    late: int


def _beside(
    progress: Progress, engine: str, library: str, rounds: int, seconds: float
) -> list[Window]:
    """All servers alive and loaded at once, again and again."""
    windows: list[Window] = []
    with (
        gateway(f"python:bench.null_engine:{engine}") as ours,
        rival("tcp") as raw,
        rival(library) as other,
        load("ws", ours, connections=SESSIONS) as to_ours,
        load("tcp", raw, connections=SESSIONS) as to_raw,
        load("ws", other, connections=SESSIONS, path="/") as to_other,
    ):
        lanes = [Lane(ours, to_ours), Lane(raw, to_raw), Lane(other, to_other)]
        time.sleep(2.0)
        for turn in range(rounds):
            progress.step(f"{engine} beside {library}, round {turn + 1} of {rounds}")
            before = [lane.mark() for lane in lanes]
            time.sleep(seconds)
            after = [lane.mark() for lane in lanes]
            costs = [
                (now[0] - then[0]) / 1000 / (now[1].frames - then[1].frames)
                for now, then in zip(after, before, strict=True)
            ]
            now, then = after[0][1], before[0][1]
            size = (now.payload - then.payload) / (now.replies - then.replies)
            late = sum(mark[1].late for mark in after) - sum(mark[1].late for mark in before)
            windows.append(Window(*costs, size, late))
    return windows


def _section(
    whole: list[Window], mute: list[Window], floor: list[Window], rounds: int, seconds: float
) -> Section:
    to_raw = spread(w.ours / w.raw for w in whole)
    to_library = spread(w.ours / w.other for w in whole)
    met = to_raw.median <= RAW_TARGET, to_library.median <= LIBRARY_TARGET
    table = Written(("server", "CPU per frame, us", "ossicle is"))
    table.rows += [
        ("ossicle", spread(w.ours for w in whole).text(), ""),
        ("bare TCP on uvloop", spread(w.raw for w in whole).text(), to_raw.text(2) + "x"),
        ("bare server on `websockets`", spread(w.other for w in whole).text(),
         to_library.text(2) + "x"),
    ]  # fmt: skip
    alone = Written(("the way in alone: ossicle sends no replies, the others do", "", ""))
    alone.rows += [
        ("ossicle", spread(w.ours for w in mute).text(), ""),
        ("bare TCP on uvloop", spread(w.raw for w in mute).text(),
         spread(w.ours / w.raw for w in mute).text(2) + "x"),
        ("bare server on `websockets`", spread(w.other for w in mute).text(),
         spread(w.ours / w.other for w in mute).text(2) + "x"),
    ]  # fmt: skip
    least = spread(w.other / w.raw for w in floor)
    added = spread(w.ours - w.other for w in floor)
    room = spread(RAW_TARGET * w.raw - w.other for w in floor)
    lowest = Written(("the floor: picows with a callback that counts", "CPU per frame, us",
                      "of bare TCP"))  # fmt: skip
    lowest.rows += [
        ("ossicle", spread(w.ours for w in floor).text(),
         spread(w.ours / w.raw for w in floor).text(2) + "x"),
        ("picows alone, same transport", spread(w.other for w in floor).text(),
         least.text(2) + "x"),
        ("bare TCP on uvloop", spread(w.raw for w in floor).text(), ""),
        ("what ossicle adds to picows", added.text(), ""),
        (f"what {RAW_TARGET}x would leave for that", room.text(), ""),
    ]  # fmt: skip
    reply = spread(w.reply_bytes for w in whole).median
    late = sum(w.late for w in whole)
    notes = [
        f"Messages to its clients were {reply:.0f} bytes on average, flow reports included.",
        f"{late} frames were late because a server had not read the one before.",
    ]
    if not all(met):
        notes.append(
            "A target is missed. The second table shows how much of it is the way in; the rest is "
            "the replies, each of which passes turns, log, dialect and JSON in Python (about 5 us "
            "with warm caches, more with cold ones) before the system call that the bare servers "
            "make too. The third shows what the parser alone costs, and what is left below the "
            "target for everything else. The busier the core, the more frames a bare server takes "
            "per wake-up, and the larger the ratio to it."
        )
    return Section(
        name="websocket",
        title="Audio over WebSocket",
        text=f"{SESSIONS} sessions of 640-byte frames at 50/s, spread evenly, into an engine that "
        f"does nothing but answer every fifth frame. All servers ran at once on one core, their "
        f"generators on another; CPU is each process's own, of {rounds} windows of {seconds:g} s; "
        "ratios were taken window by window. The TCP server read as many bytes and wrote 204 per "
        "five frames, the library's server wrote 200 as text. Ossicle's reply went the whole way: "
        "engine, turns, log, dialect, JSON. The floor was measured in the same way, with picows "
        "(the parser that Ossicle uses, with its read buffer, on uvloop's transport) in the place "
        "of the library's server, answering as the others do.",
        tables=[table, alone, lowest],
        verdicts=[
            Verdict("WebSocket, CPU per frame against bare TCP", f"{to_raw.text(2)}x",
                    f"at most {RAW_TARGET}x", met[0]),
            Verdict("WebSocket, CPU per frame against `websockets`", f"{to_library.text(2)}x",
                    f"at most {LIBRARY_TARGET}x", met[1]),
        ],
        notes=notes,
        figures={
            "whole": [vars(w) for w in whole],
            "way_in": [vars(w) for w in mute],
            "floor": [vars(w) for w in floor],
        },
    )  # fmt: skip
