"""WebSockets that sessions share: `connect(..., transport="mux")`.

One set of connections for each place, trust and proxy, in each event loop. The streams of a loop
that is over go with it.
"""

import asyncio
import ssl as tls
import weakref
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import msgspec

from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Opening
from ossicle.transports.mux.client import Trunk
from ossicle.transports.mux.frames import PATH
from ossicle.transports.tunnel import Proxy
from ossicle.transports.websocket.client import connect as open_websocket

__all__ = ["connect"]

_Key: TypeAlias = tuple[str, tls.SSLContext | None, Proxy | None]

_trunks: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, Trunk]]" = (
    weakref.WeakKeyDictionary()
)


async def connect(
    opening: Opening,
    receiver_factory: Callable[[Channel], Receiver],
    *,
    url: str,
    ssl: tls.SSLContext | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109  the transports' own name
    proxy: Proxy | None = None,
) -> Channel:
    """Open a stream on a WebSocket that is shared. As `transports.websocket.client.connect`; the
    path and the query of `url` are the stream's, not the connection's."""
    parts = urlsplit(url)
    base = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    home = _trunks.setdefault(asyncio.get_running_loop(), {})
    trunk = home.get((base, ssl, proxy))
    if trunk is None:

        async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
            return await open_websocket(
                opening, receiver, url=base, ssl=ssl, timeout=timeout, proxy=proxy
            )

        trunk = home[base, ssl, proxy] = Trunk(dial)
    path = opening.path if parts.path in {"", "/", PATH} else unquote(parts.path)
    query = (*parse_qsl(parts.query, keep_blank_values=True), *opening.query)
    wanted = msgspec.structs.replace(opening, path=path, query=query)
    return await trunk.connect(wanted, receiver_factory, timeout=timeout)
