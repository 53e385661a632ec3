"""How fast a client may send, and how fast it is talked to: the two directions of backpressure.

    client ─▶ audio ─▶ more waits than the engine takes ─▶ overload policy: pause, drop, refuse
    log ─▶ owner that does not read ─▶ the engine is not fed, so that no final falls off the log

The client is told how far we are (`Flow`) about once a second of audio, when more may be sent than
it knew, and when much was settled; never before the final that caused it. Takes no audio itself.
"""

from typing import Protocol

from .audience import Audience
from .errors import OssicleError, Overloaded
from .events import Flow
from .feed import Feed
from .formats import AudioFormat
from .host import Host, SessionSettings
from .legs import Leg
from .lifecycle import Lifecycle
from .options import Options

__all__ = ["Pace"]

_FAR_OVER = 4 << 20
"""Bytes beyond four times the limit: whoever sends so much does not stop when told."""


class _Paced(Protocol):
    """What pace needs of the session it belongs to."""

    audience: Audience
    feed: Feed
    host: Host
    life: Lifecycle
    options: Options
    settings: SessionSettings
    source: AudioFormat | None
    taken_commands: int

    @property
    def taken_bytes(self) -> int: ...
    @property
    def settled_ms(self) -> int: ...
    def ms(self, position: int) -> int: ...
    def span(self, units: int) -> int: ...
    def fail(self, error: OssicleError) -> None: ...
    def warn(self, code: str, text: str) -> None: ...
    def go_on(self) -> None: ...


class Pace:
    """Backpressure of one session."""

    __slots__ = ("_dropped", "_dropped_told", "_due", "_session", "_told")

    def __init__(self, session: _Paced) -> None:
        self._session = session
        self._told = (0, 0)
        """End of the journal and limit, as the owner was told."""
        self._due = False
        self._dropped = 0
        self._dropped_told = float("-inf")

    # ── the client is told ──

    def report(self) -> None:
        """Tell the owner how far we are, or as soon as it has read what came before."""
        session = self._session
        owner, journal = session.audience.owner, session.feed.journal
        if owner is None or session.life.state == "ended":
            return
        if not owner.caught_up:
            self._due = True  # never before the final that caused it
            return
        until = session.feed.credit.until(journal.sent)
        # Who asked for the oldest to be dropped lives in the present: it is not to hold back.
        bounded = session.source is not None and session.options.overload != "drop_oldest"
        self._due = False
        self._told = (journal.end, until)
        owner.tell(
            Flow(
                taken_bytes=session.taken_bytes,
                taken_commands=session.taken_commands,
                settled_ms=session.settled_ms,
                until_ms=session.ms(until) if bounded else None,
            )
        )

    def granted(self) -> None:
        """The engine takes more: the owner hears of it when that is worth a message."""
        session = self._session
        if session.feed.credit.news(session.feed.journal.sent, self._told[1]):
            self.report()

    def tick(self) -> None:
        """Once a second: an owner that sends slowly is told too."""
        if self._session.feed.journal.end != self._told[0]:
            self.report()

    def writable(self, leg: Leg) -> None:
        """A leg can take more: the owner may be told how far we are, and be talked to again."""
        self.talk_again()
        if self._due and leg is self._session.audience.owner:
            self.report()

    # ── the client sends too fast ──

    def check(self) -> None:
        """More may wait than the limit: do what was asked for that."""
        session = self._session
        feed, journal, limit_ms = session.feed, session.feed.journal, session.settings.unsent_ms
        window = feed.credit.window
        if journal.waiting <= window:
            return
        match session.options.overload:
            case "pause":
                if session.audience.owner is not None:
                    session.audience.owner.pause("overload")
                if journal.waiting > 4 * window + _FAR_OVER:
                    session.fail(
                        Overloaded(
                            f"{session.span(journal.waiting)} ms of audio wait for the engine, far "
                            f"over the limit of {limit_ms} ms: the peer does not stop when told",
                            code="overloaded",
                        )
                    )
            case "drop_oldest":
                self._dropped += journal.drop_oldest(window)
                now = session.host.timers.now()
                if now - self._dropped_told >= 1.0:
                    self._dropped_told = now
                    session.warn(
                        "audio_dropped",
                        f"{session.span(self._dropped)} ms of audio were dropped so far: the "
                        f"engine is slower than the client and {limit_ms} ms wait already",
                    )
            case "refuse":
                session.fail(
                    Overloaded(
                        f"the engine is slower than the client: more than {limit_ms} ms of audio "
                        "wait",
                        code="overloaded",
                    )
                )

    def seated(self, owner: Leg) -> None:
        """Another connection took the session over: it stops sending where the old one had to."""
        session = self._session
        waiting = session.feed.journal.waiting
        if waiting > session.feed.credit.window and session.options.overload == "pause":
            owner.pause("overload")

    def relieve(self) -> None:
        """The owner may send again once half of what may wait is gone."""
        session = self._session
        owner = session.audience.owner
        if owner is not None and session.feed.journal.waiting <= session.feed.credit.window // 2:
            owner.resume("overload")

    # ── the client reads too slowly ──

    def hold_back(self) -> None:
        """An owner that does not read is not talked to: no final of its falls off the log."""
        session = self._session
        if session.audience.too_slow and not session.feed.held:
            session.feed.held = True
            session.feed.shut()

    def talk_again(self) -> None:
        """It reads again."""
        session = self._session
        if session.feed.held and session.audience.follows:
            session.feed.held = False
            session.feed.drain()
            session.go_on()
