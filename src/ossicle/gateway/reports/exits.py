"""What a gateway does beside answering clients: records, log lines, traces, reports, recordings
read by URL, and observers that look a session up by name. One object, so that the house calls it
and knows none.
"""

import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from ossicle.core.commands import Configure, Join
from ossicle.core.errors import OssicleError, Overloaded
from ossicle.core.host import Hosted
from ossicle.core.legs import Admission, Leg
from ossicle.core.ports import Dialect
from ossicle.core.session import Session
from ossicle.core.wire import Opening

from ..configuration.settings import GatewaySettings
from ..fetching.reach import Reach
from ..fetching.recordings import Recordings
from ..keys.secrets import Secrets
from .names import Names, Waiting, labels_of
from .records import Known, Records, SessionRecord, dialect_name, peer_class
from .signing import Signer, webhook_secret
from .traces import Span, Spans, trace_of
from .webhooks import Reports

__all__ = ["Exits"]

log = logging.getLogger("ossicle.gateway.sessions")


class Exits:
    """Of one house."""

    def __init__(
        self,
        house: Admission,
        settings: GatewaySettings,
        *,
        count: Callable[[str, int], None],
        fetched: Callable[[str, int], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        """
        Args:
            house: its clock.
            settings: the gateway's.
            count: counts what became of a post.
            fetched: counts what became of a recording, and its bytes.
            spawn: starts a task that the house ends.
        """
        self._timers = house.timers
        self.records = Records(house.timers.now)
        self.names = Names()
        self.waiting = Waiting()
        self.twins: dict[str, Callable[[Opening], Dialect | None]] = {}
        """By transport: another instance of the dialect that answers an opening."""
        self.spans: Spans | None = None
        self.reach = Reach(settings.allow_hosts, trust_ca=settings.trust_ca)
        self.reports = Reports(
            house,
            self.reach,
            Signer(lambda: webhook_secret(Secrets(settings.state_dir))),
            settings.webhooks,
            count=count,
            spawn=spawn,
            twin=self._twin,
        )
        self.recordings = Recordings(
            house,
            Reach(settings.allow_hosts, inside=False, trust_ca=settings.trust_ca),
            settings.fetch,
            count=fetched,
            spawn=spawn,
        )

    def _twin(self, opening: Opening) -> Dialect | None:
        make = self.twins.get(opening.transport)
        return make(opening) if make is not None else None

    # ── called by the house ──

    def check(self, configure: Configure) -> None:
        """Before a session is made.

        Raises:
            Refused: a name or a URL that is not taken.
        """
        self.names.check(configure.names)
        self.reports.check(configure.report_to)
        self.recordings.check(configure)

    def began(self, session: Session, leg: Leg, configure: Configure, owner: str) -> None:
        """A session is made; its owner is not attached yet."""
        known = Known(session, leg, owner, trace_of(leg.opening))
        self.records.began(known)
        log.info(
            "session began",
            extra={
                "session": session.id,
                "owner": owner,
                "dialect": known.dialect,
                "transport": known.transport,
                "peer": known.peer,
                "trace": known.trace.trace_id,
            },
        )
        self._more(known, configure)
        self.recordings.start(session, leg, configure)

    def extend(self, session: Hosted, configure: Configure) -> None:
        """More names, more reports.

        Raises:
            Refused: one of them is not taken.
        """
        known = self.records.live.get(session.id)
        if known is not None:
            self._more(known, configure)

    def _more(self, known: Known, configure: Configure) -> None:
        session = known.session
        known.names = self.names.add(known.owner, session.id, configure.names)
        if configure.report_to:
            self.reports.start(session, configure.report_to, known.opening, known.trace)
            known.reports += len(configure.report_to)
        names = (session.id, *known.names, *labels_of(session.options.label))
        for join, leg in self.waiting.arrived(known.owner, names):
            self.joined(session)
            session.attach(leg, join.role, since=join.since)

    def joined(self, session: Session, *, resumed: bool = False) -> None:
        """Another leg came."""
        known = self.records.live.get(session.id)
        if known is not None:
            known.resumes += resumed
            known.observers += not resumed

    def find(self, name: str, owner: str) -> str:
        """The id of a session by a name that its owner gave it, or else by its label."""
        return self.names.find(owner, name) or self.records.labelled(name, owner) or name

    def wait(self, leg: Leg, join: Join, owner: str) -> None:
        """The session is not there yet.

        Raises:
            Overloaded: too many wait.
        """
        self.waiting.park(leg, join, owner, self._timers.now())

    def refused(self, leg: Leg, code: str) -> None:
        """Somebody was turned away."""
        log.info(
            "refused",
            extra={
                "code": code,
                "dialect": dialect_name(leg),
                "transport": leg.opening.transport,
                "peer": peer_class(leg.opening.peer),
                "trace": trace_of(leg.opening).trace_id,
            },
        )

    def changed(self, session: Hosted) -> None:
        """It may be over: then its reports go on alone, and nothing more is read for it."""
        if session.life.state == "ended" and isinstance(session, Session):
            self.recordings.session_over(session.id)
            self.reports.session_over(session)

    def ended(self, session: Session) -> None:
        """It is forgotten; its record stays for a while."""
        self.recordings.session_over(session.id)
        self.reports.session_over(session)
        self.names.drop(session.id)
        known = self.records.live.get(session.id)
        record = self.records.ended(session.id)
        if known is None or record is None:
            return
        end = record.end
        log.info(
            "session ended",
            extra={
                "session": record.session,
                "owner": known.owner,
                "dialect": record.dialect,
                "transport": record.transport,
                "engine": record.engine,
                "reason": end.reason if end is not None else "failed",
                "code": end.code if end is not None else "",
                "audio_ms": record.counts.audio_ms,
                "session_ms": record.session_ms,
                "trace": record.trace_id,
            },
        )
        if self.spans is not None:
            whole, parts = _spans(known, record, self._timers.now())
            self.spans.tell(known.trace, whole, parts)

    def tick(self) -> None:
        """About once a second."""
        now = self._timers.now()
        self.waiting.tick(now)
        self.records.forget(now)

    def stopping(self, error: OssicleError) -> None:
        """The gateway drains: nobody begins any more."""
        if isinstance(error, Overloaded):
            self.waiting.send_away(error)


def _spans(known: Known, record: SessionRecord, now: float) -> tuple[Span, Iterable[Span]]:
    """A session as spans, from what its ledger kept. The ledger's clock is monotonic."""
    session = known.session
    epoch = time.time() - now
    begin = epoch + session.opened_at
    end = record.end
    whole = Span(
        f"session {record.dialect}",
        begin,
        begin + record.session_ms / 1000,
        {
            "ossicle.session": record.session,
            "ossicle.dialect": record.dialect,
            "ossicle.transport": record.transport,
            "ossicle.engine": record.engine,
            "ossicle.reason": end.reason if end is not None else "failed",
            "ossicle.audio_ms": record.counts.audio_ms,
            "ossicle.turns": record.counts.turns,
            "ossicle.provider_ids": " ".join(id_.replace(" ", "") for id_ in record.provider_ids),
        },
        end.code if end is not None else "internal",
    )
    parts: list[Span] = []
    ledger = session.ledger
    if ledger.ready_at is not None:
        parts.append(
            Span("engine open", begin, epoch + ledger.ready_at, {"ossicle.engine": record.engine})
        )
    parts += [Span("turn decided", epoch + since, epoch + told) for since, told in ledger.decisions]
    return whole, parts
