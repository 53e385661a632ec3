"""The messages of `/v1/realtime` (GA), parsed and written beside each other.

    >>> parse_client('{"type": "input_audio_buffer.commit", "event_id": "mine_1"}')
    AudioCommit(event_id='mine_1')
    >>> written(Cleared(event_id="event_1"))
    '{"type":"input_audio_buffer.cleared","event_id":"event_1"}'

What is not known is left out, never null: one client checks each event against a strict schema and
drops what does not fit without a word (wire note, section 13). Where null has a meaning, the field
has no default here.
"""

from binascii import b2a_base64
from typing import Annotated, Any, TypeAlias

import msgspec

from ossicle.core.errors import BadMessage

__all__ = [
    "AudioAppend",
    "AudioClear",
    "AudioCommit",
    "AudioDelta",
    "AudioDone",
    "BufferCleared",
    "BufferStarted",
    "BufferStopped",
    "Cleared",
    "ClientEvent",
    "Committed",
    "ConversationCreated",
    "DigitsReceived",
    "ErrorBody",
    "ErrorEvent",
    "FunctionArgumentsDelta",
    "FunctionArgumentsDone",
    "ItemAdded",
    "ItemCreate",
    "ItemDelete",
    "ItemDeleted",
    "ItemDone",
    "ItemRetrieve",
    "ItemRetrieved",
    "ItemTruncate",
    "ItemTruncated",
    "OutputBufferClear",
    "OutputItemAdded",
    "OutputItemDone",
    "PartAdded",
    "PartDone",
    "RateLimits",
    "ResponseAsked",
    "ResponseCancel",
    "ResponseCreate",
    "ResponseCreated",
    "ResponseDone",
    "ServerEvent",
    "SessionCreated",
    "SessionUpdate",
    "SessionUpdated",
    "SpokenDelta",
    "SpokenDone",
    "Started",
    "Stopped",
    "TextDelta",
    "TextDone",
    "TimeoutTriggered",
    "TranscriptionCompleted",
    "TranscriptionDelta",
    "TranscriptionFailed",
    "TranscriptionSegment",
    "append_of",
    "head_of",
    "parse_client",
    "parse_server",
    "sound_in",
    "written",
]

Json: TypeAlias = dict[str, Any]


class _Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    event_id: str | None = None
    """The client's own name; an error about it carries it back."""


class SessionUpdate(_Said, frozen=True, tag="session.update"):
    """Change the session; what is absent stays."""

    session: Json


class AudioAppend(_Said, frozen=True, tag="input_audio_buffer.append"):
    """Sound, in the declared format."""

    audio: bytes


class AudioCommit(_Said, frozen=True, tag="input_audio_buffer.commit"):
    """What was appended is an item now."""


class AudioClear(_Said, frozen=True, tag="input_audio_buffer.clear"):
    """Forget what was appended."""


class ItemCreate(_Said, frozen=True, tag="conversation.item.create"):
    """Put something into the conversation."""

    item: Json
    previous_item_id: str | None = None
    """After which; `root` = at the front; absent = at the end."""


class ItemRetrieve(_Said, frozen=True, tag="conversation.item.retrieve"):
    """Show one."""

    item_id: str


class ItemDelete(_Said, frozen=True, tag="conversation.item.delete"):
    """Take one out."""

    item_id: str


class ItemTruncate(_Said, frozen=True, tag="conversation.item.truncate"):
    """Only this much of an answer was heard."""

    item_id: str
    content_index: int = 0
    audio_end_ms: Annotated[int, msgspec.Meta(ge=0)] = 0


