"""What this transport needs of codecs. The gateway hands it in; no transport imports one."""

from collections.abc import Callable
from typing import Protocol

__all__ = ["FRAME_BYTES", "RATE", "Coders", "Decoder", "Encoder"]

RATE = 16_000
"""Samples a second of all sound that is told or taken: `pcm_s16le`, mono."""

FRAME_BYTES = RATE // 50 * 2
"""20 ms."""


class Decoder(Protocol):
    """Packets of one stream to samples."""

    def decode(self, packet: bytes) -> bytes:
        """
        Raises:
            BadAudio: it is damaged.
        """
        ...

    def recover(self, samples: int, following: bytes) -> bytes:
        """The samples lost before the packet `following`, from what it carries of them."""
        ...

    def conceal(self, samples: int) -> bytes:
        """Samples for what cannot be known."""
        ...


class Encoder(Protocol):
    """Samples to packets."""

    def adapt(self, bitrate: int, loss_percent: int) -> None:
        """What the network takes, and how much arrives."""
        ...

    def encode(self, frame: bytes) -> bytes:
        """One packet of 20 ms."""
        ...


class Coders(Protocol):
    """Makes them, by RTP name in lower case."""

    def decoder(self, name: str) -> Decoder: ...

    def encoder(
        self, name: str, *, bitrate: int, complexity: int, fec: bool, dtx: bool
    ) -> Encoder: ...

    def ticks(self, name: str) -> Callable[[bytes], int]:
        """What tells the RTP ticks of a packet; 0 = it is none."""
        ...

    def redundant(self, name: str, packet: bytes) -> bool:
        """It carries the packet before it."""
        ...
