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
    way: tuple[int, ...]
    """Points of the line, x and y in turn. Two points: a curve; more: with corners."""
    place: tuple[int, int] = (0, 0)
    """Of the label; 0 0 = by the first third of the line."""


def _wire(name: str, x: int) -> Node:
    return Node(name, (WIRES[name],), x, 668, 126 if name == "moq" else 114, 44, name)


def _theirs(wire: str, whose: str, row: int) -> Node:
    return Node(f"their-{wire}", (WIRES[wire], whose), 1044, 166 + 58 * row, 200, 48, wire)


_ALL = (
    Node("audience", ("One speaks,", "many listen?"), 150, 54),
    Node("provider", ("Does a provider", "fix the protocol?"), 500, 54),
    Node("speaks", ("Can the client speak it,", "from where it is?"), 838, 54),
    Node("drafts", ("Both ends yours,", "UDP open, and the", "browsers able?"), 104, 196, 156, 76),
    Node("who", ("Who sends the sound?",), 500, 176),
    Node("talk", ("A conversation: 100 ms,", "or an echo to cancel?"), 290, 306, 184),
    Node("recording", ("One request", "for each recording?"), 478, 306, 148),
    Node("team", ("Does the team run", "gRPC, without haste?"), 662, 306, 166),
    Node("line", ("Does SIP", "reach you?"), 836, 306, 124),
    Node("udp", ("Is UDP open?",), 290, 428, 132, 48),
    Node("upgrade", ("Do WebSockets pass?",), 556, 452, 164, 48),
    Node("rest", ("What else gets through?",), 560, 562, 192, 44),
    _wire("moq", 76),
    _wire("webtransport", 204),
    _wire("webrtc", 324),
    _wire("http", 446),
    _wire("grpcweb", 568),
    _wire("grpc", 690),
    _wire("websocket", 812),
    _wire("sip", 934),
    _theirs("websocket", "most of them", 0),
    _theirs("grpc", "Google, Riva", 1),
    _theirs("webrtc", "OpenAI, from a page", 2),
    _theirs("http2", "Amazon, as well", 3),
    _theirs("sip", "OpenAI, by telephone", 4),
    _theirs("http", "for recordings", 5),
)
NODES: dict[str, Node] = {node.name: node for node in _ALL}
"""Every node by its name; the positions are in units of the drawing."""


def _of_theirs() -> tuple[Edge, ...]:
    rows = [node for node in _ALL if node.name.startswith("their-")]
    return tuple(
        Edge("speaks", node.name, "yes", (908, 82, 908, node.y, 944, node.y), (908, 120))
        for node in rows
    )


EDGES: tuple[Edge, ...] = (
    Edge("audience", "drafts", "yes", (130, 82, 104, 158)),
    Edge("audience", "provider", "no", (238, 54, 412, 54), (325, 58)),
    Edge("drafts", "moq", "yes", (78, 234, 78, 646), (78, 300)),
    Edge("drafts", "upgrade", "no", (150, 234, 150, 468, 474, 468), (150, 300)),
    Edge("provider", "speaks", "yes", (588, 54, 750, 54), (669, 58)),
    Edge("provider", "who", "no, my own engine", (500, 82, 500, 148), (500, 120)),
    *_of_theirs(),
    Edge("speaks", "who", "no: a gateway translates", (800, 82, 800, 176, 588, 176), (694, 168)),
    Edge("who", "talk", "browser, phone", (440, 204, 290, 278), (318, 248)),
    Edge("who", "recording", "batch", (490, 204, 478, 278), (482, 250)),
    Edge("who", "team", "server", (530, 204, 662, 278), (650, 258)),
    Edge("who", "line", "telephone", (570, 204, 836, 278), (810, 254)),
    Edge("talk", "udp", "yes", (280, 334, 290, 404), (284, 374)),
    Edge("talk", "upgrade", "no", (340, 334, 510, 428), (386, 374)),
    Edge("udp", "webrtc", "yes", (306, 452, 324, 646), (308, 520)),
    Edge("udp", "webtransport", "yes, without WebRTC", (262, 452, 204, 646), (220, 586)),
    Edge("udp", "upgrade", "no", (356, 428, 474, 444), (414, 440)),
    Edge("recording", "http", "yes", (446, 334, 446, 646), (446, 372)),
    Edge("recording", "upgrade", "no", (490, 334, 540, 428), (530, 374)),
    Edge("team", "grpc", "yes", (690, 334, 690, 646), (690, 372)),
    Edge("team", "upgrade", "no", (640, 334, 580, 428), (626, 374)),
    Edge("line", "sip", "yes", (860, 334, 934, 646), (866, 372)),
    Edge("line", "websocket", "no", (820, 334, 820, 646), (820, 372)),
    Edge("upgrade", "websocket", "yes", (638, 452, 790, 452, 790, 646), (660, 456)),
    Edge("upgrade", "rest", "no", (556, 476, 560, 540), (558, 512)),
    Edge("rest", "http", "", (520, 584, 470, 646)),
    Edge("rest", "grpcweb", "", (564, 584, 568, 646)),
    Edge("rest", "grpc", "", (610, 584, 664, 646)),
    Edge("rest", "webrtc", "", (464, 556, 346, 646)),
    Edge("rest", "webtransport", "", (464, 568, 226, 646)),
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
