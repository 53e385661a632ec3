"""What a session was, for a while after its end: who, how, through what, how long, why it ended.

    GET /v1/sessions/{id}   →  SessionRecord as JSON, to its owner only

No words, no keys, no tokens. Bounded in number and in age. Nothing here is called per message.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ossicle.core.ledger import LedgerReport
from ossicle.core.legs import Leg
from ossicle.core.session import Session
from ossicle.transports.webrtc.figures import CallFigures

from .names import labels_of
from .traces import Trace

__all__ = [
    "Counts",
    "Known",
    "Records",
    "SessionEnd",
    "SessionRecord",
    "dialect_name",
    "peer_class",
]

PeerClass = Literal["loopback", "private", "public", ""]

_AGENT = 200
"""Characters kept of a user agent."""


class Counts(msgspec.Struct, frozen=True):
    """How much there was."""

    audio_bytes: int = 0
    """Audio taken, as the client sent it."""
    audio_ms: int = 0
    """Stream time heard."""
    commands: int = 0
    """Commands of the owner."""
    events: int = 0
    """Events told; partials that were replaced are counted too."""
    turns: int = 0
    """Turns that ended."""
    resumes: int = 0
    """How often the owner came back."""
    observers: int = 0
    """Observers and controllers that joined."""
    reports: int = 0
    """URLs that events are posted to."""


class SessionEnd(msgspec.Struct, frozen=True):
    """How it ended."""

    reason: str
    """As in `ended.reason`."""
    code: str = ""
    """The error's code; "" = none."""
    whose: str = ""
    """Whose fault: `client`, `us` or `upstream`."""


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One session as its owner may read it."""

    session: str
    """Session id."""
    names: tuple[str, ...] = ()
    """Its other names: a call id, a path."""
    label: str = ""
    """The client's own name for it."""
    state: str
    """`opening` `live` `draining` `ended`."""
    dialect: str
    """What the client speaks."""
    transport: str
    """The wire it first came on."""
    peer: PeerClass = ""
    """Where the client is: this machine, a private network, or elsewhere."""
    user_agent: str = ""
    """As the client names itself, at most 200 characters."""
    engine: str = ""
    """What listens; "" = not chosen yet."""
    provider_ids: tuple[str, ...] = ()
    """Request ids of upstream providers, `NAME: ID`; the last 20."""
    began_at: str
    """ISO 8601, UTC."""
    ended_at: str | None = None
    """The same; null = it goes on."""
    session_ms: int = 0
    """Wall time so far, or in all."""
    counts: Counts = Counts()
    notices: dict[str, int] = {}
    """How often each code was told."""
    options: dict[str, Any] = {}
    """Options in force. Of hints only the number: they are words."""
    ledger: LedgerReport = LedgerReport()
    """Where the time went."""
    packets: CallFigures | None = None
    """What became of the packets of its call, while that stands; null = it is no call."""
    end: SessionEnd | None = None
    """null = it goes on."""
    trace_id: str
    """Of the W3C trace it belongs to."""


