"""What was said and how much of it was heard: the journal's mirror for the voice.

The session tells it what it sent (`sent`) and what the client reports (`played`); it answers how
much was heard (`heard`), how much is still to be heard (`ahead_ms`), how far the engine may speak
(`credit`), and which marks are due, as `Marked` events in order, each exactly once: heard or
cleared away.

Evidence comes in three strengths, and the strongest one seen is used:

    nothing     a clock: it starts when the first sound is sent, runs at the pace of speech and
                stands while there is nothing to play
    marks       the same clock, which waits at every mark the client still owes
    positions   the reports alone

Every utterance has a name of its own, given by the session; one whose name was cleared is stale
from then on. Knows no audio format and no wire. It never goes back: a report behind what was
already told changes nothing.

    >>> playback = Playback()
    >>> playback.sent("u1", 0, 1000, "half", now=5.0)
    ()
    >>> playback.heard("u1", now=5.4)
    (400, True)
    >>> playback.played("u1", 900, now=5.4)
    ()
    >>> playback.clear("", now=5.5).marks[0].heard_ms
    900
"""

import math
from collections import deque
from typing import Literal

import msgspec

from .errors import Overloaded
from .events import Marked

__all__ = ["Cleared", "Playback"]


class Cleared(msgspec.Struct, frozen=True, gc=False):
    """What `Playback.clear` threw away."""

    utterance: str
    """What was being heard; empty = nothing was."""
    heard_ms: int
    """How much of it was heard."""
    estimated: bool
    """By a clock, not by a report."""
    marks: tuple[Marked, ...]
    """Marks due: those heard up to now, then those cleared away."""
    unheard_ms: int = 0
    """How much was sent, and is not to be heard any more."""
    others: tuple[str, ...] = ()
    """Utterances that waited behind it, and are not to be heard either."""


class _Span(msgspec.Struct):
    """A stretch of sound not heard to its end yet."""

    utterance: str
    start: int
    end: int
    mark: str


class _Utterance(msgspec.Struct):
    """What is known of one utterance."""

    end: int = 0
    heard: int = 0
    estimated: bool = False
    cleared: bool = False
    spans: int = 0


