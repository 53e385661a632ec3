"""Speech v2: requests to `Asked`, results to messages."""

from collections.abc import Iterable, Sequence

from ossicle.core.wire import Opening
from ossicle.dialects.protobuf import Duration

from .asked import Asked, Piece, Reading, Spoken
from .errors import MALORDERED, Generation, Status, Unmet
from .v2_config import asked_of, merged, preset, recognizer_id, unknown
from .v2_messages import (
    REQUEST,
    RESPONSE,
    STREAMING_REQUEST,
    STREAMING_RESPONSE,
    Alternative,
    RecognitionConfig,
    RecognizeResponse,
    ResponseMetadata,
    Result,
    SpeechEventType,
    StreamingRecognizeResponse,
    StreamingResult,
    WordInfo,
)
from .version import Activity, Said, billed_s

__all__ = ["V2", "VersionTwo"]

_ACTIVITIES: dict[Activity, int] = {
    "begin": SpeechEventType.SPEECH_ACTIVITY_BEGIN,
    "end": SpeechEventType.SPEECH_ACTIVITY_END,
}
"""A time-out has no event of its own here; the stream just ends."""


class VersionTwo:
    """Implements `version.Version`."""

    generation: Generation = "v2"
    name = "google.v2"
    leading_blank = False

    def __init__(self, recognizers: Iterable[tuple[str, str]] = ()) -> None:
        """`recognizers`: as `GoogleRules.recognizers`.

        Raises:
            Refused: one cannot be read.
        """
        self._kept = {name: preset(name, text) for name, text in recognizers}

    def read(self, data: bytes, *, first: bool) -> Said:
        """A request of a stream."""
        request = STREAMING_REQUEST.parse(data)
        stream = request.streaming_config
        if not first:
            if stream is not None:
                return Said(Asked(patch={}))  # refused whatever it holds
            if request.audio is None:
                raise Unmet(MALORDERED)
            return Said(audio=request.audio)
        if stream is None and not request.recognizer:
            raise Unmet(MALORDERED)
        kept = self._recognizer(request.recognizer)
        if stream is None:
            # audio at once: only where the recognizer's own configuration is complete
            if not kept.language_codes or request.audio is None:
                raise Unmet(MALORDERED)
            return Said(asked_of(kept), request.audio)
        config = merged(kept, stream.config or RecognitionConfig(), stream.config_mask)
        return Said(asked_of(config, stream.streaming_features))

    def recording(self, data: bytes) -> tuple[Asked, bytes]:
        """A unary request."""
        request = REQUEST.parse(data)
        kept = self._recognizer(request.recognizer)
        if request.uri is not None:
            raise Unmet("'uri' is not read by this gateway; send 'content'.", Status.UNIMPLEMENTED)
        if not request.content:
            raise Unmet("Invalid request: 'content' or 'uri' is needed.")
        config = merged(kept, request.config or RecognitionConfig(), request.config_mask)
        return asked_of(config), request.content

    def interim(self, pieces: Sequence[Piece], opening: Opening) -> bytes:
        """Consecutive pieces of what is not yet certain."""
        return STREAMING_RESPONSE.write(
            StreamingRecognizeResponse(
                results=tuple(
                    StreamingResult(
                        alternatives=(Alternative(piece.text),),
                        stability=piece.stability,
                        result_end_offset=Duration.of_ms(piece.end_ms),
                        channel_tag=piece.channel_tag,
                        language_code=piece.language,
                    )
                    for piece in pieces
                )
            )
        )

    def final(self, reading: Reading, opening: Opening) -> bytes:
        """What was heard."""
        return STREAMING_RESPONSE.write(
            StreamingRecognizeResponse(
                results=(
                    StreamingResult(
                        alternatives=_alternatives(reading),
                        is_final=True,
                        result_end_offset=Duration.of_ms(reading.end_ms),
                        channel_tag=reading.channel_tag,
                        language_code=reading.language,
                    ),
                )
            )
        )

    def activity(self, kind: Activity, at_ms: int, opening: Opening) -> bytes:
        """An event."""
        if kind not in _ACTIVITIES:
            return b""
        return STREAMING_RESPONSE.write(
            StreamingRecognizeResponse(
                speech_event_type=_ACTIVITIES[kind], speech_event_offset=Duration.of_ms(at_ms)
            )
        )

    def billed(self, audio_ms: int, opening: Opening) -> bytes:
        """The last message."""
        return STREAMING_RESPONSE.write(
            StreamingRecognizeResponse(metadata=_metadata(audio_ms, opening))
        )

    def answer(self, readings: Sequence[Reading], audio_ms: int, opening: Opening) -> bytes:
        """The answer to a unary request."""
        return RESPONSE.write(
            RecognizeResponse(
                metadata=_metadata(audio_ms, opening),
                results=tuple(
                    Result(
                        alternatives=_alternatives(reading),
                        channel_tag=reading.channel_tag,
                        result_end_offset=Duration.of_ms(reading.end_ms),
                        language_code=reading.language,
                    )
                    for reading in readings
                ),
            )
        )

    def _recognizer(self, name: str) -> RecognitionConfig:
        known = recognizer_id(name)
        if known == "_":
            return RecognitionConfig()
        if known not in self._kept:
            raise unknown(name, sorted(self._kept))
        return self._kept[known]


V2 = VersionTwo()


def _metadata(audio_ms: int, opening: Opening) -> ResponseMetadata:
    return ResponseMetadata(Duration(billed_s(audio_ms)), opening.id)


def _alternatives(reading: Reading) -> tuple[Alternative, ...]:
    best, *others = reading.texts
    words = tuple(_word(spoken) for spoken in reading.words)
    return (Alternative(best, reading.confidence, words), *(Alternative(text) for text in others))


def _word(spoken: Spoken) -> WordInfo:
    return WordInfo(
        start_offset=None if spoken.start_ms is None else Duration.of_ms(spoken.start_ms),
        end_offset=None if spoken.end_ms is None else Duration.of_ms(spoken.end_ms),
        word=spoken.text,
        confidence=spoken.confidence,
        speaker_label=str(spoken.speaker) if spoken.speaker else "",
    )
