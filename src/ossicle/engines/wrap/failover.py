"""Several engines in the order of preference: the first one that is well hears.

    engine = Failover((Member(deepgram), Member(assemblyai), Member(pocketsphinx)))

One that cannot be opened, or breaks, is left alone for a while (`Health`) and the next one hears:
at opening at once, in the middle of an utterance through the session, which replays what is not
final to the stream that is opened next. When a better one is well again, it takes over at the end
of a turn (`Handover`). Engines of the same `tier` share streams by their weights.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ...core.capabilities import Capabilities
from ...core.commands import Command
from ...core.errors import EngineFailed, Fault, OssicleError, Refused
from ...core.events import Ended, Event, Notice, Transcript
from ...core.options import Options
from ...core.ports import Engine, Sink, Stream, Timer, Timers
from ...core.timers import LoopTimers
from ..lifecycle import aclose, is_warm, start
from .handover import Handover
from .health import Health

__all__ = ["Failover", "Member"]

_LOOK_S: Final = 1.0
"""How often a stream on a second choice looks whether a better one is well."""


class Member:
    """One of the engines."""

    def __init__(
        self, engine: Engine, *, tier: int = 0, weight: float = 1.0, health: Health | None = None
    ) -> None:
        """
        Args:
            engine: it.
            tier: 0 is asked first; those of one tier share.
            weight: its share within the tier.
            health: where its failures are counted.
        """
        self.engine = engine
        self.tier = tier
        self.weight = weight
        self.health = health or Health()

    @property
    def name(self) -> str:
        """Of the engine."""
        return self.engine.capabilities.name


class Failover:
    """An engine around several. It starts and closes what it holds."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        back: bool = True,
        chance: Callable[[], float] = random.random,
        timers: Timers | None = None,
    ) -> None:
        """
        Args:
            members: at least one.
            back: return to a better one when it is well again.
            chance: random numbers in [0, 1), for the weights.
            timers: the clock; None = the event loop's.

        Raises:
            Refused: they hear nothing in common.
        """
        self.members = tuple(sorted(members, key=lambda member: member.tier))
        self.back = back
        self._chance = chance
        self._timers = timers
        self.capabilities: Capabilities = common([m.engine.capabilities for m in self.members])

    @property
    def warm(self) -> bool:
        """One of them can be asked."""
        return any(is_warm(member.engine) for member in self.members)

    async def start(self) -> None:
        for member in self.members:
            await start(member.engine)

    async def aclose(self) -> None:
        for member in self.members:
            await aclose(member.engine)

    async def open(self, options: Options, sink: Sink) -> Stream:
        """Open a stream on the first that can.

        Raises:
            OssicleError: none could; what the first of them said.
        """
        stream = _FailoverStream(self, options, sink, self._timers or LoopTimers())
        await stream.begin()
        return stream

    def order(self, now: float) -> list[Member]:
        """Whom to ask, in turn: the well ones by tier and lot, then the others, the one whose rest
        ends first before the rest."""
        well = [member for member in self.members if member.health.well(now)]
        ailing = [member for member in self.members if not member.health.well(now)]
        drawn: list[Member] = []
        for tier in sorted({member.tier for member in well}):
            drawn += self._drawn([member for member in well if member.tier == tier])
        return drawn + sorted(ailing, key=lambda member: member.health.down_until)

    def better(self, than: Member, now: float) -> bool:
        """Somebody of a better tier is well."""
        return any(m.tier < than.tier and m.health.well(now) for m in self.members)

    def _drawn(self, members: list[Member]) -> list[Member]:
        """By lot: the chance to be first is the weight's share. Among equals the one with the
        fewest streams comes first, and the lot decides only what is left."""
        if len({member.weight for member in members}) == 1:
            return sorted(members, key=lambda member: (member.health.open, self._chance()))
        keyed = [
            (self._chance() ** (1.0 / member.weight) if member.weight > 0 else 0.0, place, member)
            for place, member in enumerate(members)
        ]
        return [member for _, _, member in sorted(keyed, key=lambda each: (-each[0], each[1]))]


