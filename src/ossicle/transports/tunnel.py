"""A connection to a host through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6), or SOCKS.

    wire = await dig(Proxy.of("http://user:secret@proxy.example:3128"), "speech.example", 443)

What comes back is a plain connection to the host, to be made TLS or not by who asked. Errors name
the proxy, never its password. Knows nothing of the environment: who asks has chosen the proxy.
"""

import asyncio
import base64
import re
import socket
import ssl as tls
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast
from urllib.parse import quote, unquote, urlsplit

import msgspec
from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy as SocksProxy

from ossicle.core.errors import ConnectionLost, Refused, TimedOut

from .trust import platform_trust, untrusted

__all__ = ["CreateConnection", "Proxy", "connection", "dig", "reached"]

MAX_HEAD = 16 * 1024
"""Longest answer to CONNECT."""

CreateConnection: TypeAlias = Callable[..., Awaitable[Any]]
"""The event loop's `create_connection`, or one of the same shape."""

_PORTS = {"http": 3128, "https": 443, "socks4": 1080, "socks5": 1080}
_ALIASES = {"socks": "socks5", "socks5h": "socks5", "socks4a": "socks4"}
"""Names are looked up by the proxy in any case: it may be the only one that can."""


class Proxy(msgspec.Struct, frozen=True):
    """One proxy."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @classmethod
    def of(cls, url: str) -> "Proxy":
        """From `http://user:password@host:port`; also https, socks4 and socks5, and without a
        scheme as http.

        Raises:
            Refused: it is none. The text does not repeat it, since it may hold a password.
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            scheme = _ALIASES.get(parts.scheme.lower(), parts.scheme.lower())
            made = cls(
                scheme,
                parts.hostname or "",
                _PORTS[scheme] if parts.port is None else parts.port,
                unquote(parts.username or ""),
                unquote(parts.password or ""),
            )
        except (ValueError, KeyError):
            made = None
        if made is None or not made.host or not made.port or re.search(r"[\s\x00-\x1f]", url):
            raise Refused(
                "a proxy is http://host:port, https://, socks4:// or socks5://, with user:password@"
                " before the host where it wants one (proxy=, HTTPS_PROXY, HTTP_PROXY, ALL_PROXY)",
                code="bad_option",
            )
        return made

    def __repr__(self) -> str:
        return f"Proxy({self})"

    def __str__(self) -> str:
        """How it may be named to anybody."""
        return f"{self.scheme}://{_authority(self.host, self.port)}"

    @property
    def login(self) -> str:
        """`user:password@` for a URL; empty = none. A secret."""
        if not self.user and not self.password:
            return ""
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"

    @property
    def credentials(self) -> str:
        """What Basic sends (RFC 7617); empty = none."""
        if not self.user and not self.password:
            return ""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


async def reached(
    protocol: Callable[[], asyncio.BaseProtocol],
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext | None,
    proxy: Proxy | None,
    timeout: float,  # noqa: ASYNC109  one limit for TCP, proxy and TLS
) -> None:
    """`connection` on the event loop, within a time and with errors for people.

    Raises:
        ConnectionLost: nobody there, or no TLS.
        TimedOut: no connection within `timeout`.
    """
    create = asyncio.get_running_loop().create_connection
    try:
        async with asyncio.timeout(timeout):
            await connection(create, protocol, host, port, ssl=ssl, proxy=proxy)
    except TimeoutError as error:
        by = f" through proxy {proxy}" if proxy is not None else ""
        raise TimedOut(f"no connection to {host}:{port} within {timeout:g} s{by}") from error
    except tls.SSLCertVerificationError as error:
        text = f"no connection to {host}:{port}: its certificate {untrusted(error)}"
        raise ConnectionLost(text) from error
    except OSError as error:
        text = error.strerror or type(error).__name__
        raise ConnectionLost(f"no connection to {host}:{port}: {text}") from error


async def connection(
    create: CreateConnection,
    protocol: Callable[[], asyncio.BaseProtocol],
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext | None,
    proxy: Proxy | None,
    address: str = "",
    start_tls: Callable[..., Awaitable[Any]] | None = None,
) -> None:
    """Connect a protocol to a host, with TLS or without, by a proxy or directly.

    Args:
        create: makes connections.
        protocol: made once.
        host: where to.
        port: where to.
        ssl: for the host itself.
        proxy: what stands before it; None = nothing.
        address: connect there instead of to what `host` stands for; not through a proxy.
        start_tls: the event loop's, or one that goes with `create`.

    Raises:
        OSError: no connection; of a proxy, as `ConnectionLost`, which names it.
    """
    if proxy is None:
        if address:  # the certificate is still that of the name
            name = host if ssl is not None else None
            await create(protocol, address, port, ssl=ssl, server_hostname=name)
        else:
            await create(protocol, host, port, ssl=ssl)
        return
    dug = await dig(proxy, host, port, create=create)
    if isinstance(dug, socket.socket):
        name = host if ssl is not None else None
        await create(protocol, None, None, sock=dug, ssl=ssl, server_hostname=name)
        return
    wire = dug
    try:
        if ssl is not None:
            loop = asyncio.get_running_loop()
            before = wire.get_protocol()
            if start_tls is None:
                upgraded = await loop.start_tls(wire, before, ssl, server_hostname=host)
            else:
                upgraded = await start_tls(loop, wire, before, ssl, server_hostname=host)
            wire = cast("asyncio.Transport", upgraded)
        made = protocol()
        wire.set_protocol(made)
        made.connection_made(wire)
        wire.resume_reading()
    except BaseException:
        wire.abort()
        raise


