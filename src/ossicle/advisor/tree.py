"""The questions as a graph: what is drawn in the documentation and lit up on the page.

    path(asked, "webrtc", "native")   -> ("audience", "provider", "who", "talk", "udp", "webrtc")

The answer itself comes from `decide`; this says by which questions a person gets there. The tests
hold the two together: every step is an edge, and the last node is the wire that was recommended.
"""

import itertools

import msgspec

from .facts import WIRES
from .inputs import Inputs

__all__ = ["EDGES", "NODES", "Edge", "Node", "path", "steps"]


class Node(msgspec.Struct, frozen=True):
    """A question, or a wire."""

    name: str
    lines: tuple[str, ...]
    """Its text, as it is broken in the drawing."""
    x: int
    """Of its middle."""
    y: int
    width: int = 176
    height: int = 56
    wire: str = ""
    """Of an answer; empty = a question."""

    @property
    def text(self) -> str:
        """In one line."""
        return " ".join(self.lines)


class Edge(msgspec.Struct, frozen=True):
    """One answer to a question."""

    start: str
    end: str
    label: str


def _wire(name: str, x: int) -> Node:
    return Node(name, (WIRES[name],), x, 668, 118, 44, name)


def _theirs(wire: str, whose: str, row: int) -> Node:
    return Node(f"their-{wire}", (WIRES[wire], whose), 1044, 166 + 58 * row, 200, 48, wire)


_ALL = (
    Node("audience", ("One speaks,", "many listen?"), 150, 54),
    Node("provider", ("Does a provider", "fix the protocol?"), 500, 54),
    Node("speaks", ("Can the client speak it,", "from where it is?"), 838, 54),
    Node("drafts", ("Both ends yours, UDP open,", "browsers able?"), 104, 190, 184),
    Node("who", ("Who sends the sound?",), 500, 176),
    Node("talk", ("A conversation: under 100 ms,", "or an echo to cancel?"), 290, 306, 196),
    Node("recording", ("One request", "for each recording?"), 478, 306, 148),
    Node("team", ("Does the team run gRPC,", "and will 100 ms do?"), 662, 306),
    Node("line", ("Does SIP", "reach you?"), 836, 306, 124),
    Node("udp", ("Is UDP open?",), 290, 428, 132, 48),
    Node("upgrade", ("Do WebSockets pass?",), 556, 452, 164, 48),
    Node("rest", ("What else gets through?",), 500, 560, 176, 48),
    _wire("moq", 84),
    _wire("webtransport", 216),
    _wire("webrtc", 348),
    _wire("http", 480),
    _wire("grpc", 612),
    _wire("websocket", 744),
    _wire("sip", 876),
    _theirs("websocket", "most of them", 0),
    _theirs("grpc", "Google, Riva", 1),
    _theirs("webrtc", "OpenAI, from a page", 2),
    _theirs("http2", "Amazon, as well", 3),
    _theirs("sip", "OpenAI, by telephone", 4),
    _theirs("http", "for recordings", 5),
)
NODES: dict[str, Node] = {node.name: node for node in _ALL}
"""Every node by its name; the positions are in units of the drawing."""

EDGES: tuple[Edge, ...] = (
    Edge("audience", "drafts", "yes"),
    Edge("audience", "provider", "no"),
    Edge("drafts", "moq", "yes"),
    Edge("drafts", "upgrade", "no"),
    Edge("provider", "speaks", "yes"),
    Edge("provider", "who", "no, my own engine"),
    *(Edge("speaks", node.name, "yes") for node in _ALL if node.name.startswith("their-")),
    Edge("speaks", "who", "no: a gateway translates"),
    Edge("who", "talk", "browser, phone"),
    Edge("who", "recording", "batch"),
    Edge("who", "team", "server"),
    Edge("who", "line", "telephone"),
    Edge("talk", "udp", "yes"),
    Edge("talk", "upgrade", "no"),
    Edge("udp", "webrtc", "yes"),
    Edge("udp", "webtransport", "yes, not WebRTC"),
    Edge("udp", "upgrade", "no"),
    Edge("recording", "http", "yes"),
    Edge("recording", "upgrade", "no"),
    Edge("team", "grpc", "yes"),
    Edge("team", "upgrade", "no"),
    Edge("line", "sip", "yes"),
    Edge("line", "websocket", "no"),
    Edge("upgrade", "websocket", "yes"),
    Edge("upgrade", "rest", "no"),
    Edge("rest", "http", ""),
    Edge("rest", "grpc", ""),
    Edge("rest", "webrtc", ""),
    Edge("rest", "webtransport", ""),
)


def path(asked: Inputs, wire: str, dialect: str) -> tuple[str, ...]:
    """The questions that lead to this wire, and the node of the wire."""
    if asked.many:
        if wire == "moq":
            return ("audience", "drafts", wire)
        return ("audience", "drafts", *_past_upgrade(wire))
    way = ["audience", "provider"]
    if asked.provider != "own":
        way.append("speaks")
        if dialect == asked.provider:
            return (*way, f"their-{wire}")
    return (*way, "who", *_of_the_client(asked, wire))


def _of_the_client(asked: Inputs, wire: str) -> tuple[str, ...]:
    match asked.client:
        case "telephone":
            return ("line", wire)
        case "batch" if wire == "http":
            return ("recording", wire)
        case "batch":
            return ("recording", *_past_upgrade(wire))
        case "server" if wire == "grpc" and not asked.talks:
            return ("team", wire)
        case "server":
            return ("team", *_past_upgrade(wire))
        case _ if asked.talks and wire in {"webrtc", "webtransport"}:
            return ("talk", "udp", wire)
        case _ if asked.talks:
            return ("talk", "udp", *_past_upgrade(wire))
        case _:
            return ("talk", *_past_upgrade(wire))


def _past_upgrade(wire: str) -> tuple[str, ...]:
    return ("upgrade", wire) if wire == "websocket" else ("upgrade", "rest", wire)


def steps(way: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Question and answer of each step of a way."""
    labels = {(edge.start, edge.end): edge.label for edge in EDGES}
    found: list[tuple[str, str]] = []
    for start, end in itertools.pairwise(way):
        label = labels[start, end]
        found.append((NODES[start].text, label or NODES[end].lines[0]))
    return tuple(found)
