"""What base64 costs beside binary frames: AssemblyAI's legacy API takes both, so the same audio
goes the same way and only its spelling differs."""

import base64
from statistics import median

from .lanes import Costs, Way, beside
from .machine import AUDIO
from .progress import Progress
from .results import Section, Verdict, Written, spread

__all__ = ["measure"]

SESSIONS = 100
FRAME = 640
"""20 ms at 16 kHz, 16 bit."""
TARGET = 1.15
"""Of a binary dialect's way in, against the native one."""
LANES = {
    "native, binary": Way("ws", AUDIO),
    "AssemblyAI v3, binary": Way("ws", "/v3/ws?sample_rate=16000"),
    "AssemblyAI legacy, binary": Way("ws", "/v2/realtime/ws?sample_rate=16000"),
    "AssemblyAI legacy, base64": Way(
        "text",
        "/v2/realtime/ws?sample_rate=16000",
        '{"audio_data":"' + base64.b64encode(bytes(range(256)) * 2 + bytes(128)).decode() + '"}',
    ),
}


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (4, 3.0) if quick else (8, 5.0)
    costs = beside(progress, LANES, sessions=SESSIONS, body=FRAME, rounds=rounds, seconds=seconds)
    return _section(costs, rounds, seconds)


def _section(costs: Costs, rounds: int, seconds: float) -> Section:
    native, v3, binary, text = LANES
    wire = costs.wire_bytes

    table = Written(("20 ms of audio", "bytes on the wire", "CPU per frame, us", "against native"))
    table.rows += [
        (
            name,
            f"{median(wire[name]):.0f}",
            spread(costs.cpu_us[name]).text(),
            "" if name == native else spread(costs.ratio(name, native)).text(2) + "x",
        )
        for name in LANES
    ]
    more = median(wire[text]) / median(wire[binary])
    dearer = spread(costs.ratio(text, binary))
    to_native = spread(costs.ratio(v3, native))
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
            f"{costs.late} frames were late because a server had not read the one before.",
        ],
        figures={"cpu_us": costs.cpu_us, "wire_bytes": wire},
    )
