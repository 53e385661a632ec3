"""The JSON inside `TranscriptEvent` frames, both ways.

    event_frame(TranscriptEvent(TranscriptBody([...])))
    parse_event(frame)

`Results`, `Alternatives` and `Items` are lists always: the Python SDK runs over them without
asking. Everything that is not known is left out.
"""

from typing import Literal

import msgspec

from ossicle.core.errors import BadMessage

from .eventstream import Frame, text

__all__ = [
    "AlternativeBody",
    "ExceptionBody",
    "Item",
    "LanguageScore",
    "Result",
    "TranscriptBody",
    "TranscriptEvent",
    "audio_frame",
    "event_frame",
    "parse_event",
    "parse_message",
]


class Item(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A word or a sign. Times are seconds from the start of the stream."""

    start_time: float | None = None
    end_time: float | None = None
    type: Literal["pronunciation", "punctuation"] | None = msgspec.field(default=None, name="Type")
    content: str = ""
    confidence: float | None = None
    """0-1, of final words; left out = the engine does not know."""
    vocabulary_filter_match: bool | None = None
    speaker: str | None = None
    stable: bool | None = None
    """It will not change in later partials; only where that was asked for."""


class AlternativeBody(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One reading."""

    transcript: str = ""
    items: list[Item] = []
    entities: list[dict[str, object]] = []
    """Names and numbers of people: none are looked for here."""


class LanguageScore(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A language that was heard."""

    language_code: str = ""
    score: float | None = None
    """0-1; left out = the engine does not say."""


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """One segment. Partials repeat its id with more text; one that is not partial closes it."""

    result_id: str = ""
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool | None = None
    """Whether the segment is open."""
    alternatives: list[AlternativeBody] | None = None
    channel_id: str | None = None
    language_code: str | None = None
    language_identification: list[LanguageScore] | None = None


class TranscriptBody(msgspec.Struct, frozen=True, rename="pascal"):
    """What is inside the event."""

    results: list[Result] = []


class TranscriptEvent(msgspec.Struct, frozen=True, rename="pascal"):
    """Everything the server says in a stream that goes well."""

    transcript: TranscriptBody = TranscriptBody()


class ExceptionBody(msgspec.Struct, frozen=True):
    """The body of an exception."""

    text: str = msgspec.field(default="", name="Message")


_encoder = msgspec.json.Encoder()
_event = msgspec.json.Decoder(TranscriptEvent)
_message = msgspec.json.Decoder(ExceptionBody)

_EVENT = (
    text(":message-type", "event"),
    text(":event-type", "TranscriptEvent"),
    text(":content-type", "application/json"),
)
_AUDIO = (
    text(":message-type", "event"),
    text(":event-type", "AudioEvent"),
    text(":content-type", "application/octet-stream"),
)


def event_frame(event: TranscriptEvent) -> Frame:
    """As a frame."""
    return Frame(_EVENT, _encoder.encode(event))


def audio_frame(data: bytes) -> Frame:
    """Sound, as a client sends it; empty = there is no more."""
    return Frame(_AUDIO, data)


def parse_event(frame: Frame) -> TranscriptEvent:
    """The event in a frame.

    Raises:
        BadMessage: it is none.
    """
    try:
        return _event.decode(frame.payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadMessage("a TranscriptEvent cannot be read") from None


def parse_message(payload: bytes) -> str:
    """The sentence of an exception; empty = it cannot be read."""
    try:
        return _message.decode(payload).text
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
