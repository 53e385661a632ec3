"""The server half of `POST /v1/audio/transcriptions`: a recording in, its words out.

    body = Audio, its end = End, Ended = one whole answer        (contracts M24)

The body is multipart and its parts come in any order. Fields before the file are known when the
session is asked for; where the file comes first, its bytes wait here until the form is complete
(one official client sends it so), and are given on in pieces after that.

With `stream=true` words go out as server-sent events as soon as they do not change any more.
"""

from math import inf
from typing import Any, TypeAlias

import msgspec

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.errors import BadAudio, BadMessage, Fault, OssicleError, Refused
from ossicle.core.events import Configured, Ended, Event, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text

from .credentials import credential_of
from .errors import Rejected, refusal, request_headers
from .growth import Growth
from .multipart import Field, FileBegan, FileEnded, Multipart, boundary_of
from .transcription_text import FORMATS, Recording, segment_of

__all__ = ["TranscriptionRequest"]

Json: TypeAlias = dict[str, Any]

MOST_FILE = 25 << 20
"""Bytes of a file that comes before its fields, as at the service; behind them: no limit."""
_SLICE = 64 << 10
_PAUSE_S = 0.001
_LISTS = frozenset(
    {"timestamp_granularities", "include", "keywords", "languages", "known_speaker_names"}
)


