"""The house around the sessions: who may come in, which engine hears, which sessions live.

    transport ─▶ Router ─▶ Leg(dialect, channel) ─▶ House.admit ─▶ Session + its supervisor

Implements what the core asks for as `core.legs.Admission` and `core.session.Host`.
"""

import asyncio
import contextlib
import functools
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from ossicle.audio.codecs import AudioCodecs
from ossicle.core.commands import Configure, Join
from ossicle.core.errors import Denied, OssicleError, Overloaded, Refused, ResumeFailed
from ossicle.core.events import Ended
from ossicle.core.formats import AudioFormat
from ossicle.core.host import Hosted, SessionSettings
from ossicle.core.legs import Leg
from ossicle.core.measure import Measure, too_large
from ossicle.core.options import Options
from ossicle.core.ports import Codecs, Engine, Timers
from ossicle.core.session import Session
from ossicle.core.timers import LoopTimers
from ossicle.core.wire import Opening
from ossicle.engines.wrap.endpointed import Endpointed
from ossicle.engines.wrap.record import Recorded
from ossicle.engines.wrap.split import Split
from ossicle.transports.faults import report_fault

from .configuration.settings import GatewaySettings
from .keys.access import Access, Verdict
from .keys.accounts import Accounts
from .keys.allowance import Addresses
from .keys.amazon import AmazonDoor
from .keys.forwarded import Forwarding, address_of
from .keys.judges import judge_of
from .keys.keyfile import KeyFile
from .keys.minting import Mint, signing_secret
from .keys.secrets import Secrets
from .keys.usage import Usage
from .models.answering import Answering
from .models.routing import chosen, cold
from .reports.exits import Exits
from .reports.metrics import Metrics
from .reports.names import labels_of
from .reports.recorder import recorder_of
from .reports.troubles import Troubles
from .snippets import Address
from .supervisor import supervise
from .tokens import mint, parse, same

__all__ = ["House"]

log = logging.getLogger("ossicle.gateway")

_REMEMBERED = 4_096
"""Ended sessions remembered by id, to tell an old token from one that never was ours."""

_MOST_JUDGED = 1_000
"""Verdicts waited for at once."""