class _FailoverStream:
    """Implements `core.ports.Stream`: a `Handover` that knows on whom it is."""

    def __init__(self, engine: Failover, options: Options, sink: Sink, timers: Timers) -> None:
        self._engine = engine
        self._sink = sink
        self._timers = timers
        self._on: Member | None = None
        self._coming: Member | None = None
        self._trying: Member | None = None
        """Who is being opened: it may break before it opened, too."""
        self._timer: Timer | None = None
        self._over = False
        whole_turns = engine.capabilities.turns
        self._handover = Handover(sink, options, whole_turns=whole_turns)
        self._handover.passing = self._passing
        self._handover.changed = self._changed
        self._handover.failed = self._not_back

    async def begin(self) -> None:
        """On the first that can."""
        first: OssicleError | None = None
        for member in self._engine.order(self._timers.now()):
            self._trying = member
            try:
                await self._handover.begin(member.engine.open)
            except Exception as cause:
                error = OssicleError.wrap(cause)
                if error.whose == "client":
                    raise  # another engine would be asked the same
                self._failed(member, error.fault())
                self._note("engine_failed", f"{member.name} could not hear: {error}")
                first = first or error
                continue
            finally:
                self._trying = None
            if not self._over:
                self._seat(member)
            return
        raise first or EngineFailed("there is no engine to hear")

    def audio(self, data: bytes) -> None:
        self._handover.audio(data)

    def ask(self, command: Command) -> None:
        self._handover.ask(command)

    def credit(self, until_ms: int) -> None:
        self._handover.credit(until_ms)

    def abort(self) -> None:
        self._leave()
        self._handover.abort()

    # ── inside ──

    def _seat(self, member: Member) -> None:
        if self._on is not None:
            self._on.health.open -= 1
        self._on = member
        member.health.open += 1
        better = any(each.tier < member.tier for each in self._engine.members)
        if better:
            self._note("failover", f"{member.name} hears in place of a better engine that fails")
            if self._engine.back:
                self._look_again()

    def _look_again(self) -> None:
        self._timer = self._timers.call_at(self._timers.now() + _LOOK_S, self._look)

    def _look(self) -> None:
        """Whether a better one is well again."""
        self._timer = None
        if self._over or self._on is None:
            return
        now = self._timers.now()
        if self._engine.better(self._on, now) and not self._handover.changing:
            coming = self._engine.order(now)[0]
            self._coming = coming
            self._handover.change(coming.engine.open)
        self._look_again()

    def _changed(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            self._stop_looking()
            self._seat(coming)
            self._note("failback", f"{coming.name} hears again")

    def _not_back(self, error: OssicleError) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            self._failed(coming, error.fault())

    def _passing(self, event: Event) -> Event:
        """What the present one says, before it is told. A break is always worth another try, since
        there is somebody else."""
        on = self._on or self._trying
        match event:
            case Transcript(final=True, text=str(text)) if text and on is not None:
                on.health.worked()
            case Ended(error=None):
                self._leave()
            case Ended(error=Fault() as fault):
                if on is not None:
                    self._failed(on, fault)
                self._leave()
                if fault.whose != "client":
                    fault = msgspec.structs.replace(fault, retryable=True)
                    return msgspec.structs.replace(event, error=fault)
            case _:
                pass
        return event

    def _failed(self, member: Member, fault: Fault) -> None:
        """Its own failures count against it: not what a client did, and not that it is full."""
        if fault.whose != "client" and fault.code != "at_capacity":
            member.health.failed(self._timers.now())

    def _leave(self) -> None:
        if not self._over:
            self._over = True
            self._stop_looking()
            if self._on is not None:
                self._on.health.open -= 1

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note(self, code: str, text: str) -> None:
        self._sink.tell(Notice(level="warning" if code != "failback" else "info",
                               code=code, text=text))  # fmt: skip


def common(members: Sequence[Capabilities]) -> Capabilities:
    """What may be expected of whichever of them hears: formats all take, and what the first can,
    since another one says in a notice what it cannot.

    Raises:
        Refused: there is no engine, or no format that all take.
    """
    if not members:
        raise Refused("failover needs at least one engine", code="bad_option")
    first = members[0]
    hears = tuple(each for each in first.hears if all(each in other.hears for other in members))
    if not hears:
        names = ", ".join(each.name for each in members)
        raise Refused(f"{names} hear no format in common", code="bad_option")
    live = frozenset[str].intersection(*(each.live_changes for each in members))
    return msgspec.structs.replace(
        first,
        hears=hears,
        speaks=first.speaks if all(each.speaks == first.speaks for each in members) else (),
        channels=min(each.channels for each in members),
        turns=all(each.turns for each in members),
        live_changes=live,
    )
