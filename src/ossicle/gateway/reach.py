"""Where the gateway may call on somebody's behalf, and calling there.

A client names the URL, the operator the hosts: `--allow-host`, and this machine. The name is
checked when it is given; the address it stands for is looked up once per connection, checked, and
connected to as a number, so that a name that changes its mind between check and call (DNS
rebinding) gains nothing. Redirects are not followed.

    reach = Reach(("hooks.example.org",))
    target = reach.target("https://hooks.example.org/words")
    post = Post(reach, target)
    reply = await post(b"{}", (("content-type", "application/json"),))
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

import h11
import msgspec

from ossicle.core.errors import ConnectionLost, OssicleError, Refused, TimedOut

from .loopback import loopback

__all__ = ["Post", "Reach", "Reply", "Target"]

_LONGEST = 2_000
"""Characters of a URL."""
_MOST_BODY = 64 * 1024
"""Of an answer, which is read only so that the connection can be kept."""


class Target(msgspec.Struct, frozen=True):
    """A URL that may be called."""

    secure: bool
    host: str
    port: int
    netloc: str
    """For the Host header."""
    path: str
    """Path and query. May hold a secret of the receiver's: never logged, never told."""


class Reply(msgspec.Struct, frozen=True):
    """What matters of an answer."""

    status: int
    retry_after_s: float | None = None
    body: bytes = b""
    """As far as it was asked for."""


