"""What a session's stream and its worker process say to each other, as bytes.

A frame is `length kind payload`: length is 4 bytes, little endian, of what follows; kind is one
byte. Kind 0 is audio, raw. Every other kind is one message type as MessagePack, so that neither
side can be made to build an object of its peer's choosing. Knows no sockets.

    >>> Framer().feed(frame(Progress(320)))
    [Progress(samples=320)]
"""

import struct
from typing import Any, Final, TypeAlias

import msgspec

from ...core.commands import Cancel, End, Finalize
from ...core.events import Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ...core.options import Options

__all__ = ["LONGEST", "Framer", "Incoming", "Progress", "Settled", "audio_frame", "frame"]

LONGEST: Final = 1 << 24
"""Bytes in a frame at most: 8 minutes of audio, far beyond any window of credit."""


class Progress(msgspec.Struct, frozen=True, gc=False):
    """The worker has dealt with this much of what it was fed."""

    samples: int


class Settled(msgspec.Struct, frozen=True, gc=False):
    """Nothing before this will be reported again."""

    until_ms: int


Incoming: TypeAlias = (
    bytes
    | Options
    | Finalize
    | Cancel
    | End
    | SpeechStarted
    | Transcript
    | SpeechEnded
    | Notice
    | Ended
    | Progress
    | Settled
)
"""Audio, or one message."""

_TYPES: Final[tuple[type[Any], ...]] = (
    Options,
    Finalize,
    Cancel,
    End,
    SpeechStarted,
    Transcript,
    SpeechEnded,
    Notice,
    Ended,
    Progress,
    Settled,
)
_KINDS: Final = {kind: number for number, kind in enumerate(_TYPES, 1)}
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = tuple(msgspec.msgpack.Decoder(kind).decode for kind in _TYPES)
_HEAD: Final = struct.Struct("<IB")


def audio_frame(data: bytes) -> bytes:
    """Audio as a frame."""
    return _HEAD.pack(len(data) + 1, 0) + data


def frame(message: Incoming) -> bytes:
    """A message as a frame."""
    if isinstance(message, bytes):
        return audio_frame(message)
    payload = _ENCODE(message)
    return _HEAD.pack(len(payload) + 1, _KINDS[type(message)]) + payload


class Framer:
    """Cuts a byte stream into messages. Holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Incoming]:
        """The messages that `data` completes.

        Raises:
            ValueError: a length out of range, an unknown kind, or a payload that is not one.
        """
        held = self._held
        held += data
        found: list[Incoming] = []
        at = 0
        while len(held) - at >= _HEAD.size:
            length, kind = _HEAD.unpack_from(held, at)
            if not 1 <= length <= LONGEST:
                raise ValueError(f"frame of {length} bytes is outside 1-{LONGEST}")
            if kind > len(_TYPES):
                raise ValueError(f"frame kind {kind} is not known")
            end = at + 4 + length
            if len(held) < end:
                break
            payload = bytes(memoryview(held)[at + _HEAD.size : end])
            found.append(payload if kind == 0 else _decode(kind, payload))
            at = end
        del held[:at]
        return found


def _decode(kind: int, payload: bytes) -> Incoming:
    try:
        return _DECODE[kind - 1](payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The payload may hold words, so the type says what it was and the text is dropped.
        name = _TYPES[kind - 1].__name__
        raise ValueError(f"frame is not a {name}: {type(error).__name__}") from None
