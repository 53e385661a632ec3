"""The server half of `POST /v1/speak`: a text in a body, a file of speech in the answer.

The status is held until the first sound, so a text that cannot be said is a 4xx and not a broken
file. Encoders are handed in (`speech_file` of the audio package): a dialect knows none.

With `callback` the body's end is answered at once, and the session's twin of this dialect, which
was opened on the wire `webhook`, writes the whole file, or the error, for whoever waits there.
"""

from collections.abc import Callable
from math import inf
from typing import Protocol

from ossicle.core.commands import End
from ossicle.core.commands import Speak as SpeakCommand
from ossicle.core.errors import BadMessage, Fault, OssicleError, Refused
from ossicle.core.events import AudioOut, Configured, Ended, Event, Notice, SpeechEnded
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text

from .callback import queued
from .errors import error_body, refusal, request_headers
from .speak_messages import decode_body
from .speak_query import Asked, check_flux, configure_of, file_asked_of
from .speak_server import MOST_TEXT, NO_VOICE, model_uuid, played

__all__ = ["File", "Files", "SpeakRequest"]

_MOST_BODY = 64 * 1024
"""Bytes of a body: 2,000 characters in JSON are at most 24 kB, however they are escaped."""


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


class SpeakRequest:
    """Implements `core.ports.Dialect`."""

    name = "deepgram.speak"

    def __init__(self, files: Files | Callable[..., File], *, flux: bool = False) -> None:
        """
        Args:
            files: makes the file.
            flux: by the rules of `/v2/speak`.
        """
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._files = files
        self._flux = flux
        self._opening = Opening()
        self._asked = Asked("", "mp3", 22_050, 1.0)
        self._source = AudioFormat()
        self._file: File | None = None
        self._body = bytearray()
        self._characters = 0
        self._accepted = self._over = self._begun = False
        self._twin = False
        """Nobody is at the other end: what it says is posted."""
        self._spoken = bytearray()
        """The file so far, for a twin; 2,000 characters are a few minutes of speech."""
        self._refused: Notice | None = None

    def open(self, opening: Opening, now: float) -> Steps:
        """A request came; its body follows."""
        self._opening = opening
        self._twin = opening.transport == "webhook"
        try:
            if self._flux:
                check_flux(opening)
            self._asked = asked = file_asked_of(opening)
            self._source = parse_format("pcm_s16le", asked.sample_rate)
            self._file = self._files(
                self._source, asked.encoding, container=asked.container, bit_rate=asked.bit_rate
            )
            return (configure_of(opening, asked, self._source),)
        except OssicleError as error:
            return self._refuse(error.fault())

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
            text = decode_body(body).text
            if not text.strip():
                raise BadMessage("the text is empty")
            if len(text) > MOST_TEXT:
                raise Refused(
                    f"the text has {len(text)} characters; the limit is {MOST_TEXT}",
                    code="too_large",
                )
        except OssicleError as error:
            return self._refuse(error.fault())
        self._characters = len(text)
        return (SpeakCommand(text=text, ref="text"), End(), *self._queued())

    def _queued(self) -> Steps:
        """The answer while the file is still to be posted, once the session is there."""
        if not self._asked.report_to or not self._begun or not self._characters or self._twin:
            return ()
        self._over = True
        headers = (("content-type", "application/json"), *request_headers(self._opening.id))
        return (Close(200, "OK", headers=headers, body=queued(self._opening.id)),)

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        match event:
            case Configured() if event.options.speaks is None:
                return self._refuse(NO_VOICE)
            case Configured():
                self._begun = True
                return self._queued()
            case AudioOut() if event.data:
                return self._sound(event)
            case Notice(level="error") if not self._twin:
                self._refused = event
                return ()
            case SpeechEnded(side="out", reason="failed") if not self._accepted:
                told = self._refused
                fault = (
                    Fault(told.code, told.text, "client")
                    if told is not None
                    else Fault("engine_failed", "the voice could not say it", "upstream", True)
                )
                return self._refuse(fault)
            case Ended():
                return self._end(event)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """Never asked for: the gateway bounds a request."""
        return ()

    def _sound(self, event: AudioOut) -> Steps:
        file = self._file
        if file is None:
            return ()
        data = file.encode(event.data)
        if self._twin:
            self._spoken += data
            return (played(event, self._source),)
        out = (*self._accept(file), *((Binary(data),) if data else ()))
        return (*out, played(event, self._source))

    def _accept(self, file: File) -> Steps:
        if self._accepted:
            return ()
        self._accepted = True
        headers = (
            ("content-type", file.content_type),
            *request_headers(self._opening.id),
            ("dg-model-name", _plain(self._asked.model)),
            ("dg-model-uuid", model_uuid(self._opening.id)),
        )
        if not self._twin:  # which never saw the text
            headers = (*headers, ("dg-char-count", str(self._characters)))
        return (Accept(headers, flush=True),)

    def _end(self, event: Ended) -> Steps:
        file = self._file
        if not self._accepted:
            if event.error is not None:
                return self._refuse(event.error)
            if self._refused is not None:
                return self._refuse(Fault(self._refused.code, self._refused.text, "client"))
        self._over = True
        if file is None or event.error is not None:
            # The status is gone; what is missing shows by the file's end.
            return (Close(),)
        rest = file.finish()
        if self._twin:
            return (*self._accept(file), Binary(bytes(self._spoken) + rest), Close())
        return (*self._accept(file), *((Binary(rest),) if rest else ()), Close())

    def _refuse(self, fault: Fault) -> Steps:
        self._over = True
        if self._twin:
            return (Text(error_body(fault, self._opening.id, newer=self._flux).decode()), Close())
        return (refusal(fault, self._opening.id, newer=self._flux),)


def _plain(name: str) -> str:
    """As a header may hold it."""
    return "".join(c if " " <= c <= "~" else "?" for c in name)[:200]
