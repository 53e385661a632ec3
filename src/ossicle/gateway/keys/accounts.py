"""Who pays for which session: the limits of keys and of tokens, and what was used.

    accounts.knock(verdict, now)                    how often, and is there audio left
    accounts.open(verdict, session, "upload-7")     a session more; a token for one session is used
    accounts.charge(session)                        once a second: what it heard and said

A token that has limits of its own is counted beside its key, and both have to agree. What keys used
is on disk (`usage`); what tokens used of theirs is known to this process only, while they live.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ossicle.core.errors import Denied, Overloaded
from ossicle.core.session import Session

from .access import Verdict
from .allowance import Allowance
from .keyfile import KeyLimits
from .spent import Spent
from .usage import EVERY_S, Side, Usage

__all__ = ["Accounts"]

_MOST_TOKENS = 20_000
"""Tokens with a cap of audio whose use is known at once."""


class _Payer(NamedTuple):
    verdict: Verdict
    repeat: str
    """What the client calls the request (Idempotency-Key)."""


class _Tally:
    """What one token has used."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.ms: Counter[str] = Counter()
        """By day and by month."""


class Accounts:
    """One per process."""

    def __init__(
        self,
        state_dir: Path,
        count: Callable[[str, str, str, Side, int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            state_dir: where usage and spent tokens are noted.
            count: told of each amount: key, owner, engine, side, ms.
            clock: seconds of the epoch.
        """
        self.usage = Usage(state_dir / "usage", clock)
        self.usage.load()
        self.allowance = Allowance(self._used, clock)
        self._spent = Spent(state_dir / "spent", clock)
        self._clock = clock
        self._count = count
        self._payers: dict[str, _Payer] = {}
        self._tallies: dict[str, _Tally] = {}
        self._flush_at = 0.0

    def knock(self, verdict: Verdict, now: float) -> None:
        """Somebody wants to begin or join a session.

        Raises:
            Overloaded: too often, or the audio is used up.
        """
        for name, limits in _parties(verdict):
            self.allowance.knock(name, limits, now)

    def open(self, verdict: Verdict, session: str, repeat: str = "") -> None:
        """A session begins.

        Raises:
            Overloaded: there are as many as there may be.
            Denied: its token was for one session, and has had it.
        """
        begun: list[str] = []
        try:
            for name, limits in _parties(verdict):
                self.allowance.begin(name, limits, session)
                begun.append(name)
            self._tally(verdict)
            if verdict.once:
                self._spent.take(verdict.token, verdict.ends)
        except (Overloaded, Denied):
            for name in begun:
                self.allowance.over(name, session)
            raise
        self._payers[session] = _Payer(verdict, repeat)

    def check_join(self, verdict: Verdict, session: str) -> None:
        """A token for one session joins none but its own.

        Raises:
            Denied: it is another's.
        """
        payer = self._payers.get(session)
        if verdict.once and (payer is None or payer.verdict.token != verdict.token):
            raise Denied("this token was made for a session of its own; ask for a new one")

    def charge(self, session: Session) -> Overloaded | None:
        """Count what a session has heard and said; the error, if that is used up now."""
        payer = self._payers.get(session.id)
        if payer is None or not (payer.verdict.key or payer.verdict.token):
            return None
        heard = session.ms(session.journal.end) - session.origin_ms
        said = session.speech.playback.made_ms
        engine = session.engine_name or "none"
        verdict, more = payer.verdict, 0
        sides: tuple[tuple[Side, int, str], ...] = (("in", heard, payer.repeat), ("out", said, ""))
        for side, total, repeat in sides:
            ms = self.usage.count(
                session.id, verdict.key, verdict.owner, engine, total, repeat, side=side
            )
            self._count(verdict.key, verdict.owner, engine, side, ms)
            more += ms
        if not more:
            return None
        tally = self._tallies.get(verdict.token)
        if tally is not None:
            day = self._day()
            tally.ms[day] += more
            tally.ms[day[:7]] += more
        try:
            for name, limits in _parties(verdict):
                self.allowance.check_cap(name, limits)
        except Overloaded as error:
            return error
        return None

    def over(self, session: Session) -> None:
        """A session is over: the last of what it used."""
        self.charge(session)
        self.close(session.id)

    def close(self, session: str) -> None:
        """A session is over, or never began."""
        self.usage.over(session)
        payer = self._payers.pop(session, None)
        if payer is not None:
            for name, _ in _parties(payer.verdict):
                self.allowance.over(name, session)

    def unpaid(self, keys: frozenset[str]) -> tuple[str, ...]:
        """Sessions whose key is in force no more."""
        self.allowance.forget(keys)
        return tuple(
            name
            for name, payer in self._payers.items()
            if payer.verdict.key and payer.verdict.key not in keys
        )

    def tick(self, now: float) -> None:
        """Once a second, after everything was charged."""
        if now < self._flush_at:
            return
        self._flush_at = now + EVERY_S
        self.usage.flush()
        at = self._clock()
        for name in [name for name, tally in self._tallies.items() if tally.ends < at]:
            del self._tallies[name]

    def _tally(self, verdict: Verdict) -> None:
        own = verdict.own
        if not (own.audio_s_per_day or own.audio_s_per_month) or verdict.token in self._tallies:
            return
        if len(self._tallies) >= _MOST_TOKENS:
            raise Overloaded(
                f"{_MOST_TOKENS} tokens with a cap of audio are in use; try again when some of "
                "them have ended, or ask for one without"
            )
        self._tallies[verdict.token] = _Tally(verdict.ends)

    def _used(self, name: str) -> tuple[float, float]:
        token = name.removeprefix(_TOKEN)
        if token == name:
            return self.usage.used(name)
        tally = self._tallies.get(token)
        day = self._day()
        return (tally.ms[day] / 1000, tally.ms[day[:7]] / 1000) if tally else (0.0, 0.0)

    def _day(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self._clock()))


_TOKEN = "token "  # noqa: S105  begins a name


def _parties(verdict: Verdict) -> Iterator[tuple[str, KeyLimits]]:
    """Who has to agree."""
    yield verdict.key, verdict.limits
    if verdict.token:
        yield _TOKEN + verdict.token, verdict.own
