"""The event log: the only outgoing queue of a session, and the legs' cursors point into it.

A newer partial of a segment empties the slot of the older one, so a slow reader finds one partial
where a hundred were, and `seq` rises but may skip. Bounded in events and in bytes; what falls off
is gone, and a leg whose cursor is older is told how many events it missed.
"""

from itertools import islice
from typing import TypeAlias

import msgspec

from .events import Asked, AudioOut, Event, Told, Transcript

__all__ = ["Log"]

_PARTIAL = 400
"""Bytes a partial counts for: there is one a segment at most, so it is not weighed."""

_Key: TypeAlias = tuple[str, int, int, int, str]


class Log:
    """Append-only, numbered from `first`; numbers are never reused."""

    __slots__ = ("_bytes", "_entries", "_partials", "first", "most_bytes", "most_events", "next")

    def __init__(
        self, *, first: int = 1, most_events: int = 10_000, most_bytes: int = 8 << 20
    ) -> None:
        self._entries: list[Event | None] = []
        self._partials: dict[_Key, int] = {}
        self._bytes = 0
        self.first = first
        """Number of the oldest entry held."""
        self.next = first
        """Number of the entry that comes next."""
        self.most_events = most_events
        self.most_bytes = most_bytes

    def append(self, event: Event) -> Event:
        """Number an event and keep it; returns it with its `seq`."""
        event = msgspec.structs.replace(event, seq=self.next)
        self.put(event)
        return event

    def put(self, event: Event) -> None:
        """Keep an event that carries its number, `next`, already."""
        seq, entries = self.next, self._entries
        self.next = seq + 1
        if type(event) is Transcript:
            key = (event.side, event.channel, event.turn, event.segment, event.utterance)
            partials = self._partials
            older = partials.get(key)
            if older is not None and (place := older - self.first) >= 0:
                entries[place] = None
                if event.final:
                    self._bytes -= _PARTIAL
            elif not event.final:
                self._bytes += _PARTIAL
            if not event.final:
                partials[key] = seq
            else:
                self._bytes += _weight(event)
                if older is not None:
                    del partials[key]
        else:
            self._bytes += _weight(event)
        entries.append(event)
        if len(entries) > self.most_events or self._bytes > self.most_bytes:
            self._shed()

    def read(self, seq: int) -> Event | None:
        """The entry of that number; None where a newer one replaced it, or it fell off."""
        place = seq - self.first
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def missed(self, since: int) -> int:
        """How many entries after `since` have fallen off."""
        return max(0, self.first - 1 - since)

    def forget_audio(self, utterance: str, until_ms: int) -> None:
        """Sound of an utterance was heard up to here: nobody needs it again. The last piece that
        begins before may be heard only in part, and stays."""
        heard = [
            self.first + place
            for place, event in enumerate(self._entries)
            if isinstance(event, AudioOut)
            and event.utterance == utterance
            and event.start_ms < until_ms
        ]
        for seq in heard[:-1]:
            self._empty(seq)

    def _empty(self, seq: int) -> None:
        place = seq - self.first
        if 0 <= place < len(self._entries) and (event := self._entries[place]) is not None:
            self._bytes -= _weight(event)
            self._entries[place] = None

    def _shed(self) -> None:
        """Drop the oldest quarter at least, so that shedding is rare."""
        count = max(1, self.most_events // 4)
        held = sum(_weight(e) for e in islice(self._entries, count) if e is not None)
        while self._bytes - held > self.most_bytes and count < len(self._entries) - 1:
            event = self._entries[count]
            held += _weight(event) if event is not None else 0
            count += 1
        count = min(count, len(self._entries) - 1)
        for event in islice(self._entries, count):
            if event is not None:
                self._bytes -= _weight(event)
        del self._entries[:count]
        self.first += count
        self._partials = {key: seq for key, seq in self._partials.items() if seq >= self.first}


def _weight(event: Event) -> int:
    """Bytes an event keeps alive, near enough for a bound."""
    match event:
        case Transcript(final=False):
            return _PARTIAL
        case Transcript():
            others = sum(len(text) for text in event.alternatives)
            return 240 + 4 * (len(event.text) + others) + 120 * len(event.words or ())
        case AudioOut():
            return 160 + len(event.data)
        case Told():
            return 160 + 4 * len(event.text)
        case Asked():
            return 160 + 4 * len(event.arguments)
        case _:
            return 160
