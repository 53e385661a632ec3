"""Tokens for one session that have had theirs: noted on disk, so that neither a restart nor
another gateway with the same state directory takes one twice.

    spent.take("9f2c…", ends)      raises Denied: it was used already

A note is an empty file that is made exclusively; it is removed when the token has ended anyway.
What cannot be noted is not taken: a full disk lets nobody in twice.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from ossicle.core.errors import Denied, Overloaded

__all__ = ["Spent"]

_SWEEP_S = 60.0


class Spent:
    """The notes."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder.expanduser()
        self._clock = clock
        self._swept = 0.0

    def take(self, name: str, ends: float) -> None:
        """A token is used now.

        Raises:
            Denied: it was used before.
            Overloaded: that cannot be noted.
        """
        self._sweep()
        path = self._folder / f"{ends:.0f}-{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            if path.exists():
                raise Denied(
                    "this token was for one session and has been used; ask for a new one"
                ) from error
            raise Overloaded(
                f"the use of this token cannot be noted ({error.strerror}); make room in the "
                "state directory, or use a token for more than one session",
            ) from error

    def _sweep(self) -> None:
        now = self._clock()
        if now - self._swept < _SWEEP_S:
            return
        self._swept = now
        for note in self._folder.glob("*-*"):
            ends, _, _ = note.name.partition("-")
            if ends.isdecimal() and int(ends) < now:
                note.unlink(missing_ok=True)
