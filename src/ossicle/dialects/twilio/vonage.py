"""Vonage Voice WebSockets: binary frames of 20 ms and a few JSON messages beside them.

Samples are 16 bit, little-endian; both ways in frames of exactly 20 ms. The first message holds
the customer's own headers beside what we know. Written from the vendor's documentation; not tested
against the real service.
"""

from typing import Any, cast

import msgspec

from ossicle.core.errors import BadAudio, BadMessage
from ossicle.core.wire import Binary, Message, Text

from .calls import Digits, Heard, Reached, Start, decode, encode
from .messages import media_format

__all__ = ["FromVonage", "Vonage", "VonageClear", "VonageNotify"]

_OURS = frozenset({"event", "content-type"})


class _Notify(msgspec.Struct, frozen=True):
    mark: str = ""


class FromVonage(msgspec.Struct, frozen=True):
    """Any message of Vonage's beside the sound: one shape for all."""

    event: str = ""
    digit: str = ""
    payload: _Notify | None = None


class VonageNotify(msgspec.Struct, frozen=True, tag_field="action", tag="notify"):
    """Tell when everything before it was played."""

    payload: _Notify


class VonageClear(msgspec.Struct, frozen=True, tag_field="action", tag="clear"):
    """Throw away what was not played."""


_decoder = msgspec.json.Decoder(FromVonage)
_connected = msgspec.json.Decoder(dict[str, Any])


class Vonage:
    """Implements `calls.Carrier`."""

    name = "vonage"
    ordered = True
    step_ms = 20

    def __init__(self) -> None:
        self._frame = 0

    def read(self, text: str) -> Heard | None:
        """What Vonage says beside the sound."""
        message = decode(_decoder, text)
        match message:
            case FromVonage(event="websocket:connected"):
                return self._started(decode(_connected, text))
            case FromVonage(event="websocket:dtmf", digit=digit) if digit:
                return Digits(digit)
            case FromVonage(event="websocket:notify", payload=_Notify(mark=mark)) if mark:
                return Reached(mark)
            case _:
                return None

    def sound(self, data: bytes) -> tuple[Message, ...]:
        """Frames of 20 ms."""
        return tuple(Binary(data[at : at + self._frame]) for at in range(0, len(data), self._frame))

    def mark(self, name: str) -> Message:
        """`notify`, which comes back."""
        return Text(encode(VonageNotify(_Notify(name))))

    def clear(self) -> Message:
        """`clear`."""
        return Text(encode(VonageClear()))

    def _started(self, members: dict[str, Any]) -> Start:
        kind, _, rest = str(members.get("content-type", "")).lower().partition(";")
        rate = rest.replace(" ", "").removeprefix("rate=")
        if kind.strip() != "audio/l16" or not (rate.isascii() and rate.isdigit()):
            raise BadAudio(
                "content-type must be audio/l16;rate=8000, 16000 or 24000",
                code="unsupported_audio",
            )
        source = media_format("L16", int(rate[:6]))
        self._frame = source.units(20)
        own: dict[str, str] = {}
        for name, value in members.items():
            if name in _OURS:
                continue
            if isinstance(value, dict):  # newer accounts put them into one member
                inner = cast("dict[str, object]", value)
                own |= {each: str(held) for each, held in inner.items()}
            elif isinstance(value, str | int | float | bool):
                own[name] = str(value)
        call = own.get("uuid") or own.get("conversation_uuid") or ""
        if len(own) > 200:
            raise BadMessage(f"{len(own)} headers are more than 200")
        return Start(
            call=call, stream="", source=source, tracks=("inbound",), parameters=own, two_way=True
        )
