"""What a call costs as Twilio streams it (base64 in JSON), beside the same sound in binary frames.

Both lanes carry mu-law at 8 kHz in pieces of 20 ms to the same engine, at the same time.
"""

import base64
import json
from statistics import median

from .lanes import Way, beside
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
    ways = {
        NATIVE: Way("ws", "/v1/stream?encoding=mulaw&sample_rate=8000"),
        TWILIO: Way("text", "/twilio/media", said),
    }
    costs = beside(progress, ways, sessions=SESSIONS, body=PIECE, rounds=rounds, seconds=seconds)
    wire = costs.wire_bytes
    table = Written(("20 ms of a call", "bytes on the wire", "CPU per piece, us", "against native"))
    ratio = spread(costs.ratio(TWILIO, NATIVE))
    table.rows += [
        (
            name,
            f"{median(wire[name]):.0f}",
            spread(costs.cpu_us[name]).text(),
            "" if name == NATIVE else ratio.text(2) + "x",
        )
        for name in ways
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
            f"{costs.late} pieces were late because a server had not read the one before.",
        ],
        figures={"cpu_us": costs.cpu_us, "wire_bytes": wire},
    )