class ResponseAsked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one response shall be, where it differs from the session."""

    output_modalities: tuple[str, ...] | None = None
    instructions: str | None = None
    tools: tuple[Json, ...] | None = None
    tool_choice: str | Json | None = None
    max_output_tokens: int | str | None = None
    audio: Json | None = None
    conversation: str | None = None
    input: tuple[Json, ...] | None = None
    metadata: Json | None = None
    prompt: Json | None = None


class ResponseCreate(_Said, frozen=True, tag="response.create"):
    """Answer."""

    response: ResponseAsked | None = None


class ResponseCancel(_Said, frozen=True, tag="response.cancel"):
    """Stop answering."""

    response_id: str | None = None


class OutputBufferClear(_Said, frozen=True, tag="output_audio_buffer.clear"):
    """Stop the sound on its way; only where the server paces it."""


ClientEvent: TypeAlias = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | OutputBufferClear
)


class _Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    event_id: str = ""


class SessionCreated(_Told, frozen=True, tag="session.created"):
    """The first event, unasked."""

    session: Json


class SessionUpdated(_Told, frozen=True, tag="session.updated"):
    """The whole session as it is now."""

    session: Json


class ConversationCreated(_Told, frozen=True, tag="conversation.created"):
    """Said by the beta only."""

    conversation: Json


class ItemAdded(_Told, frozen=True, tag="conversation.item.added"):
    """An item is in the conversation, perhaps not complete."""

    previous_item_id: str | None
    item: Json


class ItemDone(_Told, frozen=True, tag="conversation.item.done"):
    """It is complete."""

    previous_item_id: str | None
    item: Json


class ItemRetrieved(_Told, frozen=True, tag="conversation.item.retrieved"):
    """As it was asked for."""

    item: Json


class ItemDeleted(_Told, frozen=True, tag="conversation.item.deleted"):
    """It is gone."""

    item_id: str


class ItemTruncated(_Told, frozen=True, tag="conversation.item.truncated"):
    """Only that much of it was heard."""

    item_id: str
    content_index: int
    audio_end_ms: int


class TranscriptionDelta(
    _Told, frozen=True, tag="conversation.item.input_audio_transcription.delta"
):
    """More words that will not change."""

    item_id: str
    content_index: int
    delta: str
    logprobs: list[Json] | None = None


class TranscriptionCompleted(
    _Told, frozen=True, tag="conversation.item.input_audio_transcription.completed"
):
    """The words of an item."""

    item_id: str
    content_index: int
    transcript: str
    usage: Json
    logprobs: list[Json] | None = None
    languages: list[str] | None = None


class TranscriptionFailed(
    _Told, frozen=True, tag="conversation.item.input_audio_transcription.failed"
):
    """There will be none."""

    item_id: str
    content_index: int
    error: Json


class TranscriptionSegment(
    _Told, frozen=True, tag="conversation.item.input_audio_transcription.segment"
):
    """What one speaker said of an item."""

    item_id: str
    content_index: int
    id: str
    text: str
    speaker: str
    start: float
    """Seconds."""
    end: float


class Committed(_Told, frozen=True, tag="input_audio_buffer.committed"):
    """What was appended is an item."""

    previous_item_id: str | None
    item_id: str


class Cleared(_Told, frozen=True, tag="input_audio_buffer.cleared"):
    """What was appended is forgotten."""


class Started(_Told, frozen=True, tag="input_audio_buffer.speech_started"):
    """Somebody speaks; the item that this becomes has its name already."""

    item_id: str
    audio_start_ms: int


class Stopped(_Told, frozen=True, tag="input_audio_buffer.speech_stopped"):
    """They are done."""

    item_id: str
    audio_end_ms: int


class TimeoutTriggered(_Told, frozen=True, tag="input_audio_buffer.timeout_triggered"):
    """Nobody spoke for `idle_timeout_ms`."""

    item_id: str
    audio_start_ms: int
    audio_end_ms: int


class DigitsReceived(_Told, frozen=True, tag="input_audio_buffer.dtmf_event_received"):
    """A key of a telephone."""

    event: str
    received_at: int


class ResponseCreated(_Told, frozen=True, tag="response.created"):
    """An answer begins."""

    response: Json


class ResponseDone(_Told, frozen=True, tag="response.done"):
    """It ended, whatever how."""

    response: Json


class OutputItemAdded(_Told, frozen=True, tag="response.output_item.added"):
    """It has an item."""

    response_id: str
    output_index: int
    item: Json


class OutputItemDone(_Told, frozen=True, tag="response.output_item.done"):
    """That item is complete."""

    response_id: str
    output_index: int
    item: Json


class _Part(_Told, frozen=True, kw_only=True, omit_defaults=True):
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class PartAdded(_Part, frozen=True, tag="response.content_part.added"):
    """The item has content."""

    part: Json


class PartDone(_Part, frozen=True, tag="response.content_part.done"):
    """That content is complete."""

    part: Json


class AudioDelta(_Part, frozen=True, tag="response.output_audio.delta"):
    """Sound, in the session's output format."""

    delta: bytes


class AudioDone(_Part, frozen=True, tag="response.output_audio.done"):
    """No more of it."""


class SpokenDelta(_Part, frozen=True, tag="response.output_audio_transcript.delta"):
    """Words of the sound."""

    delta: str


