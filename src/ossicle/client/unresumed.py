"""A provider's protocol has no way back to a session whose connection broke: this makes one.

It wraps a client half, so that a stream sees what it sees of `ossicle.v1`: numbered events in
lawful order, a flow report for every second of audio, and after a break a new session that goes on
where the last final ended, its times and turns shifted. Nothing is lost and nothing is said twice;
what differs is that the words since that final are heard again, by a provider that knows nothing
of the first time.

    make = lambda: Unresumed(DeepgramClient(), AudioFormat())

What was taken is taken at the provider's word of nothing: what was sent. Pure, like what it wraps.
"""

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End, Join, Played, Speak
from ossicle.core.errors import ConnectionLost
from ossicle.core.events import (
    Began,
    Ended,
    Event,
    Flow,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import ClientDialect, ClientSteps
from ossicle.core.rebase import Rebase
from ossicle.core.turns import Turns
from ossicle.core.wire import Message, Opening

__all__ = ["Unresumed"]

TOKEN = "again"  # noqa: S105  a name for "there is a way to go on", no secret
"""What stands for a resume token."""


class Unresumed:
    """Implements `core.ports.ClientDialect` around another one; one for each connection."""

    def __init__(self, inner: ClientDialect, source: AudioFormat, name: str = "") -> None:
        """
        Args:
            inner: the client half.
            source: what will be sent; only bytes that have a time can be sent again.
            name: whose protocol it is, for what it has no word for.
        """
        self._inner = inner
        self._name = name or type(inner).__name__
        self.deadline = inner.deadline
        self._source = source
        self._join = Join()
        self._rebase = Rebase()
        self._turns = Turns()
        self._seq = 0
        self._bytes = 0
        self._commands = 0
        self._reported = 0
        self._ending = False

    def open(self, configure: Configure) -> Opening:
        """Ask for a session; a `join` says where it goes on, and is told to nobody."""
        if configure.join is not None:
            self._join = configure.join
            self._seq = configure.join.since
            self._rebase = Rebase(configure.join.settled_ms or 0)
            self._turns = Turns(first=configure.join.turn)
        return self._inner.open(msgspec.structs.replace(configure, join=None))

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the provider."""
        return self._seen(self._inner.receive(message, now))

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants."""
        done = self._inner.send(command, now)
        steps = self._seen(done)
        if not done and not _may_wait(command):
            # Swallowed, its user would wait for an answer for ever.
            steps = (self._numbered(self._wordless(command)),)
        if isinstance(command, Audio):
            self._bytes += len(command.data)
            second = self._source.units(1000) if self._source.width else 32_000
            if self._bytes - self._reported < second:
                return steps
        elif not isinstance(command, Configure):
            self._commands += 1
            self._ending = self._ending or isinstance(command, End)
        return (*steps, self._flow())

    def expire(self, now: float) -> ClientSteps:
        """`deadline` passed."""
        return self._seen(self._inner.expire(now))

    # ── inside ──

    def _seen(self, steps: ClientSteps) -> ClientSteps:
        self.deadline = self._inner.deadline
        seen: list[Message | Event] = []
        for step in steps:
            match step:
                case Began():
                    seen.append(msgspec.structs.replace(step, token=TOKEN, resumed=False))
                case Ended():
                    seen.append(self._ended(step))
                case Transcript() | SpeechStarted() | SpeechEnded() | Notice():
                    lawful = self._turns.stamp(self._rebase.event(step))
                    seen += [self._numbered(event) for event in lawful]
                    if isinstance(step, Transcript) and step.final:
                        seen.append(self._flow())
                case _:
                    seen.append(step)
        return tuple(seen)

    def _wordless(self, command: Command) -> Notice:
        what = type(command).__name__.lower()
        return Notice(
            level="error",
            code="bad_request",
            text=f"{self._name} has no word for this {what}: it is not done",
            ref=command.ref,
        )

    def _numbered(self, event: Event) -> Event:
        self._seq += 1
        return msgspec.structs.replace(event, seq=self._seq)

    def _ended(self, event: Ended) -> Event:
        """The end of the stream, or only of this connection: then it has no number."""
        fault = event.error
        if fault is None and not self._ending:
            fault = ConnectionLost("the provider ended the stream by itself").fault()
        if fault is not None and fault.retryable:
            return msgspec.structs.replace(event, error=fault, seq=0)
        return self._numbered(msgspec.structs.replace(event, error=fault))

    def _flow(self) -> Flow:
        self._reported = self._bytes
        return Flow(
            taken_bytes=self._bytes,
            taken_commands=self._commands,
            settled_ms=self._join.settled_ms or 0,
        )


def _may_wait(command: Command) -> bool:
    """Commands that a client half may keep for later, or that change nothing a user waits for."""
    match command:
        case Audio() | End() | Played():
            return True
        case Speak(text=text, more=more):
            return more and not text
        case _:
            return False
