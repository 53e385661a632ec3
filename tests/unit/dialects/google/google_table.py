"""(name, codec, bytes, object) for both versions; also the seeds of the fuzz tests."""

from typing import Any

from ossicle.dialects.google import v1_messages as one
from ossicle.dialects.google import v2_messages as two
from ossicle.dialects.protobuf import Codec, Duration, FieldMask

CODECS = one.V1Codecs("google.cloud.speech.v1")

TABLE: list[tuple[str, Codec[Any], bytes, Any]] = [
    (
        "v1 audio",
        CODECS.streaming_request,
        b"\x12\x03abc",
        one.StreamingRecognizeRequest(audio_content=b"abc"),
    ),
    (
        "v1 audio of no bytes",
        CODECS.streaming_request,
        b"\x12\x00",
        one.StreamingRecognizeRequest(audio_content=b""),
    ),
    ("v1 neither", CODECS.streaming_request, b"", one.StreamingRecognizeRequest()),
    (
        "v1 configuration",
        CODECS.streaming_request,
        b"\x0a\x12\x0a\x0c\x08\x01\x10\x80\x7d\x1a\x05en-US\x10\x01\x18\x01",
        one.StreamingRecognizeRequest(
            one.StreamingRecognitionConfig(
                one.RecognitionConfig(1, 16_000, "en-US"),
                single_utterance=True,
                interim_results=True,
            )
        ),
    ),
    (
        "v1 time-outs",
        CODECS.streaming_request,
        b"\x0a\x0a\x28\x01\x32\x06\x0a\x02\x08\x03\x12\x00",
        one.StreamingRecognizeRequest(
            one.StreamingRecognitionConfig(
                enable_voice_activity_events=True,
                voice_activity_timeout=one.VoiceActivityTimeout(Duration(3), Duration()),
            )
        ),
    ),
    (
        "v1 interim",
        CODECS.streaming_response,
        (b"\x12\x0d\x0a\x06\x0a\x04book\x1d\x66\x66\x66\x3f\x12\x0f\x0a\x08\x0a\x06 table"
        b"\x1d\x0a\xd7\x23\x3c"),
        one.StreamingRecognizeResponse(
            (
                one.StreamingResult((one.Alternative("book"),), stability=0.8999999761581421),
                one.StreamingResult((one.Alternative(" table"),), stability=0.009999999776482582),
            )
        ),
    ),
    (
        "v1 event",
        CODECS.streaming_response,
        b"\x20\x02\x42\x06\x10\x80\xf0\xf0\xe4\x01",
        one.StreamingRecognizeResponse(
            speech_event_type=2, speech_event_time=Duration(0, 480_000_000)
        ),
    ),
    (
        "v1 billed",
        CODECS.streaming_response,
        b"\x2a\x02\x08\x03\x50\x07",
        one.StreamingRecognizeResponse(total_billed_time=Duration(3), request_id=7),
    ),
    (
        "v1 recording by name",
        CODECS.request,
        b"\x12\x07\x12\x05gs://",
        one.RecognizeRequest(audio=one.RecognitionAudio(uri="gs://")),
    ),
    (
        "v2 audio",
        two.STREAMING_REQUEST,
        b"\x2a\x03abc",
        two.StreamingRecognizeRequest(audio=b"abc"),
    ),
    (
        "v2 configuration",
        two.STREAMING_REQUEST,
        b"\x1a\x01r\x32\x15\x0a\x07\x3a\x00\x52\x03abc\x12\x02\x10\x01\x1a\x06\x0a\x04a.b*",
        two.StreamingRecognizeRequest(
            "r",
            streaming_config=two.StreamingRecognitionConfig(
                two.RecognitionConfig(
                    auto_decoding_config=two.AutoDecoding(), language_codes=("abc",)
                ),
                two.StreamingFeatures(interim_results=True),
                FieldMask(("a.b*",)),
            ),
        ),
    ),
    (
        "v2 explicit decoding",
        two.STREAMING_REQUEST,
        b"\x32\x0b\x0a\x09\x42\x07\x08\x02\x10\xc0\x3e\x18\x02",
        two.StreamingRecognizeRequest(
            streaming_config=two.StreamingRecognitionConfig(
                two.RecognitionConfig(
                    explicit_decoding_config=two.ExplicitDecoding(2, 8_000, 2)
                )
            )
        ),
    ),
    (
        "v2 final",
        two.STREAMING_RESPONSE,
        b"\x32\x10\x0a\x06\x0a\x04left\x10\x01\x22\x02\x08\x02\x28\x01",
        two.StreamingRecognizeResponse(
            results=(
                two.StreamingResult(
                    (two.Alternative("left"),),
                    is_final=True,
                    result_end_offset=Duration(2),
                    channel_tag=1,
                ),
            )
        ),
    ),
    (
        "v2 last",
        two.STREAMING_RESPONSE,
        b"\x2a\x07\x32\x02\x08\x03\x4a\x01u",
        two.StreamingRecognizeResponse(metadata=two.ResponseMetadata(Duration(3), "u")),
    ),
    (
        "v2 event",
        two.STREAMING_RESPONSE,
        b"\x18\x03\x3a\x02\x08\x01",
        two.StreamingRecognizeResponse(speech_event_type=3, speech_event_offset=Duration(1)),
    ),
    (
        "v2 recording",
        two.REQUEST,
        b"\x1a\x01r\x2a\x02xx",
        two.RecognizeRequest(recognizer="r", content=b"xx"),
    ),
    ("v2 answer", two.RESPONSE, b"\x12\x03\x4a\x01u", two.RecognizeResponse(
        two.ResponseMetadata(None, "u")
    )),
]  # fmt: skip
