"""The UDP side of `/v1/probe`: every datagram that proves itself is answered by one no longer.

    datagrams = Datagrams(per_s=200)
    bound = udp_socket("127.0.0.1", 8080)
    await datagrams.run(bound)

No state is made for a stranger. Who holds a ticket (from `GET /v1/probe`, so it passed whatever
that asks for) gets a cookie for the address its datagram bears, and only who receives that
address's post can use it: a forged sender gets one answer to one datagram, of its size, and
nothing more (as a Retry does in RFC 9000 section 8.1.2). QUIC comes to the same port (`quicecho`),
with such a cookie as its token. Anything else is not answered.
"""

import asyncio
import hashlib
import hmac
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ossicle.core.errors import Overloaded
from ossicle.core.probing import COOKIE, Datagram, read_datagram

from ..keys.allowance import Addresses, Bucket

if TYPE_CHECKING:
    from .quicecho import QuicEchoes

__all__ = ["Datagrams", "udp_socket"]

log = logging.getLogger("ossicle.gateway.probe")

_TICKET_S = 120
"""A ticket and a cookie are good for one to two of these."""
_MAGIC = b"OSP1"
_ALL = 20
"""All addresses together may ask so many times what one may."""


class Datagrams(asyncio.DatagramProtocol):
    """Answers, or does not."""

    def __init__(
        self,
        per_s: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secret = os.urandom(32)
        self._clock, self._monotonic = clock, monotonic
        self._addresses = Addresses(per_s)
        self._all = Bucket(per_s * _ALL, per_s * _ALL, monotonic()) if per_s else None
        self._transport: asyncio.DatagramTransport | None = None
        self.quic: QuicEchoes | None = None
        """Who takes what is QUIC; None = nobody."""
        self._due: asyncio.TimerHandle | None = None
        self.answered = self.ignored = 0
        self._lost = asyncio.Event()

    def ticket(self) -> bytes:
        """For whoever was let in over TCP."""
        return self._proof("ticket", self._age())

    def answer(self, data: bytes, sender: tuple[Any, ...]) -> bytes | None:
        """The answer to a datagram; None = nothing is said."""
        asked = read_datagram(data)
        host, port = str(sender[0]), int(sender[1])
        reply: Datagram | None = None
        if asked is not None and self._in_time(host):
            at_ms = self._clock() * 1000
            if asked.kind == "hello" and self._good(asked.proof, "ticket"):
                cookie = self._proof(f"{host} {port}", self._age())
                reply = Datagram("cookie", asked.n, cookie, at_ms)
            elif asked.kind == "echo" and self._good(asked.proof, f"{host} {port}"):
                reply = Datagram("echoed", asked.n, asked.proof, at_ms)
        if reply is None:
            self.ignored += 1
            return None
        self.answered += 1
        return reply.bytes(len(data))

    async def run(self, bound: socket.socket) -> None:
        """Answer on that socket until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=bound)
        try:
            await self._lost.wait()
        finally:
            if self._due is not None:
                self._due.cancel()
            transport.close()

    def _quic(self, quic: "QuicEchoes", data: bytes, sender: tuple[Any, ...]) -> None:
        """A datagram that is QUIC's. What it costs is counted as the others are."""
        host, port = str(sender[0]), int(sender[1])
        if not self._in_time(host):
            self.ignored += 1
            return
        known = f"{host} {port}"
        post = quic.received(
            data, sender, self._monotonic(), lambda token: self._good(token, known)
        )
        self._send(quic, post)

    def _send(self, quic: "QuicEchoes", post: list[tuple[bytes, tuple[Any, ...]]]) -> None:
        for data, sender in post:
            self.answered += 1
            if self._transport is not None:
                self._transport.sendto(data, sender)
        if self._due is not None:
            self._due.cancel()
            self._due = None
        due = quic.due()
        if due is not None:
            delay = max(0.0, due - self._monotonic())
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(delay, self._expire, quic)

    def _expire(self, quic: "QuicEchoes") -> None:
        self._due = None
        self._send(quic, quic.expire(self._monotonic()))

    def _in_time(self, host: str) -> bool:
        now = self._monotonic()
        try:
            self._addresses.knock(host, now)
        except Overloaded:
            return False
        return self._all is None or self._all.take(now)

    def _age(self) -> int:
        return int(self._clock() // _TICKET_S)

    def _proof(self, what: str, age: int) -> bytes:
        text = f"{what} {age}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).digest()[:COOKIE]

    def _good(self, proof: bytes, what: str) -> bool:
        age = self._age()
        return any(hmac.compare_digest(proof, self._proof(what, age - back)) for back in (0, 1))

    # ── asyncio ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is read."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answered at once, or not at all: nothing waits here."""
        if self.quic is not None and data[:4] != _MAGIC:
            self._quic(self.quic, data, addr)
            return
        reply = self.answer(data, addr)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        """A peer that was answered is not there (ICMP); others are."""
        log.debug("an answer to a datagram came back: %s", type(exc).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._lost.set()


def udp_socket(host: str, port: int) -> socket.socket:
    """A bound UDP socket, at that port or, where it is taken, at any.

    Raises:
        OSError: none can be opened there.
    """
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    for wanted in (port, 0):
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.bind((where[0], wanted))
        except OSError:
            bound.close()
            if not wanted:
                raise
        else:
            return bound
    raise AssertionError
