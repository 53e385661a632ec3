"""How many words are right: the usual alignment of what was heard with what was said.

>>> score("how old is the bridge", "how old the big bridge").hits
4
"""

import re
from typing import NamedTuple

__all__ = ["Score", "score", "spoken"]

_SAME = {"mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay"}


class Score(NamedTuple):
    """Counts of an alignment with the fewest errors."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def words(self) -> int:
        """Words of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Words to change, add or remove."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def right(self) -> float:
        """Share of the reference that was heard, 0-1."""
        return self.hits / self.words if self.words else 1.0

    @property
    def error_rate(self) -> float:
        """Word error rate; may exceed 1."""
        return self.errors / self.words if self.words else float(self.insertions > 0)


def spoken(text: str) -> list[str]:
    """A text as the words that are said: lower case, no punctuation."""
    words: list[str] = re.findall(r"[a-z0-9']+", text.lower())
    return [_SAME.get(word, word) for word in words if word.strip("'")]


def score(reference: str, heard: str) -> Score:
    """Align `heard` with `reference` (Levenshtein, by words)."""
    said, got = spoken(reference), spoken(heard)
    row = [Score(0, 0, 0, n) for n in range(len(got) + 1)]
    for place, word in enumerate(said, 1):
        above, row = row, [Score(0, 0, place, 0)]
        for n, other in enumerate(got, 1):
            cross, up, left = above[n - 1], above[n], row[n - 1]
            if word == other:
                step = cross._replace(hits=cross.hits + 1)
            else:
                step = cross._replace(substitutions=cross.substitutions + 1)
            row.append(
                min(
                    step,
                    up._replace(deletions=up.deletions + 1),
                    left._replace(insertions=left.insertions + 1),
                    key=lambda each: (each.errors, -each.hits),
                )
            )
    return row[-1]
