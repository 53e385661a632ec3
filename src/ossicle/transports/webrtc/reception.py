"""What a receiver report says of one source (RFC 3550 section 6.4.1 and appendix A).

Read by aiortc's RTCP task under aiortc's names, in place of its `StreamStatistics`: that one looks
at the wall clock and makes a float of it for every packet, for one report a second. Pure: time is
an argument.

    >>> seen = Reception(48_000)
    >>> for number in (7, 8, 10):
    ...     seen.add(number, 960 * number, number / 50)
    >>> seen.packets_lost, seen.fraction_lost, seen.max_seq
    (1, 64, 10)
"""

__all__ = ["Reception"]

_MOST_LOST = 0x7FFFFF
"""The field has 24 bits and a sign."""


class Reception:
    """One source."""

    __slots__ = (
        "_expected_before", "_first", "_jitter", "_rate", "_received_before", "_transit", "cycles",
        "max_seq", "packets_received",
    )  # fmt: skip

    def __init__(self, rate: int) -> None:
        """`rate`: RTP ticks a second."""
        self._rate = rate
        self._first = 0
        self.max_seq: int | None = None
        """The highest number, 16 bits; None = no packet came."""
        self.cycles = 0
        """Packets of whole rounds of 16 bits."""
        self.packets_received = 0
        self._transit = 0.0
        """Arrival less timestamp of the newest packet, in ticks."""
        self._jitter = 0.0
        self._expected_before = self._received_before = 0

    def add(self, sequence: int, stamp: int, now: float) -> None:
        """A packet came.

        Args:
            sequence: 16 bits.
            stamp: 32 bits, in ticks.
            now: monotonic seconds.
        """
        self.packets_received += 1
        highest = self.max_seq
        transit = now * self._rate - stamp
        if highest is None:
            self._first = sequence
        else:
            if not 0 < (sequence - highest) & 0xFFFF < 0x8000:
                return  # out of order: it says nothing about the pace
            if sequence < highest:
                self.cycles += 0x10000
            moved = transit - self._transit
            if moved < 0:
                moved = -moved
            if moved < 0x80000000:  # the timestamp has not wrapped in between
                self._jitter += (moved - self._jitter) / 16
        self.max_seq = sequence
        self._transit = transit

    @property
    def packets_expected(self) -> int:
        """From the first to the highest."""
        return self.cycles + self.max_seq - self._first + 1 if self.max_seq is not None else 0

    @property
    def packets_lost(self) -> int:
        """In all; negative where there were copies."""
        lost = self.packets_expected - self.packets_received
        return max(-_MOST_LOST - 1, min(_MOST_LOST, lost))

    @property
    def fraction_lost(self) -> int:
        """Since this was last asked, in 256ths."""
        expected = self.packets_expected - self._expected_before
        received = self.packets_received - self._received_before
        self._expected_before += expected
        self._received_before += received
        lost = expected - received
        return (lost << 8) // expected if expected > 0 and lost > 0 else 0

    @property
    def jitter(self) -> int:
        """Of the arrivals, in ticks."""
        return int(self._jitter)
