"""picows' protocol class behind one function: the parser of both ends of a WebSocket.

    protocol = picows_protocol(channel, settings, factory)      # a server's
    feed(protocol, data)

`WSProtocol` is not documented API (15 positional arguments of picows 2.3.1). Nothing else in the
package touches it, and `tests/interop/test_upgrade_canary.py` fails when it changes.
"""

import asyncio
import logging
from typing import Any, cast

from picows import WSAutoPingStrategy
from picows import picows as picows_core

from .channel import WebSocketChannel, WebSocketSettings

__all__ = ["PicowsLog", "feed", "picows_protocol"]

log = logging.getLogger("ossicle.transports.websocket")


class PicowsLog:
    """picows' logger for one connection: quiet, but a parser error is told to the channel, which
    has no other way to learn of it before the connection is gone."""

    __slots__ = ("_channel",)

    def __init__(self, channel: WebSocketChannel) -> None:
        self._channel = channel

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  logging's name
        return False

    def debug(self, message: str, *values: object) -> None: ...

    def log(self, level: int, message: str, *values: object) -> None: ...

    info = warning = debug

    def error(self, message: str, *values: object) -> None:
        """`WS parser error: %s` with (code, text) comes just before the Close is sent."""
        if message.startswith("WS parser error") and values:
            code, text = cast("tuple[int, str]", values[0])
            self._channel.parser_failed(int(code), text)
        else:
            log.error("picows: %s", message)

    def exception(self, message: str, *values: object) -> None:
        """picows failed inside; the traceback is its own."""
        log.error("picows: %s", message, exc_info=True)  # noqa: LOG014  called from its except
        self._channel.parser_failed(1002, "picows could not parse a frame")


def picows_protocol(
    channel: WebSocketChannel,
    settings: WebSocketSettings,
    factory: Any,
    *,
    host: str = "",
    target: str = "",
    headers: tuple[tuple[str, str], ...] = (),
) -> asyncio.BufferedProtocol:
    """A `WSProtocol`; `host` makes it a client's, which sends its request when connected."""
    # The stub leaves the class out.
    make: Any = vars(picows_core)["WSProtocol"]
    return make(
        host or None,
        target or None,
        bool(host),  # is_client_side
        factory,
        PicowsLog(channel),
        True,  # disconnect_on_exception: ours never raise
        None,  # handshake timeout: ours
        False,  # auto ping: one shared beat instead of a task each
        settings.keepalive_s,
        settings.keepalive_s,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # auto pong: a receiver wants to know of pings
        settings.max_message,
        headers,
        settings.read_buffer,
    )


def feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Bytes into a `BufferedProtocol`, as the event loop would."""
    view = memoryview(data)
    while view:
        room = memoryview(protocol.get_buffer(-1))
        size = min(len(room), len(view))
        room[:size] = view[:size]
        protocol.buffer_updated(size)
        view = view[size:]
