"""What is said to the caller: sound on its way, marks that are due back, and hushing.

The carrier plays what it is sent in order and tells nothing but its marks, so a mark goes after
every half second of sound and at the end of each utterance; each one that comes back is a
`Played`. A caller who speaks is not to be talked over: `hush` clears what the carrier holds, and
the marks it returns for that were not heard.

    engine's AudioOut ─▶ say ─▶ [paced] ─▶ carrier.sound … carrier.mark
    carrier's mark    ─▶ reached ─▶ Played
"""

from collections import OrderedDict, deque
from math import inf

import msgspec

from ossicle.core.commands import Played
from ossicle.core.events import AudioOut
from ossicle.core.formats import AudioFormat
from ossicle.core.intake import silence
from ossicle.core.wire import Message

from .calls import Carrier

__all__ = ["Mouth"]

_MARK_EVERY_MS = 500
_PIECE_MS = 100
"""Size of a paced piece: a clear can take back whole pieces only."""
_HUSHED = 64
"""Utterances remembered as hushed, whose late sound is not said."""


class _Place(msgspec.Struct, frozen=True, gc=False):
    """Where a mark stands."""

    utterance: str
    until_ms: int
    mark: str
    """The engine's own name; empty = ours, to know how far it is."""


class Mouth:
    """The voice side of one call. Pure; bounded by what a session lets an engine speak ahead."""

    def __init__(self, carrier: Carrier, form: AudioFormat, lead_ms: int | None = None) -> None:
        """
        Args:
            carrier: how to spell it.
            form: what the sound is.
            lead_ms: how much may be with the carrier that it has not played; None = anything.
        """
        self.deadline = inf
        """When `expire` has something to send."""
        self._carrier = carrier
        self._form = form
        self._step = form.units(carrier.step_ms)
        self._lead = None if lead_ms is None else max(lead_ms, _PIECE_MS) / 1000
        self._queue: deque[bytes | _Place] = deque()
        self._rest = b""
        self._utterance = ""
        self._until_ms = 0
        self._marked_ms = 0
        self._plays_until = 0.0
        self._count = 0
        self._out: OrderedDict[str, _Place] = OrderedDict()
        self._hushed: deque[str] = deque(maxlen=_HUSHED)

    @property
    def busy(self) -> bool:
        """Something was sent, or waits to be, that is not known to be heard."""
        return bool(self._queue or self._out or self._rest)

    def busy_with(self, utterance: str) -> bool:
        """Likewise of that utterance; empty = of any."""
        return self.busy and (
            not utterance
            or utterance == self._utterance
            or any(place.utterance == utterance for place in self._out.values())
        )

    def say(self, event: AudioOut, now: float) -> tuple[Message, ...]:
        """Sound of the engine's."""
        if event.utterance in self._hushed:
            return ()
        if event.utterance != self._utterance:
            self._finish()
            self._utterance = event.utterance
            self._until_ms = self._marked_ms = event.start_ms
        self._add(event.data)
        self._until_ms = event.start_ms + self._form.ms(len(event.data))
        if event.mark or self._until_ms - self._marked_ms >= _MARK_EVERY_MS:
            self._mark(event.mark)
        return self._send(now)

    def finish(self, utterance: str, now: float) -> tuple[Message, ...]:
        """No more sound of this utterance will come."""
        if utterance and utterance != self._utterance:
            return ()
        self._finish()
        return self._send(now)

    def hush(self) -> tuple[Message, ...]:
        """Be silent now."""
        if not self.busy:
            return ()
        self._hushed.extend(
            dict.fromkeys((*(place.utterance for place in self._out.values()), self._utterance))
        )
        self._queue.clear()
        self._out.clear()
        self._rest = b""
        self._utterance = ""
        self._plays_until = 0.0
        self.deadline = inf
        return (self._carrier.clear(),)

    def reached(self, mark: str) -> Played | None:
        """A mark came back. None = it is not ours, or was cleared away."""
        if mark not in self._out:
            return None
        place = _Place("", 0, "")
        while mark in self._out:  # whatever stood before it was played, too
            _, place = self._out.popitem(last=False)
        return Played(utterance=place.utterance, until_ms=place.until_ms, mark=place.mark)

    def expire(self, now: float) -> tuple[Message, ...]:
        """The time for the next piece has come."""
        return self._send(now) if now >= self.deadline else ()

    def _add(self, data: bytes) -> None:
        if self._step:
            data, rest = self._rest + data, b""
            if uneven := len(data) % self._step:
                data, rest = data[:-uneven], data[-uneven:]
            self._rest = rest
        if not data:
            return
        if self._lead is None:
            self._queue.append(data)
            return
        size = self._form.units(_PIECE_MS)
        self._queue.extend(data[at : at + size] for at in range(0, len(data), size))

    def _mark(self, mark: str) -> None:
        self._queue.append(_Place(self._utterance, self._until_ms, mark))
        self._marked_ms = self._until_ms

    def _finish(self) -> None:
        """The end of an utterance: its last piece, filled up, and its last mark."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._queue.append(rest + silence(self._form, self._step - len(rest)))
        if self._utterance and self._until_ms > self._marked_ms:
            self._mark("")

    def _send(self, now: float) -> tuple[Message, ...]:
        messages: list[Message] = []
        self.deadline = inf
        while self._queue:
            if self._lead is not None and self._plays_until - now >= self._lead:
                self.deadline = self._plays_until - self._lead + 0.001
                break
            item = self._queue.popleft()
            if isinstance(item, bytes):
                messages += self._carrier.sound(item)
                begins = max(self._plays_until, now)
                self._plays_until = begins + len(item) / self._form.units_per_second
            else:
                self._count += 1
                name = f"ossicle-{self._count}"
                self._out[name] = item
                messages.append(self._carrier.mark(name))
        return tuple(messages)
