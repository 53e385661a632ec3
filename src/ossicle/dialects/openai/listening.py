"""The input side of a conversation: turns become items of the user, and words their transcripts.

With turn detection a turn is an item, whose id follows from the turn's number. Without, what was
appended becomes one at each commit: the `Finalize` carries the item's id as its ref, and whatever
the engine heard until it is answered belongs to that item. A commit with turn detection takes the
turn that is open and those that begin until it is answered: a client may leave with that answer.

Deltas are what will not change any more. A transcription session has them while somebody still
speaks; a conversation has them after the item is in it, since its clients look the item up.
"""

from collections import deque

import msgspec

from ossicle.core.events import SpeechEnded, SpeechStarted, Transcript, Word

from .book import Book, Item
from .growth import Growth
from .logprobs import WANTED, logprobs_of
from .messages import (
    Committed,
    ItemAdded,
    ItemDone,
    ServerEvent,
    Started,
    Stopped,
    TimeoutTriggered,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
    TranscriptionSegment,
)
from .settings import ServerVad
from .transcription_text import runs

__all__ = ["Listening"]


class _Heard:
    """One item in the making."""

    __slots__ = (
        "committed", "done", "end_ms", "finals", "growth", "id", "open", "start_ms", "told",
    )  # fmt: skip

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.growth = Growth()
        self.told = ""
        """As much of it as deltas said."""
        self.finals: list[Transcript] = []
        self.committed = self.done = False
        self.open = False
        """The client was told that it began, and not that it ended."""
        self.start_ms: int | None = None
        self.end_ms = 0


