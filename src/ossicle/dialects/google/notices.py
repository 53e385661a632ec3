"""What was understood and not done, for people: trailing metadata `ossicle-notice`, one entry each.
The service's messages have no place for it, and no client minds metadata it does not know.
"""

from collections.abc import Iterable

__all__ = ["NAME", "Notices"]

NAME = "ossicle-notice"
_MOST, _LONGEST = 10, 200


class Notices:
    """Those of one call, each once."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    def add(self, texts: Iterable[str]) -> None:
        """More of them."""
        for text in texts:
            if len(self._texts) < _MOST:
                plain = text.encode("ascii", "replace").decode()[:_LONGEST]
                self._texts["".join(c if c.isprintable() else "?" for c in plain)] = None

    def trailing(self) -> tuple[tuple[str, str], ...]:
        """For `Close.headers`."""
        return tuple((NAME, text) for text in self._texts)
