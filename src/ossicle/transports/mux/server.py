"""The door of `ossicle.v1.mux`: an acceptor that makes many channels of one.

    door = mux_door(router(house, "mux"), MuxSettings())
    websocket_protocol(door)                  # or any wire that keeps messages apart

What a stream asks for is answered as if it were a WebSocket of its own. Its opening has the
connection's headers as well, and where both name one that says who is asking from where (`host`,
`origin`, what proxies add) the connection's is believed: a page of the web cannot forge that.
"""

import time
import uuid

import msgspec

from ossicle.core.errors import OssicleError
from ossicle.core.ports import Acceptor, Channel, Receiver
from ossicle.core.wire import Accept, Close, Message, Opening

from .connection import Connection
from .frames import STREAMS_HEADER, SUBPROTOCOL, Wanted
from .settings import MuxSettings

__all__ = ["mux_door"]

_STREAMS_OWN = frozenset({"authorization", "sec-websocket-protocol", "traceparent", "tracestate"})
"""Headers in which a stream may differ from its connection."""
_CONNECTIONS_OWN = frozenset({"upgrade", "connection", "sec-websocket-protocol"})
"""Headers that say nothing about a stream."""


def mux_door(acceptor: Acceptor, settings: MuxSettings | None = None) -> Acceptor:
    """What to ask for a connection; `acceptor` is asked for each stream."""
    limits = settings or MuxSettings()

    def accept(opening: Opening, channel: Channel) -> Receiver:
        offered = [
            word.strip()
            for name, value in opening.headers
            if name == "sec-websocket-protocol"
            for word in value.split(",")
        ]
        if SUBPROTOCOL not in offered:
            text = f"offer the subprotocol {SUBPROTOCOL}"
            channel.send(Close(400, text, body=text.encode()))
            return _Nobody()

        def stream(wanted: Wanted, inner: Channel) -> Receiver:
            return acceptor(_opening(opening, wanted, inner), inner)

        connection = Connection(channel, limits, accept=stream)
        headers = ((STREAMS_HEADER, str(limits.streams)),)
        channel.send(Accept(headers, SUBPROTOCOL))
        return connection

    return accept


def _opening(outer: Opening, wanted: Wanted, inner: Channel) -> Opening:
    mine = tuple((name.lower(), value) for name, value in wanted.headers)
    own = {name for name, _ in mine if name in _STREAMS_OWN}
    theirs = tuple(
        (name, value)
        for name, value in outer.headers
        if name not in own and name not in _CONNECTIONS_OWN
    )
    known = {name for name, _ in theirs}
    return msgspec.structs.replace(
        outer,
        id=str(uuid.uuid4()),
        at=time.time(),
        transport="mux",
        traits=inner.traits,
        path=wanted.path,
        query=wanted.query,
        headers=(*((n, v) for n, v in mine if n not in known), *theirs),
    )


class _Nobody:
    """The receiver of a channel that was refused."""

    def received(self, message: Message) -> None: ...
    def binary(self, data: bytes) -> None: ...
    def writable(self, yes: bool) -> None: ...
    def closed(self, error: OssicleError | None) -> None: ...
