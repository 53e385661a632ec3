"""Which UDP ports and addresses a call may use, and what the world is told they are called."""

import asyncio
import errno
import ipaddress
import random
import socket
from collections.abc import Callable
from typing import Any

import msgspec

from ossicle.core.errors import Overloaded, Refused

__all__ = ["Doorway", "bound_socket", "port_range"]


def port_range(text: str) -> tuple[int, int] | None:
    """`A-B`; None = any.

    Raises:
        Refused: it is none.
    """
    if not text:
        return None
    first, dash, last = text.partition("-")
    if dash and first.strip().isdecimal() and last.strip().isdecimal():
        low, high = int(first), int(last)
        if 1_024 <= low <= high <= 65_535:
            return low, high
    raise Refused(f"ice_ports {text[:40]!r} is no range: use A-B within 1024-65535")


class Doorway(msgspec.Struct, frozen=True):
    """The addresses of one gateway."""

    addresses: tuple[str, ...]
    """To bind, one socket for each and each call."""
    ports: tuple[int, int] | None = None
    announce: tuple[str, ...] = ()
    """What is told instead of the addresses of the same family (1:1 NAT)."""

    def told(self, address: str) -> tuple[str, ...]:
        """What the world is told about one of our addresses."""
        version = ipaddress.ip_address(address).version
        same = [each for each in self.announce if ipaddress.ip_address(each).version == version]
        return tuple(same) or (address,)

    async def bind(
        self, address: str, factory: Callable[[], asyncio.DatagramProtocol]
    ) -> tuple[asyncio.DatagramTransport, Any]:
        """A socket on one of our addresses.

        Raises:
            Overloaded: every port of the range is taken.
            OSError: the address is not ours.
        """
        loop = asyncio.get_running_loop()
        if self.ports is None:
            return await loop.create_datagram_endpoint(factory, local_addr=(address, 0))
        low, high = self.ports
        count = high - low + 1
        start = random.randrange(count)
        for step in range(count):
            port = low + (start + step) % count
            bound = bound_socket(address, port)
            if bound is not None:
                return await loop.create_datagram_endpoint(factory, sock=bound)
        raise Overloaded(
            f"all {count} UDP ports of {low}-{high} (ice_ports) are taken at {address}",
            code="at_capacity",
        )


def bound_socket(address: str, port: int) -> socket.socket | None:
    """A UDP socket; None = the port is taken.

    Raises:
        OSError: the address is not ours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return bound
