"""Two channels joined in memory, moved by hand.

    pair = MemoryPair(acceptor, Leg, Opening(path="/v1/stream"))
    pair.deliver()                 # until nothing moves; deliver(1) moves one message
    pair.cut()                     # the wire breaks

The near end called, the far end was asked (`acceptor`). Nothing happens inside `send`: messages
wait in the sender's queue, whose bound gives `writable`, until `deliver` hands them over. Like a
real wire it holds the far end's handshake until Accept or Close, tells `closed` once and last,
and turns an exception of a receiver into `closed(error)`, keeping it in `faults`.
"""

import enum
import logging
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError, Refused
from ossicle.core.ports import Acceptor, Channel, Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.transports.faults import report_fault

__all__ = ["MemoryChannel", "MemoryPair"]

log = logging.getLogger("ossicle.transports.memory")

ReceiverFactory: TypeAlias = Callable[[Channel], Receiver]


class Phase(enum.Enum):
    """Where a channel is in its life. It only moves down this list."""

    HELD = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """It sent Close, or was told one; only `closed` is left."""
    CLOSED = enum.auto()


class MemoryChannel:
    """One end. See `ossicle.core.ports.Channel`."""

    def __init__(self, pair: "MemoryPair", phase: Phase) -> None:
        self.traits = pair.traits
        self.phase = phase
        self.queue: deque[Message] = deque()
        """Sent and not delivered yet."""
        self.receiver: Receiver | None = None
        self.paused = False
        self.full = False
        self.finished = False
        """Fin was sent."""
        self._pair = pair

    def send(self, message: Message) -> None:
        """Queue a message. Never blocks and never raises."""
        if self.phase in {Phase.CLOSING, Phase.CLOSED}:
            return
        if self.phase is Phase.HELD:
            match message:
                case Accept():
                    self.phase = Phase.OPEN
                case Close():
                    pass
                case _:
                    log.error("%s was sent before Accept or Close", type(message).__name__)
                    self._pair.drop(OssicleError("a message was sent before Accept or Close"))
                    return
        elif isinstance(message, Accept):
            return
        if self.finished and not isinstance(message, Close):
            return
        self.queue.append(message)
        if isinstance(message, Close):
            self.phase = Phase.CLOSING
        elif isinstance(message, Fin):
            self.finished = True
        if not self.full and len(self.queue) >= self._pair.bound:
            self.full = True
            self._pair.tell(self, lambda receiver: receiver.writable(False))
        self._pair.work()

    def pause(self) -> None:
        """Stop reading: nothing more is delivered."""
        self.paused = True

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        self._pair.work()

    def abort(self) -> None:
        """Drop the connection; `closed` comes with the next `deliver`."""
        if self.phase is not Phase.CLOSED:
            self._pair.drop(ConnectionLost("aborted"))


class MemoryPair:
    """Both ends and what is between them."""

    def __init__(
        self,
        acceptor: Acceptor,
        receiver_factory: ReceiverFactory,
        opening: Opening | None = None,
        *,
        traits: ChannelTraits | None = None,
        bound: int = 64,
        on_work: Callable[[], None] | None = None,
    ) -> None:
        """`bound` messages in a queue make its sender unwritable, half of them writable again.
        `on_work` is called whenever `deliver` has something to do."""
        self.traits = traits or ChannelTraits()
        self.bound = bound
        self.faults: list[Exception] = []
        """What receivers raised."""
        self._on_work = on_work
        self._error: OssicleError | None = None
        self._broken = False
        self.near = MemoryChannel(self, Phase.OPEN)
        self.far = MemoryChannel(self, Phase.HELD)
        self.near.receiver = receiver_factory(self.near)
        opening = opening or Opening()
        self.far.receiver = acceptor(opening, self.far)

    def deliver(self, count: int | None = None) -> int:
        """Hand over up to `count` messages, taking turns; returns how many moved."""
        moved = 0
        while count is None or moved < count:
            if self._broken:
                self._end(self._error)
                break
            step = self._step(self.far, self.near) + self._step(self.near, self.far)
            if not step:
                break
            moved += step
        return moved

    def cut(self) -> None:
        """The wire breaks: what is under way is lost."""
        self.drop(ConnectionLost("the wire was cut"))

    def drop(self, error: OssicleError) -> None:
        """Break both ends at the next `deliver`."""
        if not self._broken:
            self._broken, self._error = True, error
            self.near.queue.clear()
            self.far.queue.clear()
            self.work()

    def work(self) -> None:
        """There is something to deliver."""
        if self._on_work is not None:
            self._on_work()

    def tell(self, end: MemoryChannel, call: Callable[[Receiver], None]) -> None:
        """Call a receiver as a transport does."""
        if end.receiver is None:
            return
        try:
            call(end.receiver)
        except Exception as fault:  # noqa: BLE001  ends this pair, told by closed(error)
            report_fault(log, "receiver", fault)
            self.faults.append(fault)
            self.drop(OssicleError.wrap(fault))

    def _step(self, source: MemoryChannel, target: MemoryChannel) -> int:
        if not source.queue or self._broken:
            return 0
        # A target that sent Close reads on only to find the other's Close; one that holds its
        # handshake does not read at all.
        if target.phase is Phase.HELD or (target.paused and target.phase is Phase.OPEN):
            return 0
        if source is self.near and self.far.receiver is None:
            return 0
        message = source.queue.popleft()
        if source.full and len(source.queue) <= self.bound // 2:
            source.full = False
            self.tell(source, lambda receiver: receiver.writable(True))
        if isinstance(message, Close):
            if target.phase is Phase.OPEN:
                target.phase = Phase.CLOSING
                self.tell(target, lambda receiver: receiver.received(message))
            self._end(None)
        elif target.phase is Phase.OPEN:
            self._hand_over(target, message)
        return 1

    def _hand_over(self, target: MemoryChannel, message: Message) -> None:
        match message:
            case Binary(data) | Text(data) if len(data) > self.traits.max_message:
                limit = self.traits.max_message
                self.drop(Refused(f"a message was larger than {limit} bytes", code="too_large"))
            case Binary(data, True):
                self.tell(target, lambda receiver: receiver.binary(data))
            case Accept() if target is self.far:
                self.drop(BadMessage("only the end that was asked accepts"))
            case _:
                self.tell(target, lambda receiver: receiver.received(message))

    def _end(self, error: OssicleError | None) -> None:
        for end in (self.near, self.far):
            receiver, end.receiver = end.receiver, None
            end.queue.clear()
            if end.phase is Phase.CLOSED or receiver is None:
                continue
            end.phase = Phase.CLOSED
            try:
                receiver.closed(error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)
                self.faults.append(fault)
