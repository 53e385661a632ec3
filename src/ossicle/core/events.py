"""What a session tells: twelve events and `Flow`, a closed union.

Times are whole milliseconds of stream time (`side="in"`) or of the utterance (`side="out"`).
`""` and None mean: not known. Order, per channel, kept by `core.turns`:

    SpeechStarted  Transcript*  SpeechEnded  Transcript(final, ends_turn)
"""

from typing import Literal, TypeAlias

import msgspec

from .errors import Fault
from .ledger import LedgerReport
from .options import Options

__all__ = [
    "Asked",
    "AudioOut",
    "Began",
    "Configured",
    "EndReason",
    "Ended",
    "Event",
    "Flow",
    "Marked",
    "Notice",
    "Side",
    "SpeechEnded",
    "SpeechStarted",
    "Told",
    "Transcript",
    "TurnReason",
    "Usage",
    "Word",
]

Side: TypeAlias = Literal["in", "out"]
TurnReason: TypeAlias = Literal[
    "silence", "model", "timeout", "asked", "limit", "end", "done", "cancelled", "failed"
]
EndReason: TypeAlias = Literal[
    "done", "failed", "refused", "idle", "limit", "moved", "lost", "shutdown"
]


class _Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    seq: int = 0
    """Number in the session's log, rising, may skip; 0 = not logged (Began, Flow, a leg's own
    Notice)."""
    ref: str = ""
    """The command that caused it; empty = none."""


class Word(msgspec.Struct, frozen=True, gc=False):
    """One word of a transcript."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None
    """0-1; None = the engine does not know. Nothing invents one."""
    speaker: str = ""
    language: str = ""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What was consumed, where an engine counts it."""

    audio_ms: int = 0
    characters: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Began(_Event, frozen=True, gc=False):
    """The session exists; the engine may still be opening."""

    session: str = ""
    """Session id."""
    token: str = ""
    """Give it in `Join` to go on after a drop. As secret as a key."""
    options: Options = Options()
    expires_at: float | None = None
    """Epoch seconds when the session ends at the latest; None = no limit."""
    taken_bytes: int = 0
    """Audio bytes this gateway has: send on from exactly here."""
    taken_commands: int = 0
    """Commands this gateway has."""
    resumed: bool = False
    """True: the session went on. False: a new one."""
    engine: str = ""
    """Name of the engine that listens."""


class Configured(_Event, frozen=True, gc=False):
    """Options in force, whole. First sent when the audio format is known."""

    options: Options = Options()


class SpeechStarted(_Event, frozen=True, gc=False):
    """Somebody speaks. The same turn again = it was resumed after a provisional end."""

    at_ms: int | None = None
    side: Side = "in"
    turn: int = 0
    channel: int = 0
    utterance: str = ""


class Transcript(_Event, frozen=True, gc=False):
    """Restates one segment: what is heard or said, so far. Replaces what it said before."""

    text: str = ""
    start_ms: int | None = None
    """None from an engine: the session fills it in."""
    end_ms: int | None = None
    side: Side = "in"
    turn: int = 0
    segment: int = 0
    """Within the turn. The session stamps turn and segment; an engine may leave both 0."""
    final: bool = False
    """The segment is frozen: it will not be restated."""
    ends_turn: bool = False
    """With `final`: the turn is over."""
    stable: int = 0
    """Leading characters of `text` that will not change."""
    words: tuple[Word, ...] | None = None
    """None = the engine does not time words."""
    confidence: float | None = None
    end_confidence: float | None = None
    """How sure the engine is that the turn is over."""
    language: str = ""
    channel: int = 0
    alternatives: tuple[str, ...] = ()
    """Other readings, best first, without `text` itself."""
    utterance: str = ""
    usage: Usage | None = None


class SpeechEnded(_Event, frozen=True, gc=False):
    """The speaker stopped; the turn's last final follows (input), or the utterance is complete
    (output: generated, not yet heard)."""

    at_ms: int | None = None
    side: Side = "in"
    turn: int = 0
    reason: TurnReason = "silence"
    provisional: bool = False
    """May be taken back by a SpeechStarted of the same turn."""
    confidence: float | None = None
    heard_ms: int | None = None
    channel: int = 0
    utterance: str = ""
    usage: Usage | None = None


class AudioOut(_Event, frozen=True, gc=False):
    """Sound for the client, in `Options.speaks`."""

    utterance: str = ""
    data: bytes = b""
    start_ms: int = 0
    mark: str = ""
    """Tell me (`Played`) when this has been heard to its end."""


class Asked(_Event, frozen=True, gc=False):
    """The engine wants a tool called; answer with `Tell(kind="result", call=...)`."""

    call: str = ""
    name: str = ""
    arguments: str = ""
    utterance: str = ""


class Told(_Event, frozen=True, gc=False):
    """A `Tell` as the other legs see it."""

    kind: Literal["text", "digits", "result"] = "text"
    text: str = ""
    role: str = "user"
    call: str = ""


class Marked(_Event, frozen=True, gc=False):
    """A mark was heard, or cleared away unheard."""

    name: str = ""
    """Empty, and `cleared`: not a mark, but everything of the utterance that was sent and not heard
    yet. Somebody cancelled it, and a wire that still holds it throws it away; for an utterance that
    was made whole this is what says how much of it was heard."""
    utterance: str = ""
    heard_ms: int = 0
    cleared: bool = False


class Flow(_Event, frozen=True, gc=False):
    """How far the gateway is. Not logged, owner only, newest wins."""

    taken_bytes: int = 0
    """Audio payload bytes taken, as the client sent them: go on from here after a drop."""
    taken_commands: int = 0
    settled_ms: int = 0
    """What the client may forget: audio before this will not be wanted again by anybody."""
    until_ms: int | None = None
    """Audio may be sent up to this stream time; None = no limit. Absolute, so safe to repeat."""


class Notice(_Event, frozen=True, gc=False):
    """Something the client should know; the session goes on."""

    level: Literal["info", "warning", "error"] = "info"
    code: str = ""
    text: str = ""


class Ended(_Event, frozen=True, gc=False):
    """The last event of a session, exactly once."""

    reason: EndReason = "done"
    audio_ms: int = 0
    """Stream time heard."""
    session_ms: int = 0
    """Wall time from opening to end."""
    error: Fault | None = None
    to: str = ""
    """Go on there."""
    usage: Usage | None = None
    ledger: LedgerReport | None = None
    """Where the time went."""


Event: TypeAlias = (
    Began
    | Configured
    | SpeechStarted
    | Transcript
    | SpeechEnded
    | AudioOut
    | Asked
    | Told
    | Marked
    | Flow
    | Notice
    | Ended
)
