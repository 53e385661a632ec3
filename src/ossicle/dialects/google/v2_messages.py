"""The messages of Speech v2 as structs. Fields are described in the wire note, §3 and §4; names and
numbers stand in `proto/google/cloud/speech/v2`. Nothing is shared with v1: times, events and
encodings have other names and numbers there.
"""

import msgspec

from ossicle.dialects.protobuf import Codec, Duration, FieldMask

__all__ = [
    "REQUEST",
    "RESPONSE",
    "STREAMING_REQUEST",
    "STREAMING_RESPONSE",
    "Adaptation",
    "AdaptationPhraseSet",
    "Alternative",
    "AutoDecoding",
    "CustomPrompt",
    "Denoiser",
    "Diarization",
    "ExplicitDecoding",
    "Normalization",
    "Phrase",
    "PhraseSet",
    "RecognitionConfig",
    "RecognitionFeatures",
    "RecognizeRequest",
    "RecognizeResponse",
    "ResponseMetadata",
    "Result",
    "SpeechClass",
    "SpeechClassItem",
    "SpeechEventType",
    "StreamingFeatures",
    "StreamingRecognitionConfig",
    "StreamingRecognizeRequest",
    "StreamingRecognizeResponse",
    "StreamingResult",
    "Translation",
    "VoiceActivityTimeout",
    "WordInfo",
]


class SpeechEventType:
    """Numbers of `StreamingRecognizeResponse.speech_event_type`."""

    NONE = 0
    SPEECH_ACTIVITY_BEGIN = 2
    SPEECH_ACTIVITY_END = 3


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
    items: tuple[SpeechClassItem, ...] = ()


class AdaptationPhraseSet(msgspec.Struct, frozen=True):
    """A phrase set: by name, or here."""

    phrase_set: str | None = None
    inline_phrase_set: PhraseSet | None = None


class Adaptation(msgspec.Struct, frozen=True):
    """`SpeechAdaptation`."""

    phrase_sets: tuple[AdaptationPhraseSet, ...] = ()
    custom_classes: tuple[SpeechClass, ...] = ()


class AutoDecoding(msgspec.Struct, frozen=True):
    """By the file's header (`AutoDetectDecodingConfig`)."""


class ExplicitDecoding(msgspec.Struct, frozen=True):
    """`ExplicitDecodingConfig`: audio without a header."""

    encoding: int = 0
    sample_rate_hertz: int = 0
    audio_channel_count: int = 0


class Diarization(msgspec.Struct, frozen=True):
    """`SpeakerDiarizationConfig`: set = asked for."""

    min_speaker_count: int = 0
    max_speaker_count: int = 0


class CustomPrompt(msgspec.Struct, frozen=True):
    """`CustomPromptConfig`."""

    custom_prompt: str = ""


class RecognitionFeatures(msgspec.Struct, frozen=True):
    """What results are to hold."""

    profanity_filter: bool = False
    enable_word_time_offsets: bool = False
    enable_word_confidence: bool = False
    enable_automatic_punctuation: bool = False
    diarization_config: Diarization | None = None
    enable_spoken_punctuation: bool = False
    enable_spoken_emojis: bool = False
    max_alternatives: int = 0
    multi_channel_mode: int = 0
    custom_prompt_config: CustomPrompt | None = None


class NormalizationEntry(msgspec.Struct, frozen=True):
    """One replacement."""

    search: str = ""
    replace: str = ""


class Normalization(msgspec.Struct, frozen=True):
    """`TranscriptNormalization`."""

    entries: tuple[NormalizationEntry, ...] = ()


class Translation(msgspec.Struct, frozen=True):
    """`TranslationConfig`."""

    target_language: str = ""


class Denoiser(msgspec.Struct, frozen=True):
    """`DenoiserConfig`."""

    denoise_audio: bool = False


class RecognitionConfig(msgspec.Struct, frozen=True):
    """How to hear."""

    features: RecognitionFeatures | None = None
    adaptation: Adaptation | None = None
    auto_decoding_config: AutoDecoding | None = None
    explicit_decoding_config: ExplicitDecoding | None = None
    model: str = ""
    language_codes: tuple[str, ...] = ()
    transcript_normalization: Normalization | None = None
    translation_config: Translation | None = None
    denoiser_config: Denoiser | None = None


class VoiceActivityTimeout(msgspec.Struct, frozen=True):
    """How long nobody may speak."""

    speech_start_timeout: Duration | None = None
    speech_end_timeout: Duration | None = None


class StreamingFeatures(msgspec.Struct, frozen=True):
    """`StreamingRecognitionFeatures`."""

    enable_voice_activity_events: bool = False
    interim_results: bool = False
    voice_activity_timeout: VoiceActivityTimeout | None = None
    endpointing_sensitivity: int = 0


class StreamingRecognitionConfig(msgspec.Struct, frozen=True):
    """What the first message of a stream holds."""

    config: RecognitionConfig | None = None
    streaming_features: StreamingFeatures | None = None
    config_mask: FieldMask | None = None


class StreamingRecognizeRequest(msgspec.Struct, frozen=True):
    """One message of a client."""

    recognizer: str = ""
    audio: bytes | None = None
    streaming_config: StreamingRecognitionConfig | None = None


class RecognizeRequest(msgspec.Struct, frozen=True):
    """A unary request; exactly one of content and uri."""

    config: RecognitionConfig | None = None
    recognizer: str = ""
    content: bytes | None = None
    uri: str | None = None
    config_mask: FieldMask | None = None


class WordInfo(msgspec.Struct, frozen=True):
    """One word."""

    start_offset: Duration | None = None
    end_offset: Duration | None = None
    word: str = ""
    confidence: float = 0.0
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
    result_end_offset: Duration | None = None
    channel_tag: int = 0
    language_code: str = ""


class ResponseMetadata(msgspec.Struct, frozen=True):
    """`RecognitionResponseMetadata`, of the last message only."""

    total_billed_duration: Duration | None = None
    request_id: str = ""


class StreamingRecognizeResponse(msgspec.Struct, frozen=True):
    """One message to a client."""

    speech_event_type: int = 0
    metadata: ResponseMetadata | None = None
    results: tuple[StreamingResult, ...] = ()
    speech_event_offset: Duration | None = None


class Result(msgspec.Struct, frozen=True):
    """`SpeechRecognitionResult`, of a unary answer."""

    alternatives: tuple[Alternative, ...] = ()
    channel_tag: int = 0
    result_end_offset: Duration | None = None
    language_code: str = ""


class RecognizeResponse(msgspec.Struct, frozen=True):
    """A unary answer."""

    metadata: ResponseMetadata | None = None
    results: tuple[Result, ...] = ()


_PACKAGE = "google.cloud.speech.v2."
STREAMING_REQUEST = Codec(StreamingRecognizeRequest, _PACKAGE + "StreamingRecognizeRequest")
STREAMING_RESPONSE = Codec(StreamingRecognizeResponse, _PACKAGE + "StreamingRecognizeResponse")
REQUEST = Codec(RecognizeRequest, _PACKAGE + "RecognizeRequest")
RESPONSE = Codec(RecognizeResponse, _PACKAGE + "RecognizeResponse")
