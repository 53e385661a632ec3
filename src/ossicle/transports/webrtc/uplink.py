"""What the sender needs to know of its path: when each of its packets arrived.

Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01). Every packet has a
number; the receiver says which came and when, and the sender's own congestion control (in a
browser: Google Congestion Control) concludes what the path takes. Nothing is estimated here.

    header extension 3: 00 2a ─▶ arrived(42, now) … every 100 ms ─▶ report() ─▶ RTCP 205, format 15

Pure: time is an argument.
"""

import struct

__all__ = ["Arrivals", "number_in"]

EVERY_S = 0.1
"""Between two reports; senders expect 50 to 250 ms."""
_MOST = 500
"""Packets one report tells of."""
_TICK = 0.00025
_REFERENCE = 0.064


def number_in(extension: bytes, wanted: int) -> int | None:
    """The transport-wide number among header extension elements of the one-byte form (RFC 8285
    section 4.2); None = there is none."""
    place = 0
    while place < len(extension):
        first = extension[place]
        if not first:  # padding
            place += 1
            continue
        name, size = first >> 4, (first & 15) + 1
        if name == 15:
            return None
        if name == wanted and size == 2 and place + 3 <= len(extension):
            return int.from_bytes(extension[place + 1 : place + 3], "big")
        place += 1 + size
    return None


class Arrivals:
    """Of one transport."""

    def __init__(self) -> None:
        self._came: dict[int, float] = {}
        """By unwrapped number, not yet reported."""
        self._highest = -1
        self._next = -1
        """First number of the next report."""
        self._count = 0
        self._told_at = -1.0

    def arrived(self, number: int, now: float) -> None:
        """A packet came.

        Args:
            number: of its header extension, 16 bits.
            now: monotonic seconds.
        """
        if self._highest < 0:
            self._highest = self._next = number + (1 << 16)
        ahead = (number - self._highest) & 0xFFFF
        whole = self._highest + (ahead if ahead < 1 << 15 else ahead - (1 << 16))
        self._highest = max(self._highest, whole)
        if whole >= self._next:
            self._came.setdefault(whole, now)

    def due(self, now: float) -> bool:
        """A report is to be sent now."""
        return bool(self._came) and now - self._told_at >= EVERY_S

    def report(self, now: float, sender: int, media: int) -> bytes:
        """The RTCP packet about everything that came since the last one."""
        self._told_at = now
        first, last = self._next, max(self._came)
        if last - first >= _MOST:
            first = last - _MOST + 1
        self._next = last + 1
        came, self._came = self._came, {}
        times = [came.get(number) for number in range(first, last + 1)]
        begun = next(at for at in times if at is not None)
        reference = int(begun / _REFERENCE)
        symbols: list[int] = []
        deltas = bytearray()
        before = reference * _REFERENCE
        for at in times:
            ticks = round((at - before) / _TICK) if at is not None else 0
            if at is None:
                symbols.append(0)
            elif 0 <= ticks <= 255:
                symbols.append(1)
                deltas.append(ticks)
            else:
                ticks = max(-32_768, min(32_767, ticks))
                symbols.append(2)
                deltas += struct.pack("!h", ticks)
            if at is not None:
                before += ticks * _TICK  # rounding must not add up
        head = struct.pack(
            "!LLHHL", sender, media, first & 0xFFFF, len(times),
            (reference & 0xFFFFFF) << 8 | self._count & 0xFF,
        )  # fmt: skip
        self._count += 1
        body = head + _chunks(symbols) + bytes(deltas)
        body += bytes(-len(body) % 4)
        return struct.pack("!BBH", 0x80 | 15, 205, len(body) // 4) + body


def _chunks(symbols: list[int]) -> bytes:
    """Status vectors of two bits each, seven to a chunk (section 3.1.4)."""
    out = bytearray()
    for at in range(0, len(symbols), 7):
        chunk = 0xC000
        for place, symbol in enumerate(symbols[at : at + 7]):
            chunk |= symbol << (12 - 2 * place)
        out += chunk.to_bytes(2, "big")
    return bytes(out)
