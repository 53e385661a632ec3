"""Events that came and were not read yet. Bounded: beyond `most` the owner stops reading the wire.

A newer partial takes the place of one nobody has read, as in the gateway's own log, so a reader
that comes late finds one partial where a hundred were.
"""

from collections import deque
from typing import TypeAlias

from ossicle.core.events import AudioOut, Event, Transcript

__all__ = ["EventQueue"]

_Key: TypeAlias = tuple[str, int, int, int, str]


class EventQueue:
    """First in, first out."""

    def __init__(self, *, most: int = 4_096, most_bytes: int = 8 << 20) -> None:
        self._slots: deque[list[Event]] = deque()
        self._partials: dict[_Key, list[Event]] = {}
        self._most, self._most_bytes = most, most_bytes
        self._live = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._live

    @property
    def full(self) -> bool:
        """Stop reading the wire."""
        return self._live >= self._most or self._bytes >= self._most_bytes

    @property
    def low(self) -> bool:
        """Read again."""
        return self._live <= self._most // 2 and self._bytes <= self._most_bytes // 2

    def push(self, event: Event) -> None:
        """One more."""
        slot = [event]
        if isinstance(event, Transcript):
            key = (event.side, event.channel, event.turn, event.segment, event.utterance)
            older = self._partials.pop(key, None)
            if older:
                older.clear()
                self._live -= 1
            if not event.final:
                self._partials[key] = slot
        elif isinstance(event, AudioOut):
            self._bytes += len(event.data)
        self._slots.append(slot)
        self._live += 1
        if len(self._slots) > 2 * self._live + 64:
            self._slots = deque(slot for slot in self._slots if slot)

    def pop(self) -> Event | None:
        """The oldest; None = nothing."""
        while self._slots:
            slot = self._slots.popleft()
            if not slot:
                continue
            event = slot.pop()
            self._live -= 1
            if isinstance(event, Transcript) and not event.final:
                key = (event.side, event.channel, event.turn, event.segment, event.utterance)
                if self._partials.get(key) is slot:
                    del self._partials[key]
            elif isinstance(event, AudioOut):
                self._bytes -= len(event.data)
            return event
        return None
