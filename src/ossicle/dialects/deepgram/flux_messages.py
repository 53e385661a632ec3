"""Flux (`/v2/listen`): its messages as typed values, with their JSON next to them.

>>> decode_client('{"type": "ForceEndTurn"}')
ForceEndTurn()
>>> encode(Connected(request_id="r", sequence_id=0))
'{"type":"Connected","request_id":"r","sequence_id":0}'
"""

import re
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from ossicle.core.errors import BadMessage

__all__ = [
    "ClientMessage",
    "CloseStream",
    "Configure",
    "ConfigureFailure",
    "ConfigureSuccess",
    "Connected",
    "Error",
    "FluxEvent",
    "ForceEndTurn",
    "InForce",
    "KeepAlive",
    "ServerMessage",
    "Thresholds",
    "Trigger",
    "TurnInfo",
    "Warn",
    "Word",
    "decode_client",
    "decode_server",
    "encode",
]

FluxEvent: TypeAlias = Literal[
    "StartOfTurn", "Update", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"
]
Trigger: TypeAlias = Literal["model", "manual", "timeout"]

Eot = Annotated[float, msgspec.Meta(ge=0.5, le=1.0)]
Eager = Annotated[float, msgspec.Meta(ge=0.3, le=0.9)]
Timeout = Annotated[int, msgspec.Meta(ge=500, le=60_000)]


class _Tagged(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """A message named by its class."""


# client to server


class KeepAlive(_Tagged, frozen=True):
    """Not in the SDKs; tolerated."""


class CloseStream(_Tagged, frozen=True):
    """Decode what is buffered, then close."""


class ForceEndTurn(_Tagged, frozen=True):
    """End the turn now."""


class Thresholds(msgspec.Struct, frozen=True):
    """When turns end; absent = unchanged, null = off."""

    eot_threshold: Eot | UnsetType = UNSET
    eager_eot_threshold: Eager | UnsetType | None = UNSET
    eot_timeout_ms: Timeout | UnsetType = UNSET


class Configure(_Tagged, frozen=True):
    """Change options; absent = unchanged."""

    thresholds: Thresholds | UnsetType = UNSET
    keyterms: tuple[str, ...] | UnsetType = UNSET
    language_hints: tuple[str, ...] | UnsetType = UNSET
    numerals: bool | UnsetType = UNSET


ClientMessage: TypeAlias = KeepAlive | CloseStream | ForceEndTurn | Configure


# server to client


class Word(msgspec.Struct, frozen=True):
    """Written as in the transcript; times in seconds of the stream."""

    word: str
    confidence: float
    start: float
    end: float


class Connected(_Tagged, frozen=True):
    """First message."""

    request_id: str
    sequence_id: int


class TurnInfo(_Tagged, frozen=True, omit_defaults=True):
    """Where the turn is; `transcript` is the whole turn so far."""

    request_id: str
    sequence_id: int
    event: FluxEvent
    turn_index: int
    audio_window_start: float
    audio_window_end: float
    transcript: str
    words: tuple[Word, ...]
    end_of_turn_confidence: float
    trigger: Trigger | UnsetType = UNSET


class InForce(msgspec.Struct, frozen=True, omit_defaults=True):
    """Thresholds after a change."""

    eot_threshold: float
    eot_timeout_ms: int
    eager_eot_threshold: float | UnsetType = UNSET


class ConfigureSuccess(_Tagged, frozen=True, omit_defaults=True):
    """What is in force now."""

    request_id: str
    sequence_id: int
    thresholds: InForce
    keyterms: tuple[str, ...] | UnsetType = UNSET
    language_hints: tuple[str, ...] | UnsetType = UNSET


class ConfigureFailure(_Tagged, frozen=True):
    """Nothing was changed."""

    request_id: str
    sequence_id: int
    code: str
    description: str


class Warn(_Tagged, frozen=True, tag="Warning"):
    """Something to know; the stream goes on."""

    request_id: str
    sequence_id: int
    code: str
    description: str


class Error(_Tagged, frozen=True):
    """Fatal; a close follows."""

    sequence_id: int
    code: str
    description: str
    request_id: str = ""


ServerMessage: TypeAlias = Connected | TurnInfo | ConfigureSuccess | ConfigureFailure | Warn | Error

_QUOTED = re.compile(r"Invalid value '.*'(?= - at|$)", re.DOTALL)

_CLIENT = msgspec.json.Decoder(ClientMessage)
_SERVER = msgspec.json.Decoder(ServerMessage)
_ENCODER = msgspec.json.Encoder()


def decode_client(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        BadMessage: not one of the four, or a value out of range; the text names it.
    """
    return _decoded(_CLIENT, text)


def decode_server(text: str) -> ServerMessage:
    """A server's message.

    Raises:
        BadMessage: not one of them.
    """
    return _decoded(_SERVER, text)


_Kind = TypeVar("_Kind")


def _decoded(decoder: msgspec.json.Decoder[_Kind], text: str) -> _Kind:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"not a Flux message: {_why(error)}") from error


def _why(error: Exception) -> str:
    """What msgspec says of types and limits; never the text itself, which may be speech."""
    if isinstance(error, msgspec.ValidationError):
        return _QUOTED.sub("Invalid value", str(error))[:200]
    return "it is no JSON object with a known type"


def encode(message: ClientMessage | ServerMessage) -> str:
    """One message as JSON."""
    return _ENCODER.encode(message).decode()
