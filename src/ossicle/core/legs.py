"""A leg: one peer of a session, that is a dialect, a channel and a cursor into the event log.

Resume, observers, sideband sockets, webhooks and slow readers are all legs. A leg is what a
transport calls (it is a `Receiver`); it asks its dialect what a message means and does what the
dialect says: messages go to the channel, commands to the session.

Three roles: the *owner* feeds audio (one at a time, the newest wins); a *controller* may ask;
an *observer* only reads. A leg that reads slowly falls behind in the log and hurts nobody else.
"""

import logging
import traceback
from collections.abc import Callable
from math import inf
from typing import Literal, Protocol, TypeAlias, cast

from .commands import Audio, Command, Configure
from .errors import BadMessage, Fault, OssicleError, Overloaded
from .events import Ended, Event, Notice
from .log import Log
from .measure import Measure
from .ports import Channel, Dialect, Spelled, Steps, Tapped, Timer, Timers, Wrapped
from .wire import (
    MESSAGES,
    Binary,
    Close,
    Message,
    Opening,
    Signal,
    Text,
)

log = logging.getLogger("ossicle.core")

__all__ = ["Admission", "Joined", "Leg", "Role", "replaced"]

Role: TypeAlias = Literal["owner", "controller", "observer"]

_MOST_EARLY = 64
"""Commands kept while admission is awaited. Reading is paused meanwhile, so only what was already
in a buffer can come; a peer that sends more than this broke the pause."""
_MOST_EARLY_BYTES = 4 << 20


class Admission(Protocol):
    """Who decides about a leg's first `Configure`: the gateway."""

    @property
    def timers(self) -> Timers: ...

    def admit(self, leg: "Leg", configure: Configure) -> None:
        """Start deciding. Later, perhaps at once: `Session.attach(leg, …)` or `leg.refuse(…)`."""
        ...


class Joined(Protocol):
    """What a leg needs of the session it belongs to."""

    log: Log
    audio: Callable[[bytes], None]

    def ask(self, leg: "Leg", command: Command) -> None: ...
    def detach(self, leg: "Leg", error: OssicleError | None) -> None: ...
    def writable(self, leg: "Leg") -> None: ...
    def measured(self, leg: "Leg", rtt_ms: float) -> None: ...


