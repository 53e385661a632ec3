"""Speech v2 from the client's end: a configuration to requests, responses to what they tell."""

from ossicle.core.commands import Configure
from ossicle.core.errors import BadAudio
from ossicle.core.events import Word
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Hint, Options, TurnOptions, merged

from .told import Activity, Heard, Told
from .v2_messages import (
    STREAMING_REQUEST,
    STREAMING_RESPONSE,
    Adaptation,
    AdaptationPhraseSet,
    Alternative,
    AutoDecoding,
    Diarization,
    ExplicitDecoding,
    Phrase,
    PhraseSet,
    RecognitionConfig,
    RecognitionFeatures,
    SpeechEventType,
    StreamingFeatures,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
    StreamingResult,
)

__all__ = ["ClientTwo"]

_ENCODINGS = {"pcm_s16le": 1, "mulaw": 2, "alaw": 3}
_HEADED = frozenset({"auto", "wav", "flac", "mp3", "ogg", "webm"})
_ACTIVITIES: dict[int, Activity] = {
    SpeechEventType.SPEECH_ACTIVITY_BEGIN: "begin",
    SpeechEventType.SPEECH_ACTIVITY_END: "end",
}
_SUPERSHORT, _SHORT = 2, 3


class ClientTwo:
    """Implements `client.Speaks`."""

    path = "/google.cloud.speech.v2.Speech/StreamingRecognize"

    def __init__(self, recognizer: str) -> None:
        self._recognizer = recognizer

    def config(self, configure: Configure) -> bytes:
        """The first message.

        Raises:
            BadAudio: the format has no name here.
        """
        options = merged(Options(), configure.patch).recognition
        source = configure.format or AudioFormat()
        number = _ENCODINGS.get(source.encoding)
        if number is None and source.encoding not in _HEADED:
            raise BadAudio(
                f"{source.encoding} has no name in this dialect; use "
                f"{', '.join([*_ENCODINGS, *sorted(_HEADED)])}",
                code="unsupported_audio",
            )
        config = RecognitionConfig(
            features=RecognitionFeatures(
                profanity_filter=options.profanity_filter,
                enable_word_time_offsets=options.word_times,
                enable_word_confidence=options.word_times,
                enable_automatic_punctuation=options.punctuate,
                diarization_config=Diarization() if options.diarize else None,
                max_alternatives=options.alternatives if options.alternatives > 1 else 0,
                multi_channel_mode=1 if options.channels == "split" else 0,
            ),
            adaptation=_adaptation(options.hints) if options.hints else None,
            auto_decoding_config=AutoDecoding() if number is None else None,
            explicit_decoding_config=ExplicitDecoding(number, source.sample_rate, source.channels)
            if number is not None
            else None,
            model=options.model,
            language_codes=(options.language,),
        )
        return STREAMING_REQUEST.write(
            StreamingRecognizeRequest(
                recognizer=self._recognizer,
                streaming_config=StreamingRecognitionConfig(
                    config,
                    StreamingFeatures(
                        enable_voice_activity_events=True,
                        interim_results=options.interim_results,
                        endpointing_sensitivity=_sensitivity(options.turns),
                    ),
                ),
            )
        )

    def audio(self, data: bytes) -> bytes:
        """An audio message."""
        return STREAMING_REQUEST.write(StreamingRecognizeRequest(audio=data))

    def read(self, data: bytes) -> Told:
        """A message of the service.

        Raises:
            BadMessage: not protobuf.
        """
        response = STREAMING_RESPONSE.parse(data)
        at, metadata = response.speech_event_offset, response.metadata
        billed = metadata.total_billed_duration if metadata is not None else None
        return Told(
            results=tuple(_heard(result) for result in response.results),
            activity=_ACTIVITIES.get(response.speech_event_type, ""),
            at_ms=at.ms if at is not None else None,
            billed_ms=billed.ms if billed is not None else None,
            request_id=metadata.request_id if metadata is not None else "",
        )


def _adaptation(hints: tuple[Hint, ...]) -> Adaptation:
    phrases = tuple(Phrase(hint.text, hint.boost or 0.0) for hint in hints)
    return Adaptation((AdaptationPhraseSet(inline_phrase_set=PhraseSet(phrases=phrases)),))


def _sensitivity(turns: TurnOptions) -> int:
    """The nearest of three; nothing where the silence is the usual one or longer."""
    if turns.silence_ms <= 300:
        return _SUPERSHORT
    return _SHORT if turns.silence_ms <= 500 else 0


def _heard(result: StreamingResult) -> Heard:
    best, *others = result.alternatives or (Alternative(),)
    end = result.result_end_offset
    timed = all(word.start_offset is not None or word.end_offset is not None for word in best.words)
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
                word.start_offset.ms if word.start_offset is not None else 0,
                word.end_offset.ms if word.end_offset is not None else 0,
                word.confidence or None,
                word.speaker_label,
            )
            for word in best.words
        )
        if best.words and timed
        else None,
        alternatives=tuple(other.transcript for other in others),
    )
