"""The client: `connect` for live streams, `transcribe` for one line.

Pairs a dialect's client half with a transport's, and keeps one timeline over broken connections
and dead gateways. Runs on Linux, macOS and Windows.
"""

from .address import DEFAULT_URL, Choice, Wire
from .backoff import Backoff, Clock, Reconnect
from .connect import connect
from .dial import Dial, dialer
from .race import Pace
from .stream import Buffering, SpeechStream
from .transcribe import Segment, Transcription, atranscribe, transcribe

__all__ = [
    "DEFAULT_URL",
    "Backoff",
    "Buffering",
    "Choice",
    "Clock",
    "Dial",
    "Pace",
    "Reconnect",
    "Segment",
    "SpeechStream",
    "Transcription",
    "Wire",
    "atranscribe",
    "connect",
    "dialer",
    "transcribe",
]