class Leg:
    """One peer. Made by the gateway for each channel; dies with it."""

    __slots__ = (
        "_armed",
        "_asked",
        "_clock",
        "_deferred",
        "_early",
        "_early_bytes",
        "_house",
        "_last_word",
        "_measure",
        "_paused_at",
        "_pauses",
        "_pumping",
        "_spelled",
        "_stood",
        "_timer",
        "_writable",
        "binary",
        "channel",
        "cursor",
        "dialect",
        "gone",
        "opening",
        "role",
        "session",
    )

    binary: Callable[[bytes], None]
    """The transport's entry for audio; bound to `Feed.audio` where the dialect is plain."""

    def __init__(self, dialect: Dialect, channel: Channel, house: Admission) -> None:
        self.dialect = dialect
        self.channel = channel
        self.session: Joined | None = None
        self.role: Role = "owner"
        self.cursor = 1
        """Number of the log entry this leg is to be sent next."""
        self.gone = False
        """Nothing more can be sent or will be heard: closed, refused or replaced."""
        self.opening = Opening()
        self.binary = self._binary
        self._house = house
        self._clock = house.timers.now
        self._writable = True
        self._last_word = False
        self._pumping = False
        self._deferred: list[Command] = []  # an empty deque takes 700 bytes, for ever
        self._asked = False
        self._early: list[Command] = []
        self._early_bytes = 0
        self._pauses: set[str] = set()
        self._paused_at = 0.0
        self._stood = 0.0
        self._timer: Timer | None = None
        self._armed = inf
        self._measure: Measure | None = None
        self._spelled: Callable[[str], bytes | None] | None = None
        """Where sound comes in text: what is in one."""

    # ── called by the gateway and the session ──

    def start(self, opening: Opening) -> None:
        """The peer asked for the channel."""
        self.opening = opening
        self._run(self.dialect.open(opening, self._now()))

    def bound(self, measure: Measure) -> None:
        """From now on a message may be as large as this says; called before `join`."""
        self._measure = measure
        self.binary = measure.meter(self._binary)

    def join(self, session: Joined, role: Role, cursor: int) -> None:
        """Belongs to a session from now on; called by `Session.attach` only."""
        self.session = session
        self.role = role
        self.cursor = cursor
        if role == "owner":
            binary = self._binary
            if self.dialect.plain:
                binary = session.audio
            elif isinstance(self.dialect, Tapped):
                binary = _tapped(self.dialect.tap, session.audio, self._binary)
            elif isinstance(self.dialect, Wrapped):
                binary = _wrapped(self.dialect.unwrap, session.audio, self._binary)
            self.binary = self._measure.meter(binary) if self._measure is not None else binary
            if isinstance(self.dialect, Spelled) and self._measure is None:
                self._spelled = self.dialect.spelled
        self.resume("admission")

    def admitted(self) -> None:
        """What the peer asked while admission was awaited is done now."""
        early, self._early = self._early, []
        for command in early:
            self._ask(command)

    def refuse(self, error: OssicleError) -> None:
        """Not admitted, or thrown out: said in the dialect's own shape, then closed."""
        if self.gone:
            return
        self.tell(Ended(reason="refused", error=error.fault()))
        self._leave()

    def tell(self, event: Event) -> None:
        """An event for this leg only, not logged. After `Ended` nothing is said any more."""
        if not self.gone and not self._last_word:
            self._send(event)

    @property
    def caught_up(self) -> bool:
        """It was sent everything there is, and can take more."""
        return self._writable and self.session is not None and self.cursor >= self.session.log.next

    def pump(self) -> None:
        """Send what is due, as far as the channel takes it. Safe to call from inside itself."""
        session = self.session
        if self._pumping or session is None or self.gone or not self._writable:
            return
        self._pumping = True
        try:
            log = session.log
            if self.cursor < log.first:
                self._lagged(log.first - self.cursor)
                self.cursor = log.first
            while self._writable and self.cursor < log.next and not self.gone:
                event = log.read(self.cursor)
                self.cursor += 1
                if event is not None:
                    self._send(event)
        finally:
            self._pumping = False
        while self._deferred and not self.gone:
            self._ask(self._deferred.pop(0))

    def pause(self, why: str) -> None:
        """Stop reading for one more reason."""
        if not self._pauses:
            self._paused_at = self._clock()
            self.channel.pause()
        self._pauses.add(why)

    def resume(self, why: str) -> None:
        """One reason less; reads again when none is left."""
        if why not in self._pauses:
            return
        self._pauses.discard(why)
        if not self._pauses:
            self._stood += self._clock() - self._paused_at
            self.channel.resume()
            self._arm()

    # ── Receiver: called by the transport ──

    def received(self, message: Message) -> None:
        """A message came."""
        if self.gone:
            return
        if self._spelled is not None and type(message) is Text:
            sound = self._spelled(message.data)
            if sound is not None and self.session is not None:
                self.session.audio(sound)
                return
        if isinstance(message, Signal) and message.name == "rtt_ms":
            if self.session is not None:
                self.session.measured(self, float(message.value))
            return
        measure = self._measure
        if measure is not None and isinstance(message, Text | Binary):
            if measure.fits(message.data):
                self._receive(message)
            return
        self._receive(message)

    def _binary(self, data: bytes) -> None:
        if not self.gone:
            self._receive(Binary(data))

    def writable(self, yes: bool) -> None:
        """The channel takes more, or not. It may say No again while it is filled."""
        self._writable = yes
        if yes:
            self.pump()
            if self.session is not None:
                self.session.writable(self)

    def closed(self, error: OssicleError | None) -> None:
        """The channel is over."""
        already = self.gone
        if error is not None and not already and self.session is not None:
            # Gone without a goodbye. To some peers that is the usual end (a telephone call), and
            # what they said before is still to be finished: the dialect may ask for that.
            self._receive(Close(1006))
        self._leave()
        session, self.session = self.session, None
        if session is not None:
            session.detach(self, error if not already else None)

    # ── inside ──

    def _leave(self) -> None:
        self.gone = True
        self.binary = _deaf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = inf

    def _now(self) -> float:
        """The leg's clock stands still while its channel is paused by us, so that a peer we do
        not listen to is not called idle (contracts M21)."""
        return (self._paused_at if self._pauses else self._clock()) - self._stood

    def _send(self, event: Event) -> None:
        if type(event) is Ended:
            self._last_word = True
        clock = self._clock  # `_now`, spelled out: one call less for each event
        now = (self._paused_at if self._pauses else clock()) - self._stood
        try:
            steps = self.dialect.send(event, now)
        except Exception as error:  # noqa: BLE001  the log says where, not what: it may be speech
            self._dialect_broke(error)
            return
        self._run(steps)

    def _receive(self, message: Message) -> None:
        try:
            steps = self.dialect.receive(message, self._now())
        except Exception as error:  # noqa: BLE001  the log says where, not what: it may be speech
            self._dialect_broke(error)
            return
        self._run(steps)

    def _dialect_broke(self, error: Exception) -> None:
        """A dialect that breaks loses its own channel and nothing else: the call may come from
        inside an engine, which has other readers."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "dialect %s raised %s in %s, line %s; its channel is dropped",
            type(self.dialect).__name__,
            type(error).__name__,
            place.name,
            place.lineno,
        )
        self._leave()
        self.channel.abort()

    def _run(self, steps: Steps) -> None:
        for step in steps:
            if type(step) in MESSAGES:
                self.channel.send(step)  # pyright: ignore[reportArgumentType]  just looked up
            elif self._pumping:
                self._deferred.append(cast("Command", step))
            else:
                self._ask(cast("Command", step))
        if self.dialect.deadline < self._armed:
            self._arm()

    def _ask(self, command: Command) -> None:
        if self.session is not None:
            self.session.ask(self, command)
        elif not self._asked and isinstance(command, Configure):
            self._asked = True
            self.pause("admission")
            self._house.admit(self, command)
        elif not self._asked:
            self.refuse(BadMessage("a session must be configured before it is used"))
        else:
            self._early.append(command)
            if isinstance(command, Audio):
                self._early_bytes += len(command.data)
            if len(self._early) > _MOST_EARLY or self._early_bytes > _MOST_EARLY_BYTES:
                self.refuse(
                    Overloaded(
                        f"more than {_MOST_EARLY} messages came before the session was admitted",
                        code="overloaded",
                    )
                )

    def _lagged(self, count: int) -> None:
        self.tell(
            Notice(
                level="warning",
                code="events_lost",
                text=f"this reader is too slow: {count} events fell off before they were sent",
            )
        )

    def _arm(self) -> None:
        """Set the timer to the dialect's deadline; only ever moved to earlier (re-arming costs
        1.5 µs, re-reading when it fires 0.05 µs)."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = inf
        deadline = self.dialect.deadline
        if self.gone or self._pauses or deadline == inf:
            return
        self._armed = deadline
        self._timer = self._house.timers.call_at(deadline + self._stood, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._armed = inf
        if self.gone:
            return
        now = self._now()
        if self.dialect.deadline <= now:
            self._run(self.dialect.expire(now))
        if self.dialect.deadline < self._armed:
            self._arm()


def _tapped(
    tap: Callable[[bytes], bool], audio: Callable[[bytes], None], slow: Callable[[bytes], None]
) -> Callable[[bytes], None]:
    """The hot path of a dialect that has to see every byte: two calls a frame, no objects."""

    def binary(data: bytes) -> None:
        if tap(data):
            audio(data)
        else:
            slow(data)

    return binary


def _wrapped(
    unwrap: Callable[[bytes], bytes | None],
    audio: Callable[[bytes], None],
    slow: Callable[[bytes], None],
) -> Callable[[bytes], None]:
    """The hot path of a dialect whose messages wrap the audio."""

    def binary(data: bytes) -> None:
        sound = unwrap(data)
        if sound is None:
            slow(data)
        else:
            audio(sound)

    return binary


def _deaf(_data: bytes) -> None:
    """Audio of a leg that is gone: late by nature, and the session has it from elsewhere or not
    at all; `Flow.taken_bytes` tells the peer the truth."""


def replaced() -> Fault:
    """Why an owner was thrown out: its own client came back on another connection."""
    return Fault("replaced", "another connection took this session over", "client")
