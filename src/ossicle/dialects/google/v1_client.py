"""Speech v1 and v1p1beta1 from the client's end: a configuration to requests, responses to what
they tell."""

from typing import Literal

from ossicle.core.commands import Configure
from ossicle.core.errors import BadAudio
from ossicle.core.events import Word
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged

from .told import Activity, Heard, Told
from .v1_messages import (
    Alternative,
    Diarization,
    RecognitionConfig,
    SpeechContext,
    SpeechEventType,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
    StreamingResult,
    V1Codecs,
)

__all__ = ["ClientOne"]

_ENCODINGS = {
    "auto": 0,
    "wav": 0,
    "pcm_s16le": 1,
    "flac": 2,
    "mulaw": 3,
    "ogg": 6,
    "mp3": 8,
    "webm": 9,
    "alaw": 10,
}
_ACTIVITIES: dict[int, Activity] = {
    SpeechEventType.SPEECH_ACTIVITY_BEGIN: "begin",
    SpeechEventType.SPEECH_ACTIVITY_END: "end",
}


class ClientOne:
    """Implements `client.Speaks`."""

    def __init__(self, version: Literal["v1", "v1p1beta1"]) -> None:
        self.path = f"/google.cloud.speech.{version}.Speech/StreamingRecognize"
        self._codecs = V1Codecs(f"google.cloud.speech.{version}")
        self._alaw = version != "v1"

    def config(self, configure: Configure) -> bytes:
        """The first message.

        Raises:
            BadAudio: the format has no name here.
        """
        options = merged(Options(), configure.patch).recognition
        source = configure.format or AudioFormat()
        number = _ENCODINGS.get(source.encoding)
        if number is None or (number == 10 and not self._alaw):
            raise BadAudio(
                f"{source.encoding} has no name in this dialect; use {', '.join(_ENCODINGS)}",
                code="unsupported_audio",
            )
        config = RecognitionConfig(
            encoding=number,
            # a file says its own rate, and it has to agree
            sample_rate_hertz=source.sample_rate if source.width or number in {6, 9} else 0,
            language_code=options.language,
            max_alternatives=options.alternatives if options.alternatives > 1 else 0,
            profanity_filter=options.profanity_filter,
            speech_contexts=tuple(
                SpeechContext((hint.text,), hint.boost or 0.0) for hint in options.hints
            ),
            audio_channel_count=source.channels if source.width else 0,
            enable_word_time_offsets=options.word_times,
            enable_word_confidence=options.word_times,
            enable_automatic_punctuation=options.punctuate,
            enable_separate_recognition_per_channel=options.channels == "split",
            model=options.model,
            diarization_config=Diarization(enable_speaker_diarization=True)
            if options.diarize
            else None,
        )
        return self._codecs.streaming_request.write(
            StreamingRecognizeRequest(
                streaming_config=StreamingRecognitionConfig(
                    config,
                    interim_results=options.interim_results,
                    enable_voice_activity_events=True,
                )
            )
        )

    def audio(self, data: bytes) -> bytes:
        """An audio message."""
        return self._codecs.streaming_request.write(StreamingRecognizeRequest(audio_content=data))

    def read(self, data: bytes) -> Told:
        """A message of the service.

        Raises:
            BadMessage: not protobuf.
        """
        response = self._codecs.streaming_response.parse(data)
        at, billed = response.speech_event_time, response.total_billed_time
        return Told(
            results=tuple(_heard(result) for result in response.results),
            activity=_ACTIVITIES.get(response.speech_event_type, ""),
            at_ms=at.ms if at is not None else None,
            billed_ms=billed.ms if billed is not None else None,
            request_id=str(response.request_id) if response.request_id else "",
        )


def _heard(result: StreamingResult) -> Heard:
    best, *others = result.alternatives or (Alternative(),)
    end = result.result_end_time
    timed = all(word.start_time is not None or word.end_time is not None for word in best.words)
    return Heard(
        text=best.transcript,
        final=result.is_final,
        stability=result.stability,
        end_ms=end.ms if end is not None else None,
        channel=max(0, result.channel_tag - 1),
        language=result.language_code,
        confidence=best.confidence or None,
        words=tuple(
            Word(
                word.word,
                word.start_time.ms if word.start_time is not None else 0,
                word.end_time.ms if word.end_time is not None else 0,
                word.confidence or None,
                word.speaker_label or (str(word.speaker_tag) if word.speaker_tag else ""),
            )
            for word in best.words
        )
        if best.words and timed
        else None,
        alternatives=tuple(other.transcript for other in others),
    )
