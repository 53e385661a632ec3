"""Who listens to a session: its log, its legs, and the one of them that owns it.

What is said goes into the log and on to every leg that keeps up. One owner at a time: the newest
connection wins, since a client that comes back often does so before its old wire is known dead.
"""

import msgspec

from .errors import OssicleError
from .events import Event, Notice
from .legs import Joined, Leg, Role, replaced
from .log import Log

__all__ = ["Audience"]


class Audience:
    """The legs of one session."""

    __slots__ = ("legs", "log", "owner")

    def __init__(self, log: Log) -> None:
        self.log = log
        self.legs: list[Leg] = []
        self.owner: Leg | None = None

    def say(self, event: Event) -> None:
        """Into the log, and on to everybody who keeps up."""
        if event.ref.startswith("~"):  # the session's own name for a question that had none
            event = msgspec.structs.replace(event, ref="")
        self.log.append(event)
        self.spread()

    def spread(self) -> None:
        """What was logged goes on."""
        legs = self.legs
        if len(legs) == 1:
            legs[0].pump()
            return
        for leg in tuple(legs):
            leg.pump()

    @property
    def lag(self) -> int:
        """Events the owner was not sent yet."""
        return self.log.next - self.owner.cursor if self.owner is not None else 0

    @property
    def too_slow(self) -> bool:
        """The owner reads so slowly that events would fall off the log before it has them."""
        return self.lag > self.log.most_events // 2

    @property
    def follows(self) -> bool:
        """The owner has caught up well enough to be talked to again."""
        return self.lag < self.log.most_events // 4

    @property
    def observed(self) -> bool:
        """Somebody besides the owner reads along."""
        return any(leg is not self.owner for leg in self.legs)

    def seat(
        self, leg: Leg, session: Joined, role: Role, since: int | None, *, ended: bool
    ) -> Notice | None:
        """Give a leg its place in the log. A new owner replaces the old one.

        Returns what it should be told of events it missed for ever, if there are any.
        """
        if role == "owner":
            old, self.owner = self.owner, leg
            if old is not None and old is not leg:
                self.legs.remove(old)
                old.session = None
                old.refuse(OssicleError.of(replaced()))
        missed = 0
        if since is None:
            since = self.log.first - 1
        else:
            # A number we never gave would leave the leg waiting for it.
            # The end is said again to whoever has it: a channel is closed by nothing else.
            since = min(max(since, 0), self.log.next - (2 if ended else 1))
            missed = self.log.missed(since)
        self.legs.append(leg)
        leg.join(session, role, max(since + 1, self.log.first))
        if not missed:
            return None
        return Notice(
            level="warning",
            code="events_lost",
            text=f"{missed} events after {since} are not kept any more",
        )

    def leave(self, leg: Leg) -> bool:
        """A leg is gone. True: it was the owner."""
        if leg in self.legs:
            self.legs.remove(leg)
        if leg is not self.owner:
            return False
        self.owner = None
        return True
