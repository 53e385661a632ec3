"""How much audio each key has used, heard and spoken, by engine and day; it survives a restart.

    STATE_DIR/usage/2026-11.jsonl
        {"day":"2026-11-24","key":"…","owner":"…","engine":"…","ms":…}
        … "side":"out"}     what was spoken; without it: heard

Lines are only ever added, each a further amount, so gateways that share a state directory add up,
and a crash can cut off the last line at most (it is skipped, and counted). Written every
`EVERY_S`; what does not fit on the disk stays in memory and is tried again.
"""

import logging
import os
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

__all__ = ["EVERY_S", "Line", "Side", "Usage", "read_lines", "totals"]

log = logging.getLogger("ossicle.gateway")

EVERY_S = 10.0
"""So much accounting a killed process may lose."""
_MOST_REPEATS = 10_000


Side: TypeAlias = Literal["in", "out"]
"""Heard, or spoken."""


class Line(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """One amount."""

    day: str
    """UTC, YYYY-MM-DD."""
    key: str
    owner: str
    engine: str
    ms: int
    side: Side = "in"


class Usage:
    """The amounts, in memory and on disk."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder.expanduser()
        self._clock = clock
        self._pending: Counter[tuple[str, str, str, str, Side]] = Counter()
        self._days: Counter[tuple[str, str]] = Counter()
        self._counted: dict[tuple[str, Side], int] = {}
        self._repeats: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._cut = True  # who wrote here before may have been killed at half a line
        self.trouble = ""
        """Why it is not on the disk."""
        self._loaded = ""

    def load(self) -> None:
        """What was used before, of this month: the caps count it."""
        month = self._day()[:7]
        self._loaded = month
        for line in read_lines(self._folder, month):
            self._days[line.key, line.day] += line.ms
            self._days[line.key, month] += line.ms

    def count(
        self,
        session: str,
        key: str,
        owner: str,
        engine: str,
        total_ms: int,
        repeat: str = "",
        *,
        side: Side = "in",
    ) -> int:
        """A session has heard, or said, so much by now; how much of that is new.

        Args:
            session: counted from what was counted of it before.
            key: id of the key that opened it.
            owner: of that key.
            engine: that heard or said it.
            total_ms: of the whole session.
            repeat: what the client calls the request (Idempotency-Key): the same audio sent again
                under that name counts only beyond what was counted before.
            side: heard or spoken.
        """
        before = self._counted.get((session, side), 0)
        if repeat:
            before = max(before, self._repeats.get((key, repeat), 0))
            self._repeats[key, repeat] = max(before, total_ms)
            self._repeats.move_to_end((key, repeat))
            while len(self._repeats) > _MOST_REPEATS:
                self._repeats.popitem(last=False)
        self._counted[session, side] = max(before, total_ms)
        more = total_ms - before
        if more <= 0:
            return 0
        day = self._day()
        self._pending[day, key, owner, engine, side] += more
        self._days[key, day] += more
        self._days[key, day[:7]] += more
        return more

    def over(self, session: str) -> None:
        """It is counted to its end."""
        self._counted.pop((session, "in"), None)
        self._counted.pop((session, "out"), None)

    def used(self, key: str) -> tuple[float, float]:
        """Seconds today and this month."""
        day = self._day()
        return self._days[key, day] / 1000, self._days[key, day[:7]] / 1000

    def flush(self) -> None:
        """Onto the disk. What cannot be written stays; said once in the log."""
        month = self._day()[:7]
        if self._loaded != month:  # days and months gone by cap nothing any more
            self._loaded = month
            for each in [each for each in self._days if not each[1].startswith(month)]:
                del self._days[each]
        if not self._pending:
            return
        rows = sorted(Line(*name[:4], ms, name[4]) for name, ms in self._pending.items())
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for month in sorted({row.day[:7] for row in rows}):
                self._append(month, [row for row in rows if row.day[:7] == month])
        except OSError as error:
            text = (
                f"usage cannot be written ({error.strerror}); it is kept in memory and tried "
                "again: make room in the state directory"
            )
            if not self.trouble:
                log.warning("%s", text)
            self.trouble = text
        else:
            self.trouble = ""

    def _append(self, month: str, rows: list[Line]) -> None:
        path = self._folder / f"{month}.jsonl"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for row in rows:
                line = msgspec.json.encode(row) + b"\n"
                if self._cut:  # behind a line that did not fit
                    line = b"\n" + line
                if (took := os.write(file, line)) < len(line):
                    self._cut = self._cut or took > 0
                    raise OSError(28, "no room for a whole line")
                self._cut = False
                name = (row.day, row.key, row.owner, row.engine, row.side)
                self._pending[name] -= row.ms
                if self._pending[name] <= 0:
                    del self._pending[name]
        finally:
            os.close(file)

    def _day(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self._clock()))


def read_lines(folder: Path, month: str = "") -> Iterable[Line]:
    """The amounts of a month (YYYY-MM), or of all; cut-off lines are skipped and said."""
    folder = folder.expanduser()
    for path in sorted(folder.glob(f"{month or '*'}.jsonl")):
        damaged = 0
        with path.open("rb") as file:
            for text in file:
                if not text.strip():
                    continue
                try:
                    yield msgspec.json.decode(text, type=Line)
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    damaged += 1
        if damaged:
            log.warning("%s: %d lines are cut off and not counted", path.name, damaged)


def totals(lines: Iterable[Line]) -> list[Line]:
    """One line for each day, key, engine and side."""
    sums: Counter[tuple[str, str, str, str, Side]] = Counter()
    for line in lines:
        sums[line.day, line.key, line.owner, line.engine, line.side] += line.ms
    return sorted(Line(*name[:4], ms, name[4]) for name, ms in sums.items())