class Reach:
    """The allow-list."""

    def __init__(self, allow_hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower().strip("[]").rstrip(".") for host in allow_hosts)
        self._tls: ssl.SSLContext | None = None

    def target(self, url: str) -> Target:
        """A URL taken apart, if its host may be called.

        Raises:
            Refused: it may not, or it is no URL of HTTP.
        """
        if len(url) > _LONGEST:
            raise Refused(f"a URL of {len(url)} characters; the limit is {_LONGEST}")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            parts, host, port = urlsplit(""), "", None
        sound = host and url.isprintable() and parts.netloc.isascii()
        if parts.scheme not in {"http", "https"} or not sound:
            raise Refused(
                "a URL to post to is http://host/path or https://host/path, its host in ASCII",
                code="bad_option",
            )
        if "@" in parts.netloc:
            raise Refused("a URL to post to carries no user or password", code="bad_option")
        if not self._allowed(host):
            raise Refused(
                f"{host[:100]} may not be called from here; start the gateway with "
                f"--allow-host {host[:100]}",
                code="forbidden",
            )
        secure = parts.scheme == "https"
        path = quote(parts.path, safe="/:@!$&'()*+,;=~%") or "/"
        query = quote(parts.query, safe="/:@!$&'()*+,;=~%?")
        return Target(
            secure,
            host.rstrip("."),
            port or (443 if secure else 80),
            parts.netloc,
            path + (f"?{query}" if query else ""),
        )

    def _allowed(self, host: str) -> bool:
        return loopback(host) or host.lower().rstrip(".") in self._hosts

    async def address(self, target: Target) -> str:
        """The address to connect to.

        Raises:
            ConnectionLost: the name stands for nothing.
            Refused: it stands for a place that nobody means.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectionLost(f"{target.host} is not known to DNS") from error
        for *_, where in found:
            address = str(where[0])
            if self._meant(target.host, address):
                return address
        raise Refused(
            f"{target.host} stands for an address that may not be called", code="forbidden"
        )

    def _meant(self, host: str, address: str) -> bool:
        """A name of this machine has to lead to it; a listed name to anywhere but the places
        where only machines answer (metadata services) or nobody: unless they are listed."""
        number = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
            number = number.ipv4_mapped
        if str(number) in self._hosts:
            return True
        if loopback(host):
            return number.is_loopback
        return not (number.is_link_local or number.is_multicast or number.is_unspecified)

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts what the platform trusts (`SSL_CERT_FILE` adds to it)."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class Post:
    """Calls one target over one kept connection."""

    def __init__(
        self,
        reach: Reach,
        target: Target,
        *,
        method: str = "POST",
        connect_s: float = 5.0,
        answer_s: float = 10.0,
        keep: int = 0,
    ) -> None:
        """`keep`: bytes of an answer's body that are handed over; more is a failure."""
        self._keep = keep
        self._reach = reach
        self._target = target
        self._method = method
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._http: h11.Connection | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __call__(self, body: bytes, headers: Iterable[tuple[str, str]]) -> Reply:
        """One request and its answer.

        Raises:
            ConnectionLost: nobody there, or the connection broke.
            TimedOut: it took too long.
            Refused: the name stands for a place that may not be called.
        """
        kept = self._http is not None
        request = h11.Request(
            method=self._method,
            target=self._target.path,
            headers=[
                ("host", self._target.netloc),
                ("content-length", str(len(body))),
                ("user-agent", "ossicle"),
                *headers,
            ],
        )
        try:
            return await self._in_time(request, body)
        except ConnectionLost:
            if not kept:
                raise
        # A server may hang up on a kept connection at any time (RFC 9112 section 9.5). What is
        # posted twice carries the same number.
        return await self._in_time(request, body)

    async def _in_time(self, request: h11.Request, body: bytes) -> Reply:
        done = False
        try:
            if self._http is None:
                await self._connect()
            async with asyncio.timeout(self._answer_s):
                reply = await self._exchange(request, body)
            done = True
            return reply
        except TimeoutError as error:
            raise TimedOut(f"no answer within {self._answer_s:g} s") from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise ConnectionLost(f"the connection broke: {type(error).__name__}") from error
        finally:
            if not done:
                self.close()

    async def _connect(self) -> None:
        target = self._target
        try:
            async with asyncio.timeout(self._connect_s):
                address = await self._reach.address(target)
                self._streams = await asyncio.open_connection(
                    address,
                    target.port,
                    ssl=self._reach.tls if target.secure else None,
                    server_hostname=target.host if target.secure else None,
                    limit=_MOST_BODY,
                )
        except TimeoutError as error:
            raise TimedOut(f"no connection within {self._connect_s:g} s") from error
        except OssicleError:
            raise
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConnectionLost(f"no connection: {why}") from error
        self._http = h11.Connection(h11.CLIENT)

    async def _exchange(self, request: h11.Request, body: bytes) -> Reply:
        http, streams = self._http, self._streams
        assert http is not None
        assert streams is not None
        reader, writer = streams
        writer.write(
            (http.send(request) or b"")
            + (http.send(h11.Data(data=body)) or b"")
            + (http.send(h11.EndOfMessage()) or b"")
        )
        await writer.drain()
        reply: Reply | None = None
        held = bytearray()
        size = 0
        while True:
            event = http.next_event()
            match event:
                case h11.Response():
                    reply = Reply(event.status_code, _retry_after(event))
                case h11.Data(data=data):
                    size += len(data)
                    if self._keep:
                        held += data
                        if size > self._keep:
                            raise Refused(f"the answer is larger than {self._keep} bytes")
                    elif size > _MOST_BODY and reply is not None:
                        self.close()
                        return reply
                case h11.EndOfMessage() if reply is not None:
                    reply = msgspec.structs.replace(reply, body=bytes(held))
                    if http.our_state is h11.DONE and http.their_state is h11.DONE:
                        http.start_next_cycle()
                    else:
                        self.close()
                    return reply
                case h11.InformationalResponse():
                    pass
                case h11.ConnectionClosed():
                    raise h11.RemoteProtocolError("closed before an answer")
                case _:  # NEED_DATA
                    http.receive_data(await reader.read(_MOST_BODY))

    def close(self) -> None:
        """Hang up."""
        streams, self._streams, self._http = self._streams, None, None
        if streams is not None:
            with contextlib.suppress(OSError):
                streams[1].transport.abort()


def _retry_after(response: h11.Response) -> float | None:
    """Seconds only: a date would need a clock that agrees."""
    for name, value in response.headers:
        if name == b"retry-after" and value.isdigit():
            return float(min(int(value), 3_600))
    return None
