"""`/v1/speak`: its messages as typed values, with their JSON next to them.

>>> decode_client('{"type": "Speak", "text": "Hello."}')
Speak(text='Hello.')
>>> encode(Flushed(sequence_id=0))
'{"type":"Flushed","sequence_id":0}'
"""

from typing import TypeAlias, TypeVar

import msgspec

from ossicle.core.errors import BadMessage

__all__ = [
    "Body",
    "Clear",
    "Cleared",
    "ClientMessage",
    "Close",
    "Flush",
    "Flushed",
    "Metadata",
    "ServerMessage",
    "Speak",
    "Warn",
    "decode_body",
    "decode_client",
    "decode_server",
    "decoded",
    "encode",
]


class _Tagged(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """A message named by its class."""


class Speak(_Tagged, frozen=True):
    """Text to say; it may go on in the next one."""

    text: str


class Flush(_Tagged, frozen=True):
    """Say what there is; answered by `Flushed` after its last sound."""


class Clear(_Tagged, frozen=True):
    """Forget what is not sent yet; answered by `Cleared`."""


class Close(_Tagged, frozen=True):
    """Say the rest, then close."""


ClientMessage: TypeAlias = Speak | Flush | Clear | Close


class Metadata(_Tagged, frozen=True):
    """First message."""

    request_id: str
    model_name: str
    model_version: str
    model_uuid: str


class Flushed(_Tagged, frozen=True):
    """The sound of a flush is complete."""

    sequence_id: int


class Cleared(_Tagged, frozen=True):
    """No older sound comes any more."""

    sequence_id: int


class Warn(_Tagged, frozen=True, tag="Warning"):
    """Something to know; the stream goes on."""

    code: str
    description: str


ServerMessage: TypeAlias = Metadata | Flushed | Cleared | Warn


class Body(msgspec.Struct, frozen=True):
    """What a POST says."""

    text: str


_CLIENT = msgspec.json.Decoder(ClientMessage)
_SERVER = msgspec.json.Decoder(ServerMessage)
_BODY = msgspec.json.Decoder(Body)
_ENCODER = msgspec.json.Encoder()

_Kind = TypeVar("_Kind")


def decode_client(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        BadMessage: not one of the four.
    """
    return decoded(_CLIENT, text)


def decode_server(text: str) -> ServerMessage:
    """A server's message.

    Raises:
        BadMessage: not one of them.
    """
    return decoded(_SERVER, text)


def decode_body(body: bytes) -> Body:
    """The JSON of a POST.

    Raises:
        BadMessage: not an object with a text.
    """
    return decoded(_BODY, body)


def decoded(decoder: msgspec.json.Decoder[_Kind], text: str | bytes) -> _Kind:
    """By a decoder; what is refused is named and never quoted.

    Raises:
        BadMessage: the text is something else.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        # It may quote a value, and a value may be what somebody wants to say.
        place = str(error).rpartition("at `")[2].rstrip("`")
        raise BadMessage(
            f"a message that is not known here, or a wrong type at {place[:60]}"
        ) from error
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage("the message is not JSON") from error


def encode(message: ClientMessage | ServerMessage) -> str:
    """One message as JSON."""
    return _ENCODER.encode(message).decode()
