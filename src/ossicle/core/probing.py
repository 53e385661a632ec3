"""What `ossicle probe` and a gateway say to each other at `/v1/probe`: no speech, only measuring.

    GET  /v1/probe                         Offer: what can be measured here, and what time it is
    GET  /v1/probe?pieces=8&every_ms=100   pieces of a body, one after another
    GET  /v1/probe?bytes=4000000           bytes, as fast as they are taken
    POST /v1/probe                         a body; JSON lines say when each piece of it came
    WebSocket /v1/probe                    Echo, Quiet, Send, Count (JSON), and binary messages
    UDP, at the port that Offer names      datagrams with a ticket or a cookie, answered one by one
    QUIC, at the same port                 connections whose token is such a cookie; streams echoed
    gRPC  /ossicle.v1.Probe/Echo, /Ask     an EchoResponse for each EchoRequest
    POST /v1/probe/ice                     SDP: a data channel on which the same JSON is answered
    POST /v1/probe/findings                what a page has measured, and what it means

Each side reads what the other sent as a stranger's words. Knows no socket and no clock.
"""

import struct
from typing import Literal, TypeAlias, cast

import msgspec

__all__ = [
    "COOKIE",
    "FINDINGS_PATH",
    "GRPC_ASK",
    "GRPC_ECHO",
    "GRPC_METHODS",
    "ICE_PATH",
    "LEAST_DATAGRAM",
    "MOST_DATAGRAM",
    "MOST_STREAM",
    "PATH",
    "QUIC_ALPN",
    "QUIC_NAME",
    "Asked",
    "Came",
    "Count",
    "Counted",
    "Datagram",
    "Echo",
    "Echoed",
    "Hushed",
    "IceServer",
    "Offer",
    "Piece",
    "ProbeAnswer",
    "ProbeRequest",
    "Quiet",
    "Send",
    "Sent",
    "Total",
    "read_datagram",
]

PATH = "/v1/probe"
ICE_PATH, FINDINGS_PATH = f"{PATH}/ice", f"{PATH}/findings"
GRPC_ECHO, GRPC_ASK = "/ossicle.v1.Probe/Echo", "/ossicle.v1.Probe/Ask"
GRPC_METHODS: dict[str, Literal["stream", "unary"]] = {GRPC_ECHO: "stream", GRPC_ASK: "unary"}
QUIC_ALPN, QUIC_NAME = "ossicle-probe", "probe.ossicle.invalid"
"""Of the QUIC echo: what it speaks, and the name in its certificate, which is made for one run and
told in `Offer`."""
MOST_STREAM = 4_096
"""Bytes of a QUIC connection that are echoed."""


class IceServer(msgspec.Struct, frozen=True):
    """A STUN or TURN server that a client of this gateway uses."""

    url: str
    username: str = ""
    credential: str = ""
    """Ends by itself within minutes."""


class Offer(msgspec.Struct, frozen=True):
    """What can be measured at this gateway."""

    at_ms: float
    """Its clock, in milliseconds of the epoch."""
    kind: Literal["ossicle.probe.v1"] = "ossicle.probe.v1"
    """By this a client knows whom it talks to."""
    peer: str = ""
    """The address that the request came from, as the gateway sees it."""
    secure: bool = False
    """The request reached the gateway over TLS; false behind a proxy that ends it."""
    ticket: str = ""
    """Lets the sender of datagrams in, for two minutes. Hexadecimal."""
    udp_port: int | None = None
    """Where datagrams are echoed; null = not offered, as with each of these."""
    grpc_port: int | None = None
    """gRPC without TLS."""
    grpc_tls_port: int | None = None
    """gRPC over TLS."""
    quic_port: int | None = None
    """Where QUIC is echoed: the port of `udp_port`."""
    quic_certificate: str = ""
    """Of the QUIC echo, to be believed for it alone. PEM."""
    ice: bool = False
    """WebRTC: at `/v1/probe/ice`."""
    ice_servers: tuple[IceServer, ...] = ()
    """What its clients go by."""
    most_bytes: int = 0
    """Of one measurement, each way."""
    most_s: float = 0.0
    """How long one connection may go on."""
    ledger: dict[str, float] = {}
    """Mean milliseconds of each part of the ledger over the sessions that this gateway had; empty
    = it had none."""