class SpokenDone(_Part, frozen=True, tag="response.output_audio_transcript.done"):
    """All of them."""

    transcript: str


class TextDelta(_Part, frozen=True, tag="response.output_text.delta"):
    """Text that is not said."""

    delta: str


class TextDone(_Part, frozen=True, tag="response.output_text.done"):
    """All of it."""

    text: str


class FunctionArgumentsDelta(_Told, frozen=True, tag="response.function_call_arguments.delta"):
    """Arguments of a tool, as they come."""

    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str


class FunctionArgumentsDone(_Told, frozen=True, tag="response.function_call_arguments.done"):
    """All of them."""

    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments: str


class RateLimits(_Told, frozen=True, tag="rate_limits.updated"):
    """How much is left, told behind every response."""

    rate_limits: list[Json]
    """`name` ("requests" or "tokens"), `limit`, `remaining`, `reset_seconds`; empty = neither is
    limited, as here."""


class BufferStarted(_Told, frozen=True, tag="output_audio_buffer.started"):
    """Paced sound begins to play."""

    response_id: str


class BufferStopped(_Told, frozen=True, tag="output_audio_buffer.stopped"):
    """It was heard to its end."""

    response_id: str


class BufferCleared(_Told, frozen=True, tag="output_audio_buffer.cleared"):
    """The rest of it will not be heard."""

    response_id: str


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong."""

    type: str
    code: str | None = None
    message: str
    param: str | None = None
    event_id: str | None = None
    """The client's name of the event that caused it."""


class ErrorEvent(_Told, frozen=True, tag="error"):
    """Something could not be done; the session goes on."""

    error: ErrorBody


ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | TranscriptionSegment
    | Committed
    | Cleared
    | Started
    | Stopped
    | TimeoutTriggered
    | DigitsReceived
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | PartAdded
    | PartDone
    | AudioDelta
    | AudioDone
    | SpokenDelta
    | SpokenDone
    | TextDelta
    | TextDone
    | FunctionArgumentsDelta
    | FunctionArgumentsDone
    | RateLimits
    | BufferStarted
    | BufferStopped
    | BufferCleared
    | ErrorEvent
)

_client = msgspec.json.Decoder(ClientEvent)
_server = msgspec.json.Decoder(ServerEvent)
_encoder = msgspec.json.Encoder()
_append = msgspec.json.Decoder(AudioAppend)
_APPEND = "input_audio_buffer.append"
_NEAR = 100
"""How far from either end of a message its type is looked for."""


class Head(msgspec.Struct, frozen=True):
    """What any event has."""

    type: Any = None
    event_id: Any = None


_head = msgspec.json.Decoder(Head)


def head_of(text: str) -> tuple[str, str]:
    """Type and name of an event, as far as it has them; for the error about it."""
    try:
        head = _head.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return "", ""
    kind = head.type if isinstance(head.type, str) else ""
    return kind, head.event_id if isinstance(head.event_id, str) else ""


def parse_client(text: str) -> ClientEvent:
    """What a client said.

    Raises:
        BadMessage: no JSON object, no known type, or a field of another kind; nothing of it is
            quoted but its type.
    """
    try:
        return _client.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(_why(error, text)) from error


def sound_in(text: str) -> bytes | None:
    """The sound of an `input_audio_buffer.append` that is whole; None = it is something else."""
    # wherever the name stands: SDKs differ in the order of the two
    if _APPEND not in text[:_NEAR] and _APPEND not in text[-_NEAR:]:
        return None
    try:
        return _append.decode(text).audio
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


def append_of(audio: bytes) -> str:
    """`written(AudioAppend(audio=audio))`, in half the time."""
    return f'{{"type":"{_APPEND}","audio":"{b2a_base64(audio, newline=False).decode()}"}}'


def parse_server(text: str) -> ServerEvent:
    """What a server said.

    Raises:
        BadMessage: as `parse_client`.
    """
    try:
        return _server.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(_why(error, text)) from error


def written(event: ClientEvent | ServerEvent) -> str:
    """As it goes over the wire."""
    return _encoder.encode(event).decode()


def _why(error: Exception, text: str) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "this is not a JSON object"
    said = str(error)
    if "Invalid value" in said and "$.type" in said:
        kind, _ = head_of(text)
        return f"Unknown event type {kind[:60]!r}."
    return said  # names the field and its kind
