"""Sound on its way to the listener: encoded, and sent at the pace of speech.

    say(pcm) mark(name) ─▶ queue ─▶ every 20 ms: encode, packet ─▶ wire
                             └─ a mark comes back when the sound before it should have been heard
    hush() ─▶ the queue is empty, its marks come back at once

Deadlines are absolute, so that lateness does not add up; what was missed by a stalled process is
caught up by a few packets and then left out. Between utterances nothing is sent but a packet of
silence now and then: the timestamps go on, and a packet after a pause has the marker bit
(RFC 3551 section 4.1), by which a receiver knows that nothing was lost.
"""

from collections import deque
from collections.abc import Callable

from ossicle.core.ports import Timer, Timers

from .coders import FRAME_BYTES, RATE, Encoder
from .rate import SendRate

__all__ = ["Mouth"]

_FRAME_S = 0.02
_CATCH_UP = 5
"""Packets sent at once after a stall; beyond it time is skipped."""
_TAIL = 5
"""Packets of silence behind an utterance: the decoder fades out instead of concealing."""
_REST_EVERY = 20
"""While resting, every so many packets' time one is sent, as Opus does with DTX (400 ms)."""
_HEARD_AFTER_S = 0.06
"""What a receiver's own jitter buffer holds; half a round trip comes on top."""


class Mouth:
    """The voice of one call."""

    def __init__(
        self,
        encoder: Encoder,
        rate: int,
        timers: Timers,
        send: Callable[[bytes, int, bool], None],
        reached: Callable[[str], None],
        pace: SendRate,
    ) -> None:
        """
        Args:
            encoder: makes packets.
            rate: RTP ticks a second.
            timers: the clock.
            send: gets a payload, its timestamp and whether it follows a pause.
            reached: gets the names of marks.
            pace: bitrate and redundancy.
        """
        self.pace = pace
        self.sent = 0
        """Packets."""
        self.rtt_s = 0.0
        self._encoder, self._timers, self._send, self._reached = encoder, timers, send, reached
        self._ticks = rate // 50
        self._queue: deque[bytes | str] = deque()
        self._size = 0
        self._rest = b""
        self._silence = b""
        """A packet of it that the encoder made at rest: while nothing is said it need not make
        another one. Empty = not yet, or the encoder leaves them out."""
        self._timer: Timer | None = None
        self._begun = 0.0
        self._count = 0
        """Packets' times that passed since `begun`."""
        self._idle = 0
        self._due: deque[tuple[float, str]] = deque()
        self._waited = False
        self._asleep = 0
        """Packets' times from `count` on in which nothing is to be done, unless something is said:
        most of a call is listening, and fifty timers a second for it are a tenth of its cost."""

    @property
    def waiting_s(self) -> float:
        """Sound that was not sent yet."""
        return (self._size + len(self._rest)) / (RATE * 2)

    @property
    def busy(self) -> bool:
        """Something is still to be heard."""
        return bool(self._queue or self._rest or self._due)

    def begin(self) -> None:
        """The connection stands: packets may go out."""
        if self._timer is None:
            self._begun = self._timers.now()
            self._count = 0
            self._idle = _TAIL  # nothing to say yet: at rest from the beginning
            self._timer = self._timers.call_at(self._begun, self._tick)

    def say(self, sound: bytes) -> None:
        """More sound: 16-bit, 16 kHz, mono."""
        if sound:
            self._queue.append(sound)
            self._size += len(sound)
            if self._asleep:
                self._wake()

    def mark(self, name: str) -> None:
        """Tell when what was said before this is heard."""
        if self._queue or self._rest or self._due or self._timer is None:
            self._queue.append(name)
        else:
            self._reached(name)

    def hush(self) -> None:
        """Throw away what was not sent; marks come back now."""
        names = [name for _, name in self._due]
        names += [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        self._due.clear()
        self._rest, self._size = b"", 0
        for name in names:
            self._reached(name)

    def adapt(self) -> None:
        """`pace` changed."""
        self._encoder.adapt(self.pace.bitrate, self.pace.loss_percent)

    def stop(self) -> None:
        """No more of anything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.hush()

    def _tick(self) -> None:
        now = self._timers.now()
        self._pass(self._asleep)
        behind = int((now - self._begun) / _FRAME_S) - self._count
        if behind > _CATCH_UP:
            self._count += behind
            self._idle = max(self._idle, _TAIL)  # time was skipped: the next one has a marker
        for _ in range(min(max(behind, 0), _CATCH_UP) + 1):
            self._frame(now)
            self._count += 1
        while self._due and self._due[0][0] <= now:
            self._reached(self._due.popleft()[1])
        if self._idle > _TAIL and not self.busy:
            self._asleep = _REST_EVERY - 1 - self._idle % _REST_EVERY
        self._next_tick()

    def _next_tick(self) -> None:
        at = self._begun + (self._count + self._asleep) * _FRAME_S
        self._timer = self._timers.call_at(at, self._tick)

    def _pass(self, frames: int) -> None:
        self._count += frames
        self._idle += frames
        self._asleep = 0

    def _wake(self) -> None:
        """Something is said: the next packet's time is the next."""
        since = (self._timers.now() - self._begun) / _FRAME_S
        self._pass(min(self._asleep, max(0, int(since) + 1 - self._count)))
        if self._timer is not None:
            self._timer.cancel()
            self._next_tick()

    def _frame(self, now: float) -> None:
        frame = self._take(now)
        fresh = frame is not None and self._idle >= _TAIL
        if frame is None:
            self._idle += 1
            if self._idle > _TAIL and self._idle % _REST_EVERY:
                return
            frame = bytes(FRAME_BYTES)
            if len(self._silence) > 2:
                self.sent += 1
                self._send(self._silence, self._count * self._ticks, False)
                return
        else:
            self._idle = 0
            self._silence = b""
        payload = self._encoder.encode(frame)
        if self._idle > _TAIL:
            self._silence = payload
        if len(payload) > 2:  # shorter ones say that nothing need be sent (DTX)
            self.sent += 1
            self._send(payload, self._count * self._ticks, fresh)

    def _take(self, now: float) -> bytes | None:
        """20 ms of sound; None = there is none."""
        parts, size = [self._rest] if self._rest else [], len(self._rest)
        while self._queue and size < FRAME_BYTES:
            item = self._queue.popleft()
            if isinstance(item, str):
                self._due.append((now + _FRAME_S + _HEARD_AFTER_S + self.rtt_s / 2, item))
            else:
                self._size -= len(item)
                parts.append(item)
                size += len(item)
        while self._queue and size == FRAME_BYTES and isinstance(self._queue[0], str):
            name = self._queue.popleft()
            assert isinstance(name, str)
            self._due.append((now + _FRAME_S + _HEARD_AFTER_S + self.rtt_s / 2, name))
        if not size:
            return None
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if size < FRAME_BYTES:
            if not self._waited:  # the rest of the frame may be on its way
                self._waited, self._rest = True, data
                return None
            data += bytes(FRAME_BYTES - size)
        self._waited = False
        self._rest = data[FRAME_BYTES:]
        return data[:FRAME_BYTES]
