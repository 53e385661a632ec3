"""The server half of `/v2/realtime/ws`, the legacy real-time API.

An utterance is a turn. Audio is taken as binary and as base64 alike, also mixed: it is one stream
in one declared format, in the order in which it comes.
"""

import uuid
from datetime import UTC, datetime
from math import inf

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import OssicleError
from ossicle.core.events import Began, Ended, Event, Transcript, Word
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .credentials import credential_of, in_url
from .errors import legacy_code, reason_of
from .legacy_messages import (
    FinalTranscript,
    LegacyError,
    LegacyWord,
    PartialTranscript,
    SessionBegins,
    SessionInformation,
    SessionTerminated,
    decode_legacy,
    encode_legacy,
)
from .legacy_query import LegacyParameters, legacy_format, legacy_parameters, legacy_patch
from .rules import AudioRules
from .spelling import bare, bare_word, words_of

__all__ = ["LegacyServer"]

_LONGEST_S = 10_800
"""What `expires_at` promises where the gateway has no limit; the session does not end then."""
_TOO_SHORT, _TOO_FAST, _TOO_LONG = 4032, 4029, 4033


class LegacyServer:
    """Implements `core.ports.Dialect`."""

    name = "assemblyai.v2"

    def __init__(self, *, strict_audio: bool = False) -> None:
        """
        Args:
            strict_audio: keep the vendor's rules for audio: 100-2000 ms a message, and not faster
                than real time.
        """
        self.deadline = inf
        self.plain = not strict_audio
        self.resumable = False
        self._strict = strict_audio
        self._rules: AudioRules | None = None
        self._parameters = LegacyParameters()
        self._opening = Opening()
        self._opened_at = 0.0
        self._over = False
        self._told = False
        self._words: list[Word] = []
        self._texts: list[str] = []
        """Of the segments of this utterance that are frozen."""

    def open(self, opening: Opening, now: float) -> Steps:
        """A client asks."""
        self._opening, self._opened_at = opening, now
        try:
            self._parameters = parameters = legacy_parameters(opening)
            source = legacy_format(parameters)
            configure = Configure(
                patch=legacy_patch(parameters),
                format=source,
                credential=credential_of(opening),
                credential_in_url=in_url(opening),
            )
        except OssicleError as error:
            return (Accept(), *self._fail(legacy_code(error.fault()), str(error)))
        if self._strict:
            self._rules = AudioRules(source, shortest_ms=100, longest_ms=2_000)
        return (Accept(), configure)

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        match message:
            case Text(data=text):
                try:
                    request = decode_legacy(text)
                except OssicleError as error:
                    return (*self._fail(legacy_code(error.fault()), str(error)), End())
                steps: Steps = ()
                if request.audio_data is not None:
                    steps = self._audio(request.audio_data, now)
                if (silence := request.end_utterance_silence_threshold) is not None:
                    patch = {"recognition": {"turns": {"silence_ms": silence}}}
                    steps = (*steps, Configure(patch=patch))
                if request.force_end_utterance:
                    steps = (*steps, Finalize())
                return (*steps, End()) if request.terminate_session else steps
            case Binary(data=data):
                return self._audio(data, now)
            case _:
                return ()

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        match event:
            case Transcript(side="in"):
                return self._transcript(event, now)
            case Began():
                expires = event.expires_at or self._opening.at + _LONGEST_S
                begins = SessionBegins(self._session_id(event.session), _iso(expires))
                return (Text(encode_legacy(begins)),)
            case Ended():
                return self._end(event)
            case _:
                return ()  # it has no message for anything else

    def expire(self, now: float) -> Steps:
        """Never asked for."""
        return ()

    def _audio(self, data: bytes, now: float) -> Steps:
        if not data:
            return ()
        if self._rules is not None and (broken := self._rules.broken(data, now)):
            code = _TOO_FAST
            if broken.startswith("Input"):
                short = self._rules.source.ms(len(data)) < 100
                code = _TOO_SHORT if short else _TOO_LONG
            return (*self._fail(code, broken), End())
        return (Audio(data=data),)

    def _session_id(self, session: str) -> str:
        """The session's own id where it is what the SDK takes for one, else the channel's."""
        for name in (session, self._opening.id):
            try:
                found = uuid.UUID(name)
            except ValueError:
                continue
            if found.version == 4:
                return str(found)
        return str(uuid.UUID(int=int(self._opened_at * 1e6), version=4))

    def _transcript(self, event: Transcript, now: float) -> Steps:
        words = [*self._words, *words_of(event)]
        texts = [*self._texts, *((event.text,) if event.text else ())]
        if event.final:
            self._words, self._texts = words, texts
        if event.ends_turn:
            self._words, self._texts = [], []
        text = " ".join(texts)
        told, self._told = self._told, not event.ends_turn
        if event.ends_turn and not text and not told:
            return ()  # a forced end in silence: nobody was told of an utterance
        start = words[0].start_ms if words else event.start_ms or 0
        end = words[-1].end_ms if words else event.end_ms or start
        created = _iso(self._opening.at + now - self._opened_at)
        confidence = event.confidence or 0.0
        if not event.ends_turn:
            partial = PartialTranscript(
                audio_start=start,
                audio_end=max(start, end),
                confidence=confidence,
                created=created,
                text=bare(text),
                words=_wire(words, spelled=False),
            )
            return (Text(encode_legacy(partial)),)
        formatted = text != bare(text)  # as far as the engine does it
        final = FinalTranscript(
            audio_start=start,
            audio_end=max(start, end),
            confidence=confidence,
            created=created,
            text=text,
            words=_wire(words, spelled=True),
            punctuated=formatted,
            text_formatted=formatted,
        )
        return (Text(encode_legacy(final)),)

    def _end(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._fail(legacy_code(event.error), event.error.text)
        self._over = True
        last: list[Message] = []
        if self._parameters.enable_extra_session_information:
            seconds = round(event.audio_ms / 1000, 3)
            last.append(Text(encode_legacy(SessionInformation(seconds))))
        return (*last, Text(encode_legacy(SessionTerminated())), Close(1000))

    def _fail(self, code: int, text: str) -> tuple[Message, ...]:
        self._over = True
        return (Text(encode_legacy(LegacyError(text))), Close(code, reason_of(text)))


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _wire(words: list[Word], *, spelled: bool) -> tuple[LegacyWord, ...]:
    return tuple(
        [
            LegacyWord(word.start_ms, word.end_ms, word.confidence or 0.0, text)
            for word in words
            if (text := word.text if spelled else bare_word(word.text))
        ]
    )
