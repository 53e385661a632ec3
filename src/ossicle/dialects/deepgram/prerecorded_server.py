"""The server half of pre-recorded `POST /v1/listen`: a session like any other (contracts M24).

    body = Audio, its end = End, Ended = one whole answer

The status is held until the end, so every failure is a status with the service's JSON. A JSON body
names a recording by its URL, which the gateway reads (`Configure.audio_from`). With `callback` the
answer is only that it was understood: at the body's end, or at once where the gateway reads. The
session's twin of this dialect, which was opened on the wire `webhook`, writes the real one as text.
"""

import hashlib
import uuid
from math import inf

import msgspec

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.errors import BadAudio, Fault, OssicleError, Refused
from ossicle.core.events import Began, Configured, Ended, Event, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Binary, Close, Fin, Message, Opening, Text

from .credentials import credential_of
from .errors import error_body, refusal, request_headers
from .listen_messages import Warned, WordMessage
from .listen_model import created_at, model_of_engine
from .listen_query import Asked, listen_query
from .listen_words import Speller
from .prerecorded_messages import (
    Channel,
    Queued,
    Reading,
    Recording,
    RecordingMetadata,
    RecordingResults,
    Utterance,
    parse_source,
)
from .prerecorded_text import paragraphs_of, split_by_gap

__all__ = ["PrerecordedServer"]

_MOST_JSON = 64 * 1024
"""Largest body that only names a recording."""


