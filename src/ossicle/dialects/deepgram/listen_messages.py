"""The messages of live `/v1/listen`, parsed and written beside each other.

    >>> parse_request('{"type": "Finalize", "channel": 1}')
    FinalizeMessage(channel=1)
    >>> written(UtteranceEnd(channel=(0, 1), last_word_end=4.61))
    '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":4.61}'

Times are seconds from the start of the audio, as floats. Every documented field is always there:
the older Python SDK drops a message that lacks one.
"""

from typing import Any, TypeAlias, get_args

import msgspec

from ossicle.core.errors import BadMessage

__all__ = [
    "RESPONSE_TYPES",
    "Alternative",
    "ChannelResult",
    "CloseStreamMessage",
    "ConfigureFailure",
    "ConfigureMessage",
    "ConfigureSuccess",
    "ErrorMessage",
    "FinalizeMessage",
    "KeepAliveMessage",
    "Metadata",
    "ModelInfo",
    "Request",
    "Response",
    "Results",
    "ResultsMetadata",
    "SpeechStartedMessage",
    "UtteranceEnd",
    "Warned",
    "WordMessage",
    "parse_request",
    "parse_response",
    "written",
]


class KeepAliveMessage(msgspec.Struct, frozen=True, tag="KeepAlive"):
    """The client is still there; not answered."""


class FinalizeMessage(msgspec.Struct, frozen=True, omit_defaults=True, tag="Finalize"):
    """Decide now."""

    channel: int | None = None


class CloseStreamMessage(msgspec.Struct, frozen=True, tag="CloseStream"):
    """Finish what was heard, say `Metadata`, close."""


class ConfigureMessage(msgspec.Struct, frozen=True, omit_defaults=True, tag="Configure"):
    """Change a running stream."""

    keyterms: list[str] | None = None
    features: dict[str, Any] | None = None


Request: TypeAlias = KeepAliveMessage | FinalizeMessage | CloseStreamMessage | ConfigureMessage


class WordMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One word: lower case without punctuation, and as it is written."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str | None = None
    speaker: int | None = None
    language: str | None = None


class Alternative(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was heard."""

    transcript: str
    confidence: float
    words: list[WordMessage]
    languages: list[str] | None = None


class ChannelResult(msgspec.Struct, frozen=True):
    """The readings of one channel, best first."""

    alternatives: list[Alternative]


class ModelInfo(msgspec.Struct, frozen=True):
    """Who listens."""

    name: str
    version: str
    arch: str


class ResultsMetadata(msgspec.Struct, frozen=True):
    """Which request and model a result belongs to."""

    request_id: str
    model_uuid: str
    model_info: ModelInfo


class Results(msgspec.Struct, frozen=True, tag="Results"):
    """One segment of the audio, `[start, start + duration)`, restated."""

    channel_index: tuple[int, int]
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    channel: ChannelResult
    metadata: ResultsMetadata | None = None
    from_finalize: bool = False


class SpeechStartedMessage(msgspec.Struct, frozen=True, tag="SpeechStarted"):
    """A voice was detected."""

    channel: tuple[int, int]
    timestamp: float


class UtteranceEnd(msgspec.Struct, frozen=True, tag="UtteranceEnd"):
    """No word for `utterance_end_ms` after this one."""

    channel: tuple[int, int]
    last_word_end: float


class Warned(msgspec.Struct, frozen=True):
    """Something asked for that was not done."""

    parameter: str
    type: str
    message: str


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, tag="Metadata"):
    """Said once, last."""

    transaction_key: str
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, ModelInfo]
    tags: list[str] | None = None
    extra: dict[str, str] | None = None
    warnings: list[Warned] | None = None


class ErrorMessage(msgspec.Struct, frozen=True, tag="Error"):
    """A message that could not be used; the stream goes on."""

    variant: str = ""
    description: str = ""
    message: str = ""


class ConfigureSuccess(msgspec.Struct, frozen=True, tag="ConfigureSuccess"):
    """The change is in force."""

    request_id: str
    keyterms: list[str]


class ConfigureFailure(msgspec.Struct, frozen=True, tag="ConfigureFailure"):
    """The change is not."""

    request_id: str
    code: str = ""
    description: str = ""


Response: TypeAlias = (
    Results
    | SpeechStartedMessage
    | UtteranceEnd
    | Metadata
    | ErrorMessage
    | ConfigureSuccess
    | ConfigureFailure
)

RESPONSE_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Response))
"""Their `type`s."""

_requests = msgspec.json.Decoder(Request)
_responses = msgspec.json.Decoder(Response)
_encoder = msgspec.json.Encoder()


def parse_request(text: str) -> Request:
    """What a client said.

    Raises:
        BadMessage: no JSON, no known type, or a field of another kind; the text is not quoted.
    """
    try:
        return _requests.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(_why(error)) from error


def parse_response(text: str) -> Response:
    """What a server said.

    Raises:
        BadMessage: as `parse_request`.
    """
    try:
        return _responses.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(_why(error)) from error


def written(message: Request | Response) -> str:
    """As it goes over the wire."""
    return _encoder.encode(message).decode()


def _why(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError) and "Invalid value" not in str(error):
        return str(error)  # names the field and its kind
    if isinstance(error, msgspec.ValidationError):
        return "unknown message type; use KeepAlive, Finalize, CloseStream or Configure"
    return "not a JSON message"
