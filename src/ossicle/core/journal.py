"""Audio that is not yet settled, and the commands between, in one order.

                base          settled        sent                end
      dropped ──┴──── replay ────┴── replay ──┴───── unsent ──────┴──▶ time
                  (oldest falls off)             (overload policy)

Two cursors, two bounds. Audio past `sent` has not been taken by the engine; it is bounded by the
session's overload policy. Audio before `sent` is only a copy for a replay; the oldest falls off
silently, and a replay that wants it says how much is missing. So silence, which brings no finals,
never blocks a session (contracts M1).

Positions are units of the source format: bytes for samples, samples for packets. Data is held by
reference: the same object that came from the socket goes to the engine.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from .commands import Command
from .intake import Gap
from .ports import Packet

__all__ = ["Item", "Journal", "Sound", "units_of"]


Sound: TypeAlias = bytes | Packet | Gap
Item: TypeAlias = Sound | Command


def units_of(item: Item) -> int:
    """How far an item moves the position."""
    if isinstance(item, bytes):
        return len(item)
    return item.units if isinstance(item, Packet | Gap) else 0


class Journal:
    """Bounded record of what a session may still need to feed an engine, first or again."""

    __slots__ = (
        "_asked",
        "_past",
        "_unsent",
        "base",
        "commands",
        "end",
        "frame",
        "keep",
        "replay",
        "settled",
        "waiting",
    )

    def __init__(self, *, frame: int = 1, replay: int) -> None:
        """`frame`: units of one sample frame (cuts fall between frames). `replay`: units of
        sent audio kept."""
        self._past: deque[Sound] = deque()
        self._unsent: deque[Item] = deque()
        self._asked: list[tuple[int, Command]] = []
        self.frame = frame
        self.replay = replay
        self.base = 0
        """Position of the oldest sound held."""
        self.settled = 0
        """Nothing before this will be reported again."""
        self.end = 0
        """Position after the newest item."""
        self.waiting = 0
        """Units not yet sent."""
        self.commands = 0
        """Commands that wait behind audio, or for their answer."""
        self.keep: Callable[[Sound], None] = self._past.append
        """Hot path: record sound that is sent at this moment. The caller moves `end`."""

    @property
    def sent(self) -> int:
        """Position up to which an engine has been fed."""
        return self.end - self.waiting

    @property
    def idle(self) -> bool:
        """Nothing waits, not even a command."""
        return not self._unsent

    @property
    def first(self) -> Item | None:
        """What `take` would give."""
        return self._unsent[0] if self._unsent else None

    def push(self, item: Item) -> None:
        """Add an item behind everything else; `take` gives it out in its turn."""
        units = units_of(item)
        self._unsent.append(item)
        self.waiting += units
        self.end += units
        if not isinstance(item, bytes | Packet | Gap):
            self.commands += 1

    def take(self) -> Item:
        """The next unsent item. Sound is from now on part of the replay copy; a command is
        asked again by a replay until `answered`.

        Raises:
            IndexError: nothing waits.
        """
        item = self._unsent.popleft()
        if isinstance(item, bytes | Packet | Gap):
            self._past.append(item)
            self.waiting -= units_of(item)
        else:
            self._asked.append((self.sent, item))
        return item

    def answered(self, command: Command) -> None:
        """A command has had its answer, or needs none: no replay asks it again."""
        due = [(at, asked) for at, asked in self._asked if asked is not command]
        self.commands -= len(self._asked) - len(due)
        self._asked = due

    @property
    def asked(self) -> tuple[Command, ...]:
        """Commands given out and not answered, oldest first."""
        return tuple(command for _, command in self._asked)

    @property
    def queued(self) -> tuple[Command, ...]:
        """Commands that wait behind audio."""
        return tuple(i for i in self._unsent if not isinstance(i, bytes | Packet | Gap))

    def settle(self, position: int) -> None:
        """Nothing before `position` is needed again. Never moves back, never past `sent`."""
        self.settled = max(self.settled, min(position, self.sent))
        self.trim()

    def trim(self) -> None:
        """Forget what is settled, and the oldest of what exceeds the replay bound."""
        floor = max(self.settled, self.sent - self.replay)
        past, base = self._past, self.base
        while past:
            first = past[0]
            # asked here as well: a call per frame of sound is saved
            units = len(first) if type(first) is bytes else units_of(first)
            if base + units > floor:
                break
            past.popleft()
            base += units
        self.base = base

    def drop_oldest(self, bound: int) -> int:
        """Turn the oldest unsent sound into gaps until no more than `bound` units of it wait.
        Commands keep their place. Returns the units dropped."""
        excess = sum(units_of(i) for i in self._unsent if not isinstance(i, Gap)) - bound
        if excess <= 0:
            return 0
        kept: deque[Item] = deque()
        dropped = 0
        for item in self._unsent:
            if excess > 0 and isinstance(item, bytes | Packet):
                units = cut = units_of(item)
                if isinstance(item, bytes) and excess < units:
                    cut = min(units, -(-excess // self.frame) * self.frame)
                _add_gap(kept, cut)
                if isinstance(item, bytes) and cut < units:
                    kept.append(item[cut:])
                excess -= cut
                dropped += cut
            else:
                kept.append(item)
        self._unsent = kept
        return dropped

    def rewind(self) -> tuple[int, int]:
        """Make everything from `settled` on unsent again, for another engine, with the commands
        still unanswered at their places.

        Returns where the new feed begins, and how many wanted units had fallen off before it.
        """
        self.trim()
        sent = self.sent
        start = max(self.settled - self.settled % self.frame, self.base)
        lost = max(0, self.base - self.settled)
        again: deque[Item] = deque()
        asked = deque(self._asked)
        position = self.base
        for item in self._past:
            units = units_of(item)
            while asked and asked[0][0] <= position:
                again.append(asked.popleft()[1])
            if position + units > start:
                if position >= start:
                    again.append(item)
                elif isinstance(item, bytes):
                    again.append(item[start - position :])
                elif isinstance(item, Gap):
                    again.append(Gap(position + units - start))
                else:
                    start = position  # a packet is fed whole
                    again.append(item)
            position += units
        again.extend(command for _, command in asked)
        again.extend(self._unsent)
        self._past.clear()
        self._asked.clear()
        self._unsent = again
        self.base = start
        self.waiting = self.end - start
        if position != sent:
            raise RuntimeError(f"journal holds audio to {position}, {sent} was sent")
        return start, lost

    def clear_sound(self) -> None:
        """Forget all sound held (`Cancel(side="in")`); commands that wait stay in order."""
        commands = [item for item in self._unsent if not isinstance(item, bytes | Packet | Gap)]
        self._unsent.clear()
        if self.waiting:
            self._unsent.append(Gap(self.waiting))
        self._unsent.extend(commands)
        self._past.clear()
        self.base = self.settled = self.sent


def _add_gap(items: deque[Item], units: int) -> None:
    last = items[-1] if items else None
    if isinstance(last, Gap):
        items[-1] = Gap(last.units + units)
    else:
        items.append(Gap(units))
