"""A sink that keeps everything, for tests of engines.

sink = HeldSink()
stream = await engine.open(Options(), sink)
print(sink.finals)
"""

from collections.abc import Callable

from ..core.events import Ended, Event, Transcript
from ..core.ports import Sink

__all__ = ["HeldSink"]


class HeldSink(Sink):
    """A sink that keeps everything it was told."""

    def __init__(self, told: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self.credit_ms: int | None = None
        """The last credit; None = unlimited."""
        self.settled_ms = 0
        self._told = told

    def tell(self, event: Event) -> None:
        self.events.append(event)
        if self._told is not None:
            self._told(event)

    def credit(self, until_ms: int) -> None:
        self.credit_ms = until_ms

    def settled(self, until_ms: int) -> None:
        self.settled_ms = until_ms

    @property
    def finals(self) -> list[Transcript]:
        """Finals heard, in order."""
        return [
            event
            for event in self.events
            if isinstance(event, Transcript) and event.final and event.side == "in"
        ]

    @property
    def ended(self) -> Ended | None:
        """The end, once told."""
        return next((event for event in self.events if isinstance(event, Ended)), None)
