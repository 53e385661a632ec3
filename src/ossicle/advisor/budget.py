"""Where 300 ms go, as far as it can be said beforehand.

    [(part.name, part.low_ms, part.high_ms) for part in budget(asked, "websocket")]

Ranges from the table of facts. What a session really took is in its ledger.
"""

import msgspec

from .inputs import Inputs

__all__ = ["LIMIT_MS", "Part", "budget"]

LIMIT_MS = 300
"""What feels like talk."""


class Part(msgspec.Struct, frozen=True):
    """One part of the way from a spoken word to its text."""

    name: str
    title: str
    low_ms: float
    high_ms: float
    fact: str

    @property
    def middle_ms(self) -> float:
        """What a bar shows."""
        return (self.low_ms + self.high_ms) / 2


_BUFFER_MS = {"webrtc": (20.0, 60.0), "sip": (40.0, 60.0)}
"""Of a jitter buffer, where the wire has one."""


def budget(asked: Inputs, wire: str) -> tuple[Part, ...]:
    """The parts in their order."""
    near = asked.same_datacentre and asked.client in {"server", "batch"}
    network = (0.2, 2.0) if near else (10.0, 100.0)
    piece = 20.0 if asked.talks or wire in _BUFFER_MS else 100.0
    parts = [
        Part("piece", "a piece of sound is filled", piece, piece, "latency.piece"),
        Part("network", "the way there and back", *network, "latency.distance"),
        Part("protocol", "the wire", 1.0, 5.0, "latency.protocol"),
        Part("engine", "the engine", 10.0, 100.0, "latency.engine"),
    ]
    if wire in _BUFFER_MS:
        low, high = _BUFFER_MS[wire]
        parts.insert(2, Part("buffer", "jitter buffer", low, high, f"{wire}.head_of_line"))
    return tuple(parts)
