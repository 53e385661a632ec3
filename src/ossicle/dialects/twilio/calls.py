"""What every carrier's media stream says, in one vocabulary.

Twilio, Telnyx, Vonage and Plivo all dial out to a WebSocket and stream a telephone call over it.
They spell it differently; a `Carrier` reads and writes one spelling, and `CallServer` does
what the messages mean. Nothing here knows a session.
"""

from typing import Protocol, TypeAlias, TypeVar

import msgspec

from ossicle.core.errors import BadMessage
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Message

__all__ = [
    "Carrier",
    "Digits",
    "Failed",
    "Heard",
    "Reached",
    "Sound",
    "Start",
    "Stop",
    "decode",
    "encode",
]


class Start(msgspec.Struct, frozen=True, gc=False):
    """The stream begins."""

    call: str
    """The carrier's name for the call."""
    stream: str
    """Its name for this stream of it."""
    source: AudioFormat
    """One track."""
    tracks: tuple[str, ...]
    """In order; each is a channel."""
    parameters: dict[str, str]
    """What the customer's application passed on."""
    two_way: bool = False
    """We may send whatever the parameters say."""


class Sound(msgspec.Struct, frozen=True, gc=False):
    """A piece of one track."""

    data: bytes
    track: str = ""
    at_ms: int | None = None
    """Milliseconds from the beginning of the stream; None = right after what came before."""


class Digits(msgspec.Struct, frozen=True, gc=False):
    """Keys were pressed."""

    text: str


class Reached(msgspec.Struct, frozen=True, gc=False):
    """A mark of ours came back: played, or cleared away."""

    mark: str


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The carrier did not like what we sent. Its code; its text may quote."""

    code: str


class Stop(msgspec.Struct, frozen=True, gc=False):
    """No more sound will come."""


Heard: TypeAlias = Start | Sound | Digits | Reached | Failed | Stop


class Carrier(Protocol):
    """One carrier's spelling. One instance per stream; pure."""

    name: str
    ordered: bool
    """Messages come in the order they were sent in."""
    step_ms: int
    """Sound goes out in whole pieces of so many milliseconds; 0 = of any size."""

    def read(self, text: str) -> Heard | None:
        """What a text message says; None = nothing for us.

        Raises:
            BadMessage: it is not one of the carrier's.
            BadAudio: the stream carries sound that nobody decodes here.
        """
        ...

    def sound(self, data: bytes) -> tuple[Message, ...]:
        """Say this to the caller."""
        ...

    def mark(self, name: str) -> Message:
        """Tell us when everything before this was heard."""
        ...

    def clear(self) -> Message:
        """Throw away what was not heard yet."""
        ...


_T = TypeVar("_T")


def decode(decoder: "msgspec.json.Decoder[_T]", text: str) -> _T:
    """A message as its type.

    Raises:
        BadMessage: it does not fit; the text names the member, never its value.
    """
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        where = str(error).rpartition(" - at ")[2] if " - at " in str(error) else ""
        raise BadMessage(
            f"not a message of this stream: {type(error).__name__}{' at ' + where if where else ''}"
        ) from error


_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> str:
    """A message as text."""
    return _encoder.encode(message).decode()