class Playback:
    """The output side of one session. Pure, synchronous, bounded."""

    def __init__(
        self, *, reports: bool = False, remembered: int = 64, max_spans: int = 4_096
    ) -> None:
        """
        Args:
            reports: the wire returns marks (a telephone stream, a media track): wait for them
                from the beginning instead of estimating until the first one came.
            remembered: finished utterances kept to answer late questions and reports.
            max_spans: most marks and utterances pending; an engine beyond it does not honour
                its credit.
        """
        self._evidence: Literal["nothing", "marks", "positions"] = "marks" if reports else "nothing"
        self._remembered = remembered
        self._max_spans = max_spans
        self._spans: deque[_Span] = deque()
        self._utterances: dict[str, _Utterance] = {}
        self._current = ""
        self._ahead = 0
        self._made = 0
        self._due: list[Marked] = []
        # The clock: since when it runs, and how much of that run was heard already.
        self._since = 0.0
        self._counted = 0

    @property
    def made_ms(self) -> int:
        """How much was said in all, heard or not."""
        return self._made

    def sent(
        self, utterance: str, start_ms: int, duration_ms: int, mark: str = "", *, now: float
    ) -> tuple[Marked, ...]:
        """Sound is on its way to the client. Marks that are due, its own if it has been cleared.

        Sent again (to a leg that resumed), it counts once.

        Raises:
            Overloaded: too many marks or utterances are pending.
        """
        self._tick(now)
        if len(self._spans) >= self._max_spans:
            raise Overloaded(
                f"{self._max_spans} marks and utterances wait to be heard; the voice must keep to "
                "its credit",
                code="overloaded",
            )
        known = self._known(utterance)
        end = start_ms + duration_ms
        start = max(start_ms, known.end)
        fresh = max(0, end - start)
        known.end = max(known.end, end)
        self._made += fresh
        if known.cleared:
            if mark:
                self._due.append(self._marked(mark, utterance, cleared=True))
            return self._take()
        if not fresh and not mark:
            return self._take()
        if self._spans and self._goes_on(utterance, start):
            last = self._spans[-1]
            last.end += fresh
            last.mark = mark
        else:
            if not self._spans:
                self._run_from(now)
            self._spans.append(_Span(utterance, start, start + fresh, mark))
            known.spans += 1
        self._ahead += fresh
        self._current = utterance
        self._tick(now)
        self._forget()
        return self._take()

    def played(
        self,
        utterance: str,
        until_ms: int,
        mark: str = "",
        *,
        estimated: bool = False,
        now: float,
    ) -> tuple[Marked, ...]:
        """The client reports what it has played, or a mark it has reached; marks that are due.

        Everything sent before it has been played too. What is not pending (a mark already
        answered, an utterance cleared or forgotten) changes nothing.
        """
        self._tick(now)
        if not mark:
            self._evidence = "positions"
        elif self._evidence == "nothing":
            self._evidence = "marks"
        count, cut = self._reach(utterance, until_ms, mark)
        for _ in range(count):
            span = self._spans[0]
            self._hear(span, span.end - span.start, estimated=estimated)
            self._finish()
        if cut:
            self._hear(self._spans[0], cut, estimated=estimated)
        known = self._utterances.get(utterance)
        if known is not None and known.heard <= until_ms and not known.cleared:
            known.estimated = estimated
        self._forget()
        return self._take()

    def expire(self, now: float) -> tuple[Marked, ...]:
        """Marks that the clock has passed; only where the client reports nothing."""
        self._tick(now)
        return self._take()

    def deadline(self, now: float) -> float:
        """When `expire` has something to tell; inf = not before the next call."""
        self._tick(now)
        if self._due:
            return now
        if self._evidence != "nothing":
            return math.inf
        ms = 0
        for span in self._spans:
            ms += span.end - span.start
            if span.mark:
                return self._since + (self._counted + ms) / 1000
        return math.inf

    def clear(self, utterance: str = "", *, now: float) -> Cleared:
        """Throw away what has not been heard; empty = everything, and what is still to come of
        the utterance being said."""
        self._tick(now)
        hearing = self._spans[0].utterance if self._spans else ""
        subject = utterance or hearing or self._current
        kept: deque[_Span] = deque()
        before = self._ahead
        waited: dict[str, None] = {}
        for span in self._spans:
            if utterance and span.utterance != utterance:
                kept.append(span)
                continue
            known = self._known(span.utterance)
            known.cleared = True
            known.spans -= 1
            self._ahead -= span.end - span.start
            if span.utterance != subject and span.start < span.end:
                waited[span.utterance] = None
            if span.mark:
                self._due.append(self._marked(span.mark, span.utterance, cleared=True))
        self._spans = kept
        # What was heard whole may still be in the making: its rest is stale, too.
        known = self._known(subject) if subject else _Utterance()
        known.cleared = True
        self._forget()
        return Cleared(
            subject,
            known.heard,
            known.estimated,
            self._take(),
            before - self._ahead,
            tuple(waited),
        )

    def stale(self, utterance: str) -> bool:
        """It was cleared: what the engine still makes of it is not to be sent."""
        known = self._utterances.get(utterance)
        return known is not None and known.cleared

    def heard(self, utterance: str = "", *, now: float) -> tuple[int, bool]:
        """How many ms of an utterance were heard, and whether that is an estimate; empty = the
        one being heard, or the last one. Not known (any more): 0."""
        self._tick(now)
        hearing = self._spans[0].utterance if self._spans else self._current
        known = self._utterances.get(utterance or hearing, _Utterance())
        return known.heard, known.estimated

    def ahead_ms(self, now: float) -> int:
        """How much is sent and not heard."""
        self._tick(now)
        return self._ahead

    def credit(self, now: float, lead_ms: int) -> int:
        """How far the engine may speak, counted over everything it made: `lead_ms` beyond what
        was heard or thrown away. Never falls for the same lead."""
        self._tick(now)
        return self._made - self._ahead + lead_ms

    def _tick(self, now: float) -> None:
        """Let the clock play."""
        if self._evidence == "positions":
            return
        # Rounded to the microsecond, or 60 ms would now and then be 59.
        ms = int(round((now - self._since) * 1000, 3)) - self._counted
        while self._spans:
            span = self._spans[0]
            part = min(ms, span.end - span.start)
            if part > 0:
                self._hear(span, part, estimated=True)
                self._counted += part
                ms -= part
            if span.start < span.end:
                return
            if span.mark and self._evidence == "marks":
                # The client owes this mark: it cannot be further.
                self._run_from(now)
                return
            self._finish()

    def _goes_on(self, utterance: str, start: int) -> bool:
        last = self._spans[-1]
        return last.utterance == utterance and not last.mark and last.end == start

    def _run_from(self, now: float) -> None:
        self._since, self._counted = now, 0

    def _hear(self, span: _Span, ms: int, *, estimated: bool) -> None:
        span.start += ms
        self._ahead -= ms
        known = self._known(span.utterance)
        known.heard = span.start
        known.estimated = estimated

    def _finish(self) -> None:
        span = self._spans.popleft()
        self._known(span.utterance).spans -= 1
        if span.mark:
            self._due.append(self._marked(span.mark, span.utterance))

    def _reach(self, utterance: str, until_ms: int, mark: str) -> tuple[int, int]:
        """How many spans a report finishes, and how much it plays of the one after them."""
        count, cut = 0, 0
        for place, span in enumerate(self._spans):
            if mark and span.mark == mark and utterance in {"", span.utterance}:
                # Its first bearer only: a name may be used again.
                count, cut, mark = place + 1, 0, ""
            elif span.utterance == utterance:
                if span.end <= until_ms:
                    count, cut = place + 1, 0
                elif span.start < until_ms:
                    count, cut = place, until_ms - span.start
        return count, cut

    def _marked(self, mark: str, utterance: str, *, cleared: bool = False) -> Marked:
        return Marked(
            name=mark,
            utterance=utterance,
            heard_ms=self._known(utterance).heard,
            cleared=cleared,
        )

    def _take(self) -> tuple[Marked, ...]:
        due, self._due = tuple(self._due), []
        return due

    def _known(self, utterance: str) -> _Utterance:
        known = self._utterances.get(utterance)
        if known is None:
            known = self._utterances[utterance] = _Utterance()
        return known

    def _forget(self) -> None:
        """Keep what is pending, what is current, and the last of the finished ones."""
        excess = len(self._utterances) - self._remembered
        if excess <= 0:
            return
        done = [
            name
            for name, known in self._utterances.items()
            if not known.spans and name != self._current
        ]
        for name in done[:excess]:
            del self._utterances[name]
