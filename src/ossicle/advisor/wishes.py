"""What would be best for a purpose, best first, if nothing stood in the way.

    wishes(Inputs(client="browser", provider="openai"))[0]   -> WebRTC, in OpenAI's dialect

An order depends on the purpose alone (who sends, to whom, how soon, how many listen), never on
the obstacles. So taking an obstacle away can only let an earlier wish come true, which is the law
that the tests hold the advice to: more freedom never makes it worse. Obstacles are in `decide`.
"""

from typing import NamedTuple

import msgspec

from .inputs import Inputs

__all__ = ["FIXED", "Why", "Wish", "wishes"]


class Why(NamedTuple):
    """A reason: a sentence, and the fact it rests on."""

    text: str
    fact: str


class Wish(msgspec.Struct, frozen=True):
    """One way to do it."""

    wire: str
    dialect: str
    """`native` is Ossicle's own; a provider's name is the protocol its SDKs speak."""
    why: tuple[Why, ...]


FIXED = frozenset({"google", "riva"})
"""Providers that stream over gRPC and nothing else."""


def wishes(asked: Inputs) -> tuple[Wish, ...]:
    """Every way that could serve, best first."""
    own = _own(asked)
    if asked.client == "telephone":
        return (_SIP_OPENAI, *own) if asked.provider == "openai" else own
    if asked.many:
        return own
    return _once((*_of_provider(asked), *own))


def _once(given: tuple[Wish, ...]) -> tuple[Wish, ...]:
    found: dict[tuple[str, str], Wish] = {}
    for each in given:
        found.setdefault((each.wire, each.dialect), each)
    return tuple(found.values())


def _of_provider(asked: Inputs) -> tuple[Wish, ...]:
    """Its own protocol, with its own SDK, pointed here."""
    page = asked.client in {"browser", "mobile"}
    match asked.provider:
        case "deepgram":
            return (_DEEPGRAM_FILE, _DEEPGRAM) if asked.client == "batch" else (_DEEPGRAM,)
        case "assemblyai":
            return (_HTTP, _ASSEMBLYAI) if asked.client == "batch" else (_ASSEMBLYAI,)
        case "google":
            return (_GOOGLE,)
        case "riva":
            return (_RIVA,)
        case "amazon":
            return (_AMAZON,) if page else (_AMAZON_2, _AMAZON)
        case "openai" if asked.client == "batch":
            return (_OPENAI_FILE, _OPENAI_SOCKET)
        case "openai":
            return (_OPENAI_CALL, _OPENAI_SOCKET) if page else (_OPENAI_SOCKET,)
        case _:
            return ()


def _own(asked: Inputs) -> tuple[Wish, ...]:
    """To an engine of one's own, or to a gateway with a provider behind it."""
    match asked.client:
        case "telephone":
            return (_SIP, _CARRIER)
        case "batch":
            return (_HTTP_FILE, _SOCKET, _GRPC, _GRPC_WEB)
        case _ if asked.many:
            return (_MOQ, _SOCKET_MANY, _HTTP)
        case "browser" | "mobile" if asked.talks:
            return (_CALL, _QUIC_TALK, _SOCKET_TALK, _HTTP)
        case "browser" | "mobile":
            return (_SOCKET, _CALL_ALSO, _QUIC, _HTTP)
        case "server":
            return (_SOCKET_FAST, _GRPC, _HTTP) if asked.talks else (_GRPC, _SOCKET, _HTTP)


# ── in Ossicle's own protocol ──

