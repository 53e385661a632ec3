"""The PROXY protocol, versions 1 and 2: who a connection is from, said before its first byte.

    async with asyncio.TaskGroup() as group:
        proxied = Proxied(listening, trusted, factory, ssl=context)
        group.create_task(proxied.run())

For balancers that pass TLS through and so can write no header into the request (HAProxy
`send-proxy-v2`, cloud load balancers). The header stands in front of the TLS handshake, so it is
read from the bare socket, and only then the connection is given to the event loop: from there on
nothing is different and nothing costs more. The specification is HAProxy's `proxy-protocol.txt`.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
import ssl as tls
import struct
from collections.abc import Callable
from typing import Final

from ..keys.forwarded import Network, address_of, within

__all__ = ["BadHeader", "Proxied", "read_header"]

log = logging.getLogger("ossicle.gateway")

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_V1 = 107
"""With its line end (section 2.1)."""
_LONGEST_V2 = 2_048
"""Addresses take up to 216 bytes; the rest are extensions, which nobody here reads."""
_TIRED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_HANDSHAKES = 1_024
"""Connections whose header is read at once; the others wait with the system."""

_MOST_SAID = 20
"""Warnings; what comes after is for `--log-level debug`."""


class BadHeader(Exception):
    """What came is no PROXY header. The connection is closed: section 2 forbids to guess."""


class Proxied:
    """Takes connections of one listening socket."""

    def __init__(
        self,
        listening: socket.socket,
        trusted: tuple[Network, ...],
        factory: Callable[[tuple[str, int] | None], asyncio.Protocol],
        *,
        ssl: tls.SSLContext | None = None,
        header_s: float = 10.0,
    ) -> None:
        """
        Args:
            listening: bound, listening, not blocking.
            trusted: who may write the header.
            factory: makes the protocol of a connection that is from there; None = from the proxy
                itself (its health checks).
            ssl: what follows the header is TLS.
            header_s: how long the header may take.
        """
        self._listening, self._trusted = listening, trusted
        self._factory, self._ssl, self._header_s = factory, ssl, header_s
        self._places = asyncio.Semaphore(_HANDSHAKES)
        self._accepting: asyncio.Task[None] | None = None
        self._closed = 0
        self.pending = 0
        """Connections that were taken and have no protocol yet."""

    async def run(self) -> None:
        """Until `stop`, and until what was taken before is through; or until cancelled. The
        connections live on."""
        async with asyncio.TaskGroup() as group:
            self._accepting = group.create_task(self._accept(group), name="accept")

    async def stop(self) -> None:
        """Take no more. The socket may be closed then."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])

    async def _accept(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._places.acquire()
            try:
                sock, peer = await loop.sock_accept(self._listening)
            except OSError as error:
                self._places.release()
                if error.errno in _TIRED:
                    log.warning("no connection can be taken: %s", error.strerror)
                    await asyncio.sleep(1.0)  # as the event loop does by itself
                continue
            self.pending += 1
            group.create_task(self._take(sock, str(peer[0])), name="PROXY header")

    async def _take(self, sock: socket.socket, peer: str) -> None:
        taken = False
        try:
            sock.setblocking(False)
            if not within(address_of(peer), self._trusted):
                raise BadHeader("it is not from one of access.trust_proxies")
            async with asyncio.timeout(self._header_s):
                client = await read_header(sock)
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(
                lambda: self._factory(client),
                sock,
                ssl=self._ssl,
                ssl_handshake_timeout=None if self._ssl is None else self._header_s,
            )
            taken = True
        except (BadHeader, TimeoutError) as error:
            self._closed += 1  # anybody can make these lines
            log.log(
                logging.WARNING if self._closed <= _MOST_SAID else logging.DEBUG,
                "connection from %s closed: %s (access.proxy_protocol)",
                peer,
                str(error) or f"no PROXY header within {self._header_s:g} s",
            )
        except OSError as error:  # it left, or its TLS handshake failed
            log.debug("connection from %s: %s", peer, type(error).__name__)
        finally:
            if not taken:
                sock.close()
            self.pending -= 1
            self._places.release()


async def read_header(sock: socket.socket) -> tuple[str, int] | None:
    """Read the header, and not one byte more. Returns who the connection is from; None = from the
    proxy itself.

    Raises:
        BadHeader: it is none.
        OSError: the connection broke.
    """
    start = await _exactly(sock, len(SIGNATURE))
    if start == SIGNATURE:
        return await _version_2(sock)
    if start.startswith(b"PROXY "):
        return await _version_1(sock, start)
    raise BadHeader("it does not begin with a PROXY header")


async def _version_1(sock: socket.socket, start: bytes) -> tuple[str, int] | None:
    line = start
    while not line.endswith(b"\r\n"):
        if len(line) >= _LONGEST_V1:
            raise BadHeader(f"its PROXY line is longer than {_LONGEST_V1} bytes")
        line += await _exactly(sock, 1)  # nothing of what follows may be taken
    words = line.decode("latin-1").split()
    if words[1:2] == ["UNKNOWN"]:
        return None
    if len(words) != 6 or words[1] not in {"TCP4", "TCP6"}:
        raise BadHeader("its PROXY line is not of TCP4, TCP6 or UNKNOWN")
    address, port = address_of(words[2]), words[4]
    if not address or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise BadHeader("its PROXY line has no address and port")
    return address, int(port)


async def _version_2(sock: socket.socket) -> tuple[str, int] | None:
    kind, family, size = struct.unpack("!BBH", await _exactly(sock, 4))
    if kind >> 4 != 2 or kind & 15 > 1:
        raise BadHeader(f"version and command of its PROXY header are {kind:#04x}")
    if size > _LONGEST_V2:
        raise BadHeader(f"its PROXY header says {size} bytes; the limit is {_LONGEST_V2}")
    body = await _exactly(sock, size)
    if kind & 15 == 0:  # LOCAL: the proxy speaks for itself
        return None
    match family:
        case 0x11 if size >= 12:
            return str(ipaddress.IPv4Address(body[:4])), int.from_bytes(body[8:10])
        case 0x21 if size >= 36:
            return str(ipaddress.IPv6Address(body[:16])), int.from_bytes(body[32:34])
        case 0x00:  # UNSPEC: it does not know
            return None
        case _:
            raise BadHeader(f"family {family:#04x} of its PROXY header is not TCP over IP")


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(sock, size - len(data))
        if not more:
            raise ConnectionResetError("left before its PROXY header was complete")
        data += more
    return data
