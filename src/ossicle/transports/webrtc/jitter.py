"""The jitter buffer of one SSRC: packets in any order become packets and losses in order.

Nothing plays here, so nothing is held for a clock: a packet that follows on leaves at once, and
only a missing one is waited for. How long is the *depth*: so much after the moment when it should
have come, by the pace of the stream, it is given up. The depth follows the network: it is the
lateness that all but one in a hundred of the last packets kept to, with a margin, within bounds,
counted only for packets that others overtook, and against those: no other can be missed.
Only `expire` gives up, never a packet that comes: after a stall of this process the missing one may
stand in the socket right behind it.

    sequence   1 2 . 4        3 is lost: 1 and 2 leave at once, 4 waits until `deadline`, then
    leaves     1 2 L 4        Lost(1) and 4, whose redundancy may recover 3

Pure: time is an argument (seconds), the next deadline an attribute. Knows no codec.

    >>> buffer = JitterBuffer(48_000)
    >>> [type(item).__name__ for item in buffer.add(7, 0, b"a", 0.0)]
    ['Arrived']
    >>> buffer.add(9, 1920, b"c", 0.04), buffer.deadline > 0.04
    ((), True)
    >>> [type(item).__name__ for item in buffer.add(8, 960, b"b", 0.05)]
    ['Arrived', 'Arrived']
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import TypeAlias

import msgspec

__all__ = ["Arrived", "JitterBuffer", "JitterStats", "Left", "Lost", "Pause"]

_HALF = 1 << 15
_SEQUENCES = 1 << 16
_STAMPS = 1 << 32
_MOST_AHEAD = 1_000
"""A sequence number further ahead is another stream, or an attack (RFC 3550 A.1 says 3000)."""
_RESTART = 2
"""So many packets in a row that do not fit begin the stream anew (RFC 3550 A.1, MIN_SEQUENTIAL)."""
_WINDOW = 250
"""Packets whose lateness is remembered: 5 s."""
_REFRESH = 25
"""Packets between two looks at them."""
_PASSED = 64
"""So many numbers that were passed over are remembered."""
_OVERTAKEN_S = 0.01
"""A packet that another one overtook in a queue stands right behind it."""


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A packet, in its place."""

    payload: bytes
    stamp: int
    """RTP ticks since the first packet."""
    ticks: int
    """How long it is."""


