"""What a client sent in one piece, given on in smaller ones.

    inlet = Inlet()
    inlet.sound(data)            some MiB
    inlet.next()                 64 KiB of it

A message of 15 MiB waits here and not in the session, and what comes behind it waits behind it.
"""

from collections import deque

from ossicle.core.errors import Refused

__all__ = ["MOST_MESSAGE", "SLICE", "Inlet"]

MOST_MESSAGE = 21 << 20
"""The largest event, 15 MiB of sound, in base64 and with the JSON around it."""
SLICE = 64 << 10
"""Sound handed on at a time."""
_MOST_WAITING = 3 * MOST_MESSAGE
"""Bytes that may wait. Reading is paused long before that, so only a peer that does not stop when
told gets here."""


class Inlet:
    """Of one leg. Bounded: beyond the bound it refuses."""

    def __init__(self) -> None:
        self._waiting: deque[bytes | str] = deque()
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def text(self, text: str) -> None:
        """An event behind what waits.

        Raises:
            Refused: too much waits.
        """
        self._waiting.append(text)
        self._size += len(text)
        if self._size > _MOST_WAITING:
            raise Refused(f"more than {_MOST_WAITING} bytes wait to be heard", code="too_large")

    def sound(self, data: bytes) -> None:
        """Sound of the event whose turn it is: before what waits, which came later."""
        pieces = [data[at : at + SLICE] for at in range(0, len(data), SLICE)]
        self._waiting.extendleft(reversed(pieces))
        self._size += len(data)

    def next(self) -> bytes | str:
        """What is to be done now."""
        item = self._waiting.popleft()
        self._size -= len(item)
        return item

    def clear(self) -> None:
        """Nothing of it is wanted any more."""
        self._waiting.clear()
        self._size = 0
