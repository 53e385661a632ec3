"""The service's limits, which a gateway may keep or lift.

GoogleRules(stream_limit_s=305)     as strict as the service
GoogleRules(max_audio=0)            messages of any size that the wire takes
"""

import msgspec

__all__ = ["GoogleRules"]


class GoogleRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the Google dialects judge their clients."""

    max_audio: int = 25_600
    """Bytes of audio in one message, as at the service; 0 = as the wire takes them."""
    silence_s: float = 10.0
    """No audio for so long ends a stream, as at the service; 0 = never."""
    stream_limit_s: float = 0.0
    """Longest stream; the service ends one after 305 s. 0 = no limit."""
    recognizers: tuple[tuple[str, str], ...] = ()
    """Recognizers of v2 by their last name, and what they stand for, as a query:
    `language=en-GB&model=nova-3&punctuation=true`. `_` is always there."""
