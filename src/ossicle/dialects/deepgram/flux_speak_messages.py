"""`/v2/speak`: its messages as typed values, with their JSON next to them.

>>> decode_client('{"type": "Interrupt", "playback_offset": {"type": "time_ms", "value": 900}}')
Interrupt(playback_offset=Offset(value=900))
>>> encode(Flushed(speech_id="dg_sp_0123456789ab"))
'{"type":"Flushed","speech_id":"dg_sp_0123456789ab"}'
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from .speak_messages import decoded

__all__ = [
    "Applied",
    "ClientMessage",
    "Close",
    "Configure",
    "ConfigureFailure",
    "ConfigureSuccess",
    "Connected",
    "Controls",
    "Error",
    "Flush",
    "Flushed",
    "Interrupt",
    "Offset",
    "ServerMessage",
    "SessionMetadata",
    "Speak",
    "SpeechInterrupted",
    "SpeechMetadata",
    "SpeechStarted",
    "Turn",
    "Warn",
    "decode_client",
    "decode_server",
    "encode",
]

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Tagged(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=True):
    """A message named by its class."""


class Speak(_Tagged, frozen=True):
    """Text to say; it may go on in the next one of the turn."""

    text: str


class Flush(_Tagged, frozen=True):
    """The text of the turn is complete."""


class Offset(msgspec.Struct, frozen=True, tag_field="type", tag="time_ms"):
    """A place in the sound of the whole session."""

    value: Milliseconds


class Interrupt(_Tagged, frozen=True):
    """The listener spoke: stop."""

    playback_offset: Offset | None = None
    """How much was played until then."""


class Configure(_Tagged, frozen=True):
    """Change the pace."""

    speed: float | UnsetType | None = UNSET


class Close(_Tagged, frozen=True):
    """Say the rest, then close."""


ClientMessage: TypeAlias = Speak | Flush | Interrupt | Configure | Close


class Connected(_Tagged, frozen=True):
    """First message."""

    request_id: str
    model_name: str
    model_version: str
    model_uuids: list[str]


class SpeechStarted(_Tagged, frozen=True):
    """A turn began; all sound up to its end is its own."""

    speech_id: str


class Flushed(_Tagged, frozen=True):
    """All sound of a flush was sent."""

    speech_id: str


class Controls(msgspec.Struct, frozen=True):
    """How many inline controls were obeyed: none, for no voice here has any."""

    pronunciations_applied: int = 0
    breaks_applied: int = 0
    pronunciation_warnings: int = 0


class Turn(msgspec.Struct, frozen=True):
    """What a turn came to."""

    speech_id: str
    audio_duration_ms: int
    input_character_count: int
    billable_character_count: int
    controls_applied: Controls = Controls()


class SpeechMetadata(Turn, frozen=True, tag_field="type", tag="SpeechMetadata"):
    """A turn is over, and this is what it came to."""


class SpeechInterrupted(_Tagged, frozen=True):
    """A turn was cut off."""

    audio_played_ms: int
    metadata: Turn
    text_spoken: str | UnsetType = UNSET
    text_remaining: str | UnsetType = UNSET


class SessionMetadata(_Tagged, frozen=True):
    """Last message."""

    total_audio_duration_ms: int
    total_input_character_count: int
    total_billable_character_count: int


class Applied(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was ever set."""

    speed: float | UnsetType = UNSET


class ConfigureSuccess(_Tagged, frozen=True):
    """The change is in force from the next turn on."""

    applied: Applied


class ConfigureFailure(_Tagged, frozen=True):
    """The change is not."""

    code: str
    description: str
    field: str | UnsetType = UNSET
    value: float | UnsetType = UNSET


class Warn(_Tagged, frozen=True, tag="Warning"):
    """Something to know; the stream goes on."""

    code: str
    description: str


class Error(_Tagged, frozen=True):
    """The end, and why."""

    code: str
    description: str


ServerMessage: TypeAlias = (
    Connected
    | SpeechStarted
    | Flushed
    | SpeechMetadata
    | SpeechInterrupted
    | SessionMetadata
    | ConfigureSuccess
    | ConfigureFailure
    | Warn
    | Error
)

_CLIENT = msgspec.json.Decoder(ClientMessage)
_SERVER = msgspec.json.Decoder(ServerMessage)
_ENCODER = msgspec.json.Encoder()


def decode_client(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        BadMessage: not one of the five.
    """
    return decoded(_CLIENT, text)


def decode_server(text: str) -> ServerMessage:
    """A server's message.

    Raises:
        BadMessage: not one of them.
    """
    return decoded(_SERVER, text)


def encode(message: ClientMessage | ServerMessage) -> str:
    """One message as JSON."""
    return _ENCODER.encode(message).decode()
