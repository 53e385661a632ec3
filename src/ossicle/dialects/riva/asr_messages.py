"""The messages of Riva speech recognition as structs; names and numbers stand in
`proto/nvidia/riva/asr`. Word times are whole milliseconds, `audio_processed` is seconds.
"""

import msgspec

from ossicle.dialects.protobuf import Codec

__all__ = [
    "CONFIG_REQUEST",
    "CONFIG_RESPONSE",
    "REQUEST",
    "RESPONSE",
    "STREAMING_REQUEST",
    "STREAMING_RESPONSE",
    "Alternative",
    "Diarization",
    "Endpointing",
    "ModelConfig",
    "ModelRequest",
    "ModelResponse",
    "RecognitionConfig",
    "RecognizeRequest",
    "RecognizeResponse",
    "RequestId",
    "Result",
    "SpeechContext",
    "StreamingRecognitionConfig",
    "StreamingRecognizeRequest",
    "StreamingRecognizeResponse",
    "StreamingResult",
    "WordInfo",
]


class RequestId(msgspec.Struct, frozen=True):
    """Said back as it came."""

    value: str = ""


class SpeechContext(msgspec.Struct, frozen=True):
    """Phrases that are likely."""

    phrases: tuple[str, ...] = ()
    boost: float = 0.0


class Diarization(msgspec.Struct, frozen=True):
    """`SpeakerDiarizationConfig`."""

    enable_speaker_diarization: bool = False
    max_speaker_count: int = 0


class Endpointing(msgspec.Struct, frozen=True):
    """`EndpointingConfig`; histories in milliseconds."""

    start_history: int | None = None
    start_threshold: float | None = None
    stop_history: int | None = None
    stop_threshold: float | None = None
    stop_history_eou: int | None = None
    stop_threshold_eou: float | None = None


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
    diarization_config: Diarization | None = None
    custom_configuration: dict[str, str] = {}
    endpointing_config: Endpointing | None = None


class StreamingRecognitionConfig(msgspec.Struct, frozen=True):
    """The first message of a stream."""

    config: RecognitionConfig | None = None
    interim_results: bool = False


class StreamingRecognizeRequest(msgspec.Struct, frozen=True):
    """One message of a client: exactly one of the first two."""

    streaming_config: StreamingRecognitionConfig | None = None
    audio_content: bytes | None = None
    id: RequestId | None = None


class RecognizeRequest(msgspec.Struct, frozen=True):
    """A unary request."""

    config: RecognitionConfig | None = None
    audio: bytes = b""
    id: RequestId | None = None


class WordInfo(msgspec.Struct, frozen=True):
    """One word."""

    start_time: int = 0
    end_time: int = 0
    word: str = ""
    confidence: float = 0.0
    speaker_tag: int = 0
    language_code: str = ""


class Alternative(msgspec.Struct, frozen=True):
    """`SpeechRecognitionAlternative`: one reading."""

    transcript: str = ""
    confidence: float = 0.0
    words: tuple[WordInfo, ...] = ()
    language_code: tuple[str, ...] = ()


class StreamingResult(msgspec.Struct, frozen=True):
    """`StreamingRecognitionResult`."""

    alternatives: tuple[Alternative, ...] = ()
    is_final: bool = False
    stability: float = 0.0
    channel_tag: int = 0
    audio_processed: float = 0.0


class StreamingRecognizeResponse(msgspec.Struct, frozen=True):
    """One message to a client."""

    results: tuple[StreamingResult, ...] = ()
    id: RequestId | None = None


class Result(msgspec.Struct, frozen=True):
    """`SpeechRecognitionResult`, of a unary answer."""

    alternatives: tuple[Alternative, ...] = ()
    channel_tag: int = 0
    audio_processed: float = 0.0


class RecognizeResponse(msgspec.Struct, frozen=True):
    """A unary answer."""

    results: tuple[Result, ...] = ()
    id: RequestId | None = None


class ModelRequest(msgspec.Struct, frozen=True):
    """`RivaSpeechRecognitionConfigRequest`; empty = all models."""

    model_name: str = ""


class ModelConfig(msgspec.Struct, frozen=True):
    """One model and what it says of itself."""

    model_name: str = ""
    parameters: dict[str, str] = {}


class ModelResponse(msgspec.Struct, frozen=True):
    """`RivaSpeechRecognitionConfigResponse`."""

    model_config: tuple[ModelConfig, ...] = ()


_PACKAGE = "nvidia.riva.asr."
STREAMING_REQUEST = Codec(StreamingRecognizeRequest, _PACKAGE + "StreamingRecognizeRequest")
STREAMING_RESPONSE = Codec(StreamingRecognizeResponse, _PACKAGE + "StreamingRecognizeResponse")
REQUEST = Codec(RecognizeRequest, _PACKAGE + "RecognizeRequest")
RESPONSE = Codec(RecognizeResponse, _PACKAGE + "RecognizeResponse")
CONFIG_REQUEST = Codec(ModelRequest, _PACKAGE + "RivaSpeechRecognitionConfigRequest")
CONFIG_RESPONSE = Codec(ModelResponse, _PACKAGE + "RivaSpeechRecognitionConfigResponse")
