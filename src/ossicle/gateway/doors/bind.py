"""Bindings: which dialect answers which path on which wire. The registry of what the
doors understand; adding a dialect adds its lines here."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from ossicle.audio.speechfile import speech_file
from ossicle.core.endpoint import Endpoint
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.legs import Leg
from ossicle.core.ports import Acceptor, Channel, Dialect, Receiver
from ossicle.core.wire import Message, Opening
from ossicle.dialects.assemblyai import AssemblyServer, LegacyServer
from ossicle.dialects.assemblyai.endpoints import legacy_token, v3_token
from ossicle.dialects.deepgram import ListenServer, PrerecordedServer
from ossicle.dialects.deepgram.endpoints import grant
from ossicle.dialects.deepgram.flux_server import FluxServer
from ossicle.dialects.deepgram.flux_speak_server import FluxSpeakServer
from ossicle.dialects.deepgram.speak_request import SpeakRequest
from ossicle.dialects.deepgram.speak_server import SpeakServer
from ossicle.dialects.native import NativeObserver, NativeServer
from ossicle.dialects.native.endpoints import new_token
from ossicle.dialects.native.errors import refusal
from ossicle.dialects.native.rpc_server import RpcListener, RpcRecognizer, RpcServer
from ossicle.dialects.openai import Books, RealtimeServer
from ossicle.dialects.openai.calls import CALLS as OPENAI_CALLS
from ossicle.dialects.openai.calls import hang_up, sip_only
from ossicle.dialects.openai.endpoints import beta_secret, client_secret
from ossicle.dialects.openai.speech_request import SpeechRequest
from ossicle.dialects.openai.transcription_request import TranscriptionRequest
from ossicle.dialects.twilio import CallServer, header_token, signed
from ossicle.dialects.twilio.endpoints import STATUS_PATH, VOICE_PATH, status_at, voice_at

from ..house import House
from ..reports.traces import Greeting, trace_of
from .rpcbind import CALLS

__all__ = ["BINDINGS", "ENDPOINTS", "Binding", "each", "router"]


class Binding(NamedTuple):
    """One dialect at one path on one wire."""

    transport: str
    path: str
    dialect: Callable[[House], Dialect]
    """Makes one for each channel; most need nothing of the house."""
    methods: tuple[str, ...] = ("POST",)
    """Of HTTP; of gRPC one of `rpcbind.Kind`, or none where the client streams."""


def each(make: Callable[[], Dialect]) -> Callable[[House], Dialect]:
    """A dialect that needs nothing of the house."""
    return lambda _house: make()


def _twilio(house: House) -> Dialect:
    guard = signed(
        house.secrets, public_url=house.settings.public_url, vouched=house.access.vouch("twilio")
    )
    return CallServer("twilio", guard=guard)


def _telnyx() -> Dialect:
    return CallServer("telnyx", guard=header_token("x-telnyx-streaming-auth-token"))


def _realtime(house: House) -> Dialect:
    return RealtimeServer(house.shared.setdefault("openai", Books()))


def _amazon(house: House) -> Dialect:
    return house.amazon.server()


def _native(house: House) -> Dialect:
    return NativeServer(heartbeat_s=house.settings.heartbeat_s)


def _observer(house: House) -> Dialect:
    return NativeObserver(heartbeat_s=house.settings.heartbeat_s)


def _rpc(make: Callable[..., Dialect]) -> Callable[[House], Dialect]:
    return lambda house: make(heartbeat_s=house.settings.heartbeat_s)


BINDINGS: tuple[Binding, ...] = (
    Binding("http", "/stream-transcription", _amazon),
    Binding("websocket", "/stream-transcription-websocket", _amazon),
    Binding("http", "/v1/listen", each(PrerecordedServer)),
    Binding("websocket", "/v1/listen", each(ListenServer)),
    Binding("http", "/v1/speak", each(partial(SpeakRequest, speech_file))),
    Binding("websocket", "/v1/speak", each(SpeakServer)),
    Binding("websocket", "/v1/realtime", _realtime),
    Binding("http", "/v1/audio/transcriptions", each(TranscriptionRequest)),
    Binding("http", "/v1/audio/speech", each(partial(SpeechRequest, speech_file))),
    Binding("websocket", "/v2/listen", each(FluxServer)),
    Binding("http", "/v2/speak", each(partial(SpeakRequest, speech_file, flux=True))),
    Binding("websocket", "/v2/speak", each(FluxSpeakServer)),
    Binding("websocket", "/v2/realtime/ws", each(LegacyServer)),
    Binding("websocket", "/v3/ws", each(AssemblyServer)),
    Binding("websocket", "/twilio/media", _twilio),
    Binding("websocket", "/telnyx/media", each(_telnyx)),
    Binding("websocket", "/vonage/media", each(lambda: CallServer("vonage"))),
    Binding("websocket", "/plivo/media", each(lambda: CallServer("plivo"))),
    Binding("websocket", "/v1/stream", _native),
    Binding("http", "/v1/stream", _native),
    Binding("grpc", "/ossicle.v1.Speech/Stream", _rpc(RpcServer)),
    Binding("grpc", "/ossicle.v1.Speech/Listen", _rpc(RpcListener), ("answers",)),
    Binding("grpc", "/ossicle.v1.Speech/Recognize", each(RpcRecognizer), ("unary",)),
    *(Binding("grpc", path, make, (kind,)) for path, make, kind in CALLS),
    Binding("websocket", "/v1/sessions/{name}/events", _observer),
    Binding("http", "/v1/sessions/{name}/events", _observer, ("GET",)),
    Binding("webrtc", OPENAI_CALLS, _realtime),
    Binding("webrtc", "/v1/realtime", _realtime),
    Binding("webrtc", "/whip", _native),
    Binding("webrtc", "/whep/{name}", _observer),
)

ENDPOINTS: tuple[tuple[str, str, Callable[[House], Endpoint]], ...] = (
    ("POST", "/v1/auth/grant", lambda _house: grant),
    ("POST", "/v1/tokens", lambda _house: new_token),
    ("POST", "/v1/realtime/client_secrets", lambda _house: client_secret),
    ("POST", "/v1/realtime/sessions", lambda _house: beta_secret),
    ("POST", "/v1/realtime/transcription_sessions", lambda _house: beta_secret),
    ("POST", f"{OPENAI_CALLS}/{{call_id}}/hangup", lambda _house: hang_up),
    ("POST", f"{OPENAI_CALLS}/{{call_id}}/accept", lambda _house: sip_only),
    ("POST", f"{OPENAI_CALLS}/{{call_id}}/reject", lambda _house: sip_only),
    ("POST", f"{OPENAI_CALLS}/{{call_id}}/refer", lambda _house: sip_only),
    ("POST", "/v2/realtime/token", lambda _house: legacy_token),
    ("GET", "/v3/token", lambda _house: v3_token),
    ("GET", VOICE_PATH, lambda house: voice_at(house.settings.public_url)),
    ("POST", VOICE_PATH, lambda house: voice_at(house.settings.public_url)),
    ("GET", STATUS_PATH, lambda house: status_at(house.settings.public_url)),
    ("POST", STATUS_PATH, lambda house: status_at(house.settings.public_url)),
)
"""Plain HTTP beside sessions: method, path, and what makes the endpoint."""


def router(house: House, transport: str, bindings: Iterable[Binding] = BINDINGS) -> Acceptor:
    """The acceptor of one wire: finds the binding and starts a leg on it."""
    table = {b.path: b.dialect for b in bindings if b.transport == transport}
    patterns = [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), make)
        for path, make in table.items()
        if "{" in path
    ]

    def find(path: str) -> Callable[[House], Dialect] | None:
        found = table.get(path) if "{" not in path else None
        for pattern, make in patterns if found is None else ():
            if pattern.fullmatch(path):
                return make
        return found

    def twin(opening: Opening) -> Dialect | None:
        make = find(opening.path)
        return make(house) if make is not None else None

    house.exits.twins[transport] = twin

    def accept(opening: Opening, channel: Channel) -> Receiver:
        make = find(opening.path)
        if make is None:
            known = ", ".join(sorted(table))
            error = Refused(
                f"nothing answers at {opening.path[:100]}; try {known}", code="not_found"
            )
            channel.send(refusal(error.fault()))
            return _Nobody()
        greeting = Greeting(channel, trace_of(opening))
        greeting.leg = leg = Leg(make(house), greeting, house)
        leg.start(house.forwarding.seen(opening))
        # `binary` is an instance attribute; the checker takes it for a method and binds it
        return leg  # pyright: ignore[reportReturnType]

    return accept


class _Nobody:
    """The receiver of a channel that was refused."""

    def received(self, message: Message) -> None: ...
    def binary(self, data: bytes) -> None: ...
    def writable(self, yes: bool) -> None: ...
    def closed(self, error: OssicleError | None) -> None: ...
