"""Google Speech, both halves: what one says the other hears; and the unary call."""

from typing import Any, Literal

import msgspec
import pytest

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.errors import CODES, BadAudio, OssicleError
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.options import Options, merged
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening
from ossicle.dialects.google import (
    V1,
    V1P1BETA1,
    V2,
    GoogleClient,
    StreamServer,
    UnaryServer,
    Version,
)
from ossicle.dialects.google import v1_messages as one
from ossicle.dialects.google import v2_messages as two
from ossicle.dialects.protobuf import Duration
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.dialect import check_pair
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

REQUEST = "6f0c0000-0000-4000-8000-000000000004"
Name = Literal["v1", "v1p1beta1", "v2"]
PAIRS: list[tuple[Name, Version]] = [("v1", V1), ("v1p1beta1", V1P1BETA1), ("v2", V2)]
each_version = pytest.mark.parametrize(("name", "version"), PAIRS, ids=[n for n, _ in PAIRS])


def kept(item: Command | Event) -> object:
    """Declared losses: where a text begins (its words say it), the reason of an end of speech, the
    turn's end (every final ends one), the end of a turn without words, refs. v1 writes languages
    in small letters. A silence that ends a turn has three steps in v2 and none in v1."""
    match item:
        case Began() | Configured():
            return None
        case Configure():
            options = merged(Options(), item.patch).recognition
            options = msgspec.structs.replace(options, turns=Options().recognition.turns)
            return (options, item.format, item.credential)
        case Transcript(final=False):
            return ("interim", item.text, item.end_ms, item.stable, item.channel)
        case Transcript(text=""):
            return None
        case Transcript():
            return (
                item.text,
                item.end_ms,
                item.words,
                item.confidence,
                item.alternatives,
                item.language.lower() or "en-us",
                item.channel,
            )
        case SpeechStarted(at_ms=at) | SpeechEnded(at_ms=at):
            return (type(item).__name__, at)
        case _:
            return item


EVENTS: list[Event] = [
    SpeechStarted(at_ms=100),
    Transcript(text="Turn", end_ms=400, stable=0),
    Transcript(text="Turn left at", end_ms=700, stable=9),
    Transcript(text="Turn left at", end_ms=700, stable=12),
    SpeechEnded(at_ms=900),
    Transcript(
        text="Turn left.",
        end_ms=900,
        final=True,
        ends_turn=True,
        confidence=0.5,
        alternatives=("turn left", "burn left"),
        words=(Word("Turn", 100, 400, 0.25, "1"), Word("left.", 400, 900, 0.75, "2")),
    ),
    Transcript(text="and", end_ms=1200, stable=3),
    Transcript(text="then stop", end_ms=2400, final=True, language="en-us"),
    Transcript(text="", end_ms=2500, final=True, ends_turn=True),
]


@each_version
def test_what_one_half_says_the_other_hears(name: Name, version: Version) -> None:
    check_pair(
        lambda: StreamServer(version),
        lambda: GoogleClient(name),
        configure=Configure(
            patch={
                "recognition": {
                    "language": "en-US",
                    "model": "latest_long",
                    "alternatives": 3,
                    "punctuate": True,
                    "diarize": True,
                    "profanity_filter": True,
                    "hints": [{"text": "ossicle"}, {"text": "anvil", "boost": 2.5}],
                }
            },
            format=AudioFormat("mulaw", 8000, 2),
            credential="k",
        ),
        kept=kept,
        commands=[Audio(data=b"\0\1"), Audio(data=b"\2"), End()],
        events=EVENTS,
    )


@each_version
def test_with_nothing_asked_for(name: Name, version: Version) -> None:
    check_pair(
        lambda: StreamServer(version),
        lambda: GoogleClient(name),
        configure=Configure(
            patch={"recognition": {"interim_results": False, "word_times": False}},
            format=AudioFormat("pcm_s16le", 16_000),
        ),
        kept=kept,
        commands=[Audio(data=bytes(100)), End()],
        events=[Transcript(text="Yes.", end_ms=400, final=True, ends_turn=True)],
    )


