"""`idle_timeout_ms`: nobody says anything after an answer was heard, and is spoken to again.

    idling.sound(3000, now)      more of the answer, which is being heard from now on
    idling.over(5000, now)       it is made: from when it is heard, so long
    idling.stop()                somebody speaks, or an answer begins

The end of what is heard is a clock's estimate: the sound there is plays at its own pace, whoever
paces it. What was silent is told as places in the sound that the client sent, so a client that sent
none in that time (a muted text session) is not spoken to. Knows no events.
"""

from math import inf

__all__ = ["Idling"]


class Idling:
    """Of the leg that sends sound."""

    def __init__(self) -> None:
        self.deadline = inf
        """Seconds on the caller's clock; inf = nobody waits."""
        self._plays_until = 0.0
        self._since_ms = 0
        self._timeout_ms = 0

    def sound(self, ms: int, now: float) -> None:
        """So much more is to be heard."""
        self._plays_until = max(self._plays_until, now) + ms / 1000

    def cut(self, now: float) -> None:
        """The rest of it is not heard."""
        self._plays_until = min(self._plays_until, now)

    def over(self, timeout_ms: int, sent_ms: int, now: float) -> None:
        """An answer is made whole. `sent_ms`: how much the client had sent by then."""
        wait = max(0.0, self._plays_until - now)
        self.deadline = now + wait + timeout_ms / 1000
        self._timeout_ms = timeout_ms
        self._since_ms = sent_ms + round(wait * 1000)

    def stop(self) -> None:
        """Nobody waits."""
        self.deadline = inf

    def expire(self, sent_ms: int, least_ms: int, now: float) -> tuple[int, int] | None:
        """The time is over: from where to where in what the client sent it was silent; None = not
        yet, or there is too little of it."""
        if now < self.deadline:
            return None
        self.deadline = inf
        start = max(min(self._since_ms, sent_ms), sent_ms - self._timeout_ms)
        return (start, sent_ms) if sent_ms - start >= least_ms else None
