"""Telnyx media streaming: Twilio's shape in snake_case, in no certain order.

The order is that of `chunk`; a piece's place follows from it and its time. Sent sound needs
`stream_bidirectional_mode=rtp` and comes in messages of 20 ms to 30 s. Written from the vendor's
documentation; not tested against the real service.
"""

from typing import Any, cast

import msgspec

from ossicle.core.errors import BadMessage
from ossicle.core.wire import Message, Text

from .calls import Digits, Failed, Heard, Reached, Sound, Start, Stop, decode, encode
from .messages import MarkBody, PayloadBody, media_format

__all__ = ["FromTelnyx", "Telnyx", "TelnyxClear", "TelnyxMark", "TelnyxMedia"]

_LONGEST_MS = 30_000
_JUMP_MS = 1_000
"""A time so far from what the number says is a hold, not rounding."""


class _Format(msgspec.Struct, frozen=True):
    encoding: str = "PCMU"
    sample_rate: int = 8_000
    channels: int = 1


class _Start(msgspec.Struct, frozen=True):
    call_control_id: str = ""
    media_format: _Format = _Format()
    custom_parameters: dict[str, Any] = {}
    tracks: tuple[str, ...] = ()


class _Media(msgspec.Struct, frozen=True, gc=False):
    payload: bytes
    track: str = "inbound"
    chunk: int | None = None
    timestamp: int | None = None


class _Dtmf(msgspec.Struct, frozen=True):
    digit: str


class FromTelnyx(msgspec.Struct, frozen=True):
    """Any message of Telnyx's: one shape for all."""

    event: str
    stream_id: str = ""
    start: _Start | None = None
    media: _Media | None = None
    dtmf: _Dtmf | None = None
    mark: MarkBody | None = None
    payload: Any = None
    """Of an error: its code and text. Of events not known here: anything."""


class TelnyxMedia(msgspec.Struct, frozen=True, tag_field="event", tag="media"):
    """Play this after what was sent before."""

    media: PayloadBody


class TelnyxMark(msgspec.Struct, frozen=True, tag_field="event", tag="mark"):
    """Send this back when everything before it was played."""

    mark: MarkBody


class TelnyxClear(msgspec.Struct, frozen=True, tag_field="event", tag="clear"):
    """Throw away what was not played."""


_decoder = msgspec.json.Decoder(FromTelnyx, strict=False)


class Telnyx:
    """Implements `calls.Carrier`."""

    name = "telnyx"
    ordered = False
    step_ms = 20

    def __init__(self) -> None:
        self._stream = ""
        self._longest = 0
        self._per_second = 8_000
        self._swaps = False
        self._shift = 0

    def read(self, text: str) -> Heard | None:
        """What Telnyx says."""
        message = decode(_decoder, text)
        if message.event != "start" and message.stream_id not in {"", self._stream}:
            return None
        match message:
            case FromTelnyx(event="media", media=_Media() as media):
                return self._sound(media)
            case FromTelnyx(event="start", start=_Start() as start):
                return self._started(message.stream_id, start)
            case FromTelnyx(event="dtmf", dtmf=_Dtmf() as dtmf):
                return Digits(dtmf.digit)
            case FromTelnyx(event="mark", mark=MarkBody() as mark):
                return Reached(mark.name)
            case FromTelnyx(event="stop"):
                return Stop()
            case FromTelnyx(event="error"):
                return Failed(_code_of(message.payload))
            case FromTelnyx(event="media" | "start" | "dtmf" | "mark"):
                raise BadMessage(f"a {message.event} message without its {message.event!r} member")
            case _:
                return None

    def sound(self, data: bytes) -> tuple[Message, ...]:
        """`media`, without a stream id."""
        if self._swaps:
            data = _swapped(data)
        return tuple(
            Text(encode(TelnyxMedia(PayloadBody(data[at : at + self._longest]))))
            for at in range(0, len(data), self._longest)
        )

    def mark(self, name: str) -> Message:
        """`mark`."""
        return Text(encode(TelnyxMark(MarkBody(name))))

    def clear(self) -> Message:
        """`clear`."""
        return Text(encode(TelnyxClear()))

    def _sound(self, media: _Media) -> Sound:
        data = _swapped(media.payload) if self._swaps else media.payload
        chunk, stamp = media.chunk, media.timestamp
        if chunk is None or chunk < 1:
            return Sound(data, media.track, stamp)
        # Pieces are of one length, so their numbers give exact places, whatever order they come
        # in and however their times are rounded; times only tell of a jump.
        at_ms = (chunk - 1) * (len(data) * 1000 // self._per_second)
        if stamp is not None and abs(stamp - at_ms - self._shift) > _JUMP_MS:
            self._shift = stamp - at_ms
        return Sound(data, media.track, max(0, at_ms + self._shift))

    def _started(self, stream: str, start: _Start) -> Start:
        if not stream:
            raise BadMessage("a start message without a stream_id")
        self._stream = stream
        form = start.media_format
        # L16 is in network byte order here, as RFC 3551 section 4.5.11 has it. Samples are turned
        # round at this edge, so that both directions are the same inside.
        self._swaps = form.encoding.upper() == "L16"
        source = media_format(form.encoding, form.sample_rate)
        self._per_second = source.units_per_second
        self._longest = source.units(_LONGEST_MS)
        return Start(
            call=start.call_control_id,
            stream=stream,
            source=source,
            tracks=start.tracks or ("inbound",),
            parameters={name: str(value) for name, value in start.custom_parameters.items()},
        )


def _code_of(payload: object) -> str:
    code = cast("dict[str, object]", payload).get("code") if isinstance(payload, dict) else None
    return str(code) if isinstance(code, str | int) else ""


def _swapped(data: bytes) -> bytes:
    """16-bit samples with their bytes turned round; a torn last one is left away."""
    whole = len(data) & ~1
    swapped = bytearray(whole)
    swapped[0::2], swapped[1::2] = data[1:whole:2], data[0:whole:2]
    return bytes(swapped)
