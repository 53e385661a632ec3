"""The messages of Speech v1 and v1p1beta1 as structs. Fields are described in the wire note, §2
and §4; names and numbers stand in `proto/google/cloud/speech/v1`.

    codecs = V1Codecs("google.cloud.speech.v1")
    codecs.streaming_request.parse(data)    # StreamingRecognizeRequest(...)
"""

import msgspec

from ossicle.dialects.protobuf import Codec, Duration, Flag

__all__ = [
    "Adaptation",
    "Alternative",
    "Diarization",
    "Grammar",
    "Phrase",
    "PhraseSet",
    "RecognitionAudio",
    "RecognitionConfig",
    "RecognizeRequest",
    "RecognizeResponse",
    "Result",
    "SpeechClass",
    "SpeechClassItem",
    "SpeechContext",
    "SpeechEventType",
    "StreamingRecognitionConfig",
    "StreamingRecognizeRequest",
    "StreamingRecognizeResponse",
    "StreamingResult",
    "V1Codecs",
    "VoiceActivityTimeout",
    "WordInfo",
]


class SpeechEventType:
    """Numbers of `StreamingRecognizeResponse.speech_event_type`."""

    NONE = 0
    END_OF_SINGLE_UTTERANCE = 1
    SPEECH_ACTIVITY_BEGIN = 2
    SPEECH_ACTIVITY_END = 3
    SPEECH_ACTIVITY_TIMEOUT = 4


class SpeechContext(msgspec.Struct, frozen=True):
    """Phrases that are likely."""

    phrases: tuple[str, ...] = ()
    boost: float = 0.0


class Phrase(msgspec.Struct, frozen=True):
    """One phrase of a set."""

    value: str = ""
    boost: float = 0.0


class PhraseSet(msgspec.Struct, frozen=True):
    """Phrases with a common boost."""

    name: str = ""
    phrases: tuple[Phrase, ...] = ()
    boost: float = 0.0


class SpeechClassItem(msgspec.Struct, frozen=True):
    """One word of a class."""

    value: str = ""


class SpeechClass(msgspec.Struct, frozen=True):
    """Words that may stand for one another (`CustomClass`)."""

    name: str = ""
    custom_class_id: str = ""
    items: tuple[SpeechClassItem, ...] = ()


class Grammar(msgspec.Struct, frozen=True):
    """A grammar (`ABNFGrammar`)."""

    abnf_strings: tuple[str, ...] = ()


class Adaptation(msgspec.Struct, frozen=True):
    """`SpeechAdaptation`."""

    phrase_sets: tuple[PhraseSet, ...] = ()
    phrase_set_references: tuple[str, ...] = ()
    custom_classes: tuple[SpeechClass, ...] = ()
    abnf_grammar: Grammar | None = None


class Diarization(msgspec.Struct, frozen=True):
    """`SpeakerDiarizationConfig`."""

    enable_speaker_diarization: bool = False
    min_speaker_count: int = 0
    max_speaker_count: int = 0


class NormalizationEntry(msgspec.Struct, frozen=True):
    """One replacement."""

    search: str = ""
    replace: str = ""


class Normalization(msgspec.Struct, frozen=True):
    """`TranscriptNormalization`."""

    entries: tuple[NormalizationEntry, ...] = ()


class RecognitionConfig(msgspec.Struct, frozen=True):
    """How to hear."""

    encoding: int = 0
    sample_rate_hertz: int = 0
    language_code: str = ""
    max_alternatives: int = 0
    profanity_filter: bool = False
    speech_contexts: tuple[SpeechContext, ...] = ()
    audio_channel_count: int = 0
    enable_word_time_offsets: bool = False
    enable_automatic_punctuation: bool = False
    enable_separate_recognition_per_channel: bool = False
    model: str = ""
    enable_word_confidence: bool = False
    alternative_language_codes: tuple[str, ...] = ()
    diarization_config: Diarization | None = None
    adaptation: Adaptation | None = None
    enable_spoken_punctuation: Flag | None = None
    enable_spoken_emojis: Flag | None = None
    transcript_normalization: Normalization | None = None


class VoiceActivityTimeout(msgspec.Struct, frozen=True):
    """How long nobody may speak."""

    speech_start_timeout: Duration | None = None
    speech_end_timeout: Duration | None = None


class StreamingRecognitionConfig(msgspec.Struct, frozen=True):
    """The first message of a stream."""

    config: RecognitionConfig | None = None
    single_utterance: bool = False
    interim_results: bool = False
    enable_voice_activity_events: bool = False
    voice_activity_timeout: VoiceActivityTimeout | None = None


class StreamingRecognizeRequest(msgspec.Struct, frozen=True):
    """One message of a client: exactly one of the two."""

    streaming_config: StreamingRecognitionConfig | None = None
    audio_content: bytes | None = None


class RecognitionAudio(msgspec.Struct, frozen=True):
    """A recording: exactly one of the two."""

    content: bytes | None = None
    uri: str | None = None


class RecognizeRequest(msgspec.Struct, frozen=True):
    """A unary request."""

    config: RecognitionConfig | None = None
    audio: RecognitionAudio | None = None


class WordInfo(msgspec.Struct, frozen=True):
    """One word."""

    start_time: Duration | None = None
    end_time: Duration | None = None
    word: str = ""
    confidence: float = 0.0
    speaker_tag: int = 0
    speaker_label: str = ""


class Alternative(msgspec.Struct, frozen=True):
    """`SpeechRecognitionAlternative`: one reading."""

    transcript: str = ""
    confidence: float = 0.0
    words: tuple[WordInfo, ...] = ()


class StreamingResult(msgspec.Struct, frozen=True):
    """`StreamingRecognitionResult`."""

    alternatives: tuple[Alternative, ...] = ()
    is_final: bool = False
    stability: float = 0.0
    result_end_time: Duration | None = None
    channel_tag: int = 0
    language_code: str = ""


class StreamingRecognizeResponse(msgspec.Struct, frozen=True):
    """One message to a client. Its `error` is never set (wire note, §9), so it is not here."""

    results: tuple[StreamingResult, ...] = ()
    speech_event_type: int = 0
    total_billed_time: Duration | None = None
    speech_event_time: Duration | None = None
    request_id: int = 0


class Result(msgspec.Struct, frozen=True):
    """`SpeechRecognitionResult`, of a unary answer."""

    alternatives: tuple[Alternative, ...] = ()
    channel_tag: int = 0
    result_end_time: Duration | None = None
    language_code: str = ""


class RecognizeResponse(msgspec.Struct, frozen=True):
    """A unary answer."""

    results: tuple[Result, ...] = ()
    total_billed_time: Duration | None = None
    request_id: int = 0


class V1Codecs:
    """Both versions have the same messages in packages of their own."""

    def __init__(self, package: str) -> None:
        self.streaming_request = Codec(
            StreamingRecognizeRequest, f"{package}.StreamingRecognizeRequest"
        )
        self.streaming_response = Codec(
            StreamingRecognizeResponse, f"{package}.StreamingRecognizeResponse"
        )
        self.request = Codec(RecognizeRequest, f"{package}.RecognizeRequest")
        self.response = Codec(RecognizeResponse, f"{package}.RecognizeResponse")
