"""One beat a second for every WebSocket of an event loop, instead of a timer per frame.

pulse = Pulse.of(loop)
pulse.add(channel)          # channel.beat(now) is called once a second
"""

import asyncio
from typing import ClassVar, Protocol
from weakref import WeakKeyDictionary

__all__ = ["BEAT_S", "Pulse"]

BEAT_S = 1.0


class Beating(Protocol):
    def beat(self, now: float) -> None: ...


class Pulse:
    """Calls `beat` on its members once a second while it has any."""

    _pulses: ClassVar["WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse]"] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._members: set[Beating] = set()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "Pulse":
        """The pulse of that loop."""
        pulse = cls._pulses.get(loop)
        if pulse is None:
            pulse = cls._pulses[loop] = cls()
        return pulse

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Beating) -> None:
        """From now on."""
        self._members.add(member)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def discard(self, member: Beating) -> None:
        """Never again; silent when it is not a member."""
        self._members.discard(member)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for member in tuple(self._members):
            member.beat(now)
        if self._members and self._timer is None:
            self._timer = loop.call_later(BEAT_S, self._beat)
