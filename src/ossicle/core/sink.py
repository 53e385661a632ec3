"""Where one opened engine stream tells what it heard, on the session's clock.

One sink per opened stream carries that stream's own offset (contracts M29), so two streams that
overlap for a moment cannot mix, and a stream that was replaced speaks to deaf ears.
"""

from typing import Protocol

import msgspec

from .events import Event, SpeechEnded, SpeechStarted, Transcript
from .rebase import Rebase

__all__ = ["Listener", "StreamSink"]


class Listener(Protocol):
    """Who a sink reports to: the session."""

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
            self.listener.told(self, event if self.rebase.plain else self.rebased(event))

    def credit(self, until_ms: int) -> None:
        """The stream takes audio up to here."""
        if not self.deaf:
            self.listener.granted(self, until_ms)

    def settled(self, until_ms: int) -> None:
        """Nothing before this will be reported again."""
        if not self.deaf:
            self.listener.silent_until(self, self.rebase.end_ms(until_ms))

    def rebased(self, event: Event) -> Event:
        """The event with its times on the session's clock. Output has its own time."""
        rebase = self.rebase
        match event:
            case Transcript(side="in"):
                words = event.words
                if words:
                    words = tuple(
                        msgspec.structs.replace(
                            word,
                            start_ms=rebase.stream_ms(word.start_ms),
                            end_ms=rebase.end_ms(word.end_ms),
                        )
                        for word in words
                    )
                return msgspec.structs.replace(
                    event,
                    start_ms=None if event.start_ms is None else rebase.stream_ms(event.start_ms),
                    end_ms=None if event.end_ms is None else rebase.end_ms(event.end_ms),
                    words=words,
                )
            case SpeechStarted(side="in", at_ms=int(at_ms)):
                return msgspec.structs.replace(event, at_ms=rebase.stream_ms(at_ms))
            case SpeechEnded(side="in", at_ms=int(at_ms)):
                return msgspec.structs.replace(event, at_ms=rebase.end_ms(at_ms))
            case _:
                return event