class Known:
    """What is kept of a session while it lives."""

    def __init__(self, session: Session, leg: Leg, owner: str, trace: Trace) -> None:
        self.session = session
        self.owner = owner
        self.names: tuple[str, ...] = ()
        self.dialect = dialect_name(leg)
        self.transport = leg.opening.transport
        self.opening = leg.opening
        self.peer: PeerClass = peer_class(leg.opening.peer)
        self.agent = _printable(leg.opening.header("user-agent"))
        self.began_at = time.time()
        self.trace = trace
        self.resumes = self.observers = self.reports = 0

    def record(self, now: float) -> SessionRecord:
        """As it stands. `now`: monotonic."""
        session = self.session
        ended = session.ended
        error = ended.error if ended is not None else None
        session_ms = (
            ended.session_ms if ended is not None else round((now - session.opened_at) * 1000)
        )
        ledger = ended.ledger if ended is not None else None
        ledger = ledger or session.ledger.report()
        return SessionRecord(
            session=session.id,
            names=self.names,
            label=session.options.label,
            state=session.life.state,
            dialect=self.dialect,
            transport=self.transport,
            peer=self.peer,
            user_agent=self.agent,
            engine=session.engine_name,
            provider_ids=session.upstream_ids,
            began_at=_iso(self.began_at),
            ended_at=_iso(self.began_at + session_ms / 1000) if ended is not None else None,
            session_ms=session_ms,
            counts=Counts(
                audio_bytes=session.taken_bytes,
                audio_ms=session.ms(session.journal.end) - session.origin_ms,
                commands=session.taken_commands,
                events=session.log.next - 1,
                turns=ledger.turns,
                resumes=self.resumes,
                observers=self.observers,
                reports=self.reports,
            ),
            notices=dict(session.notices),
            options=_options(session),
            ledger=ledger,
            packets=_packets(session),
            end=None
            if ended is None
            else SessionEnd(
                ended.reason,
                error.code if error is not None else "",
                error.whose if error is not None else "",
            ),
            trace_id=self.trace.trace_id,
        )


class Records:
    """Sessions that live, and for a while those that do not."""

    def __init__(
        self, now: Callable[[], float], *, most: int = 1_000, keep_s: float = 3_600.0
    ) -> None:
        """
        Args:
            now: monotonic seconds.
            most: ended sessions kept; beyond it the oldest is forgotten.
            keep_s: how long one is kept.
        """
        self.live: dict[str, Known] = {}
        self._now = now
        self._most = most
        self._keep_s = keep_s
        self._over: OrderedDict[str, tuple[float, str, SessionRecord]] = OrderedDict()

    def began(self, known: Known) -> None:
        """A session was opened."""
        self.live[known.session.id] = known

    def ended(self, session: str) -> SessionRecord | None:
        """A session is over: its record, kept from now on."""
        known = self.live.pop(session, None)
        if known is None:
            return None
        now = self._now()
        record = known.record(now)
        self._over[session] = (now, known.owner, record)
        self.forget(now)
        return record

    def forget(self, now: float) -> None:
        """What is too old, or too much."""
        while self._over:
            at, _, _ = next(iter(self._over.values()))
            if len(self._over) <= self._most and now - at < self._keep_s:
                return
            self._over.popitem(last=False)

    def find(self, name: str, owner: str) -> SessionRecord | None:
        """The newest session of that id, name or else label, if it is the owner's."""
        now = self._now()
        self.forget(now)
        for known in reversed(self.live.values()):
            if known.owner == owner and (known.session.id == name or name in known.names):
                return known.record(now)
        for _, whose, record in reversed(self._over.values()):
            if whose == owner and (record.session == name or name in record.names):
                return record
        found = self.labelled(name, owner)
        return self.live[found].record(now) if found is not None else None

    def labelled(self, label: str, owner: str) -> str | None:
        """The id of the newest session that lives and has that label."""
        for known in reversed(self.live.values()):
            if known.owner == owner and label in labels_of(known.session.options.label):
                return known.session.id
        return None


def dialect_name(leg: Leg) -> str:
    """What its peer speaks."""
    return str(getattr(leg.dialect, "name", type(leg.dialect).__name__))


def peer_class(peer: str) -> PeerClass:
    """Where an address is; the address itself is not kept."""
    host = peer.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    if number.is_loopback:
        return "loopback"
    return "private" if number.is_private or number.is_link_local else "public"


def _packets(session: Session) -> CallFigures | None:
    """Of the owner's channel, where that counts packets."""
    figures = getattr(session.owner.channel, "figures", None) if session.owner else None
    return figures if isinstance(figures, CallFigures) else None


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isprintable())[:_AGENT]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _options(session: Session) -> dict[str, Any]:
    options: dict[str, Any] = msgspec.to_builtins(session.options)
    recognition = options["recognition"]
    recognition["hints"] = len(recognition["hints"])
    return options
