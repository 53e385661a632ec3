"""One listening port, from its socket to its last connection.

    door = Door(config, bind("127.0.0.1", 8080))
    await door.serve(sockets=[door.bound])

Knows no house: what a connection may do is decided elsewhere.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from ..keys.forwarded import Network
from .listening import listen
from .proxied import Proxied

__all__ = ["Door", "bind"]

_FRESH_S = 1.0
"""How long a connection that was taken, and has asked for nothing yet, is waited for."""
_TLS_S = 0.25
"""A TLS handshake is seen by nobody until it is over: two round trips of a far client."""


class Door(uvicorn.Server):
    """One listening port. Signals belong to whoever runs the process."""

    def __init__(
        self,
        config: uvicorn.Config,
        bound: socket.socket,
        proxies: tuple[Network, ...] | None = None,
        *,
        handshake_s: float = 10.0,
    ) -> None:
        """
        Args:
            config: of uvicorn.
            bound: the socket, listening.
            proxies: every connection begins with a PROXY header from one of these.
            handshake_s: how long that header, and TLS, may take to begin.
        """
        super().__init__(config)
        self.bound = bound
        self.host, self.port = str(bound.getsockname()[0]), int(bound.getsockname()[1])
        self.listening = asyncio.Event()
        self._proxies, self._handshake_s = proxies, handshake_s
        self._proxied: Proxied | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, and say so."""
        await super().startup([])
        if self._proxies is None:
            self.servers = [await listen(self, self.bound, handshake_s=self._handshake_s)]
        else:  # the event loop would give the header to TLS or to the HTTP parser
            self._proxied = Proxied(
                self.bound,
                self._proxies,
                self._protocol,
                ssl=self.config.ssl,
                header_s=self._handshake_s,
            )
        self.listening.set()

    async def take(self) -> None:
        """Take connections that begin with a PROXY header, where they do; until `leave`."""
        if self._proxied is not None:
            await self._proxied.run()

    def _protocol(self, client: tuple[str, int] | None) -> asyncio.Protocol:
        """As `uvicorn.Server.startup` makes one."""
        make: Any = self.config.http_protocol_class
        protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        protocol.proxied = client
        return protocol

    async def leave(self) -> None:
        """Take no more connections, and let those that were taken and have asked for nothing yet
        ask. Then connections that wait for a further request are closed."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        least = _TLS_S if self.config.ssl is not None else 0.0
        await self._close_socket()
        await asyncio.sleep(0)  # what was accepted in this turn of the loop gets its protocol
        # nobody tells when the last connection has asked
        while (late := loop.time() - start) < _FRESH_S and (late < least or self._fresh()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for connection in tuple(self.server_state.connections):
            if getattr(connection, "cycle", None) is not None:
                connection.shutdown()

    def _fresh(self) -> bool:
        if self._proxied is not None and self._proxied.pending:
            return True
        return any(
            isinstance(connection, self.config.http_protocol_class)
            and getattr(connection, "cycle", None) is None
            for connection in self.server_state.connections
        )

    async def _close_socket(self) -> None:
        for server in self.servers:
            server.close()
        if self._proxied is not None:
            await self._proxied.stop()
        self.bound.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The end of every connection."""
        await self._close_socket()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """uvicorn's own handlers are left out."""
        yield

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host = self.host
        if host in {"127.0.0.1", "::1", "0.0.0.0", "::"}:  # noqa: S104  shown, not bound
            host = "localhost"
        scheme = "https" if self.config.ssl is not None else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: the port is taken, or may not be opened; the text names it.
    """
    try:
        address = ipaddress.ip_address(host)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        where: str = str(address)
    except ValueError:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        where = str(found[0])
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection. uvloop sets it by itself; asyncio does not for a socket
        # that was handed over, and a head and a body over TLS would be 40 ms apart (RFC 9293
        # section 3.7.4 against delayed acknowledgements).
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((where, port))
        bound.listen(2048)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(
            error.errno, f"port {port} of {host} cannot be opened: {error.strerror}"
        ) from error
    return bound