async def dig(
    proxy: Proxy, host: str, port: int, *, create: CreateConnection | None = None
) -> asyncio.Transport | socket.socket:
    """A connection to a host that a proxy made. Who asks bounds the time.

    Raises:
        ConnectionLost: no proxy there, or it could not or would not.
        Refused: it wants other credentials, or does not let anybody go there.
    """
    create = create or asyncio.get_running_loop().create_connection
    if proxy.scheme.startswith("socks"):
        return await _socks(proxy, host, port)
    context = platform_trust() if proxy.scheme == "https" else None
    try:
        wire, asked = await create(
            lambda: _Connect(proxy, host, port), proxy.host, proxy.port, ssl=context
        )
    except tls.SSLCertVerificationError as error:
        raise ConnectionLost(f"proxy {proxy}: its certificate {untrusted(error)}") from error
    except OSError as error:
        text = error.strerror or type(error).__name__
        raise ConnectionLost(f"no connection to proxy {proxy}: {text}") from error
    try:
        await asked.answered
    except BaseException:
        wire.abort()
        raise
    return cast("asyncio.Transport", wire)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Connect(asyncio.Protocol):
    """Asks, and reads the head of the answer."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy = proxy
        self._place = _authority(host, port)
        self._head = bytearray()
        self._wire: asyncio.Transport | None = None
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = wire = cast("asyncio.Transport", transport)
        place = self._place.encode("idna" if not self._place.isascii() else "ascii").decode()
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if self._proxy.credentials:
            lines.append(f"Proxy-Authorization: Basic {self._proxy.credentials}")
        wire.write("\r\n".join((*lines, "", "")).encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        if self.answered.done():
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= MAX_HEAD:
            return
        found = re.match(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]{0,80}))?\r\n", self._head)
        if found is None or end < 0 or end > MAX_HEAD:
            self._fail(ConnectionLost(f"proxy {self._proxy}: what it answers is not HTTP/1.1"))
            return
        status = int(found[1])
        if 200 <= status < 300:
            if len(self._head) > end + 4:  # a host that speaks first; none of ours does
                self._fail(ConnectionLost(f"proxy {self._proxy} sent more than an answer"))
                return
            # Nothing may be read by this protocol that belongs to the next.
            if self._wire is not None:
                self._wire.pause_reading()
            self.answered.set_result(None)
        else:
            self._fail(
                _refusal(
                    self._proxy, self._place, status, (found[2] or b"").decode("ascii", "replace")
                )
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionLost(f"proxy {self._proxy} hung up before it answered"))

    def _fail(self, error: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)


def _refusal(proxy: Proxy, place: str, status: int, reason: str) -> Exception:
    if status in {401, 407}:  # tinyproxy 1.11 says 401
        return _stranger(proxy)
    text = f"proxy {proxy} does not connect to {place}: {status} {reason}".rstrip()
    if status in {400, 403, 405, 501}:
        return Refused(
            f"{text}; many let CONNECT go to port 443 alone. NO_PROXY names what is reached "
            "without it",
            code="forbidden",
        )
    return ConnectionLost(text)


def _stranger(proxy: Proxy) -> Refused:
    how = "does not take the user and password" if proxy.user else "wants a user and password"
    return Refused(
        f"proxy {proxy} {how}: {proxy.scheme}://user:password@host:port (proxy= or HTTPS_PROXY)",
        code="forbidden",
    )


async def _socks(proxy: Proxy, host: str, port: int) -> socket.socket:
    kind = ProxyType.SOCKS5 if proxy.scheme == "socks5" else ProxyType.SOCKS4
    made = SocksProxy(
        kind, proxy.host, proxy.port, proxy.user or None, proxy.password or None, rdns=True
    )
    try:
        return await made.connect(dest_host=host, dest_port=port)
    except ProxyConnectionError as error:
        raise ConnectionLost(f"no connection to proxy {proxy}") from error
    except (ProxyError, ProxyTimeoutError, OSError) as error:
        place = _authority(host, port)
        why = str(error)[:80] if isinstance(error, ProxyError) else type(error).__name__
        if "uthentication" in why:  # RFC 1928, 3; RFC 1929. It comes as words only
            raise _stranger(proxy) from error
        raise ConnectionLost(f"proxy {proxy} does not connect to {place}: {why}") from error
