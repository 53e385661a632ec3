"""Speech adaptation as hints: phrases with their boost, classes spelled out.

    >>> book = Hints()
    >>> book.add_class("ship", ("Aurora", "Borealis"))
    >>> book.add("hail the ${ship}", 5.0)
    >>> [hint["text"] for hint in book.hints()]
    ['hail the Aurora', 'hail the Borealis']

What cannot be spelled out (the service's own classes, references to what is stored there) is said
in `warnings`, once for each kind.
"""

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["Hints"]

_MOST, _LONGEST = 1_000, 200
"""What `RecognitionOptions.hints` takes."""
_TOKEN = re.compile(r"\$\{([^}]*)\}|\$([A-Z][A-Z0-9_]*)")
"""`${name}` is a class of the request, `$NAME` one of the service."""


class Hints:
    """Phrases of one request."""

    def __init__(self) -> None:
        self._classes: dict[str, tuple[str, ...]] = {}
        self._phrases: dict[str, float | None] = {}
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, and why."""
        return tuple(self._warnings)

    def add_class(self, name: str, items: Iterable[str]) -> None:
        """A class that phrases may name; before them."""
        if name:
            self._classes[name.rpartition("/")[2]] = tuple(item for item in items if item)

    def add(self, phrase: str, boost: float = 0.0) -> None:
        """A phrase; boost 0 (or less, which the service takes for unset) lets the engine decide."""
        for text in self._spelled(phrase.strip()):
            if len(self._phrases) >= _MOST and text not in self._phrases:
                self.warn(f"adaptation: more than {_MOST} phrases; the rest is left out")
                return
            if len(text) > _LONGEST:
                self.warn(f"adaptation: a phrase longer than {_LONGEST} characters is left out")
            elif text:
                self._phrases[text] = boost if boost > 0 else None

    def warn(self, text: str) -> None:
        """Something is not done."""
        self._warnings[text] = None

    def hints(self) -> list[dict[str, Any]]:
        """For a patch on `RecognitionOptions.hints`."""
        return [
            {"text": text} if boost is None else {"text": text, "boost": boost}
            for text, boost in self._phrases.items()
        ]

    def _spelled(self, phrase: str) -> Iterable[str]:
        """A phrase with its first class token replaced by each item, until there is none."""
        waiting = [phrase]
        made = 0
        while waiting:
            text = waiting.pop()
            token = _TOKEN.search(text)
            if token is None:
                yield text
                made += 1
                if made > _MOST:
                    return
                continue
            items = self._classes.get((token[1] or token[2] or "").rpartition("/")[2])
            if items is None:
                self.warn("adaptation: a class that the request does not define is not known here")
                continue
            before, after = text[: token.start()], text[token.end() :]
            # an item is text, not a phrase: a token inside would make a loop
            plain = (item.replace("$", "") for item in items)
            waiting += reversed([f"{before}{item}{after}" for item in plain][:_MOST])
            if len(waiting) > _MOST * 4:
                self.warn(f"adaptation: more than {_MOST} phrases; the rest is left out")
                del waiting[:-_MOST]
