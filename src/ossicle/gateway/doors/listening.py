"""What uvicorn leaves to the event loop's defaults: how long a TLS handshake and its end may take.

    server.servers = [await listen(server, bound, handshake_s=10.0)]

A peer that opens a connection and sends half a ClientHello, or nothing, holds a file of ours. The
loops wait 60 s for it, and 30 s for the last word of a peer that has already been hung up on.
"""

import asyncio
import socket
from typing import Any

import uvicorn

__all__ = ["listen"]

_GOODBYE_S = 5.0
"""RFC 8446 section 6.1: nobody has to wait for the other's close_notify."""


async def listen(
    server: uvicorn.Server, bound: socket.socket, *, handshake_s: float
) -> asyncio.Server:
    """Accept connections on a bound socket, as `uvicorn.Server.startup` does. The limit of a
    request head begins when the handshake is over."""
    config = server.config

    def protocol() -> asyncio.Protocol:
        make: Any = config.http_protocol_class
        return make(
            config=config, server_state=server.server_state, app_state=server.lifespan.state
        )

    limits: dict[str, Any] = {}
    if config.ssl is not None:
        limits = {"ssl_handshake_timeout": handshake_s, "ssl_shutdown_timeout": _GOODBYE_S}
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        protocol, sock=bound, ssl=config.ssl, backlog=config.backlog, **limits
    )
