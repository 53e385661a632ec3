"""From the time of one engine stream to the time of the session.

An engine's clock starts at 0 with the first sample it is fed and knows nothing of what it never
got: audio before a replay began, audio dropped under overload, a hold of five minutes. Each such
place is a jump; between jumps both clocks run alike.

    >>> rebase = Rebase(4_000)        # this stream was opened at 4 s (a replay)
    >>> rebase.jump(fed_ms=1_000, by_ms=500)
    >>> rebase.stream_ms(900), rebase.stream_ms(1_200)
    (4900, 5700)
"""

from bisect import bisect_right

import msgspec

from .events import Event, SpeechEnded, SpeechStarted, Transcript

__all__ = ["Rebase"]

_MOST = 512
"""Jumps remembered; older ones fold into the first (their audio is long settled)."""


class Rebase:
    """Piecewise shift, one per opened stream, so overlapping streams cannot mix."""

    __slots__ = ("_from", "_shift", "plain")

    def __init__(self, origin_ms: int = 0) -> None:
        self._from = [0]
        self._shift = [origin_ms]
        self.plain = origin_ms == 0
        """Both clocks are the same."""

    def jump(self, fed_ms: int, by_ms: int) -> None:
        """After `fed_ms` of the stream's own time, the session's runs `by_ms` further ahead."""
        self.plain = False
        if fed_ms <= self._from[-1]:
            self._shift[-1] += by_ms
            return
        self._from.append(fed_ms)
        self._shift.append(self._shift[-1] + by_ms)
        if len(self._from) > _MOST:
            del self._from[1], self._shift[0]

    def stream_ms(self, engine_ms: int) -> int:
        """The session's time of a moment in the stream's own."""
        return engine_ms + self._shift[max(0, bisect_right(self._from, engine_ms) - 1)]

    def end_ms(self, engine_ms: int) -> int:
        """The same for the end of something: an end exactly at a jump belongs before it."""
        return engine_ms + self._shift[max(0, bisect_right(self._from, engine_ms - 1) - 1)]

    def event(self, event: Event) -> Event:
        """An event with its times on the session's clock. Output has its own time."""
        match event:
            case Transcript(side="in"):
                words = event.words
                if words:
                    words = tuple(
                        msgspec.structs.replace(
                            word,
                            start_ms=self.stream_ms(word.start_ms),
                            end_ms=self.end_ms(word.end_ms),
                        )
                        for word in words
                    )
                return msgspec.structs.replace(
                    event,
                    start_ms=None if event.start_ms is None else self.stream_ms(event.start_ms),
                    end_ms=None if event.end_ms is None else self.end_ms(event.end_ms),
                    words=words,
                )
            case SpeechStarted(side="in", at_ms=int(at_ms)):
                return msgspec.structs.replace(event, at_ms=self.stream_ms(at_ms))
            case SpeechEnded(side="in", at_ms=int(at_ms)):
                return msgspec.structs.replace(event, at_ms=self.end_ms(at_ms))
            case _:
                return event
