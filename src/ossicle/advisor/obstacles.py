"""What stands in the way of a wish, and which questions contradict themselves.

    obstacle(wish, Inputs(client="browser", udp_blocked=True))   -> "their network blocks UDP"
    contradictions(Inputs(client="browser", wire="sip"))         -> two sentences

Each obstacle is a part of the question that only takes away: without it, no wish is ruled out that
was possible with it.
"""

from .browsers import BROWSERS
from .facts import PROVIDERS, WIRES
from .inputs import CLIENTS, Inputs
from .wishes import FIXED, Wish

__all__ = ["NO_PAGE", "contradictions", "obstacle"]

NO_PAGE = frozenset({"grpc", "sip", "http2"})
"""Wires that no page can speak."""

_UDP = frozenset({"webrtc", "webtransport", "moq", "sip"})
_DRAFTS = frozenset({"webtransport", "moq"})
_FEATURE = {"websocket": "websocket", "webrtc": "webrtc", "webtransport": "webtransport",
            "moq": "webtransport"}  # fmt: skip
_SPOKEN: dict[str, frozenset[str]] = {
    "deepgram": frozenset({"websocket", "http"}),
    "assemblyai": frozenset({"websocket"}),
    "google": frozenset({"grpc"}),
    "riva": frozenset({"grpc"}),
    "amazon": frozenset({"websocket", "http2"}),
    "openai": frozenset({"webrtc", "websocket", "sip", "http"}),
}
"""What each provider speaks."""


def obstacle(wish: Wish, asked: Inputs) -> str:
    """Why this cannot be, in words; empty = nothing stands in the way."""
    name = WIRES[wish.wire]
    page = asked.client == "browser"
    if wish.wire in asked.without:
        return f"{name} is ruled out"
    if page and wish.wire in NO_PAGE:
        return f"no browser speaks {name}"
    if asked.udp_blocked and wish.wire in _UDP:
        return f"{name} needs UDP, which their network blocks"
    if asked.upgrades_blocked and wish.wire == "websocket" and asked.client != "telephone":
        return "their network refuses or cuts WebSockets"
    if wish.wire in _DRAFTS and not asked.both_ends:
        return f"{name} is still a draft, and only one end is yours"
    if wish.wire in {"grpc", "grpcweb"} and wish.dialect == "native" and not asked.grpc:
        return "the team does not run gRPC yet"
    feature = _FEATURE.get(wish.wire, "")
    if (page or wish.wire == "moq") and feature:
        lacking = BROWSERS.lacking(feature, asked.browsers)
        if lacking:
            return f"{_and(lacking)} {'does' if len(lacking) == 1 else 'do'} not have it"
    return ""


def contradictions(asked: Inputs) -> tuple[str, ...]:
    """What in the question cannot be had together, and what does work."""
    return tuple(each for each in (*_of_the_provider(asked), *_of_the_client(asked),
                                   *_of_the_network(asked)) if each)  # fmt: skip


def _of_the_provider(asked: Inputs) -> list[str]:
    said: list[str] = []
    name = PROVIDERS.get(asked.provider, "")
    client = CLIENTS[asked.client]
    spoken = _SPOKEN.get(asked.provider, frozenset())
    if asked.client != "batch":
        spoken -= {"http"}  # for recordings only
    behind = "a gateway can take the sound over another wire and speak gRPC to it"
    if asked.provider in FIXED:
        if "grpc" in asked.without:
            said.append(
                f"{name} streams over gRPC and nothing else, and gRPC is ruled out: {behind}."
            )
        if asked.client in {"browser", "telephone"}:
            said.append(
                f"{name} streams over gRPC and nothing else, and {client} cannot: {behind}."
            )
    elif name and spoken <= set(asked.without):
        said.append(
            f"{name} speaks {_names(spoken)}, and that is ruled out: a gateway can take the sound "
            f"over another wire and speak {_names(spoken)} to it."
        )
    if (
        asked.upgrades_blocked
        and asked.client != "telephone"
        and spoken == frozenset({"websocket"})
    ):
        said.append(
            f"{name} streams over WebSocket, which the network of the clients refuses: they can "
            "reach a gateway outside over HTTP, and the gateway reaches it over WebSocket."
        )
    if asked.wire and name and asked.wire not in spoken:
        said.append(
            f"{name} does not speak {WIRES[asked.wire]}; it speaks {_names(spoken)}. Between the "
            f"client and a gateway the wire is yours to choose, behind it is {_names(spoken)}."
        )
    return said


def _of_the_client(asked: Inputs) -> list[str]:
    said: list[str] = []
    wire = WIRES.get(asked.wire, "")
    if asked.client == "browser" and asked.wire in NO_PAGE:
        way = {
            "sip": "the browser can speak WebRTC or WebSocket to a gateway, and the gateway SIP",
            "grpc": "WebSocket does the same there, and a gateway can speak gRPC behind it",
            "http2": "a page reads no answer before its request has ended; WebSocket does both",
        }[asked.wire]
        said.append(f"A browser cannot speak {wire}: {way}.")
    if asked.wire == "grpcweb" and asked.client in {"browser", "mobile", "server"}:
        said.append(
            "gRPC-Web sends one message and then reads, so no microphone can go over it: WebSocket "
            "carries the live sound, and gRPC-Web serves recordings and pages that only follow."
        )
    if asked.client == "telephone" and asked.wire not in {"", "sip", "websocket"}:
        said.append(
            f"A telephone line does not speak {wire}: it arrives as SIP, or as a carrier's "
            "WebSocket; what lies behind the gateway may be another wire."
        )
    if (
        asked.client not in {"telephone", "server"}
        and asked.wire == "sip"
        and (asked.client != "browser")
    ):
        said.append(
            f"SIP is for telephone lines, and {CLIENTS[asked.client]} is none: WebRTC or "
            "WebSocket carry the same sound with less."
        )
    if asked.same_datacentre and asked.client in {"browser", "mobile", "telephone"}:
        said.append(
            f"The client is {CLIENTS[asked.client]}, and yet in the gateway's own network: taken "
            "as a client outside, since the way there decides."
        )
    if asked.client == "batch" and asked.band == "interactive":
        said.append(
            f"A recording is over before it is sent, so {asked.latency_ms} ms has no meaning for "
            "it: taken as recordings that should be done soon."
        )
    if asked.client == "batch" and asked.conversation:
        said.append("A recording does not listen while it plays: there is no echo to cancel.")
    if asked.audience and asked.client in {"telephone", "batch"}:
        said.append(
            f"{CLIENTS[asked.client].capitalize()} cannot carry many listeners: this answer is for "
            "the way in; they follow the session over WebSocket."
        )
    return said


def _of_the_network(asked: Inputs) -> list[str]:
    said: list[str] = []
    if asked.udp_blocked and asked.wire in _UDP:
        more = " A TURN relay over TLS would let it through, as slowly as TCP." * (
            asked.wire == "webrtc"
        )
        said.append(f"{WIRES[asked.wire]} needs UDP, and their network blocks it.{more}")
    if asked.upgrades_blocked and asked.wire == "websocket":
        said.append("WebSocket begins with an upgrade, and their network refuses it.")
    if asked.udp_blocked and asked.client == "telephone":
        said.append("A call's sound travels over UDP: the carrier's WebSocket does without.")
    if asked.wire and asked.wire in asked.without:
        said.append(f"{WIRES[asked.wire]} is both wanted and ruled out: taken as ruled out.")
    return said


def _names(wires: frozenset[str]) -> str:
    return " or ".join(WIRES[each] for each in WIRES if each in wires)


def _and(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
