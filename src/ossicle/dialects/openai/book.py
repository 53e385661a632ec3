"""The items of a conversation, one book for each session, shared by all its legs.

A data channel and a sideband socket have to agree on ids, on order and on what an item holds
(contracts M15), so what one of them adds the other finds. What follows from the session's own
events is entered by whichever leg comes to it first; the second time changes nothing.

    books = Books()                     # one for each gateway, handed to the dialect
    book = books.of("session")          # the same object for each leg of that session
"""

from collections import deque
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import msgspec

from ossicle.core.errors import Refused

from .messages import BufferCleared, BufferStarted, BufferStopped
from .settings import Settings

__all__ = ["Book", "Books", "Item", "Noted"]

Json: TypeAlias = dict[str, Any]

Noted: TypeAlias = BufferStarted | BufferStopped | BufferCleared
"""What only the leg with the track knows, and the others are to tell."""

_MOST_NOTED = 64
_MOST_ITEMS = 4_000
"""Items kept; an hour of short turns is below that. The oldest are forgotten."""


class Item(msgspec.Struct):
    """One item of a conversation."""

    id: str
    type: str = "message"
    role: str = ""
    status: str = "completed"
    content: list[Json] = []
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""
    previous: str | None = None
    """The one before it when it was added."""

    @property
    def shown(self) -> Json:
        """As events hold it. What it does not have is left out: null is a misfit."""
        out: Json = {"id": self.id, "object": "realtime.item", "type": self.type}
        out["status"] = self.status
        match self.type:
            case "function_call":
                out |= {"call_id": self.call_id, "name": self.name, "arguments": self.arguments}
            case "function_call_output":
                out |= {"call_id": self.call_id, "output": self.output}
            case _:
                out |= {"role": self.role, "content": [dict(part) for part in self.content]}
        return out

    @property
    def text(self) -> str:
        """Its words, for an engine."""
        words = (part.get("text") or part.get("transcript") or "" for part in self.content)
        return "\n".join(word for word in words if word)


class Book:
    """Of one session. Bounded."""

    def __init__(self, session: str = "") -> None:
        self.session = session
        self.settings = Settings()
        self.expires_at = 0
        self.declared = False
        """The format of the sound is fixed."""
        self.voiced = False
        """Something was said aloud: the voice cannot change any more."""
        self.newest = 0
        """Number of the last event that a leg has entered."""
        self.appended = 0
        """Bytes appended since the last commit, and behind the last turn that was detected."""
        self.sent = 0
        """Bytes of sound in all."""
        self.paced = False
        """Its sound is on a track, which has one format and its own pace."""
        self.playing = False
        """Something is being heard there."""
        self.noted = 0
        """How many events were noted."""
        self._notes: deque[Noted] = deque(maxlen=_MOST_NOTED)
        self._items: dict[str, Item] = {}
        self._order: list[str] = []

    def add(self, item: Item, after: str | None = None) -> Item:
        """Enter an item, once; the one that is in the book is returned.

        Raises:
            Refused: `after` is not in the book.
        """
        held = self._items.get(item.id)
        if held is not None:
            return held
        place = len(self._order)
        if after == "root":
            place = 0
        elif after is not None:
            if after not in self._items:
                raise Refused(
                    f"Item '{after[:60]}' named by previous_item_id does not exist.",
                    code="not_found",
                )
            place = self._order.index(after) + 1
        item.previous = self._order[place - 1] if place else None
        self._order.insert(place, item.id)
        self._items[item.id] = item
        while len(self._order) > _MOST_ITEMS:
            del self._items[self._order.pop(0)]
        return item

    def note(self, event: Noted, *, playing: bool) -> None:
        """For the other legs. One that does not look for long misses the oldest."""
        self.playing = playing
        self.noted += 1
        self._notes.append(event)

    def notes(self, since: int) -> tuple[Noted, ...]:
        """What was noted after the first `since`."""
        count = min(self.noted - since, len(self._notes))
        return tuple(self._notes)[len(self._notes) - count :] if count > 0 else ()

    @property
    def last(self) -> str | None:
        """The newest item's id."""
        return self._order[-1] if self._order else None

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def find(self, item_id: str) -> Item:
        """An item by its id.

        Raises:
            Refused: there is none.
        """
        held = self._items.get(item_id)
        if held is None:
            raise Refused(f"Item '{item_id[:60]}' does not exist.", code="not_found")
        return held

    def remove(self, item_id: str) -> None:
        """Take an item out.

        Raises:
            Refused: there is none.
        """
        self.find(item_id)
        del self._items[item_id]
        self._order.remove(item_id)


class Books:
    """The books of the sessions that live: each is gone with the last of its legs."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[str, Book] = WeakValueDictionary()

    def of(self, session: str) -> tuple[Book, bool]:
        """The book of a session, and whether it was there already."""
        book = self._held.get(session)
        if book is not None:
            return book, True
        book = self._held[session] = Book(session)
        return book, False
