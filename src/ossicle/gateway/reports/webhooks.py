"""Reports: a session's events posted to a URL, as one more leg of the session.

    session log ─▶ leg's cursor ─▶ Hook (event → JSON) ─▶ HookChannel ─▶ POST, in order

The channel says that it is not writable while a post is under way, so whatever cannot go yet stays
in the session's own log, where a newer partial replaces an older one. A receiver that is slow or
down costs the session nothing. What is posted may arrive twice (its number says so), never out of
order. When the session is over the leg goes on alone, for a while.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from math import inf
from typing import Any, TypeAlias

import msgspec

from ossicle.core.commands import Played, Report
from ossicle.core.errors import ConnectionLost, OssicleError, Refused, TimedOut
from ossicle.core.events import Began, Configured, Ended, Event
from ossicle.core.legs import Admission, Leg
from ossicle.core.log import Log
from ossicle.core.ports import Dialect, Steps
from ossicle.core.session import Session
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Message, Opening, Text
from ossicle.transports.faults import report_fault

from ..configuration.settings import HookSettings
from ..fetching.reach import Post, Reach, Reply
from .hookbody import body_of
from .signing import HEADER, Signer
from .traces import Trace

__all__ = ["Hook", "HookChannel", "Reports", "Twin"]

log = logging.getLogger("ossicle.gateway.webhooks")

_encode = msgspec.json.Encoder().encode

Headers: TypeAlias = tuple[tuple[str, str], ...]
_JSON: Headers = (("content-type", "application/json"),)


class Hook:
    """The webhook as a dialect: events out, nothing in."""

    name = "webhook"
    deadline = inf
    plain = False
    resumable = False

    def __init__(self) -> None:
        self._session = self._label = ""

    def open(self, opening: Opening, now: float) -> Steps:
        """Nobody asked."""
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """Nothing comes."""
        return ()

    def send(self, event: Event, now: float) -> Steps:
        """What to post."""
        if isinstance(event, Began):
            self._session = event.session
        if isinstance(event, Began | Configured):
            self._label = event.options.label
        body = body_of(event, self._session, self._label)
        steps: Steps = () if body is None else (Text(_encode(body).decode()),)
        return (*steps, Close()) if isinstance(event, Ended) else steps

    def expire(self, now: float) -> Steps:
        """Never asked for."""
        return ()


class Twin:
    """The session's own dialect once more, with nobody at the other end: what it would say as
    text is posted, and a file whose headers it gave. It hears no audio, so it would take its peer
    for idle: a goodbye that it says by the clock is left out, and every command but `Played`:
    what is collected here counts as heard, or the voice would wait for an ear."""

    plain = False
    resumable = False

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.name: str = getattr(dialect, "name", type(dialect).__name__)
        self.deadline = dialect.deadline

    def open(self, opening: Opening, now: float) -> Steps:
        """As its brother was opened, but for the wire: what it says is posted."""
        opening = msgspec.structs.replace(opening, transport="webhook")
        return self._texts(self._dialect.open(opening, now))

    def receive(self, message: Message, now: float) -> Steps:
        """Nothing comes."""
        return ()

    def send(self, event: Event, now: float) -> Steps:
        """What the peer would be told."""
        texts = self._texts(self._dialect.send(event, now))
        return (*texts, Close()) if isinstance(event, Ended) else texts

    def expire(self, now: float) -> Steps:
        """Its own clock: end of an utterance and the like."""
        steps = self._dialect.expire(now)
        texts = () if any(isinstance(step, Close) for step in steps) else self._texts(steps)
        if self.deadline <= now:  # what it wanted was not done: it would want it for ever
            self.deadline = inf
        return texts

    def _texts(self, steps: Steps) -> Steps:
        self.deadline = self._dialect.deadline
        return tuple(step for step in steps if isinstance(step, _TOLD))


_TOLD = Accept | Text | Binary | Played


class HookChannel:
    """A `core.ports.Channel` that posts, one at a time. `run` is its task."""

    def __init__(
        self,
        post: Callable[[bytes, Iterable[tuple[str, str]]], Awaitable[Reply]],
        about: "About",
        settings: HookSettings,
        *,
        now: Callable[[], float],
        pause: Callable[[float, asyncio.Event], Awaitable[None]] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            post: sends one body.
            about: who hears of trouble, and what every post says of itself.
            settings: limits.
            now: monotonic seconds.
            pause: waits between attempts, or until the event.
            chance: 0-1, for the jitter.
        """
        self.traits = ChannelTraits()
        self.leg: Leg | None = None
        self._post = post
        self._about = about
        self._settings = settings
        self._now = now
        self._pause = pause or _rest
        self._chance = chance
        self._waiting: deque[tuple[bytes, Headers]] = deque()
        self._headers: Headers = ()
        """Of a file."""
        self._closing = self._over = False
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._number = 0
        self._ended_at: float | None = None
        self._arrived_at = -inf
        self._warned = False

    # ── core.ports.Channel ──

    def send(self, message: Message) -> None:
        """Kept until it was posted; holds no more than what one event means."""
        if self._over or self._closing:
            return
        if isinstance(message, Accept):
            self._headers = message.headers
            return
        if isinstance(message, Text | Binary):
            text = isinstance(message, Text)
            body = message.data.encode(errors="replace") if text else bytes(message.data)
            self._waiting.append((body, _JSON if text else self._headers))
            if self.leg is not None:
                self.leg.writable(False)
        elif isinstance(message, Close):
            self._closing = True
        else:
            return
        self._wake.set()

    def pause(self) -> None:
        """Nothing is read."""

    def resume(self) -> None:
        """Nothing is read."""

    def abort(self) -> None:
        """No more posts."""
        self._over = True
        self._stopped.set()
        self._wake.set()

    # ── the work ──

    def session_over(self) -> None:
        """From now on there is an end to patience."""
        if self._ended_at is None:
            self._ended_at = self._now()

    async def run(self) -> None:
        """Until everything is posted or given up."""
        try:
            while not self._over:
                if self._waiting:
                    if not await self._deliver(*self._waiting[0]):
                        break
                    self._waiting.popleft()
                elif self._closing:
                    return
                elif self.leg is not None:
                    self._wake.clear()
                    self.leg.writable(True)  # sends what the log holds next, from inside
                    if not self._waiting and not self._closing and not self._over:
                        await self._wake.wait()
        finally:
            self._over = True
            leg = self.leg
            if leg is not None:
                rest = len(self._waiting)
                if not self._closing and leg.session is not None:
                    rest += max(0, leg.session.log.next - max(leg.cursor, leg.session.log.first))
                if rest:
                    self._about.given_up(rest)
                leg.closed(None)

    async def _deliver(self, body: bytes, kind: "Headers") -> bool:
        """Post until it is taken or refused. False = no hope is left."""
        self._number += 1
        failures = 0
        while not self._over:
            after: float | None = None
            try:
                headers = (*kind, *self._about.headers(body, self._number))
                reply = await self._post(body, headers)
            except (ConnectionLost, TimedOut) as error:
                why = str(error)
            except OssicleError as error:  # the secret, or where the name leads to
                self._about.failing(str(error))
                return False
            else:
                if reply.status < 300:
                    self._arrived_at = self._now()
                    self._warned = False
                    self._about.delivered()
                    return True
                if reply.status == 410:  # RFC 9110 section 15.5.11: gone, and it means it
                    self._about.failing("the receiver answers 410: it wants nothing more")
                    return False
                if not _passes(reply.status):
                    self._about.rejected(reply.status)
                    return True
                why, after = f"status {reply.status}", reply.retry_after_s
            failures += 1
            self._about.retried()
            if failures >= self._settings.warn_after and not self._warned:
                self._warned = True
                self._about.failing(why)
            wait = self._wait(failures, after)
            if self._hopeless(wait):
                return False
            await self._pause(wait, self._stopped)
        return False

    def _wait(self, failures: int, after: float | None) -> float:
        settings = self._settings
        most = min(settings.most_wait_s, settings.first_wait_s * 2 ** min(failures - 1, 20))
        wait = most * (0.5 + 0.5 * self._chance())
        return wait if after is None else max(wait, min(after, settings.most_wait_s))

    def _hopeless(self, wait: float) -> bool:
        if self._ended_at is None:
            return False
        then = self._now() + wait
        since = max(self._ended_at, self._arrived_at)
        return (
            then - since > self._settings.give_up_s
            or then - self._ended_at > self._settings.after_end_s
        )