class TranscriptionRequest:
    """Implements `core.ports.Dialect`."""

    name = "openai.transcriptions"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._opening = Opening()
        self._body: Multipart | None = None
        self._fields: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self._configured = self._over = self._accepted = self._ended = False
        self._in_file = self._had_file = False
        self._waiting = bytearray()
        """A file that came before its fields."""
        self._given = self._bytes = 0
        self._finals: list[Transcript] = []
        self._turns: dict[int, Growth] = {}
        self._said = ""
        self._language = ""

    def open(self, opening: Opening, now: float) -> Steps:
        """A recording is coming."""
        self._opening = opening
        try:
            self._body = Multipart(boundary_of(opening.header("content-type")))
        except OssicleError as error:
            return self._refuse(error.fault())
        return ()  # what is wanted stands in the body

    def receive(self, message: Message, now: float) -> Steps:
        """A piece of the body, or its end."""
        if self._over or self._body is None:
            return ()
        try:
            match message:
                case Binary(data=data):
                    return self._take(self._body, data)
                case Fin():
                    return self._whole(self._body, now)
                case _:
                    return ()
        except OssicleError as error:
            return self._refuse(error.fault())

    def send(self, event: Event, now: float) -> Steps:
        """What the session heard."""
        if self._over:
            return ()
        match event:
            case Configured() if self._streams and not self._accepted:
                return self._accept("text/event-stream")
            case Transcript(side="in"):
                return self._words(event)
            case Ended():
                return self._end(event)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """The next piece of a file that waited for its fields."""
        if now < self.deadline or self._over:
            return ()
        self.deadline = inf
        if self._given >= len(self._waiting):
            self._waiting = bytearray()
            self._ended = True
            return (End(),)
        piece = bytes(self._waiting[self._given : self._given + _SLICE])
        self._given += len(piece)
        self.deadline = now + _PAUSE_S
        return (Audio(data=piece),)

    # ── the body ──

    def _take(self, body: Multipart, data: bytes) -> Steps:
        steps: list[Any] = []
        for found in body.feed(data):
            match found:
                case bytes():
                    steps += self._sound(found)
                case FileBegan(name=name):
                    if name != "file" or self._had_file:
                        raise Rejected(
                            f"part {name[:60]!r} is a file; one file is taken, as the part 'file'.",
                            "invalid_value",
                            name[:60],
                        )
                    self._in_file = self._had_file = True
                    if "model" in self._fields:
                        steps.append(self._configure())
                case FileEnded():
                    self._in_file = False
                case Field(name=name, value=value):
                    self._field(name, value)
        return tuple(steps)

    def _field(self, name: str, value: str) -> None:
        bare = name.partition("[")[0]
        if bare in _LISTS:
            self._lists.setdefault(bare, []).append(value)
        else:
            self._fields[name] = value

    def _sound(self, data: bytes) -> Steps:
        self._bytes += len(data)
        if self._configured:
            return (Audio(data=data),)
        self._waiting += data
        if len(self._waiting) > MOST_FILE:
            raise Refused(
                f"the file comes before its fields and is over {MOST_FILE} bytes; send the fields "
                "first",
                code="too_large",
            )
        return ()

    def _whole(self, body: Multipart, now: float) -> Steps:
        if not body.complete:
            raise BadMessage("the multipart body ends before its last boundary")
        if not self._had_file:
            raise Rejected(
                "Missing required parameter: 'file'.", "missing_required_parameter", "file"
            )
        if not self._bytes:
            raise BadAudio("the file is empty; send the bytes of a recording")
        if self._configured:
            self._ended = True
            return (End(),)
        configure = self._configure()
        self.deadline = now + _PAUSE_S
        return (configure,)

    def _configure(self) -> Configure:
        self._configured = True
        fields, lists = self._fields, self._lists
        if not fields.get("model"):
            raise Rejected(
                "Missing required parameter: 'model'.", "missing_required_parameter", "model"
            )
        form = fields.get("response_format", "json")
        if form not in FORMATS:
            raise Rejected(
                f"Invalid value: response_format is one of {', '.join(FORMATS)}.",
                "invalid_value",
                "response_format",
            )
        keywords = [word[:200] for word in lists.get("keywords", ()) if word][:1000]
        recognition: Json = {
            "model": fields["model"][:200],
            "language": fields.get("language") or None,
            "hints": [{"text": word} for word in keywords] or None,
            "diarize": form == "diarized_json",
            "punctuate": True,
            "interim_results": self._streams,
        }
        return Configure(
            patch={"recognition": recognition, "answers": {"auto": False}},
            format=AudioFormat("auto"),
            credential=credential_of(self._opening),
        )

    @property
    def _streams(self) -> bool:
        return self._fields.get("stream", "").lower() in {"true", "1"}

    @property
    def _form(self) -> str:
        return self._fields.get("response_format", "json")

    # ── the answer ──

    def _words(self, event: Transcript) -> Steps:
        growth = self._turns.setdefault(event.turn, Growth())
        delta = growth.hear(event)
        if event.final:
            self._language = event.language or self._language
            if event.text:
                self._finals.append(event)
            if event.ends_turn:
                del self._turns[event.turn]
        if not self._streams:
            return ()
        out: list[Message] = []
        if delta:
            # Turns are sentences of one text here.
            glue = " " if self._said and growth.text == delta else ""
            self._said += glue + delta
            out.append(_sse({"type": "transcript.text.delta", "delta": glue + delta}))
        if event.final and event.text and self._form == "diarized_json":
            out += [_sse(segment) for segment in segment_of(event, event.turn, event.segment)]
        return tuple(out)

    def _end(self, event: Ended) -> Steps:
        self.deadline = inf
        self._waiting = bytearray()
        if event.error is not None:
            if not self._accepted:
                return self._refuse(event.error)
            self._over = True
            return (_sse(_error(event.error)), Close())
        if not self._ended:
            fault = Fault("draining", "the gateway is stopping", "us", True)
            return self._refuse(fault) if not self._accepted else (Close(),)
        granularities = self._lists.get("timestamp_granularities", [])
        recording = Recording(
            self._finals,
            duration_ms=event.audio_ms,
            language=self._language or self._fields.get("language", ""),
            words="word" in granularities,
            segments=not granularities or "segment" in granularities,
            logprobs="logprobs" in self._lists.get("include", ()),
        )
        self._over = True
        if self._streams:
            done = {
                "type": "transcript.text.done",
                "text": recording.text,
                **recording.logprobs,
                "usage": recording.usage,
            }
            return (*self._accept("text/event-stream"), _sse(done), Close())
        form = self._form
        headers = (("content-type", FORMATS[form]), *request_headers(self._opening.id))
        return (Close(200, headers=headers, body=recording.written(form)),)

    def _accept(self, kind: str) -> tuple[Message, ...]:
        if self._accepted:
            return ()
        self._accepted = True
        headers = (
            ("content-type", kind),
            ("cache-control", "no-store"),
            *request_headers(self._opening.id),
        )
        return (Accept(headers, flush=True),)

    def _refuse(self, fault: Fault) -> Steps:
        self._over = True
        self.deadline = inf
        self._waiting = bytearray()
        if self._accepted:
            return (_sse(_error(fault)), Close())
        return (refusal(fault, self._opening.id),)


def _sse(data: Json) -> Text:
    return Text(f"data: {msgspec.json.encode(data).decode()}\n\n")


def _error(fault: Fault) -> Json:
    kind = "invalid_request_error" if fault.whose == "client" else "server_error"
    return {"type": "error", "error": {"type": kind, "code": fault.code, "message": fault.text}}
