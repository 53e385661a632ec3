"""The messages of AssemblyAI's universal streaming (`/v3/ws`), both ways, parse beside serialize.

Knows the JSON and nothing of what it means for a session; `query` and `turns` know that. Every
time is a whole number of milliseconds: the vendor's Python SDK dies of a fractional one, and no
message but `Error` has a member `error`, for the JavaScript SDK looks for it first.

    >>> decode_client('{"type":"Terminate"}')
    Terminate()
"""

from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ossicle.core.errors import BadMessage

__all__ = [
    "Begin",
    "Changes",
    "ClientMessage",
    "Configuration",
    "Error",
    "ForceEndpoint",
    "Heartbeat",
    "KeepAlive",
    "Revision",
    "ServerMessage",
    "Silence",
    "SpeakerRevision",
    "SpeechStarted",
    "Terminate",
    "Termination",
    "Turn",
    "TurnWord",
    "UpdateConfiguration",
    "Warning_",
    "decode_client",
    "decode_server",
    "encode",
]

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Phrase = Annotated[str, msgspec.Meta(max_length=200)]


# ── client to server ──


class Changes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be said at the opening and changed later; UNSET = not said, unchanged."""

    end_of_turn_confidence_threshold: Share | UnsetType | None = UNSET
    """End-of-turn confidence at which `min_turn_silence` is enough."""
    min_turn_silence: Milliseconds | UnsetType | None = UNSET
    """Silence that ends a turn when the end is likely."""
    min_end_of_turn_silence_when_confident: Milliseconds | UnsetType | None = UNSET
    """The old name of `min_turn_silence`."""
    max_turn_silence: Milliseconds | UnsetType | None = UNSET
    """Silence that ends a turn in any case."""
    vad_threshold: Share | UnsetType | None = UNSET
    """Speech probability above which a frame counts as speech."""
    format_turns: bool | UnsetType | None = UNSET
    """A second, formatted message ends each turn."""
    keyterms_prompt: tuple[Phrase, ...] | UnsetType | None = UNSET
    """Likely phrases."""
    filter_profanity: bool | UnsetType | None = UNSET
    """Mask rude words."""
    language_codes: tuple[str, ...] | UnsetType | None = UNSET
    """Languages; the first is listened for."""
    session_heartbeat: bool | UnsetType | None = UNSET
    """Send `Heartbeat` about once a second."""
    acknowledge_silence: bool | UnsetType | None = UNSET
    """Send `Silence` while nobody speaks."""


class UpdateConfiguration(Changes, frozen=True, tag="UpdateConfiguration", tag_field="type"):
    """Change a running session. Not answered."""


class ForceEndpoint(msgspec.Struct, frozen=True, tag="ForceEndpoint", tag_field="type"):
    """End the turn now."""


class KeepAlive(msgspec.Struct, frozen=True, tag="KeepAlive", tag_field="type"):
    """Somebody is still there."""


class Terminate(msgspec.Struct, frozen=True, tag="Terminate", tag_field="type"):
    """No more audio: finish."""


ClientMessage: TypeAlias = UpdateConfiguration | ForceEndpoint | KeepAlive | Terminate


# ── server to client ──


class Configuration(msgspec.Struct, frozen=True):
    """What listens, as far as a client asks."""

    model: str = ""
    mode: str = ""
    api_version: str = ""


class Begin(msgspec.Struct, frozen=True, tag="Begin", tag_field="type"):
    """The session is there."""

    id: str
    expires_at: int | str
    """Epoch seconds; the service has also sent an ISO date."""
    configuration: Configuration | UnsetType = UNSET


class SpeechStarted(msgspec.Struct, frozen=True, tag="SpeechStarted", tag_field="type"):
    """Somebody speaks."""

    timestamp: Count


class TurnWord(msgspec.Struct, frozen=True, gc=False):
    """One word."""

    start: Count
    end: Count
    text: str
    confidence: float
    word_is_final: bool
    speaker: str | UnsetType | None = UNSET


class Turn(msgspec.Struct, frozen=True, tag="Turn", tag_field="type"):
    """A turn, restated as a whole."""

    turn_order: Count
    turn_is_formatted: bool
    end_of_turn: bool
    transcript: str
    """Finalized words only."""
    end_of_turn_confidence: float
    words: tuple[TurnWord, ...]
    """All words, the tail that may still change included."""
    utterance: str = ""
    """The text of a stretch that is complete, in the message that completes it."""
    language_code: str | UnsetType | None = UNSET
    language_confidence: float | UnsetType | None = UNSET
    speaker_label: str | UnsetType | None = UNSET


class Termination(msgspec.Struct, frozen=True, tag="Termination", tag_field="type"):
    """The end; the server closes after it."""

    audio_duration_seconds: Count
    session_duration_seconds: Count


class Error(msgspec.Struct, frozen=True, tag="Error", tag_field="type"):
    """The end, and why; the server closes with the same code."""

    error_code: int
    error: str


class Warning_(msgspec.Struct, frozen=True, tag="Warning", tag_field="type"):  # noqa: N801
    """Something to know; the session goes on."""

    warning_code: int
    warning: str


class Heartbeat(msgspec.Struct, frozen=True, tag="Heartbeat", tag_field="type"):
    """About once a second, for clients that ask."""

    total_audio_received_ms: Count
    total_duration_ms: Count
    realtime_factor: float
    max_speech_probability: float = 0.0


class Silence(msgspec.Struct, frozen=True, tag="Silence", tag_field="type"):
    """A stretch in which nobody spoke, for clients that ask."""

    start_ms: Count
    end_ms: Count


class Revision(msgspec.Struct, frozen=True):
    """One turn whose speakers were revised."""

    turn_order: Count
    words: tuple[TurnWord, ...] = ()
    speaker_label: str | None = None


class SpeakerRevision(msgspec.Struct, frozen=True, tag="SpeakerRevision", tag_field="type"):
    """Speakers of earlier turns, told apart better; read by the client half, never sent here."""

    revisions: tuple[Revision, ...] = ()


ServerMessage: TypeAlias = (
    Begin
    | SpeechStarted
    | Turn
    | Termination
    | Error
    | Warning_
    | Heartbeat
    | Silence
    | SpeakerRevision
)

_encode = msgspec.json.Encoder()
_of_client = msgspec.json.Decoder(ClientMessage)
_of_server = msgspec.json.Decoder(ServerMessage)
_Message = TypeVar("_Message")


def encode(message: ClientMessage | ServerMessage) -> str:
    """As JSON."""
    return _encode.encode(message).decode()


def decode_client(text: str) -> ClientMessage:
    """A message of a client.

    Raises:
        BadMessage: it is none; the text says what was expected, not what was said.
    """
    return _decoded(_of_client, text)


def decode_server(text: str) -> ServerMessage:
    """A message of a server.

    Raises:
        BadMessage: it is none that is known here.
    """
    return _decoded(_of_server, text)


def _decoded(decoder: msgspec.json.Decoder[_Message], text: str) -> _Message:
    try:
        return decoder.decode(text)
    except RecursionError:
        reason = "nested too deeply"
    except msgspec.MsgspecError as error:
        reason = str(error)[:160]
    except UnicodeError:
        reason = "not valid Unicode"
    if "audio_data" in text[:200]:
        reason = "audio is binary here; base64 in audio_data belongs to /v2/realtime/ws"
    raise BadMessage(f"not a message of /v3/ws: {reason}")
