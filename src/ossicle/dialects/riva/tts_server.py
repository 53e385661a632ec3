"""The server halves of `Synthesize` (a text, one sound) and `SynthesizeOnline` (texts in, pieces of
sound out as they are made; older clients send exactly one text).

Encoders of files are handed in (`speech_file` of the audio package): a dialect knows none.
"""

import re
from collections.abc import Callable
from math import inf
from typing import Any, Protocol

import msgspec

from ossicle.core.commands import Configure, End, Played, Speak
from ossicle.core.deadline import seconds_of
from ossicle.core.errors import BadAudio, Fault, OssicleError
from ossicle.core.events import AudioOut, Configured, Ended, Event, Notice, SpeechEnded
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .credentials import credential_of
from .errors import Unmet, closing, refusal
from .notices import trailing
from .tts_messages import (
    REQUEST,
    RESPONSE,
    SpokenMetadata,
    SynthesizeRequest,
    SynthesizeResponse,
)

__all__ = ["MOST_TEXT", "File", "RivaSpeaker", "RivaStreamingSpeaker"]

MOST_TEXT = 2_000
"""Characters of one text. The service takes 400; ours is what its messages can answer: at 22,050 Hz
two minutes of speech are 5 MB."""
_PIECE = 64 * 1024
_FIRST_S = 10.0
"""How long a call may be open before its first text."""
_USUAL_RATE = 22_050
_ENCODINGS = {0: "linear16", 1: "linear16", 2: "flac", 3: "mulaw", 4: "opus", 20: "alaw"}
_SERVICE_VOICE = re.compile(r"(?:[A-Z][a-z]+-[A-Z]{2}|Magpie-[A-Za-z]+)(?:[.-].*)?")
"""`English-US.Female-1`, `Magpie-Multilingual.EN-US.Aria`: the service's own, which name no voice
here; the language chooses."""
_NO_VOICE = Fault(
    "bad_request", "no voice speaks here; start the gateway with an engine that has one", "client"
)


