"""Where one opened engine stream tells what it heard, on the session's clock.

One sink per opened stream carries that stream's own offset (contracts M29), so two streams that
overlap for a moment cannot mix, and a stream that was replaced speaks to deaf ears.
"""

from typing import Protocol

from .events import Event
from .rebase import Rebase

__all__ = ["Listener", "StreamSink"]


class Listener(Protocol):
    """Who a sink reports to: the session."""

    id: str
    """Its public name."""

    def told(self, sink: "StreamSink", event: Event) -> None: ...
    def granted(self, sink: "StreamSink", until_ms: int) -> None: ...
    def silent_until(self, sink: "StreamSink", until_ms: int) -> None: ...


class StreamSink:
    """Implements `core.ports.Sink` for one stream."""

    __slots__ = ("deaf", "listener", "rebase", "skipped", "start")

    def __init__(self, listener: Listener, *, start: int, start_ms: int) -> None:
        """`start`: journal position of the first sample this stream is fed; `start_ms`: its
        stream time."""
        self.listener = listener
        self.rebase = Rebase(start_ms)
        self.start = start
        self.skipped = 0
        """Units since `start` that the stream was not fed (gaps)."""
        self.deaf = False
        """Aborted or replaced: whatever it still says is ignored."""

    def tell(self, event: Event) -> None:
        """An event on the stream's own clock."""
        if not self.deaf:
            self.listener.told(self, event if self.rebase.plain else self.rebase.event(event))

    def credit(self, until_ms: int) -> None:
        """The stream takes audio up to here."""
        if not self.deaf:
            self.listener.granted(self, until_ms)

    def settled(self, until_ms: int) -> None:
        """Nothing before this will be reported again."""
        if not self.deaf:
            self.listener.silent_until(self, self.rebase.end_ms(until_ms))
