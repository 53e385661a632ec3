"""Sound on a track: how far it was played, and what a client is told of that.

    AudioOut          ─▶ output_audio_buffer.started, Media, Mark, Media, Mark …
    a Mark comes back ─▶ Played, and behind the last one output_audio_buffer.stopped
    it is cut off     ─▶ Clear, output_audio_buffer.cleared

A track paces sound by itself and tells nothing but the marks that it reached, so a mark goes behind
every tenth of a second: that is how exactly `conversation.item.truncated` says what was heard. The
responses stand in a row: the next one's `started` waits until the one before it was heard (wire
note, sections 5 and 6).

Only the leg that has the track knows all this. What it tells is noted in the book, where the
sidebands of the call find it.
"""

from collections import deque
from typing import TypeAlias

import msgspec

from ossicle.core.commands import Played
from ossicle.core.events import AudioOut
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Clear, Mark, Media

from .book import Book
from .messages import BufferCleared, BufferStarted, BufferStopped

__all__ = ["SOUND", "Paced", "Pacing"]

SOUND = AudioFormat("pcm_s16le", 16_000, 1)
"""What a media track gives and takes, whatever its codec and whatever `audio.*.format` says."""

_MARK_EVERY = SOUND.units(100)

Paced: TypeAlias = Media | Mark | Clear | Played | BufferStarted | BufferStopped | BufferCleared
"""What is to be done, in order: messages to the track, commands to the session, events."""


class _Place(msgspec.Struct, frozen=True):
    """A place in the sound."""

    utterance: str
    until_ms: int
    ends: str = ""
    """The response that ends there."""


class Pacing:
    """Of one call."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._places: dict[str, _Place] = {}
        self._count = 0
        self._row: deque[str] = deque()
        """Responses with sound that was not heard to its end; the first one is being heard."""
        self.heard: tuple[str, int] = ("", 0)
        """The utterance that was heard last, and how much of it."""

    @property
    def playing(self) -> str:
        """The response that is being heard."""
        return self._row[0] if self._row else ""

    def sound(self, event: AudioOut, response_id: str) -> list[Paced]:
        """Sound of a response; "" = of none that is known."""
        out: list[Paced] = []
        if response_id and response_id not in self._row:
            self._row.append(response_id)
            if self.playing == response_id:
                out.append(self._noted(BufferStarted(response_id=response_id)))
        for at in range(0, len(event.data), _MARK_EVERY):
            piece = event.data[at : at + _MARK_EVERY]
            until = event.start_ms + SOUND.ms(at + len(piece))
            out += [Media(piece), self._mark(_Place(event.utterance, until))]
        return out

    def end(self, utterance: str, until_ms: int, response_id: str) -> list[Paced]:
        """There will be no more sound of it."""
        if response_id not in self._row:
            return []
        return [self._mark(_Place(utterance, until_ms, response_id))]

    def reached(self, name: str) -> list[Paced]:
        """A mark came back. One that was thrown away before says nothing."""
        place = self._places.pop(name, None)
        if place is None:
            return []
        self.heard = (place.utterance, place.until_ms)
        played = Played(utterance=place.utterance, until_ms=place.until_ms, by_wire=True)
        out: list[Paced] = [played]
        if place.ends:
            self._row.popleft()
            out.append(self._noted(BufferStopped(response_id=place.ends)))
            if self._row:
                out.append(self._noted(BufferStarted(response_id=self._row[0])))
        return out

    def silence(self, utterance: str = "", response_id: str = "") -> list[Paced]:
        """What is on its way is not to be heard; nothing, where none of it is of that utterance."""
        theirs = {place.utterance: place.until_ms for place in self._places.values()}
        if utterance and utterance not in theirs and response_id not in self._row:
            return []
        playing = self.playing
        self._places.clear()
        self._row.clear()
        out: list[Paced] = [Clear()]
        # A track is cleared whole. What it held of others is over, too: nobody waits for it.
        out += [
            Played(utterance=name, until_ms=until, estimated=True, by_wire=True)
            for name, until in theirs.items()
            if utterance and name != utterance
        ]
        if playing:
            out.append(self._noted(BufferCleared(response_id=playing)))
        return out

    def _mark(self, place: _Place) -> Mark:
        self._count += 1
        name = f"m{self._count}"
        self._places[name] = place
        return Mark(name)

    def _noted(
        self, event: BufferStarted | BufferStopped | BufferCleared
    ) -> BufferStarted | BufferStopped | BufferCleared:
        self._book.note(event, playing=bool(self._row))
        return event
