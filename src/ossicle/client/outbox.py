"""What the user sent, in order, until nobody can want it again.

            base        settled        taken        sent          end
     gone ───┴── replay ───┴── replay ───┴── on its ──┴── waiting ──┴──▶ bytes
              (oldest falls off)            way

Two acknowledgements, as the gateway gives them in `Flow`. Audio before *taken* need not be sent
again to the same gateway: after a drop it says exactly how far it got. Audio before *settled* need
not be sent again to anybody; what lies between is kept for a gateway that takes over from a dead
one, and only there the oldest may fall off. What is not taken is never dropped: `has_room` says
when to wait instead.

Commands stand at the byte they were asked at, so that none overtakes audio, first or again.
Pure: no clock, no I/O.

    >>> box = Outbox(AudioFormat("pcm_s16le", 16_000))
    >>> box.push(bytes(6_400)); box.sent, box.end
    (0, 6400)
"""

from collections import deque

import msgspec

from ossicle.core.commands import Audio, Cancel, Command, Configure, End, Finalize, Speak, Tell
from ossicle.core.errors import BadMessage, Refused
from ossicle.core.formats import AudioFormat

__all__ = ["PIECE", "Outbox", "Place"]

PIECE = 32 * 1024
"""Largest piece sent at once: a second of 16 kHz audio."""
_SOFT_BYTES = 256 * 1024
"""Bytes that may wait in front of a slow gateway where they have no known length."""
_MOST_BYTES = 4 << 20
"""Bytes of a container that may be unacknowledged."""
_MOST_COMMANDS = 1_024


class Place(msgspec.Struct, frozen=True):
    """Where another gateway can go on."""

    at: int
    """Absolute byte from which audio is sent again."""
    ms: int
    """Its stream time."""
    lost_ms: int = 0
    """Audio before it that is wanted and not kept any more."""


class _Asked:
    """A command and what became of it."""

    __slots__ = ("answered", "at", "command", "number", "taken")

    def __init__(self, command: Command, at: int, number: int) -> None:
        self.command = command
        self.at = at
        self.number = number
        """How many counted commands the gateway has when it has this one."""
        self.taken = False
        self.answered = False

    @property
    def counted(self) -> bool:
        return not isinstance(self.command, Configure)

    def wanted(self, settled: int) -> bool:
        """Whether anybody may still need to be asked this."""
        match self.command:
            case End():
                return True
            case Finalize() | Configure() | Speak() | Tell():
                return not self.answered
            case Cancel(side="in"):
                return not self.taken or self.at > settled
            case _:  # what was played from a gateway that is gone concerns nobody else
                return not self.taken