class Listening:
    """Of one leg."""

    def __init__(self, book: Book, leg: str) -> None:
        """
        Args:
            book: the session's.
            leg: makes ids that no other leg makes.
        """
        self._book = book
        self._leg = leg
        self._commits = 0
        self._turns: dict[int, _Heard] = {}
        self._items: dict[str, _Heard] = {}
        """Items that are not complete yet."""
        self._pending: deque[str] = deque()
        """Commits whose `Finalize` is not answered yet."""
        self._speaking: int | None = None
        self._until_ms = 0

    @property
    def _detects(self) -> bool:
        return self._book.settings.audio.input.turn_detection is not None

    @property
    def _live(self) -> bool:
        """Deltas while somebody speaks."""
        return self._book.settings.type == "transcription"

    @property
    def wants_words(self) -> bool:
        """The client asked for transcripts."""
        settings = self._book.settings
        return settings.type == "transcription" or settings.audio.input.transcription is not None

    @property
    def speaking(self) -> bool:
        """A turn is open."""
        return self._speaking is not None

    # ── asked by the client ──

    def commit(self) -> tuple[str, list[ServerEvent]]:
        """What was appended is an item; its id, which is the ref of the `Finalize`, and what the
        client is told."""
        speaking = self._turns.get(self._speaking) if self._speaking is not None else None
        if self._detects and speaking is not None and not speaking.committed:
            heard = speaking
        else:
            heard = self._item(self._next_id)
            self._commits += 1
        self._pending.append(heard.id)
        return heard.id, self._enter(heard)

    def silent(self, start_ms: int, end_ms: int) -> list[ServerEvent]:
        """Nobody spoke for long: the silence is an item without words (`idle_timeout_ms`)."""
        heard = _Heard(f"item_{self._leg}s{end_ms}")
        heard.start_ms, heard.end_ms = start_ms, end_ms
        self._until_ms = max(self._until_ms, end_ms)
        triggered = TimeoutTriggered(item_id=heard.id, audio_start_ms=start_ms, audio_end_ms=end_ms)
        return [triggered, *self._complete(heard)]

    def forget(self) -> None:
        """What was heard and not committed is nothing any more."""
        for turn, heard in tuple(self._turns.items()):
            if not heard.committed:
                self._turns.pop(turn)
                self._items.pop(heard.id, None)
        self._speaking = None

    # ── told by the session ──

    def started(self, event: SpeechStarted) -> list[ServerEvent]:
        """Somebody speaks."""
        if not self._detects:
            return []
        if event.turn in self._turns:
            return []  # taken up again after a provisional end
        self._speaking = event.turn
        heard = self._turn(event.turn)
        if heard.committed:
            return []
        heard.open = True
        detection = self._book.settings.audio.input.turn_detection
        padding = detection.prefix_padding_ms if isinstance(detection, ServerVad) else 0
        heard.start_ms = max(self._until_ms, (event.at_ms or 0) - padding)
        return [Started(item_id=heard.id, audio_start_ms=heard.start_ms)]

    def ended(self, event: SpeechEnded) -> list[ServerEvent]:
        """They are done."""
        if event.provisional or not self._detects:
            return []
        self._speaking = None
        heard = self._turn(event.turn)
        heard.end_ms = self._until_ms = max(self._until_ms, event.at_ms or 0)
        if heard.committed and not heard.open:
            return []
        heard.open = False
        stopped = Stopped(item_id=heard.id, audio_end_ms=heard.end_ms)
        if event.reason == "cancelled" and not heard.committed:
            return [stopped]
        return [stopped, *self._enter(heard)]

    def words(self, event: Transcript) -> list[ServerEvent]:
        """What is heard, so far."""
        own = self._turns.get(event.turn)
        if self._detects and event.ref in self._pending and own and own.id != event.ref:
            # An engine that cannot be asked answers with the end of a turn that began by itself:
            # the words are that turn's, and nothing is left for the commit's item.
            self._pending.remove(event.ref)
            told = self.words(msgspec.structs.replace(event, ref=""))
            return [*told, *self._complete(self._item(event.ref))]
        heard = self._of(event)
        if heard.start_ms is None:
            heard.start_ms = event.start_ms
        heard.end_ms = max(heard.end_ms, event.end_ms or 0)
        heard.growth.hear(event)
        if event.final:
            heard.finals.append(event)
        if not (event.final and event.ends_turn):
            return self._deltas(heard) if heard.committed or self._live else []
        self._turns.pop(event.turn, None)
        if not event.ref and (not self._detects or heard.id in self._pending):
            # The engine closed a turn by itself; the item goes on until its commit is answered.
            return self._deltas(heard) if heard.committed or self._live else []
        if event.ref in self._pending:
            self._pending.remove(event.ref)
        if not heard.committed and not heard.growth.text and not event.ref:
            self._items.pop(heard.id, None)  # forgotten: `input_audio_buffer.clear`
            return []
        return self._complete(heard)

    def failed(self, code: str, text: str) -> list[ServerEvent]:
        """What is not complete never will be."""
        events: list[ServerEvent] = []
        if self.wants_words:
            events = [
                TranscriptionFailed(
                    item_id=heard.id,
                    content_index=0,
                    error={"type": "server_error", "code": code, "message": text},
                )
                for heard in self._items.values()
                if heard.committed
            ]
        self._items.clear()
        self._pending.clear()
        return events

    # ── inside ──

    @property
    def _next_id(self) -> str:
        return f"item_{self._leg}c{self._commits}"

    def _item(self, item_id: str) -> _Heard:
        heard = self._items.get(item_id)
        if heard is None:
            heard = self._items[item_id] = _Heard(item_id)
        return heard

    def _turn(self, turn: int) -> _Heard:
        heard = self._turns.get(turn)
        if heard is None:
            # What begins before a commit is answered was said before it: the engine is behind.
            first = self._pending[0] if self._pending else ""
            heard = self._item(first or f"item_{self._book.session}t{turn}")
            self._turns[turn] = heard
        return heard

    def _of(self, event: Transcript) -> _Heard:
        """Which item these words belong to."""
        if event.ref.startswith("item_"):
            return self._item(event.ref)
        if event.turn in self._turns:
            return self._turns[event.turn]
        if self._detects:
            return self._turn(event.turn)
        bound = {heard.id for heard in self._turns.values()}
        open_ = next((item_id for item_id in self._pending if item_id not in bound), None)
        heard = self._turns[event.turn] = self._item(open_ or self._next_id)
        return heard

    def _enter(self, heard: _Heard) -> list[ServerEvent]:
        """Into the conversation, once."""
        if heard.committed:
            return []
        heard.committed = True
        item = self._book.add(
            Item(heard.id, role="user", content=[{"type": "input_audio", "transcript": None}])
        )
        return [
            Committed(previous_item_id=item.previous, item_id=item.id),
            ItemAdded(previous_item_id=item.previous, item=item.shown),
            ItemDone(previous_item_id=item.previous, item=item.shown),
            *(self._deltas(heard)),
        ]

    def _deltas(self, heard: _Heard) -> list[ServerEvent]:
        whole = heard.growth.text
        if not self.wants_words or not whole.startswith(heard.told):
            return []
        delta, heard.told = whole[len(heard.told) :], whole
        if not delta:
            return []
        return [TranscriptionDelta(item_id=heard.id, content_index=0, delta=delta)]

    def _complete(self, heard: _Heard) -> list[ServerEvent]:
        entered = self._enter(heard)
        self._items.pop(heard.id, None)
        if heard.done:
            return entered
        heard.done = True
        text = heard.growth.text
        if heard.id in self._book:
            # Before it is told: clients ask for the item as soon as they hear of its words.
            self._book.find(heard.id).content[0]["transcript"] = text
        if not self.wants_words:
            return entered
        seconds = max(0, heard.end_ms - (heard.start_ms or 0)) / 1000
        words = [word for final in heard.finals for word in final.words or ()]
        completed = TranscriptionCompleted(
            item_id=heard.id,
            content_index=0,
            transcript=text,
            usage={"type": "duration", "seconds": seconds},
            logprobs=logprobs_of(words) if WANTED in (self._book.settings.include or ()) else None,
        )
        return [*entered, *self._deltas(heard), *_segments(heard, words), completed]


def _segments(heard: _Heard, words: list[Word]) -> list[ServerEvent]:
    """Who said what, where the engine tells speakers apart."""
    return [
        TranscriptionSegment(
            item_id=heard.id,
            content_index=0,
            id=f"seg_{heard.id}_{number}",
            text=" ".join(word.text for word in run),
            speaker=run[0].speaker,
            start=run[0].start_ms / 1000,
            end=run[-1].end_ms / 1000,
        )
        for number, run in enumerate(runs(words))
        if run and run[0].speaker
    ]