class PrerecordedServer:
    """Implements `core.ports.Dialect`."""

    name = "deepgram.v1.prerecorded"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False  # the sum of `metadata.sha256` needs every byte
        self.resumable = False
        self._opening = Opening()
        self._asked = Asked({}, None)
        self._sum = hashlib.sha256()
        self._bytes = 0
        self._over = False
        self._source: bytearray | None = None
        """A JSON body as far as it came; None = the body is audio."""
        self._by_url = False
        self._twin = False
        """Nobody is at the other end: what it says is posted."""
        self._engine = ""
        self._began = False
        self._channels = 1
        self._finals: dict[int, list[Transcript]] = {}
        self._warnings: list[Warned] = []

    def open(self, opening: Opening, now: float) -> Steps:
        """A recording is coming."""
        self._opening = opening
        self._twin = opening.transport == "webhook"
        try:
            asked = listen_query(opening.query, live=False)
        except OssicleError as error:
            return self._refused(error.fault())
        self._asked = asked
        self._warnings = list(asked.warnings)
        self._speller = Speller(
            punctuated=asked.punctuated, diarize=asked.diarize, languages=asked.languages
        )
        if asked.format is not None and asked.multichannel:
            self._channels = asked.format.channels
        kind = opening.header("content-type").partition(";")[0].strip().lower()
        if kind == "application/json":
            self._source = bytearray()
            return ()  # what it names has to be read first
        return (self._configure(),)

    def _configure(self, url: str = "") -> Configure:
        asked = self._asked
        source = asked.format or AudioFormat("auto")
        return Configure(
            patch=asked.patch,
            format=AudioFormat("auto") if url else source,
            credential=credential_of(self._opening),
            report_to=asked.report_to,
            audio_from=url,
        )

    def receive(self, message: Message, now: float) -> Steps:
        """A piece of the body, or its end."""
        if self._over:
            return ()
        match message:
            case Binary(data=data) if self._source is not None:
                if len(self._source) + len(data) > _MOST_JSON:
                    text = f"a JSON body names a url; {_MOST_JSON} bytes are taken"
                    return self._refused(Refused(text, code="too_large").fault())
                self._source += data
                return ()
            case Fin() if self._source is not None:
                return self._named(bytes(self._source))
            case Binary(data=data) if data:
                self.tap(data)
                return (Audio(data=data),)
            case Fin():
                # an empty body is refused at its end, callback or not
                return (End(), *(self._queued() if self._bytes else ()))
            case _:
                return ()

    def tap(self, data: bytes) -> bool:
        """See `core.ports.Tapped`: bytes of the recording, whoever reads them."""
        if self._over or self._source is not None:
            return False
        self._sum.update(data)
        self._bytes += len(data)
        return True

    def _named(self, body: bytes) -> Steps:
        try:
            url = parse_source(body)
        except OssicleError as error:
            return self._refused(error.fault())
        self._source, self._by_url = None, True
        return (self._configure(url),)

    def _queued(self) -> Steps:
        """The answer while the result is still to be posted."""
        if not self._asked.report_to or not self._began:
            return ()
        self._over = True
        return (self._answer(msgspec.json.encode(Queued(self._opening.id))),)

    def send(self, event: Event, now: float) -> Steps:
        """What the session heard is kept until the end."""
        match event:
            case Began(engine=engine):
                self._engine, self._began = engine, True
                return self._queued() if self._by_url else ()
            case Configured(options=options) if options.hears is not None:
                if self._asked.multichannel:
                    self._channels = options.hears.channels
            case Transcript(side="in", final=True):
                if event.text:
                    self._finals.setdefault(event.channel, []).append(event)
            case Notice(level="warning") if len(self._warnings) < 100:
                self._warnings.append(Warned("", event.code, event.text))
            case Ended():
                return self._last(event)
            case _:
                pass
        return ()

    def expire(self, now: float) -> Steps:
        """Never asked for: the gateway's own limits hold."""
        return ()

    # ── inside ──

    def _refused(self, fault: Fault) -> Steps:
        self._over = True
        return (refusal(fault, self._opening.id),)

    def _last(self, event: Ended) -> Steps:
        if self._over:
            return ()
        if self._twin:
            self._over = True
            return (Text(self._report(event)), Close())
        if event.error is not None:
            return self._refused(event.error)
        if not self._bytes:
            return self._refused(
                BadAudio("the body is empty; send the bytes of a recording").fault()
            )
        self._over = True
        answer = Queued(self._opening.id) if self._asked.report_to else self._recording(event)
        return (self._answer(msgspec.json.encode(answer)),)

    def _answer(self, body: bytes) -> Close:
        headers = (("content-type", "application/json"), *request_headers(self._opening.id))
        return Close(200, headers=headers, body=body)

    def _report(self, event: Ended) -> str:
        """What is posted: the answer, or why there is none."""
        if event.error is not None:
            return error_body(event.error, self._opening.id).decode()
        return msgspec.json.encode(self._recording(event)).decode()

    def _recording(self, event: Ended) -> Recording:
        asked = self._asked
        identity, info = model_of_engine(self._engine, asked.model)
        channels = range(max((self._channels, *(n + 1 for n in self._finals))))
        return Recording(
            metadata=RecordingMetadata(
                transaction_key="deprecated",
                request_id=self._opening.id,
                sha256=self._sum.hexdigest() if self._bytes else "",  # a twin hears nothing
                created=created_at(self._opening.at),
                duration=event.audio_ms / 1000,
                channels=len(channels),
                models=[identity],
                model_info={identity: info},
                tags=list(asked.tags) or None,
                extra=dict(asked.extra) or None,
                warnings=self._warnings or None,
            ),
            results=RecordingResults(
                channels=[self._channel(self._finals.get(n, [])) for n in channels],
                utterances=self._utterances() if asked.utterances else None,
            ),
        )

    def _channel(self, finals: list[Transcript]) -> Channel:
        asked = self._asked
        words: list[WordMessage] = []
        for final in finals:
            words += self._speller.words(final.words or ())
        language = next((final.language for final in finals if final.language), "")
        return Channel(
            alternatives=[
                Reading(
                    transcript=" ".join(final.text for final in finals),
                    confidence=_mean([final.confidence for final in finals]),
                    words=words,
                    paragraphs=paragraphs_of(finals, self._speller) if asked.paragraphs else None,
                    languages=[language] if asked.languages and language else None,
                )
            ],
            detected_language=(language or None) if asked.detect_language else None,
        )

    def _utterances(self) -> list[Utterance]:
        found: list[Utterance] = []
        for channel, finals in self._finals.items():
            timed = [word for final in finals for word in final.words or ()]
            for run in split_by_gap(timed, self._asked.utt_split_ms):
                words = self._speller.words(run)
                found.append(
                    Utterance(
                        start=words[0].start,
                        end=words[-1].end,
                        confidence=_mean([word.confidence for word in run]),
                        channel=channel,
                        transcript=" ".join(word.text for word in run),
                        words=words,
                        id="",
                        speaker=words[0].speaker,
                    )
                )
        found.sort(key=lambda utterance: (utterance.start, utterance.channel))
        space = uuid.uuid5(uuid.NAMESPACE_URL, self._opening.id)
        return [
            msgspec.structs.replace(utterance, id=str(uuid.uuid5(space, str(number))))
            for number, utterance in enumerate(found)
        ]


def _mean(values: list[float | None]) -> float:
    """0.0 when none is known: the schema demands a number."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