class File(Protocol):
    """Samples in, bytes of a file out (`ossicle.audio.speechfile`)."""

    def encode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class _Speaker:
    """What both have in common: one voice, one format, one session."""

    def __init__(self, files: Callable[..., File]) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._files = files
        self._opening = Opening()
        self._first: SynthesizeRequest | None = None
        self._source = AudioFormat("pcm_s16le", _USUAL_RATE)
        self._file: File | None = None
        self._over = False
        self._ending = False
        self._warnings: list[str] = []
        self._failed: Fault | None = None

    def _begin(self, request: SynthesizeRequest) -> Configure:
        """The session that says it.

        Raises:
            Unmet, BadAudio: a format or a wish that is not served.
        """
        self._first = request
        encoding = _ENCODINGS.get(request.encoding)
        if encoding is None:
            raise Unmet(f"Error: encoding {request.encoding} is not known")
        if request.zero_shot_data is not None:
            raise Unmet("Error: zero_shot_data: no voice here imitates another")
        for name, asked in (
            ("custom_dictionary", request.custom_dictionary),
            ("custom_configuration", request.custom_configuration),
            ("enable_word_time_offsets", request.enable_word_time_offsets),
        ):
            if asked:
                self._warnings.append(f"{name}: no voice here knows it")
        self._source = parse_format("pcm_s16le", request.sample_rate_hz or _USUAL_RATE)
        self._file = self._files(
            self._source,
            encoding,
            container="ogg" if encoding == "opus" else "none",
            bit_rate=None,
        )
        synthesis: dict[str, Any] = {"language": request.language_code}
        if request.voice_name and not _SERVICE_VOICE.fullmatch(request.voice_name):
            synthesis["voice"] = request.voice_name
        return Configure(
            patch={"synthesis": synthesis},
            # it sends no sound; naming a format lets the engine open at once
            format=AudioFormat(),
            speaks=self._source,
            credential=credential_of(self._opening),
            within_s=seconds_of(self._opening.header("grpc-timeout")),
        )

    def _text(self, request: SynthesizeRequest) -> str:
        text = request.text
        if not text.strip():
            raise Unmet("Error: the text is empty")
        if len(text) > MOST_TEXT:
            raise Unmet(f"Error: a text of {len(text)} characters; the limit is {MOST_TEXT}")
        return text

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        match event:
            case Configured() if event.options.speaks is None:
                return self._close(closing(_NO_VOICE))
            case AudioOut() if event.data:
                return (*self._sound(self._encoded(event)), self._played(event))
            case Notice(level="error"):
                self._failed = Fault(event.code, event.text, "client")
                return ()
            case Notice(level="warning"):
                self._warnings.append(f"{event.code}: {event.text}")
                return ()
            case SpeechEnded(side="out", reason="failed"):
                failed = Fault("engine_failed", "the voice could not say it", "upstream", True)
                return self._close(closing(self._failed or failed))
            case Ended():
                return self._end(event)
            case _:
                return ()

    def _encoded(self, event: AudioOut) -> bytes:
        assert self._file is not None, "made before the session"
        return self._file.encode(event.data)

    def _played(self, event: AudioOut) -> Played:
        """Taken as fast as it is read: the voice runs ahead of nobody."""
        length_ms = -(-len(event.data) * 1000 // self._source.units_per_second)
        return Played(utterance=event.utterance, until_ms=event.start_ms + length_ms)

    def _end(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._close(closing(event.error))
        if self._failed is not None:
            return self._close(closing(self._failed))
        if not self._ending:
            fault = Fault("draining", f"the session ended here: {event.reason}", "us", True)
            return self._close(closing(fault))
        rest = self._file.finish() if self._file is not None else b""
        return (*self._sound(rest), *self._finished(), *self._close(Close()))

    def _sound(self, data: bytes) -> Steps:
        raise NotImplementedError

    def _finished(self) -> Steps:
        return ()

    def _refused(self, error: OssicleError) -> Steps:
        return self._close(refusal(error))

    def _close(self, close: Close) -> Steps:
        self._over, self.deadline = True, inf
        return (msgspec.structs.replace(close, headers=trailing(self._warnings)),)


class RivaSpeaker(_Speaker):
    """`Synthesize`. Implements `core.ports.Dialect`."""

    name = "riva.tts"

    def __init__(self, files: Callable[..., File]) -> None:
        super().__init__(files)
        self._made = bytearray()

    def open(self, opening: Opening, now: float) -> Steps:
        """A call; the text comes as its message."""
        self._opening = opening
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """The text."""
        if self._over or self._first is not None:
            return ()
        try:
            if not isinstance(message, Binary):
                return () if not isinstance(message, Fin) else self._refused(_empty())
            request = REQUEST.parse(message.data)
            text = self._text(request)
            configure = self._begin(request)
        except OssicleError as error:
            return self._refused(error)
        self._ending = True
        return (configure, Speak(text=text, ref="text"), End())

    def expire(self, now: float) -> Steps:
        """Never asked for."""
        return ()

    def _sound(self, data: bytes) -> Steps:
        self._made += data
        return ()

    def _finished(self) -> Steps:
        request = self._first or SynthesizeRequest()
        answer = SynthesizeResponse(bytes(self._made), SpokenMetadata(request.text), request.id)
        return (Accept(), Binary(RESPONSE.write(answer)))


class RivaStreamingSpeaker(_Speaker):
    """`SynthesizeOnline`. Implements `core.ports.Dialect`."""

    name = "riva.tts.online"

    def __init__(self, files: Callable[..., File]) -> None:
        super().__init__(files)
        self._texts = 0

    def open(self, opening: Opening, now: float) -> Steps:
        """A call."""
        self._opening = opening
        self.deadline = now + _FIRST_S
        return (Accept(),)

    def receive(self, message: Message, now: float) -> Steps:
        """A text, or the end of them."""
        if self._over or self._ending:
            return ()
        match message:
            case Binary(data=data):
                try:
                    return self._next(data)
                except OssicleError as error:
                    return self._refused(error)
            case Fin():
                self._ending = True
                return (End(),) if self._first is not None else self._refused(_empty())
            case _:
                return ()

    def _next(self, data: bytes) -> Steps:
        request = REQUEST.parse(data)
        text = self._text(request)
        self.deadline = inf
        first: Steps = ()
        if self._first is None:
            first = (self._begin(request),)
        elif (request.encoding, request.sample_rate_hz) != (
            self._first.encoding,
            self._first.sample_rate_hz,
        ):
            raise BadAudio("the format cannot change between texts; open another call")
        self._texts += 1
        return (*first, Speak(text=text, ref=f"text-{self._texts}"))

    def expire(self, now: float) -> Steps:
        """No text came."""
        if now < self.deadline or self._over:
            return ()
        text = f"no text came within {_FIRST_S:g} s of the call"
        return self._close(closing(Fault("handshake_timeout", text, "client")))

    def _sound(self, data: bytes) -> Steps:
        request = self._first or SynthesizeRequest()
        return tuple(
            Binary(RESPONSE.write(SynthesizeResponse(data[at : at + _PIECE], None, request.id)))
            for at in range(0, len(data), _PIECE)
        )


def _empty() -> Unmet:
    return Unmet("Error: the request is empty")
