"""Twilio Media Streams: the messages of both ends, and what they say.

All numbers are strings except inside `mediaFormat`; both spellings are taken, and so are members
and events that are not known yet. What goes to Twilio has exactly the members it knows, because
it complains of any other (31951), once a stream.
"""

from typing import Any

import msgspec

from ossicle.core.errors import BadMessage
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.wire import Message, Text

from .calls import Digits, Heard, Reached, Sound, Start, Stop, decode, encode

__all__ = [
    "ClearOut",
    "DtmfBody",
    "FormatBody",
    "FromTwilio",
    "MarkBody",
    "MarkOut",
    "MediaBody",
    "MediaOut",
    "PayloadBody",
    "StartBody",
    "StopBody",
    "Twilio",
    "media_format",
]


class FormatBody(msgspec.Struct, frozen=True, rename="camel"):
    """What the payload is."""

    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8_000
    channels: int = 1


class StartBody(msgspec.Struct, frozen=True, rename="camel"):
    """What the stream is of."""

    account_sid: str = ""
    call_sid: str = ""
    stream_sid: str = ""
    tracks: tuple[str, ...] = ("inbound",)
    media_format: FormatBody = FormatBody()
    custom_parameters: dict[str, Any] = {}


class MediaBody(msgspec.Struct, frozen=True, gc=False):
    """20 ms of one track."""

    payload: bytes
    track: str = "inbound"
    chunk: int | None = None
    timestamp: int | None = None
    """Milliseconds from the start of the stream."""


class DtmfBody(msgspec.Struct, frozen=True):
    """A key was pressed."""

    digit: str
    track: str = ""


class MarkBody(msgspec.Struct, frozen=True):
    """A mark, either way."""

    name: str


class StopBody(msgspec.Struct, frozen=True, rename="camel"):
    """What ended."""

    account_sid: str = ""
    call_sid: str = ""


class FromTwilio(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Any message of Twilio's: one shape for all, decoded in one pass."""

    event: str
    sequence_number: int | None = None
    stream_sid: str = ""
    protocol: str = ""
    version: str = ""
    start: StartBody | None = None
    media: MediaBody | None = None
    dtmf: DtmfBody | None = None
    mark: MarkBody | None = None
    stop: StopBody | None = None


class PayloadBody(msgspec.Struct, frozen=True, gc=False):
    """Sound for the caller; written as base64."""

    payload: bytes


class MediaOut(
    msgspec.Struct, frozen=True, tag_field="event", tag="media", rename="camel",
    forbid_unknown_fields=True,
):  # fmt: skip
    """Play this after what was sent before."""

    stream_sid: str
    media: PayloadBody


class MarkOut(
    msgspec.Struct, frozen=True, tag_field="event", tag="mark", rename="camel",
    forbid_unknown_fields=True,
):  # fmt: skip
    """Send this back when everything before it was played."""

    stream_sid: str
    mark: MarkBody


class ClearOut(
    msgspec.Struct, frozen=True, tag_field="event", tag="clear", rename="camel",
    forbid_unknown_fields=True,
):  # fmt: skip
    """Throw away what was not played."""

    stream_sid: str


_decoder = msgspec.json.Decoder(FromTwilio, strict=False)

_ENCODINGS = {
    "audio/x-mulaw": "mulaw",
    "audio/x-alaw": "alaw",
    "audio/x-l16": "pcm_s16le",
    "audio/l16": "pcm_s16le",
    "pcmu": "mulaw",
    "pcma": "alaw",
    "l16": "pcm_s16le",
}


def media_format(encoding: str, sample_rate: int, channels: int = 1) -> AudioFormat:
    """A carrier's name for a codec, as ours.

    Raises:
        BadAudio: nobody decodes it here; the text names it and what is taken.
    """
    return parse_format(_ENCODINGS.get(encoding.lower(), encoding), sample_rate, channels)


class Twilio:
    """Implements `calls.Carrier`. SignalWire speaks the same."""

    name = "twilio"
    ordered = True
    step_ms = 0

    def __init__(self) -> None:
        self._stream = ""
        self._seen = 0

    def read(self, text: str) -> Heard | None:
        """What Twilio says."""
        message = decode(_decoder, text)
        if message.event == "connected":
            return None
        if message.event != "start" and message.stream_sid not in {"", self._stream}:
            return None  # of another stream: two calls must never mix
        number = message.sequence_number
        if number is not None:
            if number <= self._seen and message.event != "start":
                return None  # said before
            self._seen = max(self._seen, number)
        media = message.media
        if media is not None and message.event == "media":
            return Sound(media.payload, media.track, media.timestamp)
        match message:
            case FromTwilio(event="start", start=StartBody() as start):
                return self._started(message, start)
            case FromTwilio(event="dtmf", dtmf=DtmfBody() as dtmf):
                return Digits(dtmf.digit)
            case FromTwilio(event="mark", mark=MarkBody() as mark):
                return Reached(mark.name)
            case FromTwilio(event="stop"):
                return Stop()
            case FromTwilio(event="media" | "start" | "dtmf" | "mark"):
                raise BadMessage(f"a {message.event} message without its {message.event!r} member")
            case _:
                return None

    def sound(self, data: bytes) -> tuple[Message, ...]:
        """`media`."""
        return (Text(encode(MediaOut(self._stream, PayloadBody(data)))),)

    def mark(self, name: str) -> Message:
        """`mark`."""
        return Text(encode(MarkOut(self._stream, MarkBody(name))))

    def clear(self) -> Message:
        """`clear`."""
        return Text(encode(ClearOut(self._stream)))

    def _started(self, message: FromTwilio, start: StartBody) -> Start:
        stream = message.stream_sid or start.stream_sid
        if not stream or start.stream_sid not in {"", stream}:
            raise BadMessage("a start message without a streamSid, or with two different ones")
        if not self._stream:
            self._stream = stream
        form = start.media_format
        return Start(
            call=start.call_sid,
            stream=stream,
            source=media_format(form.encoding, form.sample_rate),
            tracks=start.tracks,
            parameters={name: str(value) for name, value in start.custom_parameters.items()},
        )