_SOCKET = Wish(
    "websocket",
    "native",
    (
        Why(
            "Sound and words go both ways at once, and every client has it.",
            "websocket.full_duplex",
        ),
        Why(
            "Sound goes as bytes, with next to nothing around it.",
            "websocket.overhead",
        ),
        Why(
            "It passes nearly every network that lets web pages through.",
            "websocket.nat",
        ),
    ),
)
_SOCKET_FAST = Wish(
    "websocket",
    "native",
    (
        Why(
            "Between servers it reaches 100 ms like anything else: what counts is an "
            "engine that is fast, and near.",
            "latency.protocol",
        ),
        Why(
            "Sound goes as bytes, with next to nothing around it.",
            "websocket.overhead",
        ),
        Why(
            "Both ends send whenever they like.",
            "websocket.full_duplex",
        ),
    ),
)
_SOCKET_TALK = Wish(
    "websocket",
    "native",
    (
        Why(
            "It passes where UDP does not, and a browser can hand it a microphone with "
            "the echo taken out.",
            "websocket.nat",
        ),
        Why(
            "Both ends send whenever they like.",
            "websocket.full_duplex",
        ),
        Why(
            "On a good line it is as quick; a lost packet holds up what follows.",
            "websocket.head_of_line",
        ),
    ),
)
_SOCKET_MANY = Wish(
    "websocket",
    "native",
    (
        Why(
            "Listeners follow a session as observers, each over a connection of their "
            "own, in any browser.",
            "websocket.browsers",
        ),
        Why(
            "It passes nearly every network that lets web pages through.",
            "websocket.nat",
        ),
    ),
)
_HTTP = Wish(
    "http",
    "native",
    (
        Why(
            "It gets through wherever a web page does, upgrades and UDP or not.",
            "http.nat",
        ),
        Why(
            "One request is the whole client.",
            "http.maturity",
        ),
    ),
)
_HTTP_FILE = Wish(
    "http",
    "native",
    (
        Why(
            "A recording needs no conversation: one request, and its status says whether "
            "it worked.",
            "http.maturity",
        ),
        Why(
            "Sound goes as bytes, in the file's own format.",
            "http.binary",
        ),
        Why(
            "On a kept connection the next recording starts at once.",
            "http.setup_resumed",
        ),
    ),
)
_GRPC = Wish(
    "grpc",
    "native",
    (
        Why(
            "Flow control for each call comes with it.",
            "grpc.flow_control",
        ),
        Why(
            "Many streams share one connection between two servers.",
            "grpc.multiplexing",
        ),
        Why(
            "Streaming both ways is part of how a service is declared.",
            "grpc.full_duplex",
        ),
    ),
)
_GRPC_WEB = Wish(
    "grpcweb",
    "native",
    (
        Why(
            "A recording is one message, and its words are another: a page can do that.",
            "grpcweb.full_duplex",
        ),
        Why(
            "No proxy can lose its status: it stands in the body.",
            "grpcweb.nat",
        ),
    ),
)
_CALL = Wish(
    "webrtc",
    "native",
    (
        Why(
            "The browser cancels the echo of the voice that answers.",
            "webrtc.capture",
        ),
        Why(
            "A lost packet is concealed instead of holding up the next one.",
            "webrtc.head_of_line",
        ),
        Why(
            "It finds its way through NAT.",
            "webrtc.nat",
        ),
    ),
)
_CALL_ALSO = Wish(
    "webrtc",
    "native",
    (
        Why(
            "Capture with echo cancelling, and patience with a bad line.",
            "webrtc.capture",
        ),
        Why(
            "A lost packet is concealed instead of holding up the next one.",
            "webrtc.head_of_line",
        ),
    ),
)
_QUIC = Wish(
    "webtransport",
    "native",
    (
        Why(
            "No stream waits for another's lost packet.",
            "webtransport.head_of_line",
        ),
        Why(
            "One round trip less than WebSocket before the first sound.",
            "webtransport.setup",
        ),
        Why(
            "Today's browsers have it.",
            "webtransport.browsers",
        ),
    ),
)
_QUIC_TALK = Wish(
    "webtransport",
    "native",
    (
        Why(
            "Late sound can be dropped instead of sent again.",
            "webtransport.datagrams",
        ),
        Why(
            "No stream waits for another's lost packet.",
            "webtransport.head_of_line",
        ),
        Why(
            "Today's browsers have it.",
            "webtransport.browsers",
        ),
    ),
)
_MOQ = Wish(
    "moq",
    "native",
    (
        Why(
            "The speaker sends once; relays copy it to as many as listen.",
            "moq.fan_out",
        ),
        Why(
            "A slow listener loses old groups instead of holding up the others.",
            "moq.flow_control",
        ),
        Why(
            "Today's browsers have what it runs on.",
            "moq.browsers",
        ),
    ),
)
_SIP = Wish(
    "sip",
    "native",
    (
        Why(
            "It is what telephone lines speak: a SIP gateway takes the call, and goes on "
            "over WebSocket or gRPC.",
            "sip.maturity",
        ),
        Why(
            "A lost packet is a gap of 20 ms.",
            "sip.head_of_line",
        ),
    ),
)
_CARRIER = Wish(
    "websocket",
    "twilio",
    (
        Why(
            "A carrier that has the number opens a WebSocket to you, so that no SIP has to be run.",
            "twilio.wire",
        ),
        Why(
            "It passes nearly every network.",
            "websocket.nat",
        ),
    ),
)

