"""How much of the gateway one key, or one address, may use: counts, rates and caps.

    allowance.begin(held, "session id")     raises Overloaded: which limit, its value, what to do
    allowance.over("session id")

Knows no sessions, only their ids, and takes the time as an argument. Every table is bounded.
"""

import calendar
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from ossicle.core.errors import Overloaded

from .keyfile import KeyLimits

__all__ = ["Addresses", "Allowance", "Bucket"]

_MOST_ADDRESSES = 10_000
_MOST_BUCKETS = 10_000


class Bucket:
    """So many a second, and a burst at once."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._rate, self._burst = per_s, burst
        self._left, self._at = burst, now

    def take(self, now: float) -> bool:
        """Whether one more is within the rate; counts it if so."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    @property
    def wait_s(self) -> float:
        """Seconds from the last `take` to one that is within the rate."""
        return max(0.0, 1.0 - self._left) / self._rate


class Addresses:
    """Handshakes per second and address, before anybody looks at a key. The table forgets who
    came longest ago, so a flood from many addresses costs bounded memory."""

    def __init__(self, per_s: float, most: int = _MOST_ADDRESSES) -> None:
        self._rate, self._most = per_s, most
        self._known: OrderedDict[str, Bucket] = OrderedDict()

    def knock(self, address: str, now: float) -> None:
        """Somebody asks for a connection.

        Raises:
            Overloaded: too many from there.
        """
        whom = _group(address)
        if not self._rate or not whom:
            return
        bucket = self._known.get(whom)
        if bucket is None:
            bucket = self._known[whom] = Bucket(self._rate, max(4 * self._rate, 1.0), now)
        self._known.move_to_end(whom)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        if not bucket.take(now):
            raise Overloaded(
                f"more than {self._rate:g} handshakes per second from your address "
                "(access.handshakes_per_s); wait a moment",
                code="rate_limited",
                retry_after_s=bucket.wait_s,
            )


def _group(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 that an IPv6 host picks its addresses from.
    "" = not limited: this machine, or not an address."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped is None:
            if number.is_loopback:
                return ""
            return str(ipaddress.IPv6Network((int(number) >> 64 << 64, 64)))
        number = number.ipv4_mapped
    return "" if number.is_loopback else str(number)


class Allowance:
    """What the keys use right now, and the tokens that have limits of their own. A key is named
    by its id; what holds a space in its name is not a key, and is called by its name."""

    def __init__(
        self,
        used: Callable[[str], tuple[float, float]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            used: seconds of audio that a key has used today and this month.
            clock: seconds of the epoch.
        """
        self._used = used
        self._clock = clock
        self._sessions: dict[str, set[str]] = {}
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def knock(self, key: str, limits: KeyLimits, now: float) -> None:
        """A key wants to begin or join a session.

        Raises:
            Overloaded: too often, or its audio is used up.
        """
        rate = limits.handshakes_per_s
        if rate:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = Bucket(rate, max(rate, 1.0), now)
                while len(self._buckets) > _MOST_BUCKETS:
                    self._buckets.popitem(last=False)
            if not bucket.take(now):
                raise Overloaded(
                    f"{_called(key)} asks more than {rate:g} times per second, its limit "
                    "(handshakes_per_s); wait a moment",
                    code="rate_limited",
                    retry_after_s=bucket.wait_s,
                )
        self.check_cap(key, limits)

    def check_cap(self, key: str, limits: KeyLimits) -> None:
        """
        Raises:
            Overloaded: its audio is used up.
        """
        if not limits.audio_s_per_day and not limits.audio_s_per_month:
            return
        today, month = self._used(key)
        to_day, to_month = _left(self._clock())
        for name, used, most, when, after in (
            ("audio_s_per_month", month, limits.audio_s_per_month, "with the month, in UTC",
             to_month),
            ("audio_s_per_day", today, limits.audio_s_per_day, "at 00:00 UTC", to_day),
        ):  # fmt: skip
            if most and used >= most:
                raise Overloaded(
                    f"{_called(key)} has used {used:.0f} s of audio, its limit is {most:g} s "
                    f"({name}); it begins anew {when}, or ask for a higher one",
                    code="rate_limited",
                    retry_after_s=after,
                )

    def begin(self, key: str, limits: KeyLimits, session: str) -> None:
        """A session of that key begins.

        Raises:
            Overloaded: it has as many as it may.
        """
        mine = self._sessions.setdefault(key, set())
        if limits.sessions and len(mine) >= limits.sessions:
            raise Overloaded(
                f"{_called(key)} has {len(mine)} sessions open, its limit is {limits.sessions} "
                "(sessions); end one first",
                code="rate_limited",
            )
        mine.add(session)

    def over(self, key: str, session: str) -> None:
        """It is over."""
        mine = self._sessions.get(key, set())
        mine.discard(session)
        if not mine:
            self._sessions.pop(key, None)

    def forget(self, keys: frozenset[str]) -> None:
        """Rates of keys that are in force no more, and of tokens."""
        for key in [each for each in self._buckets if each not in keys]:
            del self._buckets[key]


def _called(name: str) -> str:
    return name if " " in name else f"key {name}"


def _left(now: float) -> tuple[float, float]:
    """Seconds to the end of the day and of the month, in UTC."""
    day = time.gmtime(now)
    midnight = calendar.timegm((day.tm_year, day.tm_mon, day.tm_mday + 1, 0, 0, 0))
    first = calendar.timegm((day.tm_year, day.tm_mon + 1, 1, 0, 0, 0))
    return midnight - now, first - now
