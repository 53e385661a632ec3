"""Speech v1 and v1p1beta1: requests to `Asked`, results to messages."""

import uuid
from collections.abc import Sequence
from typing import Literal

from ossicle.core.wire import Opening
from ossicle.dialects.protobuf import Duration

from .asked import Asked, Piece, Reading, Spoken
from .errors import MALORDERED, Generation, Status, Unmet
from .v1_config import asked_of
from .v1_messages import (
    Alternative,
    RecognizeResponse,
    Result,
    SpeechEventType,
    StreamingRecognizeResponse,
    StreamingResult,
    V1Codecs,
    WordInfo,
)
from .version import Activity, Said, billed_s

__all__ = ["V1", "V1P1BETA1", "VersionOne"]

_ACTIVITIES: dict[Activity, int] = {
    "begin": SpeechEventType.SPEECH_ACTIVITY_BEGIN,
    "end": SpeechEventType.SPEECH_ACTIVITY_END,
    "timeout": SpeechEventType.SPEECH_ACTIVITY_TIMEOUT,
    "utterance": SpeechEventType.END_OF_SINGLE_UTTERANCE,
}


class VersionOne:
    """Implements `version.Version`."""

    generation: Generation = "v1"
    leading_blank = True

    def __init__(self, version: Literal["v1", "v1p1beta1"]) -> None:
        self.name = f"google.{version}"
        self.codecs = V1Codecs(f"google.cloud.speech.{version}")
        self._alaw = version != "v1"

    def read(self, data: bytes, *, first: bool) -> Said:
        """A request of a stream."""
        request = self.codecs.streaming_request.parse(data)
        if request.audio_content is not None:
            return Said(audio=request.audio_content)
        if (stream := request.streaming_config) is None:
            raise Unmet(MALORDERED)
        if not first:
            return Said(Asked(patch={}))  # refused whatever it holds
        if stream.config is None:
            raise Unmet("Invalid 'streaming_config': it holds no 'config'.")
        return Said(asked_of(stream.config, stream, alaw=self._alaw))

    def recording(self, data: bytes) -> tuple[Asked, bytes]:
        """A unary request."""
        request = self.codecs.request.parse(data)
        if request.config is None:
            raise Unmet("Invalid request: 'config' is missing.")
        audio = request.audio
        if audio is not None and audio.uri is not None:
            raise Unmet(
                "RecognitionAudio 'uri' is not read by this gateway; send 'content'.",
                Status.UNIMPLEMENTED,
            )
        if audio is None or not audio.content:
            raise Unmet("RecognitionAudio not set.")
        return asked_of(request.config, alaw=self._alaw), audio.content

    def interim(self, pieces: Sequence[Piece], opening: Opening) -> bytes:
        """Consecutive pieces of what is not yet certain."""
        return self._write(
            StreamingRecognizeResponse(
                results=tuple(
                    StreamingResult(
                        alternatives=(Alternative(piece.text),),
                        stability=piece.stability,
                        result_end_time=Duration.of_ms(piece.end_ms),
                        channel_tag=piece.channel_tag,
                        language_code=piece.language.lower(),
                    )
                    for piece in pieces
                ),
                request_id=_number(opening),
            )
        )

    def final(self, reading: Reading, opening: Opening) -> bytes:
        """What was heard."""
        return self._write(
            StreamingRecognizeResponse(
                results=(
                    StreamingResult(
                        alternatives=_alternatives(reading),
                        is_final=True,
                        result_end_time=Duration.of_ms(reading.end_ms),
                        channel_tag=reading.channel_tag,
                        language_code=reading.language.lower(),
                    ),
                ),
                request_id=_number(opening),
            )
        )

    def activity(self, kind: Activity, at_ms: int, opening: Opening) -> bytes:
        """An event."""
        return self._write(
            StreamingRecognizeResponse(
                speech_event_type=_ACTIVITIES[kind],
                speech_event_time=Duration.of_ms(at_ms),
                request_id=_number(opening),
            )
        )

    def billed(self, audio_ms: int, opening: Opening) -> bytes:
        """The last message."""
        return self._write(
            StreamingRecognizeResponse(
                total_billed_time=Duration(billed_s(audio_ms)), request_id=_number(opening)
            )
        )

    def answer(self, readings: Sequence[Reading], audio_ms: int, opening: Opening) -> bytes:
        """The answer to a unary request."""
        return self.codecs.response.write(
            RecognizeResponse(
                results=tuple(
                    Result(
                        alternatives=_alternatives(reading),
                        channel_tag=reading.channel_tag,
                        result_end_time=Duration.of_ms(reading.end_ms),
                        language_code=reading.language.lower(),
                    )
                    for reading in readings
                ),
                total_billed_time=Duration(billed_s(audio_ms)),
                request_id=_number(opening),
            )
        )

    def _write(self, response: StreamingRecognizeResponse) -> bytes:
        return self.codecs.streaming_response.write(response)


V1 = VersionOne("v1")
V1P1BETA1 = VersionOne("v1p1beta1")


def _number(opening: Opening) -> int:
    """The request's id: 63 bits of ours, since the field is signed."""
    try:
        return uuid.UUID(opening.id).int & ((1 << 63) - 1)
    except ValueError:
        return 0


def _alternatives(reading: Reading) -> tuple[Alternative, ...]:
    best, *others = reading.texts
    words = tuple(_word(spoken) for spoken in reading.words)
    return (Alternative(best, reading.confidence, words), *(Alternative(text) for text in others))


def _word(spoken: Spoken) -> WordInfo:
    return WordInfo(
        start_time=None if spoken.start_ms is None else Duration.of_ms(spoken.start_ms),
        end_time=None if spoken.end_ms is None else Duration.of_ms(spoken.end_ms),
        word=spoken.text,
        confidence=spoken.confidence,
        speaker_tag=spoken.speaker,
        speaker_label=str(spoken.speaker) if spoken.speaker else "",
    )
