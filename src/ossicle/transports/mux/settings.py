"""Limits of `ossicle.v1.mux`.

    connection = Connection(channel, MuxSettings(streams=64))

What one connection can make the other end hold is at most `streams` times `window` and one message.
"""

import msgspec

from ossicle.core.wire import ChannelTraits

__all__ = ["MuxSettings"]


class MuxSettings(msgspec.Struct, frozen=True):
    """Limits of a connection and of each of its streams. Seconds and bytes."""

    streams: int = 512
    """Open at once on one connection; the next is refused with 503, and a client of ours opens
    another connection before that."""
    window: int = 64 * 1024
    """What a stream's peer may send beyond what was read: two seconds of 16 kHz speech. One message
    more may come, since a message is sent whole when there is any credit."""
    max_message: int = 256 * 1024
    """Largest message of a stream; beyond it that stream is over."""
    handshake_timeout: float = 10.0
    """How long a stream may wait for its answer."""
    slow_reader_s: float = 30.0
    """A peer that grants nothing while something waits for it loses that stream."""
    close_timeout: float = 5.0
    """How long a peer may take to answer a CLOSE."""
    write_high: int = 64 * 1024
    """`writable(False)` above this many bytes waiting for credit..."""
    write_low: int = 16 * 1024
    """...and `writable(True)` at or below this."""
    max_backlog: int = 1 << 20
    """What may wait for a peer by a receiver that goes on sending; then the stream is dropped."""
    linger_s: float = 30.0
    """A connection without streams is closed after this."""

    def traits(self) -> ChannelTraits:
        """What a stream promises."""
        return ChannelTraits(max_message=self.max_message)
