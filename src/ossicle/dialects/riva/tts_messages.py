"""The messages of Riva speech synthesis as structs; names and numbers stand in
`proto/nvidia/riva/tts`.
"""

import msgspec

from ossicle.dialects.protobuf import Codec

from .asr_messages import ModelConfig, RequestId

__all__ = [
    "CONFIG_REQUEST",
    "CONFIG_RESPONSE",
    "REQUEST",
    "RESPONSE",
    "SpokenMetadata",
    "SynthesizeRequest",
    "SynthesizeResponse",
    "VoiceRequest",
    "VoiceResponse",
    "ZeroShot",
]


class ZeroShot(msgspec.Struct, frozen=True):
    """`ZeroShotData`: a voice to imitate."""

    audio_prompt: bytes = b""


class SynthesizeRequest(msgspec.Struct, frozen=True):
    """`SynthesizeSpeechRequest`: a text and how to say it."""

    text: str = ""
    language_code: str = ""
    encoding: int = 0
    sample_rate_hz: int = 0
    voice_name: str = ""
    zero_shot_data: ZeroShot | None = None
    custom_dictionary: str = ""
    custom_configuration: dict[str, str] = {}
    enable_word_time_offsets: bool = False
    id: RequestId | None = None


class SpokenMetadata(msgspec.Struct, frozen=True):
    """`SynthesizeSpeechResponseMetadata`."""

    text: str = ""
    processed_text: str = ""


class SynthesizeResponse(msgspec.Struct, frozen=True):
    """`SynthesizeSpeechResponse`: sound, in the encoding asked for."""

    audio: bytes = b""
    meta: SpokenMetadata | None = None
    id: RequestId | None = None


class VoiceRequest(msgspec.Struct, frozen=True):
    """`RivaSynthesisConfigRequest`; empty = all."""

    model_name: str = ""


class VoiceResponse(msgspec.Struct, frozen=True):
    """`RivaSynthesisConfigResponse`."""

    model_config: tuple[ModelConfig, ...] = ()


_PACKAGE = "nvidia.riva.tts."
REQUEST = Codec(SynthesizeRequest, _PACKAGE + "SynthesizeSpeechRequest")
RESPONSE = Codec(SynthesizeResponse, _PACKAGE + "SynthesizeSpeechResponse")
CONFIG_REQUEST = Codec(VoiceRequest, _PACKAGE + "RivaSynthesisConfigRequest")
CONFIG_RESPONSE = Codec(VoiceResponse, _PACKAGE + "RivaSynthesisConfigResponse")
