"""Session ids that clients gave: which of them are in use, and which can be gone on with.

A second stream of an id that is in use is a conflict; one that asks to resume gets the session
that waits for it. Ids belong to the access key that gave them. What is kept is small and bounded:
who was lost without a word is looked up and forgotten when there is no room.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, TypeAlias

from ossicle.core.formats import AudioFormat

__all__ = ["Held", "SessionIds", "State"]

State: TypeAlias = Literal["here", "waiting", "gone"]
"""Of a session: its client is connected, it waits for it to come back, or it is over."""

_MOST = 10_000
_RESERVED_S = 30.0
"""How long an id is kept for a stream whose session has not begun."""


class Held:
    """One session id."""

    __slots__ = ("format", "reserved_until", "resumable", "seq", "session", "token")

    def __init__(self, reserved_until: float, source: AudioFormat, *, resumable: bool) -> None:
        self.session = self.token = ""
        self.seq = 0
        """The last event its client was sent."""
        self.reserved_until = reserved_until
        self.format = source
        self.resumable = resumable


class SessionIds:
    """Of one gateway."""

    def __init__(self, state: Callable[[str], State]) -> None:
        """`state`: of a session, by the gateway's id of it."""
        self._state = state
        self._held: OrderedDict[tuple[str, str], Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def find(self, who: str, name: str, now: float) -> tuple[Held | None, State]:
        """What is known of an id. `gone`: it is free."""
        held = self._held.get((who, name))
        if held is None:
            return None, "gone"
        if not held.session:
            state: State = "here" if now < held.reserved_until else "gone"
        else:
            state = self._state(held.session)
        return held, state

    def take(
        self, who: str, name: str, now: float, source: AudioFormat, *, resumable: bool
    ) -> Held:
        """An id for a new stream."""
        if len(self._held) >= _MOST:
            self._sweep(now)
        held = self._held[who, name] = Held(now + _RESERVED_S, source, resumable=resumable)
        self._held.move_to_end((who, name))
        return held

    def forget(self, who: str, name: str, held: Held) -> None:
        """Its stream is over; a newer one of the same id is left alone."""
        if self._held.get((who, name)) is held:
            del self._held[who, name]

    def _sweep(self, now: float) -> None:
        for key in [key for key in self._held if self.find(*key, now)[1] == "gone"]:
            del self._held[key]
        while len(self._held) > _MOST * 9 // 10:  # the oldest; not at every new one
            self._held.popitem(last=False)
