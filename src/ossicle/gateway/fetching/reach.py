"""Where the gateway may call on somebody's behalf, and calling there.

A client names the URL, the operator the hosts: `--allow-host`, and this machine. The name is
checked when it is given; the address it stands for is looked up once per connection, checked, and
connected to as a number, so that a name that changes its mind between check and call (DNS
rebinding) gains nothing. A redirect is a URL like any other: `Post` follows none, and who follows
one asks here first.

    reach = Reach(("hooks.example.org",))
    target = reach.target("https://hooks.example.org/words")
    post = Post(reach, target)
    reply = await post(b"{}", (("content-type", "application/json"),))

Two ways to read the list. What is *sent* (a webhook) may go to this machine, and wherever a listed
name leads. What is *read* for a client comes back to it, as words or as an error, so `inside=False`
takes nothing for granted: this machine has to be listed, and an address inside a network as well,
whatever name leads there.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import h11
import msgspec

from ossicle.core.errors import ConnectionLost, Refused, TimedOut

from .loopback import loopback

__all__ = ["Post", "Reach", "Reply", "Streams", "Target"]

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST = 2_000
"""Characters of a URL."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052 section 2.1: the last 32 bits are an IPv4 address."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""What has been given out for the world (RFC 4291 section 2.4). Interpreters differ in what they
call global beyond it."""
_WEB = frozenset({80, 443})
_SYSTEM = 1_024
"""Ports below belong to services of the system (RFC 6335 section 6): mail, names, remote shells."""
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

    def __init__(
        self,
        allow_hosts: Iterable[str] = (),
        *,
        inside: bool = True,
        trust_ca: Path | None = None,
    ) -> None:
        """
        Args:
            allow_hosts: names, addresses and networks (`10.1.0.0/16`).
            inside: this machine, and wherever a listed name leads, is meant. False: only what is
                listed.
            trust_ca: authorities to trust besides the platform's, PEM.

        Raises:
            Refused: they cannot be read.
        """
        listed = [host.lower().strip("[]").rstrip(".") for host in allow_hosts]
        self._hosts = frozenset(listed)
        self._networks = tuple(n for n in map(_network, listed) if n is not None)
        self._inside = inside
        self._trust_ca = trust_ca
        self._tls: ssl.SSLContext | None = None
        if trust_ca is not None:
            self._tls = _trusting(trust_ca)

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
        sound = host and url.isprintable() and parts.netloc.isascii() and port != 0
        if parts.scheme not in {"http", "https"} or not sound:
            raise Refused(
                "a URL to call is http://host/path or https://host/path, its host in ASCII",
                code="bad_option",
            )
        if "@" in parts.netloc:
            raise Refused("a URL to call carries no user or password", code="bad_option")
        if not self._allowed(host):
            raise Refused(
                f"{host[:100]} may not be called from here; start the gateway with "
                f"--allow-host {host[:100]}",
                code="forbidden",
            )
        secure = parts.scheme == "https"
        port = port or (443 if secure else 80)
        if not self._inside and port < _SYSTEM and port not in _WEB:
            raise Refused(
                f"port {port} is not one of the web: 80, 443, or {_SYSTEM} and above",
                code="forbidden",
            )
        path = quote(parts.path, safe="/:@!$&'()*+,;=~%") or "/"
        query = quote(parts.query, safe="/:@!$&'()*+,;=~%?")
        return Target(
            secure,
            host.rstrip("."),
            port,
            parts.netloc,
            path + (f"?{query}" if query else ""),
        )

    def _allowed(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        if name in self._hosts or (self._inside and loopback(host)):
            return True
        try:
            return self._listed(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _listed(self, number: _Address) -> bool:
        """The address itself, or its network."""
        if str(number) in self._hosts:
            return True
        return any(number.version == n.version and number in n for n in self._networks)

    async def addresses(self, target: Target) -> Sequence[str]:
        """The addresses to try, in order; one at least.

        Raises:
            ConnectionLost: the name stands for nothing.
            Refused: it stands for a place that nobody means.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectionLost(f"{target.host} is not known to DNS") from error
        meant = [
            address
            for address in dict.fromkeys(str(where[0]) for *_, where in found)
            if self._meant(target.host, address)
        ]
        if not meant:
            raise Refused(
                f"{target.host} stands for an address that may not be called, unless the gateway "
                "is started with --allow-host and that address",
                code="forbidden",
            )
        return meant

    def _meant(self, host: str, address: str) -> bool:
        """A name of this machine has to lead to it. Of the others, by `inside`: anywhere but where
        only machines answer (metadata services) or nobody; or to what the whole world can reach.
        Whatever is listed as an address is meant."""
        number = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
            number = number.ipv4_mapped
        if self._listed(number):
            return True
        if loopback(host):
            return number.is_loopback
        if self._inside:
            return not (number.is_link_local or number.is_multicast or number.is_unspecified)
        return all(map(_of_the_world, _leading_to(number)))

    async def dial(
        self, target: Target, connect_s: float, *, receive_buffer: int | None = None
    ) -> Streams:
        """Connect, and shake hands where it is TLS.

        Raises:
            ConnectionLost: nobody there, or a certificate that is not trusted.
            TimedOut: it took too long.
            Refused: the name stands for a place that may not be called.
        """
        failed: OSError = OSError("no address")
        try:
            async with asyncio.timeout(connect_s):
                addresses = await self.addresses(target)
                for address in addresses:
                    try:
                        # one that swallows everything leaves time for the others
                        async with asyncio.timeout(connect_s / len(addresses)):
                            return await self._connect(address, target, receive_buffer)
                    except OSError as error:  # TimeoutError is one
                        failed = error
        except TimeoutError as error:
            failed = error
        if isinstance(failed, TimeoutError):
            raise TimedOut(f"no connection within {connect_s:g} s") from failed
        if isinstance(failed, ssl.SSLCertVerificationError):
            raise ConnectionLost(
                f"its certificate is not trusted ({failed.verify_message}); the setting trust_ca "
                "names a file of authorities"
            ) from failed
        why = failed.strerror or type(failed).__name__
        raise ConnectionLost(f"no connection: {why}") from failed

    async def _connect(self, address: str, target: Target, receive_buffer: int | None) -> Streams:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        wire = socket.socket(family, socket.SOCK_STREAM)
        try:
            wire.setblocking(False)
            if receive_buffer is not None:  # before connecting, or the window is offered already
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await asyncio.get_running_loop().sock_connect(wire, (address, target.port))
            return await asyncio.open_connection(
                sock=wire,
                ssl=self.tls if target.secure else None,
                server_hostname=target.host if target.secure else None,
                limit=_MOST_BODY,
            )
        except BaseException:
            wire.close()
            raise

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts what the platform trusts (`SSL_CERT_FILE` adds to it), and `trust_ca`."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _trusting(authorities: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=authorities.expanduser())
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "it holds no certificate in PEM"
        raise Refused(f"trust_ca {authorities}: {why}", code="bad_option") from error
    return context


def _network(text: str) -> _Network | None:
    """A network; None = a name, or a single address."""
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _of_the_world(number: _Address) -> bool:
    if isinstance(number, ipaddress.IPv6Address) and number not in _UNICAST:
        return number in _NAT64
    return number.is_global and not number.is_multicast


def _leading_to(number: _Address) -> Sequence[_Address]:
    """The address, and every IPv4 address that routers may make of it: 6to4 (RFC 3056), Teredo
    (RFC 4380), NAT64 (RFC 6052) and the old compatible form (RFC 4291 section 2.5.5.1)."""
    if isinstance(number, ipaddress.IPv4Address):
        return (number,)
    low = ipaddress.IPv4Address(int(number) & 0xFFFF_FFFF)
    found: list[_Address] = [number]
    if number.sixtofour is not None:
        found.append(number.sixtofour)
    if number.teredo is not None:
        found += number.teredo
    if number in _NAT64 or int(number) >> 32 == 0:
        found.append(low)
    return found


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
        self._streams: Streams | None = None

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
                self._streams = await self._reach.dial(self._target, self._connect_s)
                self._http = h11.Connection(h11.CLIENT)
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
