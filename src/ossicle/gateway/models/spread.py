"""One upstream at several addresses: a name is looked up for each connection, the address with the
fewest open ones is asked first, and one that fails is left alone for a while.

    dial = Spread("speech.example", 443, lambda address: dialer(url, "websocket", address=address))

Where a name has one address nothing is added to the way there.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable

from ossicle.core.errors import ConnectionLost, OssicleError, TimedOut
from ossicle.core.ports import Channel, Dial, Receiver, Timers
from ossicle.core.timers import LoopTimers
from ossicle.core.wire import Message, Opening
from ossicle.engines.wrap.health import Health

__all__ = ["Spread", "addresses_of"]

_MOST = 64
"""Addresses of a name that are looked at."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def addresses_of(host: str, port: int) -> list[str]:
    """What the name stands for now, each once.

    Raises:
        ConnectionLost: it is not known.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConnectionLost(f"{host} has no address: {reason}") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))[:_MOST]


class Spread:
    """Implements `core.ports.Dial`."""

    def __init__(
        self,
        host: str,
        port: int,
        dial_at: Callable[[str], Dial],
        *,
        timeout_s: float = 10.0,
        resolve: Resolve = addresses_of,
        timers: Timers | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            host: the name.
            port: beside it.
            dial_at: the way to one of its addresses; "" = let the platform choose.
            timeout_s: for all of them together.
            resolve: looks the name up.
            timers: the clock; None = the event loop's.
            chance: random numbers in [0, 1), among equals.
        """
        self._host, self._port = host, port
        self._dial_at = dial_at
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._timers = timers
        self._chance = chance
        self.health: dict[str, Health] = {}
        """Of each address that the name has now."""

    async def __call__(self, opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        """Connect to the best of them.

        Raises:
            OssicleError: none answers; what the last of them said.
        """
        addresses = await self._resolve(self._host, self._port)
        if len(addresses) < 2:
            return await self._dial_at("")(opening, receiver)
        timers = self._timers or LoopTimers()
        self._know(addresses)
        share = self._timeout_s / len(addresses)
        last: OssicleError | None = None
        for address in self.order(timers.now()):
            health = self.health[address]
            counted = _Counting(receiver, health, timers)
            try:
                async with asyncio.timeout(share):
                    return await self._dial_at(address)(opening, counted.attach)
            except (ConnectionLost, TimedOut) as error:
                last = error
            except TimeoutError:
                last = TimedOut(
                    f"{self._host} did not answer within {share:g} s", code="handshake_timeout"
                )
            health.failed(timers.now())
        raise last or ConnectionLost(f"{self._host} has no address")

    def order(self, now: float) -> list[str]:
        """Whom to ask, in turn: the well ones, fewest connections first; then who has rested
        longest."""
        well = [each for each, health in self.health.items() if health.well(now)]
        ailing = [each for each, health in self.health.items() if not health.well(now)]
        keyed = sorted((self.health[each].open, self._chance(), each) for each in well)
        return [each for *_, each in keyed] + sorted(
            ailing, key=lambda each: self.health[each].down_until
        )

    def _know(self, addresses: list[str]) -> None:
        """The name's addresses of now; what was known of those that stay is kept."""
        self.health = {each: self.health.get(each) or Health() for each in addresses}


class _Counting:
    """Counts a connection while it is open."""

    def __init__(
        self, receiver: Callable[[Channel], Receiver], health: Health, timers: Timers
    ) -> None:
        self._receiver = receiver
        self._health = health
        self._timers = timers

    def attach(self, channel: Channel) -> "_Counted":
        self._health.open += 1
        return _Counted(self._receiver(channel), self._over)

    def _over(self, error: OssicleError | None) -> None:
        self._health.open -= 1
        if error is None:
            self._health.worked()
        elif error.retryable:  # it broke; what we did wrong is not its failure
            self._health.failed(self._timers.now())


class _Counted:
    """A receiver whose end is told to somebody else, too."""

    def __init__(self, inner: Receiver, over: Callable[[OssicleError | None], None]) -> None:
        self._inner = inner
        self._over = over

    def received(self, message: Message) -> None:
        self._inner.received(message)

    def writable(self, yes: bool) -> None:
        self._inner.writable(yes)

    @property
    def binary(self) -> Callable[[bytes], None]:
        return self._inner.binary

    def closed(self, error: OssicleError | None) -> None:
        self._over(error)
        self._inner.closed(error)