class Lost(msgspec.Struct, frozen=True, gc=False):
    """Packets that did not come, or too late. The item behind it is the packet that follows."""

    packets: int
    ticks: int
    """RTP ticks from the end of what came before to the packet that follows."""


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Nothing was lost, and yet time passed: the sender was silent (DTX, a muted track)."""

    ticks: int


def _twenty(rate: int) -> Callable[[bytes], int]:
    """Every packet lasts 20 ms."""
    ticks = rate // 50

    def length(_payload: bytes) -> int:
        return ticks

    return length


Left: TypeAlias = Arrived | Lost | Pause


class JitterStats(msgspec.Struct):
    """What the network did. Counts are packets."""

    received: int = 0
    lost: int = 0
    """Given up."""
    late: int = 0
    """Came after that; dropped."""
    doubled: int = 0
    """Came twice; dropped."""
    reordered: int = 0
    """Came out of order and still found their place."""
    strange: int = 0
    """Sequence numbers far from all others; dropped."""
    restarts: int = 0
    """The stream began anew under the same SSRC."""


class JitterBuffer:
    """See the module. Bounded: at most `capacity` packets wait."""

    def __init__(
        self,
        rate: int,
        *,
        length: Callable[[bytes], int] | None = None,
        least_s: float = 0.04,
        most_s: float = 0.2,
        first_s: float = 0.06,
        capacity: int = 64,
    ) -> None:
        """
        Args:
            rate: RTP ticks a second.
            length: ticks of a payload, which its codec knows; None = 20 ms, always.
            least_s: depth when every packet is in time. At least two packets, or the one behind
                a loss, from which it is recovered, would not be there yet.
            most_s: depth at most.
            first_s: depth until the network is known.
            capacity: most packets that wait; beyond it the oldest loss is given up.
        """
        self.deadline = inf
        """When `expire` has something to give; inf = not before the next packet."""
        self.depth_s = first_s
        self.stats = JitterStats()
        self._rate = rate
        self._step = rate // 50
        """Ticks of the newest packet: what a lost one is taken for."""
        self._length: Callable[[bytes], int] = length or _twenty(rate)
        self._least, self._most = least_s, most_s
        self._capacity = capacity
        self._waiting: dict[int, tuple[Arrived, float]] = {}
        """What came too early, and when."""
        self._next = -1
        """Unwrapped sequence number that leaves next; -1 = no packet came."""
        self._highest = 0
        self._first_stamp = 0
        self._stamp_high = 0
        self._due = 0
        """Ticks where the packet that leaves next should begin."""
        self._base = inf
        """Arrival of tick 0 for a packet that was never late."""
        self._zeros: deque[float] = deque(maxlen=_WINDOW)
        """When tick 0 would have come, going by each of the last packets."""
        self._waits: deque[float] = deque(maxlen=_WINDOW)
        """How long each of them would have had to be waited for."""
        self._overtook: dict[int, float] = {}
        """Numbers that were passed over, and the `zero` of the packet that did it."""
        self._unread = 0
        self._stray = -1
        self._strays = 0

    def add(self, sequence: int, stamp: int, payload: bytes, now: float) -> tuple[Left, ...]:
        """A packet came; what leaves by that, in order.

        Args:
            sequence: 16 bits.
            stamp: 32 bits, in ticks.
            payload: without header and padding; empty = padding only.
            now: monotonic seconds.
        """
        number = self._next
        if (number & 0xFFFF) == sequence and not self._waiting and number >= 0:
            ahead = (stamp - self._stamp_high) & 0xFFFFFFFF
            if ahead < _STAMPS // 2:  # it follows on: nearly every one does, at the least cost
                self.stats.received += 1
                self._highest = number
                self._stamp_high = high = self._stamp_high + ahead
                ticks = high - self._first_stamp
                self._strays = 0
                self._learn(now - ticks / self._rate, 0.0)
                return self._out(payload, ticks, self._length(payload))
        if number < 0:
            self._begin(sequence, stamp)
        number = self._unwrapped(sequence)
        if number - self._highest > _MOST_AHEAD or number < self._next - _MOST_AHEAD:
            if not self._restarts(sequence):
                self.stats.strange += 1
                return ()
            left = self._flush(now)
            self.stats.restarts += 1
            self._begin(sequence, stamp)
            self._base = inf
            return (*left, *self._put(self._next, stamp, payload, now))
        self._strays = 0
        return self._put(number, stamp, payload, now)

    def expire(self, now: float) -> tuple[Left, ...]:
        """Losses whose time is over, and what waited behind them."""
        return self._leave(now, give_up=True) if now >= self.deadline else ()

    def flush(self) -> tuple[Left, ...]:
        """The stream is over: everything that waits."""
        return self._flush(inf)

    @property
    def waiting(self) -> int:
        """Packets held back."""
        return len(self._waiting)

    # ── inside ──

    def _begin(self, sequence: int, stamp: int) -> None:
        self._next = self._highest = sequence + _SEQUENCES  # room for packets before the first
        self._first_stamp = self._stamp_high = stamp
        self._due = 0
        self._strays = 0
        self._overtook.clear()

    def _unwrapped(self, sequence: int) -> int:
        """The number nearest to the highest one that ends like this."""
        ahead = (sequence - self._highest) % _SEQUENCES
        return self._highest + (ahead if ahead < _HALF else ahead - _SEQUENCES)

    def _restarts(self, sequence: int) -> bool:
        self._strays = self._strays + 1 if sequence == self._stray else 1
        self._stray = (sequence + 1) % _SEQUENCES
        return self._strays >= _RESTART

    def _put(self, number: int, stamp: int, payload: bytes, now: float) -> tuple[Left, ...]:
        stats = self.stats
        stats.received += 1
        ticks = self._ticks(stamp)
        self._measure(number, ticks, now)
        if number < self._next:
            # Its place was given up, or it is a copy of one that left.
            stats.late += 1
            return ()
        if number == self._next and not self._waiting:
            self._highest = number
            return self._out(payload, ticks, self._length(payload))
        if number in self._waiting:
            stats.doubled += 1
            return ()
        if number < self._highest:
            stats.reordered += 1
        else:
            self._highest = number
        self._waiting[number] = (Arrived(payload, ticks, self._length(payload)), now)
        return self._leave(now)

    def _ticks(self, stamp: int) -> int:
        """Ticks since the first packet, over the wrap of 32 bits."""
        ahead = (stamp - self._stamp_high) % _STAMPS
        if ahead >= _STAMPS // 2:
            ahead -= _STAMPS
        high = self._stamp_high + ahead
        if ahead > 0:
            self._stamp_high = high
        return high - self._first_stamp

    def _measure(self, number: int, ticks: int, now: float) -> None:
        """How much later a packet was than the one that had overtaken it, and what depth that asks.

        Others are never missed: a queue on the way, or a process that stands still, delays all
        alike, and then nothing is there yet that could show a packet to be missing. So they teach
        nothing about how long to wait, however late they are; nor does a copy."""
        zero = now - ticks / self._rate
        before = self._overtook.pop(number, zero)
        for passed in range(max(self._highest + 1, number - _PASSED), number):
            self._overtook[passed] = zero
        while len(self._overtook) > _PASSED:
            del self._overtook[next(iter(self._overtook))]
        self._learn(zero, zero - before)

    def _learn(self, zero: float, wait: float) -> None:
        """When tick 0 would have come by this packet, and how long it had to be waited for."""
        self._base = min(self._base, zero)
        self._zeros.append(zero)
        self._waits.append(wait)
        self._unread += 1
        if self._unread >= _REFRESH:
            self._unread = 0
            # The base moves up, too: clocks drift, and routes get longer.
            self._base = min(self._zeros)
            ordered = sorted(self._waits)
            late = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
            wanted = min(self._most, max(self._least, late * 1.25 + 0.015))
            # Deeper at once, shallower slowly: the next burst looks like the last one.
            self.depth_s = max(wanted, self.depth_s - 0.005)

    def _leave(self, now: float, *, give_up: bool = False) -> tuple[Left, ...]:
        out: list[Left] = []
        while self._waiting:
            found = self._waiting.pop(self._next, None)
            if found is not None:
                item = found[0]
                out += self._out(item.payload, item.stamp, item.ticks)
                continue
            first = min(self._waiting)
            due = self._gives_up(first)
            if len(self._waiting) <= self._capacity and not (give_up and now >= due):
                self.deadline = due
                return tuple(out)
            missing = first - self._next
            follows, _ = self._waiting.pop(first)
            self.stats.lost += missing
            gap = follows.stamp - self._due
            # No time between both: what is missing was padding.
            out.append(Lost(missing, gap if 0 <= gap <= self._rate * 2 else missing * self._step))
            self._next = first
            self._due = follows.stamp
            out += self._out(follows.payload, follows.stamp, follows.ticks)
        self.deadline = inf
        return tuple(out)

    def _gives_up(self, first: int) -> float:
        """When the packet that is missing before `first` is no longer waited for: the depth after
        the moment when it should have come. Its own time is what follows on what left, but never
        later than the packet that is there (a pause may lie between). Where the whole stream is
        late, that moment is long over, and what is missing still gets a little time after it was
        seen to be."""
        follows, came = self._waiting[first]
        missing = max(self._due, follows.stamp - (first - self._next) * self._step)
        due = self._base + min(missing, follows.stamp) / self._rate + self.depth_s
        late = came - self._base - follows.stamp / self._rate
        return max(due, came + _OVERTAKEN_S) if late > self.depth_s else due

    def _flush(self, now: float) -> tuple[Left, ...]:
        capacity, self._capacity = self._capacity, -1
        try:
            return self._leave(now)
        finally:
            self._capacity = capacity

    def _out(self, payload: bytes, stamp: int, ticks: int) -> tuple[Left, ...]:
        """One packet in its place; a pause before it where time passed without a loss. Padding has
        a number, and neither sound nor time of its own: browsers probe their path with it."""
        self._next += 1
        if not payload:
            return ()
        if ticks:
            self._step = ticks
        gap = stamp - self._due
        self._due = stamp + self._step
        item = Arrived(payload, stamp, ticks)
        return (Pause(gap), item) if gap > 0 else (item,)