class House:
    """One per process. Made and run inside the event loop."""

    def __init__(self, settings: GatewaySettings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.timers: Timers = LoopTimers()
        self.codecs: Codecs = AudioCodecs()
        self.access = Access(
            settings.keys,
            settings.allow_hosts,
            self.tokens,
            KeyFile(settings.keys_path),
            judge_of(settings.access),
            settings.access.judge_s,
        )
        self.addresses = Addresses(settings.access.handshakes_per_s)
        self.forwarding = Forwarding(
            settings.access.trust_proxies, settings.access.forwarded_header
        )
        self._judging = 0
        self.secrets = Secrets(settings.state_dir)
        self.recorder = recorder_of(settings)
        self.node = settings.node or uuid.uuid4().hex[:8]
        self.sessions: dict[str, Session] = {}
        self.answering = Answering()
        self.shared: dict[str, Any] = {}
        """What a dialect keeps for all its legs, by the dialect's name."""
        self.amazon = AmazonDoor(settings.amazon, self.access, self.secrets, self.sessions)
        self.draining = False
        self.doors_open = False
        self.address = Address()
        """Where it is reached; known once its doors are bound."""
        self.troubles = Troubles()
        self.metrics = Metrics(self)
        self.accounts = Accounts(settings.state_dir, self.metrics.used)
        self._wakes: dict[str, asyncio.Event] = {}
        self._owners: dict[str, str] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._group: asyncio.TaskGroup | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self.exits = Exits(
            self,
            settings,
            count=self.metrics.posted,
            fetched=self.metrics.fetched,
            spawn=self.spawn,
        )

    def missing(self) -> list[str]:
        """What keeps the gateway from serving; empty = ready."""
        missing: list[str] = []
        if not self.doors_open:
            missing.append("a door is not open yet")
        missing += [f"engine {name} is not warm" for name in cold(self.engine)]
        if self.draining:
            missing.append("the gateway is stopping")
        return missing

    def listing(self, owner: str, label: str | None = None) -> list[dict[str, object]]:
        """The sessions of one owner, for people and scripts."""
        now = self.timers.now()
        return [
            {
                "session": session.id,
                "state": session.life.state,
                "detached": session.detached_until is not None,
                "engine": session.engine_name,
                "model": session.options.recognition.model,
                "label": session.options.label,
                "age_ms": round((now - session.opened_at) * 1000),
                "audio_ms": session.ms(session.journal.end) - session.origin_ms,
            }
            for session in self.sessions.values()
            if self._owners.get(session.id, "") == owner
            and (label is None or label in labels_of(session.options.label))
        ]

    async def run(self) -> None:
        """Keep sessions alive until cancelled; every session ends before this returns."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    await asyncio.sleep(1.0)
                    self.tick()
            finally:
                self._group = None
                self.accounts.usage.flush()
                await self.answering.aclose()

    def tick(self) -> None:
        """Once a second, for all sessions: what is not worth a timer of its own."""
        now = self.timers.now()
        for session in tuple(self.sessions.values()):
            try:
                session.tick(now)
            except Exception as error:  # noqa: BLE001  one session's bug is not the others' end
                report_fault(log, f"session {session.id}", error)
                session.fail(OssicleError.wrap(error))
        self.exits.tick()
        if self.access.refresh():
            for name in self.accounts.unpaid(self.access.ids):
                if name in self.sessions:
                    self.sessions[name].fail(Denied("the key of this session was revoked"))
        for session in tuple(self.sessions.values()):
            spent = self.accounts.charge(session)
            if spent is not None and session.life.state != "ended":
                session.limit("limit", spent)
        self.accounts.tick(now)
        self.troubles.set("keys", self.access.trouble)
        self.troubles.set("usage", self.usage.trouble)

    def knock(self, opening: Opening) -> None:
        """Somebody asks for something: how often may its address?

        Args:
            opening: as `forwarding.seen` gives it.

        Raises:
            Overloaded: too often.
        """
        self.addresses.knock(address_of(opening.peer), self.timers.now())

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task that ends with the house."""
        if self._group is None:
            work.close()
            raise Overloaded("the gateway is not running", code="draining")
        self._group.create_task(work, name=name)

    async def drain(self) -> None:
        """Let sessions finish; tell those that do not to resume elsewhere. Ends in time."""
        self.draining = True
        self.exits.stopping(Overloaded("the gateway is stopping", code="draining"))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.drain_s
        last_words = min(2.0, self.settings.drain_s / 4)
        await self._until_empty(deadline - last_words)
        fault = Overloaded(
            "the gateway is stopping; go on elsewhere, or here in a moment", code="draining"
        ).fault()
        for session in tuple(self.sessions.values()):
            session.finish("shutdown", fault)
        await self._until_empty(deadline)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self.exits.reports.drained()

    async def _until_empty(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                while any(s.life.state != "ended" or s.owner for s in self.sessions.values()):
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return

    # ── core.session.Host ──

    def choose(self, options: Options, source: AudioFormat) -> Engine:
        """The engine for a session; several channels on an engine for one get a stream each, and
        one that judges no ends of turns is judged for where the session asks."""
        engine = self.answering.seated(chosen(self.engine, options), options, _judged(options))
        split = options.recognition.channels == "split"
        if split and source.channels > engine.capabilities.channels:
            engine = Split(engine, channels=source.channels)
        return engine if self.recorder is None else Recorded(engine, self.recorder)

    def wake(self, session: Hosted) -> None:
        """A session changed."""
        if (event := self._wakes.get(session.id)) is not None:
            event.set()
        self.exits.changed(session)
        if session.life.state == "ended":
            self._empty.set()

    def extend(self, session: Hosted, leg: object, configure: Configure) -> None:
        """More names or reports, from its owner only."""
        if isinstance(session, Session) and session.owner is not leg:
            raise Denied("only the owner names a session or has it reported", code="forbidden")
        self.exits.extend(session, configure)

    # ── core.legs.Admission ──

    def admit(self, leg: Leg, configure: Configure) -> None:
        """Decide about a new leg, and give it its session."""
        try:
            self.knock(leg.opening)
            self.access.check_page(leg.opening)
            credential, in_query = configure.credential, configure.credential_in_url
            if not in_query and credential is not None and self.access.judged(credential):
                if self._judging >= _MOST_JUDGED:
                    raise Overloaded(f"{self._judging} verdicts are waited for; try again")
                self._judging += 1
                self.spawn(self._judge(leg, configure, credential), "judgement")
                return
            verdict = self.access.verdict(credential, in_query=in_query)
        except OssicleError as error:
            self._turn_away(leg, error)
            return
        self._admit(leg, configure, verdict)

    async def _judge(self, leg: Leg, configure: Configure, credential: str) -> None:
        """Wait for a verdict; the leg reads nothing meanwhile."""
        try:
            verdict = await self.access.judgement(credential)
            if not leg.gone:
                self._admit(leg, configure, verdict)
        except OssicleError as error:
            self._turn_away(leg, error)
        except Exception as error:  # noqa: BLE001  ends this leg, the others go on
            report_fault(log, "admission", error)
            self._turn_away(leg, OssicleError.wrap(error))
        finally:
            self._judging -= 1

    def _turn_away(self, leg: Leg, error: OssicleError) -> None:
        self.metrics.refused(error.code)
        self.exits.refused(leg, error.code)
        leg.refuse(error)

    def _admit(self, leg: Leg, configure: Configure, verdict: Verdict) -> None:
        """Its credential is good: a session for it."""
        try:
            owner = verdict.owner
            self.accounts.knock(verdict, self.timers.now())
            if configure.join is not None and not self._new_home(configure.join, owner):
                self._join(leg, configure, configure.join, verdict)
                return
            self.exits.check(configure)
            _check_body(leg, verdict)
            session = self._open(leg, configure, verdict)
        except OssicleError as error:
            self._turn_away(leg, error)
            return
        group = self._group
        if group is None:
            self.accounts.close(session.id)
            leg.refuse(Overloaded("the gateway is not running", code="draining"))
            return
        _bound(leg, verdict, session.fail)
        woken = asyncio.Event()
        self.sessions[session.id] = session
        self._wakes[session.id] = woken
        self._owners[session.id] = owner
        self.metrics.opened(leg.opening.transport)
        self.exits.began(session, leg, configure, owner)
        group.create_task(self._life(session, leg, woken), name=f"session {session.id}")

    @functools.cached_property
    def _signed(self) -> Mint:
        return Mint(signing_secret(self.secrets))

    def tokens(self) -> Mint:
        """Made at the first token, so that a gateway that needs none writes no secret."""
        return self._signed

    @property
    def usage(self) -> Usage:
        """What the keys used."""
        return self.accounts.usage

    def find(self, name: str, owner: str = "") -> Session:
        """A session by its id, or by a name that its owner gave it, or by its label.

        Raises:
            Refused: there is none.
        """
        session = self.sessions.get(name) or self.sessions.get(self.exits.find(name, owner))
        if session is None:
            raise Refused("there is no such session", code="not_found")
        return session

    def owned(self, name: str, owner: str) -> Session:
        """A session of this owner.

        Raises:
            Refused: there is none of that name.
            Denied: it is somebody else's.
        """
        session = self.find(name, owner)
        self._own(session, owner)
        return session

    def end(self, name: str, owner: str) -> None:
        """End a session of this owner.

        Raises:
            Refused, Denied: as `owned`.
        """
        self.owned(name, owner).finish("done")

    def _open(self, leg: Leg, configure: Configure, verdict: Verdict) -> Session:
        # gRPC's server takes no new calls by then: one that comes to us came before the GOAWAY, and
        # its client would be told that the call failed, not to make it elsewhere.
        if self.draining and leg.opening.transport != "grpc":
            raise Overloaded("the gateway is stopping; try another, or again soon", code="draining")
        if len(self.sessions) >= self.settings.sessions:
            raise Overloaded(
                f"{len(self.sessions)} sessions are open, the limit is {self.settings.sessions} "
                "(option sessions)"
            )
        name = uuid.uuid4().hex
        session = Session(
            name,
            mint(self.node, name),
            self,
            settings=self._bounds(verdict),
            continues=configure.join,
        )
        session.configure(configure)
        session.deadline.set(configure.within_s)
        self.accounts.open(verdict, name, leg.opening.header("idempotency-key")[:200])
        return session

    def _bounds(self, verdict: Verdict) -> SessionSettings:
        """The bounds of a session: the gateway's, and the key's where that is the smaller one."""
        bounds, most = self.settings.session, verdict.limits.narrowed(verdict.own).session_s
        if not most or (bounds.session_s and bounds.session_s <= most):
            return bounds
        return msgspec.structs.replace(bounds, session_s=most)

    async def _life(self, session: Session, leg: Leg, woken: asyncio.Event) -> None:
        try:
            await supervise(session, leg, woken, self.settings.patience_s)
        except Exception as fault:  # noqa: BLE001  ends this session, the others go on
            report_fault(log, f"session {session.id}", fault)
            leg.channel.abort()
        finally:
            self.sessions.pop(session.id, None)
            self._wakes.pop(session.id, None)
            self._owners.pop(session.id, None)
            self._gone[session.id] = None
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
            self.exits.ended(session)
            self.accounts.over(session)
            self.metrics.ended(session, session.ended or Ended(reason="failed"))
            self._empty.set()

    def _new_home(self, join: Join, owner: str) -> bool:
        """Whether a session that nobody here knows shall go on here as a new one: its gateway is
        gone, and the client offers to replay (contracts M28)."""
        if not join.token or join.settled_ms is None:
            return False
        return parse(join.token).session not in self.sessions

    def _join(self, leg: Leg, configure: Configure, join: Join, verdict: Verdict) -> None:
        owner = verdict.owner
        if not join.token and join.role != "owner":
            try:
                session = self.find(join.session, owner)
            except Refused:
                if not join.wait_s or self.draining:
                    raise
                self.accounts.check_join(verdict, "")
                _bound(leg, verdict, leg.refuse)
                self.exits.wait(leg, join, owner)
                return
            self._own(session, owner)
            self.accounts.check_join(verdict, session.id)
            self.exits.joined(session)
            _bound(leg, verdict, leg.refuse)
            session.attach(leg, join.role, since=join.since)
            return
        token = parse(join.token)
        session = self.sessions.get(token.session)
        if session is None:
            if token.session in self._gone:
                raise ResumeFailed(
                    "the session of this token is over; open a new one", code="resume_expired"
                )
            raise ResumeFailed("the session of this token is not known here; open a new one")
        if not same(session.token, join.token):
            raise Denied("this token does not open that session", code="resume_denied")
        self._own(session, owner)
        self.accounts.check_join(verdict, session.id)
        self.exits.joined(session, resumed=True)
        session.deadline.set(configure.within_s)
        _bound(leg, verdict, session.fail)
        session.attach(leg, since=join.since, resumed=True)

    def _own(self, session: Session, owner: str) -> None:
        if self._owners.get(session.id, "") != owner:
            raise Denied("this session belongs to another key", code="resume_denied")


def _judged(options: Options) -> Callable[[Engine], Engine]:
    """Puts a judge of turn ends around an engine that is none, where the session asks for one."""
    turns = options.recognition.turns
    asks = turns.confidence is not None or turns.eager is not None

    def around(engine: Engine) -> Engine:
        able = engine.capabilities
        return Endpointed(engine) if asks and able.hears and not able.eager else engine

    return around


def _bound(leg: Leg, verdict: Verdict, over: Callable[[OssicleError], None]) -> None:
    """The key's bound of a message, where it has one."""
    most = verdict.limits.narrowed(verdict.own).max_message
    if most:
        leg.bound(Measure(most, over, whole=not leg.channel.traits.framed))


def _check_body(leg: Leg, verdict: Verdict) -> None:
    """An HTTP body whose size is known to be too large is not read.

    Raises:
        Refused: it is.
    """
    most = verdict.limits.narrowed(verdict.own).max_message
    length = leg.opening.header("content-length")
    if most and length.isdecimal() and not leg.channel.traits.framed and int(length) > most:
        raise too_large(int(length), most)
