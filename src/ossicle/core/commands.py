"""What a client asks of a session: eight commands, a closed union.

Times are whole milliseconds of stream time. `ref` is the asker's own name for the command;
events caused by it carry the same `ref`.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from .formats import AudioFormat
from .options import AnswerOptions, SynthesisOptions

__all__ = [
    "Audio",
    "Cancel",
    "Command",
    "Configure",
    "End",
    "Finalize",
    "Join",
    "Line",
    "Played",
    "Report",
    "Speak",
    "Tell",
]


class _Command(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    ref: str = ""
    """The asker's name for this command; empty = no answer needs matching."""


class Join(msgspec.Struct, frozen=True, gc=False):
    """Attach to a session that exists instead of opening one."""

    session: str = ""
    """Session id or one of its other names; for observers."""
    token: str = ""
    """Resume token from `Began`; makes the leg the owner. Names its node."""
    since: int = 0
    """Last `seq` the client has; it is sent everything after."""
    settled_ms: int | None = None
    """If the token is not known here: go on as a new session whose stream time begins at this
    place (the client replays its audio from there). None = refuse instead."""
    turn: int = 0
    """First turn number of such a new session."""
    role: Literal["owner", "controller", "observer"] = "owner"
    """Owner: feeds audio, one at a time, newest wins. Controller: may ask. Observer: only reads."""
    wait_s: float = 0.0
    """How long an observer or controller waits for a session of that name to begin; 0 = it has to
    be there."""


class Report(msgspec.Struct, frozen=True, gc=False):
    """Post a session's events to a URL, if its host is allow-listed."""

    url: str
    method: str = "POST"
    own: bool = False
    """True: in the session's own dialect, what its text messages would be. False: the webhook of
    Ossicle."""


class Configure(_Command, frozen=True, gc=False):
    """Open a session, join one, or change options of a running one."""

    patch: dict[str, Any] = {}
    """RFC 7396 merge patch on `Options`: absent = unchanged, null = default."""
    format: AudioFormat | None = None
    """What the client will send; None = unchanged (at first: the default format)."""
    speaks: AudioFormat | None = None
    """What the client wants to hear; None = what it sends, or the engine's own."""
    credential: str | None = None
    """API key or token as the client sent it. Never logged. The gateway gives the verdict."""
    credential_in_url: bool = False
    """It stood in the URL, which proxies log and browsers remember: good for a token that ends, no
    place for a key. A dialect whose clients have no other place for their key leaves this False."""
    names: tuple[str, ...] = ()
    """Other names of the session (a call id, a path), by which observers find it."""
    join: Join | None = None
    """Attach to an existing session."""
    report_to: tuple[Report, ...] = ()
    """Where its events are posted, if allow-listed."""
    within_s: float | None = None
    """How long the client waits for the end, from now; the session ends before. None = no limit of
    its own."""
    audio_from: str = ""
    """URL of the session's audio, which the gateway reads; the client then sends none. Only when a
    session is opened. Empty = the client sends its audio."""


class Audio(_Command, frozen=True, gc=False):
    """Sound from the client. The hot path bypasses this object where it can."""

    data: bytes = b""
    """In the declared format."""
    at_ms: int | None = None
    """Where it belongs; None = right after what came before."""
    channel: int | None = None
    """None = interleaved or mono."""


class Finalize(_Command, frozen=True, gc=False):
    """Decide now. Answered by exactly one final with `ends_turn` (empty if need be) and the ref."""

    at_ms: int | None = None
    channel: int | None = None


class Line(msgspec.Struct, frozen=True, gc=False):
    """Something that was said, in writing."""

    text: str
    role: str = "user"
    """system, user, assistant, or result (of a tool)."""
    call: str = ""
    """The `Asked.call` that a result answers."""


class Speak(_Command, frozen=True, gc=False):
    """Say this. Text None = answer yourself (an agent)."""

    text: str | None = None
    more: bool = False
    """Text continues in the next Speak of the same utterance."""
    options: SynthesisOptions | None = None
    """Only for this utterance."""
    answer: AnswerOptions | None = None
    """How to answer, where `text` is None; only for this one."""
    lines: tuple[Line, ...] | None = None
    """What to answer instead of the conversation, which then stays as it is; None = the
    conversation."""


class Tell(_Command, frozen=True, gc=False):
    """Text, pressed digits, or a tool's result, for the engine to know."""

    kind: Literal["text", "digits", "result"] = "text"
    text: str = ""
    role: str = "user"
    call: str = ""
    """The `Asked.call` that a result answers."""


class Played(_Command, frozen=True, gc=False):
    """The client has played an utterance up to here."""

    utterance: str = ""
    until_ms: int = 0
    """Of that utterance."""
    mark: str = ""
    """The mark that was reached."""
    estimated: bool = False
    """By a clock, not by a report."""
    by_wire: bool = False
    """A wire that paces sound itself tells it; the client asked nothing, and its requests are not
    counted up by this."""


class Cancel(_Command, frozen=True, gc=False):
    """Stop speaking (`out`), or forget what was heard since the last final (`in`)."""

    side: Literal["in", "out"] = "out"
    utterance: str = ""
    """Empty = whatever is being said."""
    heard_ms: int | None = None
    """Filled in by the session: how much of it was heard."""


class End(_Command, frozen=True, gc=False):
    """No more audio: finish what was heard, then stop."""

    at_ms: int | None = None
    to: str = ""
    """Move there instead (transfer, drain)."""


Command: TypeAlias = Configure | Audio | Finalize | Speak | Tell | Played | Cancel | End
