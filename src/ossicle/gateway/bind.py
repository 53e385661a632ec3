"""Bindings: which dialect answers which path on which wire. The registry of what the HTTP and
WebSocket doors understand; adding a dialect adds its lines here."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ossicle.core.errors import OssicleError, Refused
from ossicle.core.legs import Leg
from ossicle.core.ports import Acceptor, Channel, Dialect, Receiver
from ossicle.core.wire import Message, Opening
from ossicle.dialects.assemblyai import AssemblyServer, LegacyServer
from ossicle.dialects.native import NativeServer
from ossicle.dialects.native.errors import refusal

from .house import House

__all__ = ["BINDINGS", "Binding", "router"]


class Binding(NamedTuple):
    """One dialect at one path on one wire."""

    transport: str
    path: str
    dialect: Callable[[], Dialect]


BINDINGS: tuple[Binding, ...] = (
    Binding("websocket", "/v1/stream", NativeServer),
    Binding("websocket", "/v2/realtime/ws", LegacyServer),
    Binding("websocket", "/v3/ws", AssemblyServer),
    Binding("http", "/v1/stream", NativeServer),
)


def router(house: House, transport: str, bindings: Iterable[Binding] = BINDINGS) -> Acceptor:
    """The acceptor of one wire: finds the binding and starts a leg on it."""
    table = {b.path: b.dialect for b in bindings if b.transport == transport}

    def accept(opening: Opening, channel: Channel) -> Receiver:
        make = table.get(opening.path)
        if make is None:
            known = ", ".join(sorted(table))
            error = Refused(
                f"nothing answers at {opening.path[:100]}; try {known}", code="not_found"
            )
            channel.send(refusal(error.fault()))
            return _Nobody()
        leg = Leg(make(), channel, house)
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
