"""Limits of HTTP/2."""

import msgspec

__all__ = ["Http2Settings"]


class Http2Settings(msgspec.Struct, frozen=True):
    """Limits of each HTTP/2 connection. Seconds, bytes and counts."""

    max_streams: int = 128
    """Requests at once on one connection (SETTINGS_MAX_CONCURRENT_STREAMS)."""
    window: int = 64 * 1024 - 1
    """What a peer may send on one stream before its receiver reads; nothing is kept beyond it."""
    max_head: int = 64 * 1024
    """Largest header list; beyond it the connection is ended."""
    head_timeout: float = 10.0
    """From the connection to its first request, and from a request's first header to its last."""
    idle_s: float = 75.0
    """A connection without a request is closed after so long."""
    keepalive_s: float = 20.0
    """A peer that is silent for so long while a request is open is pinged; silent for twice as
    long, it is dropped."""
    linger_s: float = 5.0
    """How long a request may go on after its answer before it is reset."""
    resets: int = 200
    """Requests taken back at once (RST_STREAM); ten a second more (CVE-2023-44487)."""
    idle_frames: int = 1_000
    """PING, SETTINGS, PRIORITY and empty frames at once; a hundred a second more."""
