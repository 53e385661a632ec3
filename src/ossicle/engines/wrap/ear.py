"""The sink of one stream among several that follow one another: what it hears is put onto the time
of the whole.

    ear = Ear(owner, start_ms=4_000)     # its first sample is the one of 4 s
    ear.stream = await engine.open(options, ear)

Knows nothing of when one stream gives way to the next: that is its owner's.
"""

from typing import Protocol

from ...core.errors import OssicleError
from ...core.events import Event
from ...core.ports import Stream
from ...core.rebase import Rebase

__all__ = ["Ear", "EarOwner"]


class EarOwner(Protocol):
    """Who has several streams, one after another. Times are those of the whole."""

    def told(self, ear: "Ear", event: Event) -> None:
        """An event."""
        ...

    def granted(self, ear: "Ear", until_ms: int) -> None:
        """It takes audio up to here."""
        ...

    def silent_until(self, ear: "Ear", until_ms: int) -> None:
        """It will report nothing before this again."""
        ...


class Ear:
    """Implements `core.ports.Sink`."""

    __slots__ = ("_owner", "deaf", "granted", "over", "rebase", "start_ms", "stream")

    def __init__(self, owner: EarOwner, start_ms: int = 0) -> None:
        self._owner = owner
        self.stream: Stream | None = None
        self.deaf = False
        self.over: OssicleError | None = None
        """Why it ended before it was needed."""
        self.granted: int | None = None
        """What it takes, on its own time; None = it never said."""
        self.start_ms = start_ms
        self.rebase = Rebase(start_ms)

    def start(self, at_ms: int) -> None:
        """Its first sample is the one of `at_ms`."""
        self.start_ms = at_ms
        self.rebase = Rebase(at_ms)

    def tell(self, event: Event) -> None:
        if not self.deaf:
            self._owner.told(self, event if self.rebase.plain else self.rebase.event(event))

    def credit(self, until_ms: int) -> None:
        self.granted = until_ms
        if not self.deaf:
            self._owner.granted(self, self.rebase.end_ms(until_ms))

    def settled(self, until_ms: int) -> None:
        if not self.deaf:
            self._owner.silent_until(self, self.rebase.end_ms(until_ms))