async def _rest(seconds: float, stopped: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


def _passes(status: int) -> bool:
    """Whether the same post may be taken later. A redirect is not followed and does not pass."""
    return status >= 500 or status in {408, 425, 429}


class About:
    """What a report says of itself, and to whom. Names the host and never the path: that may hold
    a secret of the receiver's."""

    def __init__(
        self,
        session: Session,
        host: str,
        sign: Signer,
        trace: Trace,
        count: Callable[[str, int], None],
    ) -> None:
        self._session: Session | None = session
        self._id = session.id
        self._host = host
        self._sign = sign
        self._trace = trace
        self._count = count
        self._rejected = 0

    def alone(self) -> None:
        """The session is over: let it go."""
        self._session = None

    def headers(self, body: bytes, number: int) -> tuple[tuple[str, str], ...]:
        """Of one post."""
        return (
            ("ossicle-session", self._id),
            ("ossicle-delivery", f"{self._id}-{number}"),
            (HEADER, self._sign(body, int(time.time()))),
            ("traceparent", self._trace.header),
        )

    def delivered(self) -> None:
        """One was taken."""
        self._count("delivered", 1)

    def retried(self) -> None:
        """An attempt failed and will be made again."""
        self._count("retried", 1)

    def rejected(self, status: int) -> None:
        """The receiver does not want this one."""
        self._count("rejected", 1)
        self._rejected += 1
        if self._rejected == 1:
            what = "redirects are not followed" if 300 <= status < 400 else "it is not tried again"
            self._say("webhook_rejected", f"{self._host} answers {status}: {what}")

    def failing(self, why: str) -> None:
        """It does not get through."""
        self._say("webhook_failing", f"nothing can be posted to {self._host}: {why}")

    def given_up(self, events: int) -> None:
        """The rest will not arrive."""
        self._count("given_up", events)
        self._say("webhook_given_up", f"{events} events were not posted to {self._host}")

    def _say(self, code: str, text: str) -> None:
        log.warning("%s: %s", code, text, extra={"session": self._id})
        if self._session is not None:
            self._session.warn(code, text)


class _Tail:
    """What is left of a session for a leg that still has to read its log."""

    def __init__(self, log_: Log) -> None:
        self.log = log_
        self.audio: Callable[[bytes], None] = _deaf

    def ask(self, leg: Leg, command: object) -> None: ...
    def detach(self, leg: Leg, error: OssicleError | None) -> None: ...
    def writable(self, leg: Leg) -> None: ...
    def measured(self, leg: Leg, rtt_ms: float) -> None: ...


def _deaf(_data: bytes) -> None:
    """It reads only."""


class Reports:
    """All reports of a gateway."""

    def __init__(
        self,
        house: Admission,
        reach: Reach,
        sign: Signer,
        settings: HookSettings | None = None,
        *,
        count: Callable[[str, int], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        twin: Callable[[Opening], Dialect | None],
    ) -> None:
        """
        Args:
            house: its clock.
            reach: where may be posted to.
            sign: signs.
            settings: limits.
            count: counts an outcome.
            spawn: starts a task that the gateway ends.
            twin: another instance of the dialect that answered an opening.
        """
        self._house = house
        self._reach = reach
        self._sign = sign
        self.settings = settings or HookSettings()
        self._count = count
        self._spawn = spawn
        self._twin = twin
        self._running: dict[str, list[_Running]] = {}
        self._lingering: deque[_Running] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    def check(self, reports: Iterable[Report]) -> None:
        """Before a session begins.

        Raises:
            Refused: a URL that may not be reached, a method nobody posts with, or too many.
        """
        wanted = tuple(reports)
        if len(wanted) > self.settings.per_session:
            raise Refused(
                f"{len(wanted)} URLs to post to; the limit is {self.settings.per_session}",
                code="bad_option",
            )
        for report in wanted:
            self._reach.target(report.url)
            if report.method.upper() not in {"POST", "PUT"}:
                raise Refused(f"method {report.method[:20]!r}: POST or PUT", code="bad_option")
        if wanted:
            self._sign(b"", 0)  # a secret that cannot be read is told now, not later

    def start(
        self, session: Session, reports: Iterable[Report], opening: Opening, trace: Trace
    ) -> None:
        """Begin to post a session's events, from its first one on.

        Raises:
            Refused: as `check`.
        """
        running = self._running.get(session.id, [])
        wanted = tuple(reports)
        self.check((*(each.report for each in running), *wanted))
        for report in wanted:
            target = self._reach.target(report.url)
            about = About(session, target.host, self._sign, trace, self._count)
            post = Post(self._reach, target, method=report.method.upper())
            channel = HookChannel(post, about, self.settings, now=self._house.timers.now)
            twin = self._twin(opening) if report.own else None
            dialect: Dialect = Twin(twin) if twin is not None else Hook()
            leg = Leg(dialect, channel, self._house)
            channel.leg = leg
            each = _Running(report, channel, leg, about)
            self._running.setdefault(session.id, []).append(each)
            self._idle.clear()
            leg.start(opening)
            # a twin says what was heard of a voice; a webhook asks for nothing
            session.attach(leg, "controller" if twin is not None else "observer", since=0)
            self._spawn(self._run(session.id, each, post), f"report of {session.id}")

    async def _run(self, session: str, each: "_Running", post: Post) -> None:
        try:
            await each.channel.run()
        except Exception as fault:  # noqa: BLE001  ends this report, the others go on
            report_fault(log, f"a report of session {session}", fault)
        finally:
            post.close()
            with contextlib.suppress(ValueError):
                self._lingering.remove(each)
            rest = self._running.get(session, [])
            with contextlib.suppress(ValueError):
                rest.remove(each)
            if not rest:
                self._running.pop(session, None)
            if not self._running:
                self._idle.set()

    def session_over(self, session: Session) -> None:
        """Its reports go on by themselves; they hold nothing of it but its log."""
        for each in self._running.get(session.id, ()):
            if each.alone:
                continue
            each.alone = True
            session.audience.leave(each.leg)
            each.leg.session = _Tail(session.log)
            each.about.alone()
            each.channel.session_over()
            self._lingering.append(each)
        while len(self._lingering) > self.settings.lingering:
            self._lingering.popleft().channel.abort()

    @property
    def running(self) -> int:
        """Reports that are not done."""
        return sum(len(running) for running in self._running.values())

    async def drained(self) -> None:
        """Until no report is under way."""
        await self._idle.wait()


class _Running:
    """One report under way."""

    def __init__(self, report: Report, channel: HookChannel, leg: Leg, about: About) -> None:
        self.report = report
        self.channel = channel
        self.leg = leg
        self.about = about
        self.alone = False
