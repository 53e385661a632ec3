"""Any bytes against the Google and Riva dialects: a call is served or ended with a documented
status; nothing raises, and nothing that was sent is quoted."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio.speechfile import speech_file
from ossicle.core.commands import Audio, Configure, End, Finalize, Played, Speak
from ossicle.core.errors import BadAudio, BadMessage, OssicleError
from ossicle.core.events import AudioOut, Began, Configured, Ended, SpeechEnded, Transcript
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientDialect, Dialect
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening
from ossicle.dialects.google import (
    V1,
    V2,
    GoogleClient,
    GoogleRules,
    StreamServer,
    UnaryServer,
)
from ossicle.dialects.google import v1_messages as one
from ossicle.dialects.google import v2_messages as two
from ossicle.dialects.google.hints import Hints
from ossicle.dialects.protobuf import Codec
from ossicle.dialects.riff import Riff
from ossicle.dialects.riva import RivaClient, RivaRecognizer, RivaServer
from ossicle.dialects.riva import asr_messages as asr
from ossicle.dialects.riva import tts_messages as tts
from ossicle.dialects.riva.tts_server import RivaSpeaker, RivaStreamingSpeaker

CALL = Opening(id="6f0c0000-0000-4000-8000-000000000006", transport="grpc")
STATUSES = {None, *range(1, 17)}

SEEDS = [
    V1.codecs.streaming_request.write(
        one.StreamingRecognizeRequest(
            one.StreamingRecognitionConfig(
                one.RecognitionConfig(1, 16_000, "en-US", 2), interim_results=True
            )
        )
    ),
    V1.codecs.streaming_request.write(one.StreamingRecognizeRequest(audio_content=b"RIFF\0\0")),
    two.STREAMING_REQUEST.write(
        two.StreamingRecognizeRequest(
            "projects/p/locations/global/recognizers/_",
            streaming_config=two.StreamingRecognitionConfig(
                two.RecognitionConfig(
                    auto_decoding_config=two.AutoDecoding(), language_codes=("en-US",)
                )
            ),
        )
    ),
    two.STREAMING_REQUEST.write(two.StreamingRecognizeRequest(audio=b"abc")),
    asr.STREAMING_REQUEST.write(
        asr.StreamingRecognizeRequest(
            asr.StreamingRecognitionConfig(asr.RecognitionConfig(1, 16_000, "en-US"))
        )
    ),
    tts.REQUEST.write(tts.SynthesizeRequest("Hello.", "en-US", 1, 16_000)),
    asr.REQUEST.write(asr.RecognizeRequest(asr.RecognitionConfig(1, 16_000, "en-US"), b"abcd")),
    one.V1Codecs("google.cloud.speech.v1").request.write(
        one.RecognizeRequest(
            one.RecognitionConfig(1, 16_000, "en-US"), one.RecognitionAudio(b"abcd")
        )
    ),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A seed with some bytes changed, cut or doubled; or anything at all."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if data:
                data[place] = draw(st.integers(0, 255))
            case 1:
                del data[place:]
            case 2:
                data[place:place] = draw(st.binary(max_size=6))
            case _:
                data += data[place:]
    return bytes(data)


messages = st.lists(damaged() | st.sampled_from(SEEDS) | st.binary(max_size=40), max_size=6)

SERVERS: list[Any] = [
    lambda: StreamServer(V1),
    lambda: StreamServer(V2, GoogleRules(stream_limit_s=5)),
    lambda: UnaryServer(V1),
    lambda: UnaryServer(V2),
    RivaServer,
    RivaRecognizer,
    lambda: RivaSpeaker(speech_file),
    lambda: RivaStreamingSpeaker(speech_file),
]


@pytest.mark.parametrize("make", SERVERS)
@settings(max_examples=80, derandomize=True, deadline=None)
@given(sent=messages)
def test_a_server_half_bears_anything(make: Any, sent: list[bytes]) -> None:
    server: Dialect = make()
    steps = list(server.open(CALL, 0.0))
    for number, data in enumerate(sent):
        steps += server.receive(Binary(data), float(number))
    for event in (Began(), Configured(), Transcript(text="a", final=True, end_ms=9)):
        steps += server.send(event, 7.0)
    for _ in range(20):
        if server.deadline < 60:
            steps += server.expire(max(7.0, server.deadline))
    steps += server.receive(Fin(), 60.0)
    steps += server.send(AudioOut(data=bytes(8)), 60.0)
    steps += server.send(SpeechEnded(side="out", reason="done"), 60.0)
    steps += server.send(Ended(), 61.0)
    closes = [step for step in steps if isinstance(step, Close)]
    assert len(closes) == 1
    assert closes[0].code in STATUSES
    after = steps[steps.index(closes[0]) + 1 :]
    assert not [step for step in after if isinstance(step, Binary | Accept | Close)]
    for step in steps:
        if isinstance(step, Configure):
            try:
                merged(Options(), step.patch)
            except OssicleError:
                continue  # refused by the session, in words
        assert isinstance(
            step, Accept | Binary | Close | Configure | Audio | End | Finalize | Speak | Played
        )


RESPONSES = [
    V1.codecs.streaming_response.write(
        one.StreamingRecognizeResponse((one.StreamingResult((one.Alternative("a"),), True),))
    ),
    two.STREAMING_RESPONSE.write(
        two.StreamingRecognizeResponse(
            results=(two.StreamingResult((two.Alternative("a"),), stability=0.5),)
        )
    ),
    asr.STREAMING_RESPONSE.write(
        asr.StreamingRecognizeResponse((asr.StreamingResult((asr.Alternative("a"),), True),))
    ),
]


@pytest.mark.parametrize("make", [GoogleClient, lambda: GoogleClient("v1"), RivaClient])
@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    came=st.lists(st.sampled_from(RESPONSES) | st.binary(max_size=40), max_size=6),
    flips=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=4),
)
def test_a_client_half_bears_anything(
    make: Any, came: list[bytes], flips: list[tuple[int, int]]
) -> None:
    client: ClientDialect = make()
    client.open(Configure())
    client.receive(Accept(), 0.0)
    ended = 0
    for data in came:
        changed = bytearray(data)
        for place, value in flips:
            if place < len(changed):
                changed[place] = value
        steps = client.receive(Binary(bytes(changed)), 0.0)
        ended += sum(isinstance(step, Ended) for step in steps)
    ended += sum(isinstance(step, Ended) for step in client.receive(Close(), 0.0))
    assert ended >= 1


CODECS: list[Codec[Any]] = [
    V1.codecs.streaming_request,
    V1.codecs.streaming_response,
    two.STREAMING_REQUEST,
    two.STREAMING_RESPONSE,
    asr.STREAMING_REQUEST,
    asr.STREAMING_RESPONSE,
    tts.REQUEST,
    tts.RESPONSE,
]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(codec=st.sampled_from(CODECS), data=damaged() | st.binary(max_size=60))
def test_what_is_read_is_written_and_read_alike(codec: Codec[Any], data: bytes) -> None:
    try:
        value = codec.parse(data)
    except BadMessage:
        return
    again = codec.write(value)
    assert repr(codec.parse(again)) == repr(value)  # NaN is not equal to itself
    assert codec.write(codec.parse(again)) == again


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from([b"RIFF", b"\0\0\0\0", b"WAVE", b"fmt ", b"\x10\0\0\0", b"data", b"\1\0"])
        | st.binary(max_size=20),
        max_size=20,
    )
)
def test_a_header_in_pieces_says_what_it_says_whole(pieces: list[bytes]) -> None:
    def read(parts: list[bytes]) -> object:
        riff = Riff()
        out = b""
        try:
            for part in parts:
                out += riff.feed(part)
            out += riff.finish()
        except BadAudio:
            return "bad"
        return (out, riff.header)

    assert read(pieces) == read([b"".join(pieces)])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    phrases=st.lists(st.text("ab ${}$A_", max_size=20), max_size=8),
    items=st.lists(st.text("ab$ {}", max_size=6), max_size=8),
)
def test_hints_are_bounded_and_legal(phrases: list[str], items: list[str]) -> None:
    hints = Hints()
    hints.add_class("a", items)
    for phrase in phrases:
        hints.add(phrase, 1.0)
    merged(Options(), {"recognition": {"hints": hints.hints()}})
    assert len(hints.warnings) <= 4
