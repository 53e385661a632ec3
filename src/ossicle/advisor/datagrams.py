"""UDP from here to a gateway: whether it passes, its round trips, and what is lost.

    await echo_datagrams("speech.example", 8080, ticket, seen, told)

A ticket (from the offer) gets a cookie, the cookie gets echoes; fifty of them, 20 ms apart, as
the packets of a call would be.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ossicle.core.probing import LEAST_DATAGRAM, Datagram, read_datagram

from .measured import Measured

__all__ = ["echo_datagrams"]

_TRIES, _TRY_S = 4, 0.4
_COUNT, _APART_S, _LATE_S = 50, 0.02, 0.5
_SIZE = 200
"""About a packet of a call: 20 ms of G.711 and the heads of RTP."""


class _Post(asyncio.DatagramProtocol):
    """What comes back."""

    def __init__(self) -> None:
        self.cookie: bytes = b""
        self.came: dict[int, float] = {}
        self.refused = ""
        self.news = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        answer = read_datagram(data)
        if answer is None:
            return
        if answer.kind == "cookie" and not self.cookie:
            self.cookie = answer.proof
            self.news.set()
        elif answer.kind == "echoed" and answer.proof == self.cookie and answer.n < _COUNT:
            self.came.setdefault(answer.n, time.perf_counter())

    def error_received(self, exc: Exception) -> None:
        self.refused = str(getattr(exc, "strerror", "")) or type(exc).__name__
        self.news.set()


async def echo_datagrams(
    host: str, port: int, ticket: bytes, seen: Measured, told: Callable[[float], None]
) -> None:
    """Fills the figures of datagrams, and the wire `udp`."""
    tried = seen.wires["udp"]
    loop = asyncio.get_running_loop()
    try:
        transport, post = await loop.create_datagram_endpoint(_Post, remote_addr=(host, port))
    except OSError as error:
        tried.state, tried.why = "blocked", error.strerror or type(error).__name__
        return
    try:
        began = time.perf_counter()
        for n in range(_TRIES):
            transport.sendto(Datagram("hello", n, ticket).bytes(LEAST_DATAGRAM))
            try:
                async with asyncio.timeout(_TRY_S):
                    await post.news.wait()
                break
            except TimeoutError:
                continue
        if not post.cookie:
            tried.state = "blocked"
            tried.why = post.refused or f"no datagram came back from port {port}"
            return
        tried.state, tried.cold_ms = "passes", (time.perf_counter() - began) * 1000
        left: list[float] = []
        for n in range(_COUNT):
            left.append(time.perf_counter())
            transport.sendto(Datagram("echo", n, post.cookie).bytes(_SIZE))
            seen.datagrams += 1
            told(n / _COUNT)
            await asyncio.sleep(_APART_S)
        deadline = loop.time() + _LATE_S
        while len(post.came) < _COUNT and loop.time() < deadline:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(_APART_S)
        seen.datagram_rtt_ms = [(at - left[n]) * 1000 for n, at in sorted(post.came.items())]
    finally:
        transport.close()