# ── in the provider's own protocol ──

_DEEPGRAM = Wish(
    "websocket",
    "deepgram",
    (
        Why(
            "Deepgram streams over WebSocket, in binary messages.",
            "deepgram.wire",
        ),
        Why(
            "Sound goes as bytes, with next to nothing around it.",
            "websocket.overhead",
        ),
    ),
)
_DEEPGRAM_FILE = Wish(
    "http",
    "deepgram",
    (
        Why(
            "Deepgram takes a recording in one request.",
            "deepgram.wire",
        ),
        Why(
            "One request, and its status says whether it worked.",
            "http.maturity",
        ),
    ),
)
_ASSEMBLYAI = Wish(
    "websocket",
    "assemblyai",
    (
        Why(
            "AssemblyAI streams over WebSocket, in binary messages.",
            "assemblyai.wire",
        ),
        Why(
            "Sound goes as bytes, with next to nothing around it.",
            "websocket.overhead",
        ),
    ),
)
_GOOGLE = Wish(
    "grpc",
    "google",
    (
        Why(
            "Google Cloud Speech streams over gRPC and nothing else.",
            "google.wire",
        ),
        Why(
            "Flow control for each call comes with it.",
            "grpc.flow_control",
        ),
        Why(
            "Many streams share one connection.",
            "grpc.multiplexing",
        ),
    ),
)
_RIVA = Wish(
    "grpc",
    "riva",
    (
        Why(
            "Riva streams over gRPC and nothing else.",
            "riva.wire",
        ),
        Why(
            "Flow control for each call comes with it.",
            "grpc.flow_control",
        ),
    ),
)
_AMAZON = Wish(
    "websocket",
    "amazon",
    (
        Why(
            "Amazon Transcribe streams over WebSocket as well as HTTP/2, and its SDK for browsers "
            "does.",
            "amazon.wire",
        ),
        Why(
            "HTTP/2 would bring no second stream: one a connection is all it takes.",
            "amazon.multiplexing",
        ),
        Why("It passes proxies that speak only HTTP/1.1 inwards.", "websocket.nat"),
    ),
)
_AMAZON_2 = Wish(
    "http2",
    "amazon",
    (
        Why(
            "It is what Amazon's Python and Node SDKs speak: keep them, and nothing has to be "
            "rewritten.",
            "amazon.wire",
        ),
        Why("Each stream tells its sender how far to go.", "http2.flow_control"),
        Why("One round trip less than WebSocket before the first sound.", "http2.setup"),
    ),
)
_OPENAI_CALL = Wish(
    "webrtc",
    "openai",
    (
        Why(
            "OpenAI recommends it for browsers and phones.",
            "openai.wire",
        ),
        Why(
            "The browser cancels the echo of the voice that answers.",
            "webrtc.capture",
        ),
        Why(
            "Sound goes as Opus packets, where its WebSocket wants base64.",
            "base64.cost",
        ),
    ),
)
_OPENAI_SOCKET = Wish(
    "websocket",
    "openai",
    (
        Why(
            "OpenAI recommends it between servers.",
            "openai.wire",
        ),
        Why(
            "Both ends send whenever they like.",
            "websocket.full_duplex",
        ),
    ),
)
_OPENAI_FILE = Wish(
    "http",
    "openai",
    (
        Why(
            "OpenAI takes a recording in one request.",
            "http.providers",
        ),
        Why(
            "One request, and its status says whether it worked.",
            "http.maturity",
        ),
    ),
)
_SIP_OPENAI = Wish(
    "sip",
    "openai",
    (
        Why(
            "OpenAI Realtime answers telephone calls at a SIP address.",
            "openai.wire",
        ),
        Why(
            "It is what telephone lines speak.",
            "sip.maturity",
        ),
    ),
)
