"""The voice side of a session: sound from the engine to the client, and how much was heard.

Converts once from what the engine makes to what the client asked for, tells `playback` what was
sent, and grants the engine how far it may speak ahead.
"""

from collections.abc import Sequence

import msgspec

from .commands import Cancel, Played
from .events import AudioOut, Event
from .formats import AudioFormat
from .playback import Playback
from .ports import Converter

__all__ = ["Speech"]


class Speech:
    """What one session says."""

    __slots__ = ("_ahead_ms", "_converter", "_first", "_out", "playback")

    def __init__(self, ahead_ms: int) -> None:
        """`ahead_ms`: how far an engine may speak ahead of what was heard."""
        self._ahead_ms = ahead_ms
        self._converter: Converter | None = None
        self._out: AudioFormat | None = None
        self._first: tuple[str, float] | None = None
        self.playback = Playback()

    def shape(self, out: AudioFormat | None, converter: Converter | None) -> None:
        """What the client hears, and the way there from what the engine makes."""
        self._out, self._converter = out, converter

    @property
    def possible(self) -> bool:
        """There is a voice, and somebody who wants to hear it."""
        return self._out is not None

    def audible(self, now: float) -> bool:
        """Something was sent that is not known to be heard to its end."""
        return self.possible and self.playback.ahead_ms(now) > 0

    def sound(self, event: AudioOut, now: float) -> Sequence[Event]:
        """Sound for the client, in its format, and marks that are due; nothing while a converter
        fills up, or when this utterance was cancelled meanwhile.

        Raises:
            Overloaded: the engine speaks far beyond its credit.
        """
        if self._out is None:
            return ()
        data = self._converter.convert(event.data) if self._converter else event.data
        if not data and not event.mark:
            return ()
        length = self._out.ms(len(data))
        due = self.playback.sent(event.utterance, event.start_ms, length, event.mark, now=now)
        if self.playback.stale(event.utterance):
            return due
        if event.start_ms == 0:
            self._first = (event.utterance, now)
        return (msgspec.structs.replace(event, data=data), *due)

    def played(self, command: Played, now: float) -> Sequence[Event]:
        """The client reports what it has played."""
        return self.playback.played(
            command.utterance,
            command.until_ms,
            command.mark,
            estimated=command.estimated,
            now=now,
        )

    def heard_after(self, command: Played, now: float) -> float | None:
        """Milliseconds from the first sound of an utterance to the first report of it, once."""
        first = self._first
        if first is None or first[0] != command.utterance or command.estimated:
            return None
        self._first = None
        return max(0.0, (now - first[1]) * 1000 - command.until_ms)

    def hush(self, command: Cancel, now: float) -> tuple[Cancel, Sequence[Event]]:
        """Stop: the command with how much was heard, and the marks that never will be."""
        cleared = self.playback.clear(command.utterance, now=now)
        return msgspec.structs.replace(command, heard_ms=cleared.heard_ms), cleared.marks

    def credit(self, now: float) -> int:
        """How far the engine may speak, over the whole stream."""
        return self.playback.credit(now, self._ahead_ms)
