"""What base64 costs beside binary frames: AssemblyAI's legacy API takes both, so the same audio
goes the same way and only its spelling differs."""

import base64
import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from .machine import AUDIO, Counters, Load, Process, gateway, load
from .progress import Progress
from .results import Section, Verdict, Written, spread

__all__ = ["measure"]

SESSIONS = 100
FRAME = 640
"""20 ms at 16 kHz, 16 bit."""
TARGET = 1.15
"""Of a binary dialect's way in, against the native one."""
LANES = {
    "native, binary": ("ws", AUDIO),
    "AssemblyAI v3, binary": ("ws", "/v3/ws?sample_rate=16000"),
    "AssemblyAI legacy, binary": ("ws", "/v2/realtime/ws?sample_rate=16000"),
    "AssemblyAI legacy, base64": ("text", "/v2/realtime/ws?sample_rate=16000"),
}


@dataclass
class Lane:
    """One gateway and its clients."""

    server: Process
    clients: Load
    before: tuple[int, Counters] = (0, Counters(0, 0, 0, 0, 0, 0, 0, 0))

    def mark(self) -> tuple[int, Counters]:
        """CPU and counters, at about the same moment."""
        return self.server.cpu_ns(), self.clients.mark()


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (4, 3.0) if quick else (8, 5.0)
    said = '{"audio_data":"' + base64.b64encode(bytes(range(256)) * 2 + bytes(128)).decode() + '"}'
    costs: dict[str, list[float]] = {name: [] for name in LANES}
    wire: dict[str, list[float]] = {name: [] for name in LANES}
    late = 0
    with ExitStack() as stack:
        lanes: dict[str, Lane] = {}
        for name, (kind, path) in LANES.items():
            server = stack.enter_context(gateway("python:bench.null_engine:SilentEngine"))
            text = said if kind == "text" else None
            clients = stack.enter_context(
                load(kind, server, connections=SESSIONS, body=FRAME, path=path, text=text)
            )
            lanes[name] = Lane(server, clients)
        time.sleep(2.0)
        for turn in range(rounds):
            progress.step(f"round {turn + 1} of {rounds}")
            for lane in lanes.values():
                lane.before = lane.mark()
            time.sleep(seconds)
            for name, lane in lanes.items():
                (cpu_before, before), (cpu, now) = lane.before, lane.mark()
                frames = now.frames - before.frames
                costs[name].append((cpu - cpu_before) / 1000 / frames)
                wire[name].append((now.sent - before.sent) / frames)
                late += now.late - before.late
                if now.closed:
                    raise SystemExit(f"{name}: {now.closed} sessions were closed")
    return _section(costs, wire, late, rounds, seconds)


def _section(
    costs: dict[str, list[float]],
    wire: dict[str, list[float]],
    late: int,
    rounds: int,
    seconds: float,
) -> Section:
    native, v3, binary, text = LANES

    def ratio(one: str, other: str) -> list[float]:
        return [a / b for a, b in zip(costs[one], costs[other], strict=True)]

    table = Written(("20 ms of audio", "bytes on the wire", "CPU per frame, us", "against native"))
    table.rows += [
        (
            name,
            f"{median(wire[name]):.0f}",
            spread(costs[name]).text(),
            "" if name == native else spread(ratio(name, native)).text(2) + "x",
        )
        for name in LANES
    ]
    more = median(wire[text]) / median(wire[binary])
    dearer = spread(ratio(text, binary))
    to_native = spread(ratio(v3, native))
    return Section(
        name="base64",
        title="Base64 beside binary",
        text=f"{SESSIONS} sessions on each of four gateways, {FRAME}-byte frames at 50/s, into an "
        "engine that only counts: the way in alone. All gateways ran at once on one core, the "
        f"clients on another; CPU is each process's own, of {rounds} windows of {seconds:g} s, and "
        "ratios were taken window by window. Bytes are those of the WebSocket frame, without TCP.",
        tables=[table],
        verdicts=[
            Verdict(
                "AssemblyAI v3, CPU per frame against native",
                f"{to_native.text(2)}x",
                f"at most {TARGET}x",
                to_native.median <= TARGET,
            )
        ],
        notes=[
            f"In base64 the same audio is {more:.2f} times the bytes of binary.",
            f"It is {dearer.text(2)} times the CPU: most of a frame is the system's, either way.",
            f"{late} frames were late because a server had not read the one before.",
        ],
        figures={"cpu_us": costs, "wire_bytes": wire},
    )
