"""From RTP packets of one SSRC to sound without holes.

    packet ─▶ JitterBuffer ─▶ decode | recover | conceal ─▶ told(pcm)

Everything comes out in order and lasts as long as what was sent: a lost packet is recovered from
the one behind it where that carries it, concealed where not, and a sender's pause is silence, of
two seconds at most (a microphone muted for five minutes is not five minutes of silence). Pure: no
clock, no socket.
"""

from collections.abc import Callable

import msgspec

from ossicle.core.errors import BadAudio

from .coders import RATE, Coders, Decoder
from .jitter import Arrived, JitterBuffer, JitterStats, Left, Lost, Pause

__all__ = ["Ear", "EarStats"]

_LONGEST_PAUSE = 2 * RATE
_CONCEALED = RATE // 10
"""What is concealed at once; behind it there is silence: nobody's voice goes on for longer."""


class EarStats(msgspec.Struct):
    """What was heard, in packets."""

    decoded: int = 0
    recovered: int = 0
    """Lost, and read from the packet behind."""
    concealed: int = 0
    """Lost, and made up."""
    damaged: int = 0
    """Could not be decoded."""


class Ear:
    """One stream of packets."""

    def __init__(
        self,
        name: str,
        rate: int,
        coders: Coders,
        told: Callable[[bytes], None],
        *,
        least_s: float = 0.04,
        most_s: float = 0.2,
    ) -> None:
        """
        Args:
            name: of the codec in RTP, lower case.
            rate: RTP ticks a second.
            coders: makes decoders.
            told: gets 16-bit samples at 16 kHz mono, a packet's worth at a time.
            least_s: how long a missing packet is waited for, at least.
            most_s: and at most.
        """
        self.stats = EarStats()
        self._name, self._rate, self._coders, self._told = name, rate, coders, told
        self._decoder: Decoder = coders.decoder(name)
        self._buffer = JitterBuffer(
            rate, length=coders.ticks(name), least_s=least_s, most_s=most_s,
            first_s=min(most_s, max(least_s, 0.06)),
        )  # fmt: skip

    @property
    def deadline(self) -> float:
        """When `expire` wants to be called."""
        return self._buffer.deadline

    @property
    def network(self) -> JitterStats:
        """What the jitter buffer saw."""
        return self._buffer.stats

    @property
    def depth_s(self) -> float:
        """How long a missing packet is waited for now."""
        return self._buffer.depth_s

    def packet(self, sequence: int, stamp: int, payload: bytes, now: float) -> float:
        """A packet came. Returns `deadline`."""
        buffer = self._buffer
        items = buffer.add(sequence, stamp, payload, now)
        if items:
            first = items[0]
            if len(items) == 1 and type(first) is Arrived:  # nearly always
                self._decode(first)
            else:
                self._hear(items)
        return buffer.deadline

    def expire(self, now: float) -> None:
        """`deadline` passed."""
        self._hear(self._buffer.expire(now))

    def flush(self) -> None:
        """No more will come."""
        self._hear(self._buffer.flush())

    def _hear(self, items: tuple[Left, ...]) -> None:
        for place, item in enumerate(items):
            match item:
                case Arrived():
                    self._decode(item)
                case Lost():
                    following = items[place + 1] if place + 1 < len(items) else None
                    self._replace(item, following)
                case Pause(ticks=ticks):
                    self._still(min(self._samples(ticks), _LONGEST_PAUSE))

    def _decode(self, item: Arrived) -> None:
        try:
            sound = self._decoder.decode(item.payload)
        except BadAudio:
            self.stats.damaged += 1
            sound = self._decoder.conceal(self._samples(item.ticks) or RATE // 50)
        else:
            self.stats.decoded += 1
        if sound:
            self._told(sound)

    def _replace(self, lost: Lost, following: Left | None) -> None:
        total = min(self._samples(lost.ticks), _LONGEST_PAUSE)
        if not total:  # padding: nothing of it was to be heard
            return
        each = total // lost.packets
        each -= each % (RATE // 400)  # libopus conceals in steps of 2.5 ms
        usable = isinstance(following, Arrived) and self._coders.redundant(
            self._name, following.payload
        )
        unknown = lost.packets - 1 if usable else lost.packets
        self.stats.concealed += unknown
        self._still(total - each if usable else total)
        if usable and isinstance(following, Arrived) and each > 0:
            self.stats.recovered += 1
            self._told(self._decoder.recover(each, following.payload))

    def _still(self, samples: int) -> None:
        """Made-up sound at first, then silence."""
        made = min(samples, _CONCEALED)
        made -= made % (RATE // 400)
        if made > 0:
            self._told(self._decoder.conceal(made))
        if samples > made:
            self._told(bytes((samples - made) * 2))

    def _samples(self, ticks: int) -> int:
        return ticks * RATE // self._rate