class Outbox:
    """Bounded; see the module for what happens at each bound."""

    def __init__(
        self,
        source: AudioFormat,
        *,
        buffer_s: float = 30.0,
        keep_s: float = 60.0,
        keep_bytes: int = 64 << 20,
    ) -> None:
        """
        Args:
            source: what the bytes are.
            buffer_s: audio that may be unacknowledged before `has_room` says no.
            keep_s: acknowledged audio kept for a gateway that takes over.
            keep_bytes: the same for a container, which can only be replayed from its start.
        """
        self.source = source
        self.cuttable = source.width > 0
        """Bytes have a time, so a replay can begin anywhere."""
        self.end = 0
        self.sent = 0
        self.taken = 0
        self.base = 0
        self.finished = False
        """`End` was asked: nothing can follow."""
        self._home_at = 0
        self.home_ms = 0
        """Stream time at which the gateway that is, or was last, connected took over."""
        self._settled = 0
        self._counted = 0
        self._past: deque[bytes] = deque()
        self._unsent: deque[bytes] = deque()
        self._kept: list[_Asked] = []
        self._due: deque[_Asked] = deque()
        if self.cuttable:
            self._buffer = max(PIECE, source.units(round(buffer_s * 1000)))
            self._keep = source.units(round(keep_s * 1000))
            self._soft = max(PIECE, source.units(1000))
        else:
            self._buffer, self._keep, self._soft = _MOST_BYTES, keep_bytes, _SOFT_BYTES

    # ── in ──

    def has_room(self, size: int, *, flowing: bool) -> bool:
        """Whether `size` more bytes may be pushed. `flowing`: a gateway is connected, so that
        what it does not take now need not pile up here."""
        if flowing and self.waiting and self.waiting + size > self._soft:
            return False
        return self.end == self.taken or self.end - self.taken + size <= self._buffer

    def has_place(self) -> bool:
        """Whether one more command may be asked."""
        return len(self._kept) < _MOST_COMMANDS

    def push(self, data: bytes) -> None:
        """Audio follows."""
        self._check_open()
        self._unsent.append(data)
        self.end += len(data)

    def ask(self, command: Command) -> None:
        """A command follows. `Audio` has no place here."""
        self._check_open()
        if isinstance(command, Audio):
            raise BadMessage("audio is pushed, not asked")
        self.finished = isinstance(command, End)
        asked = _Asked(command, self.end, self._number(command))
        self._kept.append(asked)
        self._due.append(asked)

    def _check_open(self) -> None:
        if self.finished:
            raise Refused("the stream was ended; nothing can follow")

    def _number(self, command: Command) -> int:
        if not isinstance(command, Configure):
            self._counted += 1
        return self._counted

    # ── out ──

    @property
    def waiting(self) -> int:
        """Bytes not sent to the gateway that is, or was last, connected."""
        return self.end - self.sent

    @property
    def idle(self) -> bool:
        """Everything was sent."""
        return not self._unsent and not self._due

    def next(self, until_ms: int | None) -> bytes | Command | None:
        """What to send next, in order; None = nothing, or no credit beyond `until_ms`."""
        stop = self.end
        if self._due:
            if self._due[0].at <= self.sent:
                return self._due.popleft().command
            stop = self._due[0].at
        if until_ms is not None and self.cuttable:
            stop = min(stop, self.position(until_ms))
        room = min(stop - self.sent, PIECE)
        if room <= 0 or not self._unsent:
            return None
        piece = self._unsent.popleft()
        if len(piece) > room:
            self._unsent.appendleft(piece[room:])
            piece = piece[:room]
        self._past.append(piece)
        self.sent += len(piece)
        return piece

    # ── what the gateway says ──

    def acknowledge(self, taken_bytes: int, taken_commands: int, settled_ms: int) -> None:
        """The gateway has so much, counted since it began."""
        self.taken = max(self.taken, self._absolute(taken_bytes))
        for asked in self._kept:
            if asked.counted and asked.number <= taken_commands:
                asked.taken = True
        self.settle(settled_ms)

    def settle(self, ms: int) -> None:
        """Audio before `ms` will not be wanted again."""
        if self.cuttable:
            self._settled = max(self._settled, min(self.position(ms), self.end))
        self._trim()

    def answer(self, ref: str) -> Command | None:
        """The command of that name had its answer; it is asked no more."""
        for asked in self._kept:
            if asked.command.ref == ref and not asked.answered:
                asked.answered = True
                self._trim()
                return asked.command
        return None

    def drop_commands(self) -> list[Command]:
        """What is due, except the end: a wire that carries audio only cannot say it."""
        dropped = [asked for asked in self._due if not isinstance(asked.command, End)]
        self._due = deque(asked for asked in self._due if isinstance(asked.command, End))
        self._kept = [asked for asked in self._kept if asked not in dropped]
        return [asked.command for asked in dropped]

    def resume(self, taken_bytes: int, taken_commands: int) -> None:
        """The same session goes on: send from exactly there.

        Raises:
            BadMessage: the gateway claims more than was sent, or less than it had said before.
        """
        at = self._absolute(taken_bytes)
        if not max(self.base, self.taken) <= at <= self.sent:
            raise BadMessage(
                f"the gateway has {at} bytes, but {self.sent} were sent and it had {self.taken}"
            )
        self._rewind(at)
        self.taken = at
        for asked in self._kept:
            if asked.counted:
                asked.taken = asked.number <= taken_commands
        # Options are not counted: those without an answer are asked again, which changes nothing
        # where they had been taken.
        self._due = deque(asked for asked in self._kept if not asked.taken and not asked.answered)
        self._trim()

    def place(self, settled_ms: int) -> Place | None:
        """Where another gateway could go on; None = nowhere, a container's start is gone."""
        if not self.cuttable:
            return Place(0, 0) if self.base == 0 else None
        wanted = min(self.position(settled_ms), self.end)
        if wanted >= self.base:
            return Place(wanted, self.ms(wanted))
        ms = self.ms(self.base) + 1
        at = min(self.position(ms), self.end)
        return Place(at, ms, self.source.ms(at - wanted))

    def move(self, place: Place) -> None:
        """Another gateway goes on from `place` and has counted nothing yet."""
        self._rewind(place.at)
        self.taken = self._settled = self._home_at = place.at
        self.home_ms = place.ms
        self._counted = 0
        self._kept = [asked for asked in self._kept if asked.wanted(place.at)]
        for asked in self._kept:
            asked.taken = False
            asked.number = self._number(asked.command)
        self._due = deque(self._kept)

    # ── bytes and time ──

    def position(self, ms: int) -> int:
        """The byte of a stream time; only where bytes have one."""
        return self._home_at + self.source.units(max(0, ms - self.home_ms))

    def ms(self, position: int) -> int:
        """Stream time of a byte, rounded down."""
        return self.home_ms + self.source.ms(position - self._home_at)

    @property
    def waiting_s(self) -> float | None:
        """Seconds not acknowledged; None where bytes have no known length."""
        return (self.end - self.taken) / self.source.units_per_second if self.cuttable else None

    # ── inside ──

    def _absolute(self, taken_bytes: int) -> int:
        return self._home_at + taken_bytes

    def _rewind(self, at: int) -> None:
        while self.sent > at:
            piece = self._past.pop()
            start = self.sent - len(piece)
            if start < at:
                self._past.append(piece[: at - start])
                piece = piece[at - start :]
            self._unsent.appendleft(piece)
            self.sent -= len(piece)

    def _trim(self) -> None:
        """Forget what nobody can want."""
        floor = min(self.taken, max(self._settled, self.taken - self._keep))
        past = self._past
        while past and self.base + len(past[0]) <= floor:
            self.base += len(past.popleft())
        self._kept = [asked for asked in self._kept if asked.wanted(self._settled)]
