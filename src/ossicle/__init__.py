"""Streaming speech: any client, over any wire, to any engine.

async with ossicle.connect("http://localhost:8080") as stream:
    await stream.send(audio)
    await stream.end()
    async for event in stream:
        print(event)

or, in one line: `ossicle.transcribe("talk.wav").text`. What stands here is for users of a
gateway and stays; what is below may change. `ossicle.testing` is the kit for who extends it.
"""

from .client import (
    Buffering,
    Reconnect,
    Segment,
    SpeechStream,
    Transcription,
    atranscribe,
    connect,
    transcribe,
)
from .core.commands import Tell
from .core.errors import (
    BadAudio,
    BadMessage,
    ConnectionLost,
    Denied,
    EngineFailed,
    Fault,
    MissingExtra,
    OssicleError,
    Overloaded,
    Refused,
    ResumeFailed,
    TimedOut,
)
from .core.events import (
    Asked,
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
    Usage,
    Word,
)
from .core.formats import AudioFormat, Encoding
from .core.ledger import LedgerReport
from .core.options import (
    AnswerOptions,
    Hint,
    Options,
    RecognitionOptions,
    SynthesisOptions,
    Tool,
    TurnOptions,
)

__all__ = [
    "AnswerOptions",
    "Asked",
    "AudioFormat",
    "AudioOut",
    "BadAudio",
    "BadMessage",
    "Began",
    "Buffering",
    "Configured",
    "ConnectionLost",
    "Denied",
    "Encoding",
    "Ended",
    "EngineFailed",
    "Event",
    "Fault",
    "Hint",
    "LedgerReport",
    "Marked",
    "MissingExtra",
    "Notice",
    "Options",
    "OssicleError",
    "Overloaded",
    "RecognitionOptions",
    "Reconnect",
    "Refused",
    "ResumeFailed",
    "Segment",
    "SpeechEnded",
    "SpeechStarted",
    "SpeechStream",
    "SynthesisOptions",
    "Tell",
    "TimedOut",
    "Told",
    "Tool",
    "Transcript",
    "Transcription",
    "TurnOptions",
    "Usage",
    "Word",
    "atranscribe",
    "connect",
    "transcribe",
]
