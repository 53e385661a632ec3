"""What a probe has seen, as it was: samples and times, no judgement. `findings` makes sense of it.

Written by `probe` step by step, so that a probe that is cut short still has what came before.
Numbers that the other end told are marked so: they are a stranger's word.
"""

from typing import Literal, TypeAlias

import msgspec

from .line import Certificate

__all__ = ["WIRES", "Flow", "Measured", "Relayed", "Silence", "State", "Tried"]

State: TypeAlias = Literal["passes", "blocked", "broken", "not_offered", "not_tried"]
"""`blocked`: refused, or nothing comes back. `broken`: what came back is not what was asked for."""

WIRES: dict[str, str] = {
    "tcp": "TCP",
    "tls": "TLS",
    "http": "HTTP/1.1",
    "websocket": "WebSocket",
    "http2": "HTTP/2",
    "grpc": "gRPC",
    "grpcweb": "gRPC-Web",
    "udp": "UDP",
    "quic": "QUIC",
    "ice": "WebRTC (ICE)",
    "turn": "WebRTC by TURN",
    "webtransport": "WebTransport",
}
"""Everything that is tried, in this order, and what people call it."""


class Tried(msgspec.Struct):
    """One wire."""

    state: State = "not_tried"
    why: str = ""
    """What is in the way; or, where it passes, what is worth to know."""
    cold_ms: float | None = None
    """From nothing to ready: name, TCP, TLS and the wire's own handshake."""
    resumed_ms: float | None = None
    """The same with what was kept of before: the TLS session; of QUIC the ticket, and early data;
    of gRPC the connection. None = no TLS, or it resumes none."""


class Relayed(msgspec.Struct):
    """One TURN relay."""

    url: str
    passes: bool = False
    """A call through it, and in no other way, came about."""
    why: str = ""
    """Why not."""
    ms: float = 0.0
    """Set-up of that call."""


class Flow(msgspec.Struct):
    """Bytes in one direction."""

    bytes: int = 0
    ms: float = 0.0
    why: str = ""
    """Why there is no measurement."""


class Silence(msgspec.Struct):
    """One connection in which nobody spoke for a while."""

    kept_by: Literal["nothing", "pings", "data"]
    """What went over it meanwhile, every so often."""
    s: float
    """How long it was to last."""
    lived: bool = False
    cut_s: float | None = None
    """When it was seen to be cut; None = it was not, or it was silently."""
    over: Literal["websocket", "http"] = "websocket"


class Measured(msgspec.Struct, kw_only=True):
    """Everything."""

    url: str
    host: str = ""
    port: int = 0
    secure: bool = False
    peer: str = ""
    """Our address, as the gateway told."""
    is_ossicle: bool = False
    wires: dict[str, Tried] = {}
    tcp_ms: list[float] = []
    """Set-up times of TCP: a round trip below any protocol."""
    certificate: Certificate | None = None
    untrusted: str = ""
    """Why the certificate is not believed."""
    refused: str = ""
    """Why the gateway did not want to be measured."""
    rtt_ms: list[float] = []
    rtt_over: str = ""
    """The wire of those round trips."""
    rtt_why: str = ""
    """Why they ended early."""
    skews_ms: list[tuple[float, float]] = []
    """(gateway's clock less ours, round trip) as told."""
    datagrams: int = 0
    """Sent with a cookie."""
    datagram_rtt_ms: list[float] = []
    ice_rtt_ms: list[float] = []
    """Round trips on the data channel of a direct call."""
    relays: list[Relayed] = []
    down: Flow = msgspec.field(default_factory=Flow)
    up: Flow = msgspec.field(default_factory=Flow)
    down_pieces: list[tuple[float, float]] = []
    """(left, came) of each piece of an answer, each in ms on its own clock. Left is told."""
    up_pieces: list[tuple[float, float]] = []
    """(left, came) of each piece of a body. Came is told."""
    early_answer: bool | None = None
    """Words came back while the body was still going up; None = not seen."""
    pieces_why: dict[str, str] = {}
    """Why there are no pieces: `up`, `down`."""
    silences: list[Silence] = []
    idle_s: float = 0.0
    """How long was looked for."""
    ledger: dict[str, float] = {}
    """Means of the gateway's own sessions, as told."""
    lies: list[str] = []
    """What was told and cannot be."""
    took_s: float = 0.0
    out_of_time: float = 0.0
    """The limit in seconds that ended the probe; 0 = it finished."""
