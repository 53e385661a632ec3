"""Which wire to try when, and which has won: the plan of `transport="auto"`. Pure.

    race = Race(("websocket", "http"), Pace(), now)
    race.due(now)                # ("websocket",): dial these
    race.failed("websocket")     # the next is due at once
    race.stands("http")          # True: it has won, let go of the others

The wires stand in the order of preference, and each gets a head start on the next (the idea of
happy eyeballs, RFC 8305 section 5). The start of the next does not wait for the head start when the
one before has failed. Whoever stands first wins.
"""

from math import inf

import msgspec

__all__ = ["Pace", "Race", "Remembered"]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Times of a race. Seconds."""

    head_start_s: float = 2.0
    """How long a wire is waited for before the next is tried beside it. A WebSocket takes four
    round trips over TLS, and a chunked body is the poorer wire: it is not worth winning early."""
    answer_s: float = 10.0
    """How long each may take to answer."""
    again_s: float = 600.0
    """How long a wire that is not the first choice is gone back to at once. Then the first gets
    another chance: the network may be another."""


class Race:
    """One race, made when it starts."""

    def __init__(self, wires: tuple[str, ...], pace: Pace, now: float) -> None:
        self._waiting = list(wires)
        self._running: list[str] = []
        self._pace = pace
        self.winner = ""
        """Empty until there is one."""
        self.deadline = now
        """When `due` has something more to say; inf = never, unless one fails."""

    def due(self, now: float) -> tuple[str, ...]:
        """Wires to dial now."""
        started: list[str] = []
        while self._waiting and now >= self.deadline:
            wire = self._waiting.pop(0)
            self._running.append(wire)
            started.append(wire)
            self.deadline = now + self._pace.head_start_s if self._waiting else inf
        return tuple(started)

    def failed(self, wire: str, now: float) -> None:
        """One will not stand: the next need not wait."""
        if wire in self._running:
            self._running.remove(wire)
        if self._waiting and not self.winner:
            self.deadline = now

    def stands(self, wire: str) -> bool:
        """One stands. True: it has won; False: another had."""
        if not self.winner and wire in self._running:
            self.winner = wire
            self.deadline = inf
            self._waiting.clear()
        return self.winner == wire

    @property
    def lost(self) -> bool:
        """Nobody is left to win."""
        return not self.winner and not self._waiting and not self._running


class Remembered:
    """What worked where, for as long as a process lives. The oldest place is forgotten beyond
    `most`."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._found: dict[str, tuple[str, float]] = {}

    def worked(self, place: str, wire: str, now: float) -> None:
        """A wire brought an answer from there."""
        self._found.pop(place, None)
        self._found[place] = wire, now
        if len(self._found) > self._most:
            self._found.pop(next(iter(self._found)))

    def forget(self) -> None:
        """The network is another one."""
        self._found.clear()

    def order(self, place: str, wires: tuple[str, ...], pace: Pace, now: float) -> tuple[str, ...]:
        """The wires, what worked last first; the second choice only for a time."""
        wire, since = self._found.get(place, ("", 0.0))
        if wire not in wires or wire == wires[0]:
            return wires
        if now - since >= pace.again_s:
            self._found.pop(place, None)
            return wires
        return (wire, *(each for each in wires if each != wire))