# ── HTTP ──


class Piece(msgspec.Struct, frozen=True, tag_field="type", tag="piece"):
    """One line of an answer in pieces; spaces behind it fill it up to its size."""

    n: int
    """From 0."""
    at_ms: float
    """When it left, from the first one."""


class Came(msgspec.Struct, frozen=True, tag_field="type", tag="came"):
    """A piece of a request body reached the gateway."""

    bytes: int
    at_ms: float
    """From the head of the request."""


class Total(msgspec.Struct, frozen=True, tag_field="type", tag="total"):
    """The body is complete."""

    bytes: int
    ms: float
    """From its first byte to its last."""


# ── WebSocket ──


class Echo(msgspec.Struct, frozen=True, tag_field="type", tag="echo"):
    """Answer at once."""

    n: int = 0
    """Comes back."""


class Quiet(msgspec.Struct, frozen=True, tag_field="type", tag="quiet"):
    """Send nothing of your own for a while, pings included; what is asked is still answered."""

    s: float
    """For how long."""


class Send(msgspec.Struct, frozen=True, tag_field="type", tag="send"):
    """Send binary messages, as fast as they are taken."""

    bytes: int


class Count(msgspec.Struct, frozen=True, tag_field="type", tag="count"):
    """How many bytes of binary messages came since the last `count`?"""


class Echoed(msgspec.Struct, frozen=True, tag_field="type", tag="echoed"):
    """The answer to `echo`."""

    n: int
    at_ms: float
    """The gateway's clock, in milliseconds of the epoch."""


class Hushed(msgspec.Struct, frozen=True, tag_field="type", tag="hushed"):
    """The answer to `quiet`: the last word for that long."""

    s: float
    """As long as was asked, or as is allowed."""


class Sent(msgspec.Struct, frozen=True, tag_field="type", tag="sent"):
    """Behind the last of the binary messages that `send` asked for."""

    bytes: int


class Counted(msgspec.Struct, frozen=True, tag_field="type", tag="counted"):
    """The answer to `count`."""

    bytes: int
    ms: float
    """From the first of these bytes to the last."""


ProbeRequest: TypeAlias = Echo | Quiet | Send | Count
ProbeAnswer: TypeAlias = Echoed | Hushed | Sent | Counted

# ── UDP ──

COOKIE = 16
"""Bytes of a ticket's proof and of a cookie."""
LEAST_DATAGRAM = 64
"""Smaller ones are not answered: an answer is never longer than what it answers, and has to hold
a cookie and a time."""
MOST_DATAGRAM = 1_200
"""Fits any path that QUIC fits (RFC 9000 section 14)."""

_HEAD = struct.Struct(f"!4sBI{COOKIE}sd")
_Head: TypeAlias = tuple[bytes, int, int, bytes, float]
_MAGIC = b"OSP1"
Asked: TypeAlias = Literal["hello", "cookie", "echo", "echoed"]
_KINDS: tuple[Asked, ...] = ("hello", "cookie", "echo", "echoed")


class Datagram(msgspec.Struct, frozen=True):
    """One datagram. A sender proves that it may ask (`hello` with the ticket), is given a cookie
    for its address (`cookie`), and asks with that (`echo`, answered by `echoed`)."""

    kind: Asked
    n: int
    """Comes back."""
    proof: bytes
    """The ticket, or the cookie."""
    at_ms: float = 0.0
    """Of answers: the gateway's clock, in milliseconds of the epoch."""

    def bytes(self, size: int) -> bytes:
        """Padded to that size."""
        number = _KINDS.index(self.kind)
        return _HEAD.pack(_MAGIC, number, self.n, self.proof, self.at_ms).ljust(size, b"\0")


def read_datagram(data: bytes) -> Datagram | None:
    """A datagram; None = it is none of ours."""
    if not LEAST_DATAGRAM <= len(data) <= MOST_DATAGRAM:
        return None
    magic, kind, n, proof, at_ms = cast("_Head", _HEAD.unpack_from(data))
    if magic != _MAGIC or kind >= len(_KINDS):
        return None
    return Datagram(_KINDS[kind], n, proof, at_ms)
