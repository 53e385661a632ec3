"""The voice side of a session: sound from the engine to the client, and how much was heard.

Converts once from what the engine makes to what the client asked for, tells `playback` what was
sent, and grants the engine how far it may speak ahead.

Each utterance has a converter of its own: what that holds back at the end (some ms) belongs to it,
and nothing of a cancelled one is heard in the next.
"""

from collections.abc import Callable, Sequence

import msgspec

from .commands import Cancel, Played
from .events import AudioOut, Event, Marked
from .formats import AudioFormat
from .playback import Playback
from .ports import Converter

__all__ = ["Speech"]


class Speech:
    """What one session says."""

    __slots__ = (
        "_ahead_ms",
        "_begin_ms",
        "_converter",
        "_first",
        "_made",
        "_origin",
        "_out",
        "_utterance",
        "_way",
        "playback",
    )

    def __init__(self, ahead_ms: int) -> None:
        """`ahead_ms`: how far an engine may speak ahead of what was heard."""
        self._ahead_ms = ahead_ms
        self._way: Callable[[], Converter | None] | None = None
        self._converter: Converter | None = None
        self._utterance: str | None = None
        """Whose converter that is."""
        self._begin_ms = 0
        """Where its sound begins."""
        self._made = 0
        """Bytes of it, in the client's format."""
        self._out: AudioFormat | None = None
        self._origin = 0
        """What was made before the present stream of the engine, which counts from 0."""
        self._first: tuple[str, float] | None = None
        self.playback = Playback()

    def shape(self, out: AudioFormat | None, way: Callable[[], Converter | None] | None) -> None:
        """What the client hears, and what makes the way there from what the engine makes."""
        self._out, self._way = out, way
        self._utterance = None

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
        if event.utterance != self._utterance:
            self._converter = self._way() if self._way is not None else None
            self._utterance = event.utterance
            self._begin_ms, self._made = event.start_ms, 0
        if self._converter is not None:
            return self._converted(event, self._converter.convert(event.data), now)
        return self._sent(event, self._out.ms(len(event.data)), now)

    def rest(self, utterance: str, now: float) -> Sequence[Event]:
        """An utterance is made to its end: what its converter held back.

        Raises:
            Overloaded: as `sound`.
        """
        converter = self._converter
        if converter is None or utterance != self._utterance:
            return ()
        due = self._converted(AudioOut(utterance=utterance), converter.flush(), now)
        self._converter = self._utterance = None
        return due

    def _converted(self, event: AudioOut, data: bytes, now: float) -> Sequence[Event]:
        """Sound at its own place: it comes a little later than what it is made of, and its pieces
        last some samples more or less."""
        out = self._out
        assert out is not None
        start = self._begin_ms + out.ms(self._made)
        self._made += len(data)
        end = self._begin_ms + out.ms(self._made)
        event = msgspec.structs.replace(event, data=data, start_ms=start)
        return self._sent(event, end - start, now)

    def _sent(self, event: AudioOut, length_ms: int, now: float) -> Sequence[Event]:
        if not event.data and not event.mark:
            return ()
        due = self.playback.sent(event.utterance, event.start_ms, length_ms, event.mark, now=now)
        if self.playback.stale(event.utterance):
            return due
        if event.start_ms == 0:
            self._first = (event.utterance, now)
        return (event, *due)

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

    def hush(
        self, command: Cancel, now: float, *, unasked: bool, made: Callable[[str], bool]
    ) -> tuple[Cancel, Sequence[Event]]:
        """Stop: the command with how much was heard, and marks that never will be.

        Of an utterance that is `made` to its end the engine says no more, so how much of it was
        heard is told here, to whoever asked and to everybody else. `unasked`: who hears the voice
        did not ask for it, and has to be told in any case that it holds sound not to be heard any
        more. A clock may be ahead of the ear, so an estimate does not say that there is none.
        """
        cleared = self.playback.clear(command.utterance, now=now)
        subject = cleared.utterance
        away: list[Event] = list(cleared.marks)
        if subject and (
            (unasked and (cleared.unheard_ms or cleared.estimated))
            or (cleared.unheard_ms and made(subject))
        ):
            away.append(Marked(utterance=subject, heard_ms=cleared.heard_ms, cleared=True))
        away += [Marked(utterance=name, cleared=True) for name in cleared.others if made(name)]
        return msgspec.structs.replace(command, heard_ms=cleared.heard_ms), away

    def credit(self, now: float) -> int:
        """How far the engine may speak, over the whole of its present stream."""
        return self.playback.credit(now, self._ahead_ms) - self._origin

    def restart(self, skipped_ms: int, now: float) -> None:
        """Another stream of the engine speaks from here on; so much of it will not be heard."""
        made = self.playback.credit(now, 0) + self.playback.ahead_ms(now)
        self._origin = made - skipped_ms
