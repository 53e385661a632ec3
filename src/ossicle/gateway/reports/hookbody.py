"""What is posted: one JSON object for each event that somebody outside the session can use.

    {"session": "…", "seq": 7, "type": "transcript", "text": "hello", "is_final": true, …}

Every field is always there, so that a receiver needs no defaults.
"""

from typing import Literal

import msgspec

from ossicle.core.errors import Fault
from ossicle.core.events import (
    Began,
    Ended,
    EndReason,
    Event,
    Marked,
    Notice,
    Side,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
    TurnReason,
    Word,
)

__all__ = ["HookBody", "HookType", "body_of"]

HookType = Literal[
    "began", "speech_started", "transcript", "speech_ended", "told", "marked", "notice", "ended"
]


class HookBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook."""

    session: str
    """Session id."""
    seq: int
    """Number of the event in its session, rising, may skip: a newer partial replaces one that was
    not sent yet. 0 = not numbered (`began`)."""
    type: HookType
    """What happened."""
    text: str = ""
    """The segment so far (`transcript`), what was told (`told`), a sentence for a person
    (`notice`), the mark's name (`marked`)."""
    is_final: bool = False
    """This segment will not be restated."""
    start_ms: int | None = None
    """Stream time; where speech began."""
    end_ms: int | None = None
    """Stream time; where it ended. Of the whole session in `ended`."""
    channel: int = 0
    """Channel of the audio, from 0."""
    words: tuple[Word, ...] | None = None
    """Words with times; null = the engine does not time words."""
    side: Side = "in"
    """`in`: heard. `out`: said."""
    turn: int = 0
    """Turn number, from 0."""
    segment: int = 0
    """Segment of the turn, from 0. A `transcript` replaces what was said of its segment before."""
    ends_turn: bool = False
    """With `is_final`: the turn is over."""
    confidence: float | None = None
    """0-1; null = the engine does not know."""
    reason: TurnReason | EndReason | Literal[""] = ""
    """Why the turn (`speech_ended`) or the session (`ended`) is over."""
    kind: str = ""
    """`text`, `digits` or `result` (`told`); the level (`notice`)."""
    code: str = ""
    """Stable name of a `notice`."""
    error: Fault | None = None
    """What went wrong (`ended`); null = nothing."""
    label: str = ""
    """The session's label."""


def body_of(event: Event, session: str, label: str) -> HookBody | None:
    """The body for an event; None = it is not posted (sound, flow, options)."""
    match event:
        case Transcript():
            return HookBody(
                session=session, label=label, seq=event.seq, type="transcript", text=event.text,
                is_final=event.final, start_ms=event.start_ms, end_ms=event.end_ms,
                channel=event.channel, words=event.words, side=event.side, turn=event.turn,
                segment=event.segment, ends_turn=event.ends_turn, confidence=event.confidence,
            )  # fmt: skip
        case SpeechStarted():
            return HookBody(
                session=session, label=label, seq=event.seq, type="speech_started",
                start_ms=event.at_ms, channel=event.channel, side=event.side, turn=event.turn,
            )  # fmt: skip
        case SpeechEnded():
            return HookBody(
                session=session, label=label, seq=event.seq, type="speech_ended",
                end_ms=event.at_ms, channel=event.channel, side=event.side, turn=event.turn,
                confidence=event.confidence, reason=event.reason,
            )  # fmt: skip
        case Told():
            return HookBody(
                session=session, label=label, seq=event.seq, type="told", text=event.text,
                kind=event.kind,
            )  # fmt: skip
        case Marked():
            return HookBody(
                session=session, label=label, seq=event.seq, type="marked", text=event.name,
                end_ms=event.heard_ms, side="out",
            )  # fmt: skip
        case Notice():
            return HookBody(
                session=session, label=label, seq=event.seq, type="notice", text=event.text,
                kind=event.level, code=event.code,
            )  # fmt: skip
        case Ended():
            return HookBody(
                session=session, label=label, seq=event.seq, type="ended",
                end_ms=event.audio_ms, reason=event.reason, error=event.error,
            )  # fmt: skip
        case Began():
            return HookBody(session=session, label=label, seq=0, type="began")
        case _:
            return None