@each_version
def test_channels_heard_apart(name: Name, version: Version) -> None:
    check_pair(
        lambda: StreamServer(version),
        lambda: GoogleClient(name),
        configure=Configure(
            patch={"recognition": {"channels": "split", "word_times": False}},
            format=AudioFormat("pcm_s16le", 16_000, 2),
        ),
        kept=kept,
        commands=[End()],
        events=[
            Transcript(text="a", end_ms=400, channel=1),
            Transcript(text="b", end_ms=500, final=True, channel=1),
            Transcript(text="c", end_ms=500, final=True, channel=0),
            Transcript(text="d", end_ms=900, final=True, channel=1),
        ],
    )


def bound(name: Name = "v2", **configure: Any) -> tuple[GoogleClient, list[Message | Event]]:
    client = GoogleClient(name)
    client.open(Configure(**({"format": AudioFormat()} | configure)))
    return client, list(client.receive(Accept(), 0.0))


@each_version
def test_no_audio_message_is_over_the_limit_and_no_byte_is_lost(
    name: Name, version: Version
) -> None:
    client, (config, *_) = bound(name)
    server = StreamServer(version)
    server.open(Opening(id=REQUEST), 0.0)
    assert isinstance(config, Binary)
    server.receive(config, 0.0)
    sound = bytes(n % 251 for n in range(100_001))
    messages = client.send(Audio(data=sound), 0.0)
    assert len(messages) == 4
    heard = b""
    for message in messages:
        assert isinstance(message, Binary)
        for step in server.receive(message, 0.0):
            assert isinstance(step, Audio)
            heard += step.data
    assert heard == sound


def test_an_end_is_a_half_close_and_the_end_is_told() -> None:
    client, _ = bound()
    client.send(Audio(data=bytes(32_000)), 0.0)
    assert client.send(End(), 0.0) == (Fin(),)
    assert client.receive(Close(), 1.0) == (Ended(audio_ms=1000),)
    assert client.receive(Close(), 1.0) == ()


@each_version
def test_a_silent_user_is_lent_silence_and_times_are_corrected(
    name: Name, version: Version
) -> None:
    client, (config, *_) = bound(name)
    server = StreamServer(version)
    server.open(Opening(id=REQUEST), 0.0)
    assert isinstance(config, Binary)
    server.receive(config, 0.0)
    server.send(Began(), 0.0)

    def sent(steps: tuple[Any, ...]) -> int:
        """Milliseconds of audio that arrive at the service."""
        heard = [each for step in steps for each in server.receive(step, 0.0)]
        return sum(len(each.data) for each in heard if isinstance(each, Audio)) // 32

    assert client.deadline == 5.0
    assert sent(client.send(Audio(data=bytes(32_000)), 1.0)) == 1_000
    assert client.expire(5.9) == ()
    assert sent(client.expire(6.0)) == 100
    assert sent(client.expire(11.0)) == 100
    assert sent(client.send(Audio(data=bytes(32_000)), 12.0)) == 1_000

    def told(event: Event) -> Message | Event:
        (message,) = server.send(event, 12.0)
        assert isinstance(message, Binary)
        (came,) = client.receive(message, 12.0)
        return came

    words = (Word("a", 500, 900), Word("b", 1_300, 1_500))
    final = told(Transcript(text="a b", words=words, final=True, end_ms=1_500))
    assert isinstance(final, Transcript)
    assert [(word.start_ms, word.end_ms) for word in final.words or ()] == [
        (500, 900),
        (1_100, 1_300),
    ]
    assert final.end_ms == 1_300
    within = told(SpeechStarted(at_ms=1_150))
    assert isinstance(within, SpeechStarted)
    assert within.at_ms == 1_000
    client.send(End(), 13.0)
    assert client.deadline == float("inf")


def test_no_silence_is_made_where_it_cannot_be() -> None:
    client, _ = bound(format=AudioFormat("ogg", 48_000))
    assert client.expire(5.0) == ()
    assert client.deadline == 10.0
    odd, _ = bound()
    odd.send(Audio(data=b"x"), 0.0)
    assert odd.expire(5.0) == ()


