"""The server half of `POST /v1/audio/speech`: text in, a file of speech out while it is spoken.

    {"model", "input", "voice", "response_format": mp3 opus aac flac wav pcm, "speed",
     "stream_format": audio sse}

`Accept` is not looked at: one official client always says `application/octet-stream`. How a file
is written is the gateway's to know (`Files`), as no dialect encodes.
"""

import base64
from collections.abc import Callable
from math import inf
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import msgspec

from ossicle.core.commands import Configure, End, Played, Speak
from ossicle.core.errors import BadMessage, Fault, OssicleError, Refused
from ossicle.core.events import AudioOut, Configured, Ended, Event, Notice, SpeechEnded
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text

from .credentials import credential_of
from .errors import Rejected, refusal, request_headers
from .settings import voice_of

__all__ = ["File", "Files", "SpeechAsked", "SpeechRequest"]

Json: TypeAlias = dict[str, Any]

MOST_TEXT = 4_096
"""Characters of one text, as at the service."""
_MOST_BODY = 128 << 10
_VOICE = AudioFormat("pcm_s16le", 24_000)
"""What `pcm` is at the service, and what is encoded for the others."""
_ENCODINGS = {
    "mp3": ("mp3", ""),
    "opus": ("opus", "ogg"),
    "aac": ("aac", ""),
    "flac": ("flac", ""),
    "wav": ("linear16", "wav"),
    "pcm": ("linear16", "none"),
}


class SpeechAsked(msgspec.Struct, frozen=True):
    """The body of a request."""

    input: str
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    voice: str | Json = ""
    instructions: str | None = None
    """Taken, and not looked at: the voices here take none."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4.0)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"


class File(Protocol):
    """Samples in, bytes of a file out (`ossicle.audio.speechfile`)."""

    content_type: str

    def encode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Files(Protocol):
    """Makes one file; raises `BadAudio` for what is not written here."""

    def __call__(
        self, source: AudioFormat, encoding: str, *, container: str, bit_rate: int | None
    ) -> File: ...


_NO_VOICE = Fault(
    "bad_request", "no voice speaks here; start the gateway with an engine that has one", "client"
)


class SpeechRequest:
    """Implements `core.ports.Dialect`."""

    name = "openai.speech"

    def __init__(self, files: Files | Callable[..., File]) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._files = files
        self._opening = Opening()
        self._body = bytearray()
        self._asked = SpeechAsked("")
        self._file: File | None = None
        self._accepted = self._over = False
        self._refused: Notice | None = None

    def open(self, opening: Opening, now: float) -> Steps:
        """A request came; what it wants stands in its body."""
        self._opening = opening
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """A piece of the body, or its end."""
        if self._over:
            return ()
        match message:
            case Binary(data=data):
                self._body += data
                if len(self._body) > _MOST_BODY:
                    error = Refused(
                        f"the body is over {_MOST_BODY} bytes; a text has at most {MOST_TEXT} "
                        "characters",
                        code="too_large",
                    )
                    return self._refuse(error.fault())
                return ()
            case Fin():
                return self._whole()
            case _:
                return ()

    def _whole(self) -> Steps:
        body, self._body = bytes(self._body), bytearray()
        try:
            self._asked = asked = _asked(body)
            encoding, container = _ENCODINGS[asked.response_format]
            self._file = self._files(_VOICE, encoding, container=container, bit_rate=None)
        except OssicleError as error:
            return self._refuse(error.fault())
        configure = Configure(
            patch={
                "recognition": {"model": asked.model or None},
                "synthesis": {"voice": voice_of(asked.voice) or None, "speed": asked.speed},
            },
            format=_VOICE,
            speaks=_VOICE,
            credential=credential_of(self._opening),
        )
        return (configure, Speak(text=asked.input, ref="text"), End())

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        match event:
            case Configured() if event.options.speaks is None:
                return self._refuse(_NO_VOICE)
            case AudioOut() if event.data:
                return self._sound(event)
            case Notice(level="error"):
                self._refused = event
                return ()
            case SpeechEnded(side="out", reason="failed") if not self._accepted:
                return self._refuse(self._why)
            case Ended():
                return self._end(event)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """Never asked for: the gateway bounds a request."""
        return ()

    @property
    def _why(self) -> Fault:
        told = self._refused
        if told is not None:
            return Fault(told.code, told.text, "client")
        return Fault("engine_failed", "the voice could not say it", "upstream", True)

    def _sound(self, event: AudioOut) -> Steps:
        file = self._file
        if file is None:
            return ()
        # The client takes sound as fast as it reads, so what was sent counts as heard.
        until = event.start_ms + -(-len(event.data) * 1000 // _VOICE.units_per_second)
        played = Played(utterance=event.utterance, until_ms=until)
        return (*self._accept(file), *self._piece(file.encode(event.data)), played)

    def _piece(self, data: bytes) -> tuple[Message, ...]:
        if not data:
            return ()
        if self._asked.stream_format == "sse":
            audio = base64.b64encode(data).decode()
            return (_sse({"type": "speech.audio.delta", "audio": audio}),)
        return (Binary(data),)

    def _accept(self, file: File) -> tuple[Message, ...]:
        if self._accepted:
            return ()
        self._accepted = True
        sse = self._asked.stream_format == "sse"
        kind = "text/event-stream" if sse else file.content_type
        headers = (("content-type", kind), *request_headers(self._opening.id))
        return (Accept(headers, flush=True),)

    def _end(self, event: Ended) -> Steps:
        file = self._file
        if not self._accepted:
            if event.error is not None:
                return self._refuse(event.error)
            if self._refused is not None:
                return self._refuse(self._why)
        self._over = True
        if file is None or event.error is not None:
            return (Close(),)  # the status is gone; what is missing shows by the file's end
        last = self._piece(file.finish())
        out = (*self._accept(file), *last)
        if self._asked.stream_format == "sse":
            # Tokens are not counted here, and none are made up.
            usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
            out = (*out, _sse({"type": "speech.audio.done", "usage": usage}))
        return (*out, Close())

    def _refuse(self, fault: Fault) -> Steps:
        self._over = True
        return (refusal(fault, self._opening.id),)


def _asked(body: bytes) -> SpeechAsked:
    try:
        asked = msgspec.json.decode(body, type=SpeechAsked)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"the body is no request for speech: {_named(error)}") from error
    if not asked.input.strip():
        raise Rejected("The input is empty.", "invalid_value", "input")
    if len(asked.input) > MOST_TEXT:
        raise Rejected(
            f"The input has {len(asked.input)} characters; the limit is {MOST_TEXT}.",
            "string_above_max_length",
            "input",
        )
    return asked


def _named(error: Exception) -> str:
    known = isinstance(error, msgspec.ValidationError) and "Invalid enum" not in str(error)
    return str(error) if known else "it is no JSON object, or a value is not one of those taken"


def _sse(data: Json) -> Text:
    return Text(f"data: {msgspec.json.encode(data).decode()}\n\n")
