"""The messages of AssemblyAI's legacy real-time API (`/v2/realtime/ws`), both ways.

A client's messages have no type: what a message is shows in its only member. Audio comes as
binary (what the SDKs send) or as base64 in `audio_data` (what raw clients were taught to send).

    >>> decode_legacy('{"terminate_session":true}').terminate_session
    True
"""

from typing import Annotated, TypeAlias

import msgspec

from ossicle.core.errors import BadMessage

__all__ = [
    "FinalTranscript",
    "LegacyError",
    "LegacyRequest",
    "LegacyServerMessage",
    "LegacyWord",
    "PartialTranscript",
    "SessionBegins",
    "SessionInformation",
    "SessionTerminated",
    "decode_legacy",
    "decode_legacy_server",
    "encode_legacy",
]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class LegacyRequest(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Whatever a client says; exactly one of these."""

    audio_data: bytes | None = None
    """Base64 in JSON, bytes here."""
    terminate_session: bool | None = None
    force_end_utterance: bool | None = None
    end_utterance_silence_threshold: Annotated[int, msgspec.Meta(ge=0, le=20_000)] | None = None
    """Milliseconds."""


class _Message(msgspec.Struct, frozen=True, tag_field="message_type"):
    pass


class SessionBegins(_Message, frozen=True, tag="SessionBegins"):
    """The session is there."""

    session_id: str
    """A version-4 UUID: the Python SDK insists."""
    expires_at: str
    """ISO 8601, UTC, without a zone."""


class LegacyWord(msgspec.Struct, frozen=True, gc=False):
    """One word."""

    start: Count
    end: Count
    confidence: float
    text: str


class PartialTranscript(_Message, frozen=True, tag="PartialTranscript"):
    """The utterance so far, as a whole."""

    audio_start: Count
    audio_end: Count
    confidence: float
    created: str
    text: str
    words: tuple[LegacyWord, ...]


class FinalTranscript(_Message, frozen=True, tag="FinalTranscript"):
    """The utterance, over."""

    audio_start: Count
    audio_end: Count
    confidence: float
    created: str
    text: str
    words: tuple[LegacyWord, ...]
    punctuated: bool
    text_formatted: bool


class SessionInformation(_Message, frozen=True, tag="SessionInformation"):
    """How much was heard, for clients that ask."""

    audio_duration_seconds: float


class SessionTerminated(_Message, frozen=True, tag="SessionTerminated"):
    """The last message."""


LegacyServerMessage: TypeAlias = (
    SessionBegins | PartialTranscript | FinalTranscript | SessionInformation | SessionTerminated
)


class LegacyError(msgspec.Struct, frozen=True):
    """Why the server is about to close; the only message without a type."""

    error: str


_encode = msgspec.json.Encoder()
_of_client = msgspec.json.Decoder(LegacyRequest)
_of_server = msgspec.json.Decoder(LegacyServerMessage)
_of_error = msgspec.json.Decoder(LegacyError)


def encode_legacy(message: LegacyRequest | LegacyServerMessage | LegacyError) -> str:
    """As JSON."""
    return _encode.encode(message).decode()


def decode_legacy(text: str) -> LegacyRequest:
    """A message of a client.

    Raises:
        BadMessage: it is none, or says nothing known; the text does not repeat it.
    """
    try:
        message = _of_client.decode(text)
    except RecursionError as error:
        raise BadMessage("not a message of /v2/realtime/ws: nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        reason = "not valid Unicode" if isinstance(error, UnicodeError) else str(error)[:160]
        raise BadMessage(f"not a message of /v2/realtime/ws: {reason}") from error
    if message == _NOTHING:
        names = ", ".join(field.name for field in msgspec.structs.fields(LegacyRequest))
        raise BadMessage(f"not a message of /v2/realtime/ws: it has none of {names}")
    return message


def decode_legacy_server(text: str) -> LegacyServerMessage | LegacyError:
    """A message of a server.

    Raises:
        BadMessage: it is none that is known here.
    """
    try:
        if "message_type" in text:
            return _of_server.decode(text)
        return _of_error.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"not a message of /v2/realtime/ws: {type(error).__name__}") from error


_NOTHING = LegacyRequest()