def test_what_the_wire_has_no_word_for_is_told() -> None:
    client, _ = bound()
    (notice,) = client.send(Finalize(ref="f1"), 0.0)
    assert isinstance(notice, Notice)
    assert notice.ref == "f1"
    with pytest.raises(BadAudio, match="pcm_f64le has no name"):
        GoogleClient("v2").open(Configure(format=AudioFormat("pcm_f64le")))
    with pytest.raises(BadAudio, match="alaw has no name"):
        GoogleClient("v1").open(Configure(format=AudioFormat("alaw", 8000)))
    assert GoogleClient("v1p1beta1").open(Configure(format=AudioFormat("alaw", 8000)))


def test_keys_and_tokens() -> None:
    for credential, headers in (
        (None, ()),
        ("AIzaX", (("x-goog-api-key", "AIzaX"),)),
        ("ya29.X", (("authorization", "Bearer ya29.X"),)),
    ):
        opening = GoogleClient("v2").open(Configure(credential=credential))
        assert opening.headers == headers
        assert opening.path == "/google.cloud.speech.v2.Speech/StreamingRecognize"


@pytest.mark.parametrize(
    ("code", "text", "fault", "retryable", "reason"),
    [
        (3, "bad", "bad_request", False, "refused"),
        (5, "", "not_found", False, "refused"),
        (7, "", "forbidden", False, "refused"),
        (8, "", "rate_limited", True, "failed"),
        (10, "Max duration of 5 minutes reached for stream.", "session_limit", True, "failed"),
        (10, "Stream timed out after receiving no more client requests.", "idle", True, "failed"),
        (11, "Exceeded maximum allowed stream duration of 305 seconds.", "session_limit", True,
         "failed"),
        (11, "Audio Timeout Error: Long duration elapsed without audio.", "idle", True, "failed"),
        (13, "", "engine_failed", True, "failed"),
        (14, "", "engine_unavailable", True, "failed"),
        (16, "", "unauthorized", False, "refused"),
        (99, "", "engine_failed", True, "failed"),
    ],
)  # fmt: skip
def test_statuses_are_faults(
    code: int, text: str, fault: str, retryable: bool, reason: str
) -> None:
    client, _ = bound()
    (ended,) = client.receive(Close(code, text), 0.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert (ended.error.code, ended.error.retryable, ended.reason) == (fault, retryable, reason)
    assert text in ended.error.text


@each_version
def test_a_fault_of_the_server_half_is_one_of_its_kind_at_the_client(
    name: Name, version: Version
) -> None:
    for code, kind in CODES.items():
        server = StreamServer(version)
        client, (config, *_) = bound(name)
        server.open(Opening(id=REQUEST), 0.0)
        assert isinstance(config, Binary)
        server.receive(config, 0.0)
        fault = kind("a sentence", code=code).fault()
        (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
        assert isinstance(close, Close)
        (ended,) = client.receive(close, 0.0)
        assert isinstance(ended, Ended)
        assert ended.error is not None
        if fault.whose == "client" and code not in {"replaced", "idle"}:
            assert not ended.error.retryable, code
        if fault.retryable:
            assert ended.error.retryable, code


def test_a_message_that_is_none_ends_the_call() -> None:
    client, _ = bound()
    close, ended = client.receive(Binary(b"\xff\xff"), 0.0)
    assert close == Close(1)
    assert isinstance(ended, Ended)
    assert client.receive(Close(1), 0.0) == ()


# ── unary ──

CALL = Opening(id=REQUEST, transport="grpc", method="unary")


def v1_request(audio: one.RecognitionAudio | None, **config: Any) -> bytes:
    asked = {"encoding": 1, "sample_rate_hertz": 16_000, "language_code": "en-US", **config}
    return V1.codecs.request.write(one.RecognizeRequest(one.RecognitionConfig(**asked), audio))


def v2_request(content: bytes | None, **request: Any) -> bytes:
    config = two.RecognitionConfig(
        auto_decoding_config=two.AutoDecoding(), language_codes=("en-US",)
    )
    name = "projects/p/locations/global/recognizers/_"
    values = {"config": config, "recognizer": name, "content": content, **request}
    return two.REQUEST.write(two.RecognizeRequest(**values))


def ask(version: Version, request: bytes, script: str = "heard") -> list[Message]:
    """Everything that is answered to one request."""
    house = HandHouse(ScriptedEngine(script, timers=ManualTimers()))
    channel = HandChannel()
    leg = Leg(UnaryServer(version), channel, house)
    leg.start(CALL)
    leg.binary(request)
    leg.received(Fin())
    for _ in range(400):
        house.serve()
        house.pass_time(0.001)
        if channel.closed:
            break
    return channel.sent


def test_one_recording_one_answer_in_v1() -> None:
    sound = marked_audio([1, 2, 0, 0, 0, 0, 0, 3])
    audio = one.RecognitionAudio(content=sound)
    accept, answer, close = ask(V1, v1_request(audio, enable_word_time_offsets=True))
    assert accept == Accept()
    assert close == Close()
    assert isinstance(answer, Binary)
    response = V1.codecs.response.parse(answer.data)
    texts = [result.alternatives[0].transcript for result in response.results]
    assert texts == ["w1 w2", " w3"]
    assert response.results[0].alternatives[0].words[0] == one.WordInfo(
        Duration(0), Duration(0, 200_000_000), "w1"
    )
    assert response.total_billed_time == Duration(-(-len(sound) // 32_000))  # seconds begun
    assert response.request_id


def test_one_recording_one_answer_in_v2() -> None:
    from ossicle.audio.wav import wav_header

    sound = marked_audio([1, 2])
    wav = wav_header(AudioFormat("pcm_s16le", 16_000, 1)) + sound
    accept, answer, close = ask(V2, v2_request(wav))
    assert (accept, close) == (Accept(), Close())
    assert isinstance(answer, Binary)
    response = two.RESPONSE.parse(answer.data)
    assert [r.alternatives[0].transcript for r in response.results] == ["w1 w2"]
    assert response.metadata == two.ResponseMetadata(Duration(1), REQUEST)


def test_a_long_recording_fills_no_buffer() -> None:
    sound = marked_audio([5]) + bytes(5 << 20)
    answers = ask(V1, v1_request(one.RecognitionAudio(content=sound)))
    assert answers[-1] == Close(), answers[-1]
    assert isinstance(answers[1], Binary)
    assert len(V1.codecs.response.parse(answers[1].data).results) == 1


@pytest.mark.parametrize(
    ("version", "request_", "code", "words"),
    [
        (V1, v1_request(None), 3, "RecognitionAudio not set."),
        (V1, v1_request(one.RecognitionAudio(content=b"")), 3, "RecognitionAudio not set."),
        (V1, v1_request(one.RecognitionAudio(uri="gs://a/b")), 12, "uri"),
        (V1, v1_request(one.RecognitionAudio(content=b"xx"), language_code=""), 3, "language"),
        (V1, b"", 3, "'config' is missing"),
        (V1, b"\xff", 3, "no RecognizeRequest"),
        (V2, v2_request(None), 3, "needed"),
        (V2, v2_request(None, uri="gs://a/b"), 12, "uri"),
        (V2, v2_request(b"xx", recognizer="projects/p/locations/l/recognizers/x"), 5, "x;"),
        (V2, v2_request(b"certainly no recording" * 50), 3, "no container"),
        (V1, v1_request(one.RecognitionAudio(content=bytes((10 << 20) + 1))), 3, "10485760"),
    ],
)
def test_requests_that_cannot_be_served(
    version: Version, request_: bytes, code: int, words: str
) -> None:
    (close,) = ask(version, request_)
    assert isinstance(close, Close)
    assert close.code == code
    assert words in close.reason


def test_a_call_without_a_request_is_refused() -> None:
    for version in (V1, V2):
        server = UnaryServer(version)
        server.open(CALL, 0.0)
        (close,) = server.receive(Fin(), 0.0)
        assert isinstance(close, Close)
        assert close.code == 3


def test_every_error_of_a_unary_call_is_a_status() -> None:
    for code, kind in CODES.items():
        server = UnaryServer(V1)
        server.open(CALL, 0.0)
        server.receive(Binary(v1_request(one.RecognitionAudio(content=b"xx"))), 0.0)
        error: OssicleError = kind("a sentence", code=code)
        (close,) = server.send(Ended(reason="refused", error=error.fault()), 0.0)
        assert isinstance(close, Close)
        assert close.code
        assert server.deadline == float("inf")
