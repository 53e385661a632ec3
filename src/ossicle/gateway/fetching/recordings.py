"""Sessions whose audio the gateway reads by URL: as if the client had sent the bytes.

    Configure(audio_from=URL) ─▶ Fetch ─▶ piece ─▶ session.audio        (the client sends none)
                                   ▲                    │
                                   └── waits for ── Valve ◀── leg.pause / leg.resume

The session knows nothing of it. It pauses its owner, as ever, and what stands between the owner's
leg and its channel is a valve: it holds the fetch back and leaves the client alone, which sends
nothing, and whose leaving has to be noticed. When the client is gone the session ends, and the
fetch with it. One thing outlives its client: where the answer is to be posted (`callback`), the
client is answered at once and the reading goes on as the session's owner.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.events import Ended, Event
from ossicle.core.legs import Admission, Leg
from ossicle.core.ports import Channel, Steps, Tapped
from ossicle.core.session import Session
from ossicle.core.wire import Binary, ChannelTraits, Close, Fin, Message, Opening
from ossicle.transports.faults import report_fault

from ..configuration.settings import FetchSettings
from .fetch import Fetch
from .reach import Reach

__all__ = ["Recordings"]

log = logging.getLogger("ossicle.gateway.recordings")


class Recordings:
    """All that a gateway reads."""

    def __init__(
        self,
        house: Admission,
        reach: Reach,
        settings: FetchSettings | None = None,
        *,
        count: Callable[[str, int], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        """
        Args:
            house: its clock.
            reach: where may be read from.
            settings: limits.
            count: counts an outcome and its bytes.
            spawn: starts a task that the gateway ends.
        """
        self._house = house
        self._reach = reach
        self._settings = settings or FetchSettings()
        self._count = count
        self._spawn = spawn
        self._running: dict[str, _Reading] = {}

    def check(self, configure: Configure) -> None:
        """Before a session begins.

        Raises:
            Refused: a URL that may not be read, or audio that is not to be waited for.
        """
        if not configure.audio_from:
            return
        self._reach.target(configure.audio_from)
        overload = configure.patch.get("overload") or "pause"
        if overload != "pause":
            raise Refused(
                f"overload={overload!s:.20}: audio that is read by URL waits for its engine; leave "
                "it at pause",
                code="bad_option",
            )

    def start(self, session: Session, leg: Leg, configure: Configure) -> None:
        """Read a session's audio. Its owner's handshake may still be held.

        Raises:
            Refused: as `check`.
        """
        if not configure.audio_from:
            return
        fetch = Fetch(self._reach, self._reach.target(configure.audio_from), self._settings)
        reading = _Reading(self._house, session, leg, fetch, alone=bool(configure.report_to))
        self._running[session.id] = reading
        self._spawn(self._run(session.id, reading), f"recording of {session.id}")

    async def _run(self, session: str, reading: "_Reading") -> None:
        try:
            await reading.run()
        finally:
            self._running.pop(session, None)
            self._count(reading.outcome, reading.fetch.taken)
            log.info(
                "recording",
                extra={
                    "session": session,
                    "host": reading.fetch.host,
                    "outcome": reading.outcome,
                    "bytes": reading.fetch.taken,
                },
            )

    def session_over(self, session: str) -> None:
        """Nobody wants the rest."""
        reading = self._running.get(session)
        if reading is not None:
            reading.stop()

    @property
    def running(self) -> int:
        """Recordings being read."""
        return len(self._running)


class _Reading:
    """One recording on its way into a session."""

    def __init__(
        self, house: Admission, session: Session, leg: Leg, fetch: Fetch, *, alone: bool
    ) -> None:
        self.fetch = fetch
        self.outcome = "stopped"
        """`read`, `failed` (there was no recording, or not all of it) or `stopped` (the session was
        over first)."""
        self._house = house
        self._session = session
        self._leg = leg
        self._alone = alone
        self._flows = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._over = False
        leg.channel = Valve(leg, self._flows, self._leaves)

    async def run(self) -> None:
        """To the end of the recording, or of the session."""
        if self._over:
            return
        self._task = asyncio.current_task()
        session, fetch = self._session, self.fetch
        try:
            await fetch.open()
            while True:
                await self._flows.wait()
                piece = await fetch.piece()
                if not piece:
                    break
                self._take(piece)
                await asyncio.sleep(0)  # a fast sender is not to starve the others
            self.outcome = "read"
            session.ask(self._leg, End())
        except OssicleError as error:
            self._failed(error)
        except Exception as fault:  # noqa: BLE001  ends this session, the others go on
            report_fault(log, f"a recording of session {session.id}", fault)
            self._failed(OssicleError.wrap(fault))
        finally:
            self._over = True
            fetch.close()

    def _take(self, piece: bytes) -> None:
        """As the leg would: a dialect that sees every byte sees these."""
        dialect = self._leg.dialect
        if isinstance(dialect, Tapped):
            dialect.tap(piece)
        self._session.audio(piece)

    def stop(self) -> None:
        """The session is over."""
        if not self._over and self._task is not None:
            self._task.cancel()
        self._over = True

    def _failed(self, error: OssicleError) -> None:
        self.outcome, self._over = "failed", True
        self._session.fail(error)

    def _leaves(self, close: Close, goodbye: Callable[[], None]) -> bool:
        """Whether the client has its answer while the session goes on. Then we take its place
        before it is told, since its leaving would end the session; and not from inside, since it
        may be taking its own place just now."""
        session = self._session
        if not self._alone or close.code not in {None, 200} or session.life.state == "ended":
            return False

        def leave() -> None:
            if session.owner is self._leg and session.life.state != "ended":
                nobody = _Nobody(self._house, self._flows)
                nobody.leg = self._leg = Leg(_Carrier(), nobody, self._house)
                self._flows.set()
                session.attach(self._leg)
            goodbye()

        self._house.timers.call_soon(leave)
        return True


class Valve:
    """The channel of a leg whose audio comes from elsewhere: `pause` stops that, not the client.

    A channel may put another one in its own place when it is accepted (`traces.Greeting`): then
    the valve is put in front of that one.
    """

    def __init__(
        self,
        leg: Leg,
        flows: asyncio.Event,
        leaves: Callable[[Close, Callable[[], None]], bool],
    ) -> None:
        """
        Args:
            leg: whose channel it stands before; put `leg.channel = Valve(leg, …)`.
            flows: set while audio is wanted. Not before the leg was admitted.
            leaves: asked before a goodbye is sent; True = it will be sent by calling this.
        """
        self._leg = leg
        self._behind: Channel = leg.channel
        self._flows = flows
        self._leaves = leaves
        self.traits: ChannelTraits = leg.channel.traits

    def send(self, message: Message) -> None:
        """On to the client."""
        if isinstance(message, Close) and self._leaves(message, lambda: self._behind.send(message)):
            return
        self._behind.send(message)
        if self._leg.channel is not self:
            self._behind, self._leg.channel = self._leg.channel, self

    def pause(self) -> None:
        """No more audio."""
        self._flows.clear()

    def resume(self) -> None:
        """More of it; and the client is read from, which was paused until it was admitted."""
        self._flows.set()
        self._behind.resume()

    def abort(self) -> None:
        """Drop the client."""
        self._behind.abort()


class _Carrier:
    """The dialect of an owner that is this gateway itself."""

    name = "recording"
    deadline = inf
    plain = True
    resumable = False

    def open(self, opening: Opening, now: float) -> Steps:
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        match message:
            case Binary(data=data):
                return (Audio(data=data),)
            case Fin():
                return (End(),)
            case _:
                return ()

    def send(self, event: Event, now: float) -> Steps:
        return (Close(),) if isinstance(event, Ended) else ()

    def expire(self, now: float) -> Steps:
        return ()


class _Nobody:
    """The channel of that owner: nobody reads what it is sent."""

    def __init__(self, house: Admission, flows: asyncio.Event) -> None:
        self.traits = ChannelTraits()
        self.leg: Leg | None = None
        self._house = house
        self._flows = flows

    def send(self, message: Message) -> None:
        if isinstance(message, Close):
            self._house.timers.call_soon(self._closed)

    def _closed(self) -> None:
        leg, self.leg = self.leg, None
        if leg is not None:
            leg.closed(None)

    def pause(self) -> None:
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    def abort(self) -> None:
        self._house.timers.call_soon(self._closed)
