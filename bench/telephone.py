"""What a call costs as Twilio streams it (base64 in JSON), beside the same sound in binary frames.

Both lanes carry mu-law at 8 kHz in pieces of 20 ms to the same engine, at the same time.
"""

import base64
import json
import time
from contextlib import ExitStack
from statistics import median

from .base64 import Lane
from .machine import Counters, gateway, load
from .progress import Progress
from .results import Section, Written, spread

__all__ = ["measure"]

SESSIONS = 100
PIECE = 160
"""20 ms of mu-law."""
NATIVE, TWILIO = "native, binary mu-law", "Twilio, base64 in JSON"

_SOUND = bytes((7 * n + 3) % 256 for n in range(PIECE))
_HELLO = (
    {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    {
        "event": "start",
        "streamSid": "MZ" + "0" * 32,
        "start": {"callSid": "CA" + "0" * 32, "tracks": ["inbound"]},
    },
)
# The generator repeats one message, so its numbers cannot rise: they stand under names nobody
# reads, and are parsed over as the true ones would be.
_MEDIA = {
    "event": "media",
    "sequenceNumbex": "30000",
    "streamSid": "MZ" + "0" * 32,
    "media": {
        "track": "inbound",
        "chunk": "30000",
        "timestamx": "600000",
        "payload": base64.b64encode(_SOUND).decode(),
    },
}


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (4, 3.0) if quick else (8, 5.0)
    said = "\n".join(json.dumps(message, separators=(",", ":")) for message in (*_HELLO, _MEDIA))
    paths = {
        NATIVE: ("ws", "/v1/stream?encoding=mulaw&sample_rate=8000", None),
        TWILIO: ("text", "/twilio/media", said),
    }
    costs: dict[str, list[float]] = {name: [] for name in paths}
    wire: dict[str, list[float]] = {name: [] for name in paths}
    late = 0
    with ExitStack() as stack:
        lanes: dict[str, Lane] = {}
        for name, (kind, path, text) in paths.items():
            server = stack.enter_context(gateway("python:bench.null_engine:SilentEngine"))
            clients = stack.enter_context(
                load(kind, server, connections=SESSIONS, body=PIECE, path=path, text=text)
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
                wire[name].append(_bytes(before, now) / frames)
                late += now.late - before.late
                if now.closed:
                    raise SystemExit(f"{name}: {now.closed} sessions were closed")
    table = Written(("20 ms of a call", "bytes on the wire", "CPU per piece, us", "against native"))
    ratio = spread(a / b for a, b in zip(costs[TWILIO], costs[NATIVE], strict=True))
    table.rows += [
        (
            name,
            f"{median(wire[name]):.0f}",
            spread(costs[name]).text(),
            "" if name == NATIVE else ratio.text(2) + "x",
        )
        for name in paths
    ]
    more = median(wire[TWILIO]) / median(wire[NATIVE])
    return Section(
        name="telephone",
        title="A call, as Twilio streams it",
        text=f"{SESSIONS} sessions on each of two gateways, pieces of 20 ms at 50/s, mu-law at "
        "8 kHz, into an engine that only counts: the way in alone. Both gateways ran at once on "
        f"one core, the clients on another; CPU is each process's own, of {rounds} windows of "
        f"{seconds:g} s, and the ratio was taken window by window. Bytes are those of the "
        "WebSocket frame, without TCP. Conversion to the engine's 16 kHz is part of both.",
        tables=[table],
        verdicts=[],
        notes=[
            f"As Twilio sends it, the same sound is {more:.2f} times the bytes.",
            f"{late} pieces were late because a server had not read the one before.",
        ],
        figures={"cpu_us": costs, "wire_bytes": wire},
    )


def _bytes(before: Counters, now: Counters) -> int:
    return now.sent - before.sent
