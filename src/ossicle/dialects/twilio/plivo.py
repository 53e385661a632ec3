"""Plivo audio streaming: camelCase, numbers as numbers, times since 1970.

The stream begins with `start`; there is no `connected`, and often no `stop`. Written from the
vendor's documentation; not tested against the real service.
"""

import msgspec

from ossicle.core.errors import BadMessage
from ossicle.core.wire import Message, Text

from .calls import Digits, Heard, Reached, Sound, Start, Stop, decode, encode
from .messages import media_format

__all__ = ["FromPlivo", "Plivo", "PlivoCheckpoint", "PlivoClear", "PlivoPlay"]


class _Format(msgspec.Struct, frozen=True, rename="camel"):
    encoding: str = "audio/x-l16"
    sample_rate: int = 8_000


class _Start(msgspec.Struct, frozen=True, rename="camel"):
    call_id: str = ""
    stream_id: str = ""
    account_id: str = ""
    tracks: tuple[str, ...] = ("inbound",)
    media_format: _Format = _Format()


class _Media(msgspec.Struct, frozen=True, gc=False):
    payload: bytes
    track: str = "inbound"
    chunk: int | None = None
    timestamp: int | None = None


class _Dtmf(msgspec.Struct, frozen=True):
    digit: str


class FromPlivo(msgspec.Struct, frozen=True, rename={"stream_id": "streamId"}):
    """Any message of Plivo's: one shape for all."""

    event: str
    stream_id: str = ""
    name: str = ""
    extra_headers: str = ""
    start: _Start | None = None
    media: _Media | None = None
    dtmf: _Dtmf | None = None


class _Payload(msgspec.Struct, frozen=True, rename="camel"):
    content_type: str
    sample_rate: int
    payload: bytes


class PlivoPlay(msgspec.Struct, frozen=True, tag_field="event", tag="playAudio"):
    """Play this after what was sent before."""

    media: _Payload


class PlivoCheckpoint(
    msgspec.Struct, frozen=True, tag_field="event", tag="checkpoint", rename="camel"
):
    """Tell when everything before it was played."""

    stream_id: str
    name: str


class PlivoClear(msgspec.Struct, frozen=True, tag_field="event", tag="clearAudio", rename="camel"):
    """Throw away what was not played."""

    stream_id: str


_decoder = msgspec.json.Decoder(FromPlivo, strict=False)


class Plivo:
    """Implements `calls.Carrier`."""

    name = "plivo"
    ordered = True
    step_ms = 0

    def __init__(self) -> None:
        self._stream = ""
        self._kind = ""
        self._rate = 8_000
        self._began: int | None = None

    def read(self, text: str) -> Heard | None:
        """What Plivo says."""
        message = decode(_decoder, text)
        if message.event != "start" and message.stream_id not in {"", self._stream}:
            return None
        match message:
            case FromPlivo(event="media", media=_Media() as media):
                return Sound(media.payload, media.track, self._since(media.timestamp))
            case FromPlivo(event="start", start=_Start() as start):
                return self._started(message, start)
            case FromPlivo(event="dtmf", dtmf=_Dtmf() as dtmf):
                return Digits(dtmf.digit)
            case FromPlivo(event="playedStream", name=name):
                return Reached(name)
            case FromPlivo(event="stop"):
                return Stop()
            case FromPlivo(event="media" | "start" | "dtmf"):
                raise BadMessage(f"a {message.event} message without its {message.event!r} member")
            case _:
                return None

    def sound(self, data: bytes) -> tuple[Message, ...]:
        """`playAudio`."""
        return (Text(encode(PlivoPlay(_Payload(self._kind, self._rate, data)))),)

    def mark(self, name: str) -> Message:
        """`checkpoint`, answered by `playedStream`."""
        return Text(encode(PlivoCheckpoint(self._stream, name)))

    def clear(self) -> Message:
        """`clearAudio`."""
        return Text(encode(PlivoClear(self._stream)))

    def _since(self, timestamp: int | None) -> int | None:
        """Times count from the first piece."""
        if timestamp is None:
            return None
        if self._began is None:
            self._began = timestamp
        return max(0, timestamp - self._began)

    def _started(self, message: FromPlivo, start: _Start) -> Start:
        stream = start.stream_id or message.stream_id
        if not stream:
            raise BadMessage("a start message without a streamId")
        self._stream = stream
        # `audio/x-l16;rate=16000` is seen as well as the two members
        kind, _, rest = start.media_format.encoding.partition(";")
        rate = rest.replace(" ", "").removeprefix("rate=")
        hertz = int(rate[:6]) if rate.isascii() and rate.isdigit() else 0
        self._kind, self._rate = kind.strip(), hertz or start.media_format.sample_rate
        own = {
            name.strip(): value.strip()
            for name, _, value in (
                item.partition("=") for item in message.extra_headers.strip("{}").split(";")
            )
            if name.strip()
        }
        return Start(
            call=start.call_id,
            stream=stream,
            source=media_format(self._kind, self._rate),
            tracks=start.tracks,
            parameters=own,
        )
