"""What goes wrong with a choice, before it does: the mistakes that people make, each with its fact.

cautions(choice, asked)   -> (Caution(
"A message to Google holds 25,600 bytes ...",
"google.message",
),)
"""

from typing import NamedTuple

from .browsers import BROWSERS
from .facts import WIRES
from .inputs import Inputs

__all__ = ["Caution", "cautions"]


class Caution(NamedTuple):
    """A sentence and the fact behind it."""

    text: str
    fact: str


_AHEAD = "open the next one ahead of it, or let the gateway do that"
_LIMITS = {
    "deepgram": "Deepgram ends a stream that brings nothing for 10 seconds: send KeepAlive while "
    "nobody speaks, or let the gateway do that.",
    "assemblyai": f"A session there ends after 3 hours: {_AHEAD}.",
    "google": f"A stream there ends after 5 minutes, and after 10 seconds without sound: {_AHEAD}.",
    "amazon": f"A stream there ends after 4 hours, and after 15 seconds without sound: {_AHEAD}.",
    "openai": f"A session there ends after 60 minutes: {_AHEAD}.",
}
"""What ends a stream at each provider, and what to do about it."""

_BASE64 = frozenset({("websocket", "openai"), ("websocket", "twilio")})


def cautions(wire: str, dialect: str, asked: Inputs) -> tuple[Caution, ...]:
    """In the order in which they bite."""
    return (
        *_in_mind(asked),
        *_of_the_wire(wire, asked),
        *_of_the_dialect(wire, dialect, asked),
        *_always(wire),
    )


def _in_mind(asked: Inputs) -> list[Caution]:
    """About the wire that somebody has in mind."""
    said: list[Caution] = []
    servers = asked.client == "server" or asked.same_datacentre
    if asked.wire == "webrtc" and servers and asked.client != "batch":
        said.append(
            Caution(
                "WebRTC between servers solves problems that are not there, and costs "
                "several times the CPU.",
                "servers.webrtc",
            )
        )
    if asked.wire == "webrtc" and asked.client == "batch":
        said.append(
            Caution(
                "WebRTC plays a recording at the speed of speech and drops what is late.",
                "recordings.webrtc",
            )
        )
    if asked.wire in {"webtransport", "moq"} and (lacking := _lacking(asked)):
        said.append(
            Caution(
                f"Do not depend on {WIRES[asked.wire]} where the audience cannot: {lacking} "
                "lack it.",
                f"{asked.wire}.browsers",
            )
        )
    elif asked.wire in {"webtransport", "moq"}:
        said.append(
            Caution(
                f"{WIRES[asked.wire]} still changes from draft to draft: have a second way "
                "beside it.",
                f"{asked.wire}.maturity",
            )
        )
    return said


def _lacking(asked: Inputs) -> str:
    return ", ".join(BROWSERS.lacking("webtransport", asked.browsers))


def _of_the_wire(wire: str, asked: Inputs) -> list[Caution]:
    match wire:
        case "webrtc":
            return [
                Caution(
                    "Run a TURN relay: 30 to 40 % of corporate networks let WebRTC through by a "
                    "relay only.",
                    "network.relay",
                ),
                Caution(
                    "It drops what is late. For a transcript that must be whole, WebSocket is "
                    "better.",
                    "webrtc.flow_control",
                ),
            ]
        case "webtransport" | "moq":
            return [
                Caution(
                    f"{WIRES[wire]} is not finished: pin both ends to one draft, and raise them "
                    "together.",
                    f"{wire}.maturity",
                ),
                Caution(
                    "Where UDP is blocked it does not work at all: have WebSocket beside it.",
                    f"{wire}.nat",
                ),
            ]
        case "grpc":
            return [
                Caution(
                    "Proxies in corporate networks drop HTTP/2's trailers, or HTTP/2 altogether, "
                    "and then no call ends well: try it there.",
                    "grpc.nat",
                ),
            ]
        case "http2":
            return [
                Caution(
                    "Proxies that end TLS often go on in HTTP/1.1, and then HTTP/2 is over: try "
                    "it there.",
                    "http2.nat",
                ),
            ]
        case "websocket":
            return [
                Caution(
                    "Proxies cut a connection on which nothing moves for a minute: send pings, "
                    "and where only data counts, data.",
                    "network.idle",
                ),
            ]
        case "http" if asked.client == "browser":
            return [
                Caution(
                    "A page cannot read words while it still sends: it has to send pieces, one "
                    "request each, and each is a turn of its own.",
                    "http.full_duplex",
                ),
            ]
        case "http" if asked.client != "batch":
            return [
                Caution(
                    "Some proxies collect a whole request before they pass it on: try it there.",
                    "http.nat",
                ),
            ]
        case _:
            return []


def _of_the_dialect(wire: str, dialect: str, asked: Inputs) -> list[Caution]:
    said: list[Caution] = []
    if (wire, dialect) in _BASE64:
        said.append(
            Caution(
                "Sound travels as base64 there, a third more bytes. Where you have the "
                "choice, send binary.",
                "base64.cost",
            )
        )
    if asked.provider == "google":
        said.append(
            Caution(
                "A message to Google holds 25,600 bytes of sound, 0.8 s; one more ends the stream.",
                "google.message",
            )
        )
    if asked.provider in _LIMITS and asked.client != "batch":
        said.append(Caution(_LIMITS[asked.provider], f"{asked.provider}.limit"))
    return said


def _always(wire: str) -> list[Caution]:
    said: list[Caution] = []
    if wire != "http":
        said.append(
            Caution(
                "Every connection breaks some day: come back with what was not yet heard, or "
                "words are lost.",
                "reconnection.need",
            )
        )
    said.append(
        Caution(
            "The wire does not decide the latency: it adds 1 to 5 ms, the engine and the "
            "distance 10 to 100 each, the silence that ends a turn more than all of them.",
            "latency.protocol",
        )
    )
    said.append(
        Caution(
            "Try it in the network it has to work in, and have a second way.", "network.untested"
        )
    )
    return said
