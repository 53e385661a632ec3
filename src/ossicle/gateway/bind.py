"""Bindings: which dialect answers which path on which wire. The registry of what the HTTP and
WebSocket doors understand; adding a dialect adds its lines here."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from ossicle.audio.speechfile import speech_file
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.legs import Leg
from ossicle.core.ports import Acceptor, Channel, Dialect, Receiver
from ossicle.core.wire import Message, Opening
from ossicle.dialects.assemblyai import AssemblyServer, LegacyServer
from ossicle.dialects.deepgram import ListenServer, PrerecordedServer
from ossicle.dialects.deepgram.flux_server import FluxServer
from ossicle.dialects.deepgram.speak_request import SpeakRequest
from ossicle.dialects.deepgram.speak_server import SpeakServer
from ossicle.dialects.native import NativeObserver, NativeServer
from ossicle.dialects.native.errors import refusal

from .house import House
from .traces import Greeting, trace_of

__all__ = ["BINDINGS", "Binding", "router"]


class Binding(NamedTuple):
    """One dialect at one path on one wire."""

    transport: str
    path: str
    dialect: Callable[[], Dialect]
    methods: tuple[str, ...] = ("POST",)
    """Of HTTP."""


BINDINGS: tuple[Binding, ...] = (
    Binding("http", "/v1/listen", PrerecordedServer),
    Binding("websocket", "/v1/listen", ListenServer),
    Binding("http", "/v1/speak", partial(SpeakRequest, speech_file)),
    Binding("websocket", "/v1/speak", SpeakServer),
    Binding("websocket", "/v1/stream", NativeServer),
    Binding("websocket", "/v2/listen", FluxServer),
    Binding("websocket", "/v1/sessions/{name}/events", NativeObserver),
    Binding("websocket", "/v2/realtime/ws", LegacyServer),
    Binding("websocket", "/v3/ws", AssemblyServer),
    Binding("http", "/v1/stream", NativeServer),
    Binding("http", "/v1/sessions/{name}/events", NativeObserver, ("GET",)),
)


def router(house: House, transport: str, bindings: Iterable[Binding] = BINDINGS) -> Acceptor:
    """The acceptor of one wire: finds the binding and starts a leg on it."""
    table = {b.path: b.dialect for b in bindings if b.transport == transport}
    patterns = [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), make)
        for path, make in table.items()
        if "{" in path
    ]

    def find(path: str) -> Callable[[], Dialect] | None:
        found = table.get(path) if "{" not in path else None
        for pattern, make in patterns if found is None else ():
            if pattern.fullmatch(path):
                return make
        return found

    def twin(opening: Opening) -> Dialect | None:
        make = find(opening.path)
        return make() if make is not None else None

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
        greeting.leg = leg = Leg(make(), greeting, house)
        leg.start(opening)
        # `binary` is an instance attribute; the checker takes it for a method and binds it
        return leg  # pyright: ignore[reportReturnType]

    return accept


class _Nobody:
    """The receiver of a channel that was refused."""

    def received(self, message: Message) -> None: ...
    def binary(self, data: bytes) -> None: ...
    def writable(self, yes: bool) -> None: ...
    def closed(self, error: OssicleError | None) -> None: ...
