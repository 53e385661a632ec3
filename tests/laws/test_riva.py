"""NVIDIA Riva: the laws of a dialect, both halves, and whole conversations with the scripted engine
and the tone voice on a clock that the test moves."""

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ossicle.audio.speechfile import speech_file
from ossicle.core.commands import Audio, Command, Configure, End, Finalize, Played, Speak
from ossicle.core.errors import CODES, BadAudio
from ossicle.core.events import (
    AudioOut,
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
from ossicle.core.ports import Dialect
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening
from ossicle.dialects.protobuf import descriptor_pool
from ossicle.dialects.riva import (
    Model,
    ModelLister,
    RivaClient,
    RivaRecognizer,
    RivaServer,
    RivaSpeaker,
    RivaStreamingSpeaker,
    Voice,
    VoiceLister,
)
from ossicle.dialects.riva import asr_messages as asr
from ossicle.dialects.riva import tts_messages as tts
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.dialect import check_pair, check_server
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

CALL = Opening(id="6f0c0000-0000-4000-8000-000000000005", transport="grpc", method="stream")
FRAME = 640
INVALID, EXHAUSTED, LATE, DOWN = 3, 8, 4, 14


def config(interim: bool = False, request_id: str = "", **asked: Any) -> bytes:
    values = {"encoding": 1, "sample_rate_hertz": 16_000, "language_code": "en-US", **asked}
    return asr.STREAMING_REQUEST.write(
        asr.StreamingRecognizeRequest(
            streaming_config=asr.StreamingRecognitionConfig(
                asr.RecognitionConfig(**values), interim_results=interim
            ),
            id=asr.RequestId(request_id) if request_id else None,
        )
    )


def audio(data: bytes) -> bytes:
    return asr.STREAMING_REQUEST.write(asr.StreamingRecognizeRequest(audio_content=data))


def wav(samples: bytes, *, tag: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    fmt = struct.pack("<HHIIHH", tag, 1, rate, rate * bits // 8, bits // 8, bits)
    body = b"fmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(samples))
    return b"RIFF" + struct.pack("<I", 4 + len(body) + len(samples)) + b"WAVE" + body + samples


class Caller:
    """A call over the real session."""

    def __init__(self, dialect: Dialect, engine: Any) -> None:
        self.house: HandHouse[Any] = HandHouse(engine)
        self.channel = HandChannel()
        self.leg = Leg(dialect, self.channel, self.house)
        self.leg.start(CALL)

    def message(self, data: bytes, seconds: float = 0.0) -> None:
        self.leg.binary(data)
        self.house.serve()
        self.house.pass_time(seconds)

    def say(self, data: bytes) -> None:
        for at in range(0, len(data), FRAME):
            self.message(audio(data[at : at + FRAME]), len(data[at : at + FRAME]) / 32_000)

    def fin(self) -> None:
        self.leg.received(Fin())
        self.house.serve()

    @property
    def answers(self) -> list[bytes]:
        return [message.data for message in self.channel.sent if isinstance(message, Binary)]

    @property
    def responses(self) -> list[asr.StreamingRecognizeResponse]:
        return [asr.STREAMING_RESPONSE.parse(data) for data in self.answers]

    @property
    def close(self) -> Close | None:
        return next((m for m in self.channel.sent if isinstance(m, Close)), None)


def talk(script: str, first: bytes = b"") -> Caller:
    caller = Caller(RivaServer(), ScriptedEngine(script, timers=ManualTimers()))
    if first:
        caller.message(first)
    return caller


def speaker() -> Dialect:
    return RivaSpeaker(speech_file)


def online() -> Dialect:
    return RivaStreamingSpeaker(speech_file)


def recorded(sound: bytes = b"xx", **asked: Any) -> bytes:
    values = {"encoding": 1, "sample_rate_hertz": 16_000, "language_code": "en-US", **asked}
    return asr.REQUEST.write(
        asr.RecognizeRequest(asr.RecognitionConfig(**values), sound, asr.RequestId("me"))
    )


def spoken(text: str = "Hello there.", **asked: Any) -> bytes:
    values = {"language_code": "en-US", "encoding": 1, "sample_rate_hz": 16_000, **asked}
    return tts.REQUEST.write(tts.SynthesizeRequest(text, id=asr.RequestId("me"), **values))


def test_the_server_halves_keep_the_laws() -> None:
    check_server(RivaServer, CALL, [Binary(config())])
    check_server(RivaServer, CALL, [Binary(config(interim=True, request_id="x"))])
    check_server(online, CALL, [Binary(spoken())])


@pytest.mark.parametrize(
    ("make", "request_"),
    [
        (RivaRecognizer, recorded()),
        (speaker, spoken()),
        (lambda: ModelLister([Model("m")]), b""),
        (lambda: VoiceLister([Voice("v")]), b""),
    ],
)
def test_every_error_of_a_unary_call_is_a_status(
    make: Callable[[], Dialect], request_: bytes
) -> None:
    for code, kind in CODES.items():
        server = make()
        server.open(CALL, 0.0)
        server.receive(Binary(request_), 0.0)
        fault = kind("a sentence", code=code).fault()
        (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
        assert isinstance(close, Close)
        assert close.code
        assert close.reason == "Error: a sentence"
        assert server.deadline == float("inf")


def kept(item: Command | Event) -> object:
    """Declared losses: speech starts and ends, the turn's end (every final ends one) and ends
    without words; where a text begins and, without words, the place where it ends."""
    match item:
        case Began() | Configured() | SpeechStarted() | SpeechEnded():
            return None
        case Configure(patch=patch) if not patch:
            return None  # the format, once the first bytes have shown what stands in front
        case Configure():
            return (merged(Options(), item.patch).recognition, item.credential)
        case Transcript(final=False):
            return ("interim", item.text, item.stable, item.channel)
        case Transcript(text=""):
            return None
        case Transcript():
            return (item.text, item.words, item.confidence, item.alternatives, item.channel)
        case _:
            return item


def test_what_one_half_says_the_other_hears() -> None:
    check_pair(
        RivaServer,
        RivaClient,
        configure=Configure(
            patch={
                "recognition": {
                    "language": "en-GB",
                    "model": "conformer",
                    "alternatives": 3,
                    "punctuate": True,
                    "diarize": True,
                    "profanity_filter": True,
                    "hints": [{"text": "ossicle"}, {"text": "anvil", "boost": 2.5}],
                    "turns": {"silence_ms": 300},
                }
            },
            format=AudioFormat("mulaw", 8000, 2),
            credential="k",
        ),
        kept=kept,
        commands=[Audio(data=b"abcd"), End()],
        events=[
            SpeechStarted(at_ms=100),
            Transcript(text="Turn", end_ms=400, stable=0),
            Transcript(text="Turn left at", end_ms=700, stable=9),
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
            Transcript(text="", end_ms=2500, final=True, ends_turn=True),
        ],
    )


def test_audio_reaches_the_other_half_whole_and_with_its_format() -> None:
    client, server = RivaClient(), RivaServer()
    opening = client.open(Configure(format=AudioFormat("alaw", 8000)))
    assert opening.path == "/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize"
    server.open(opening, 0.0)
    first = client.receive(Accept(), 0.0)[0]
    assert isinstance(first, Binary)
    server.receive(first, 0.0)
    sound = bytes(n % 251 for n in range(200_001))
    steps: list[Any] = []
    for message in client.send(Audio(data=sound), 0.0):
        assert isinstance(message, Binary)
        steps += server.receive(message, 0.0)
    assert steps[0] == Configure(format=AudioFormat("alaw", 8000))
    assert b"".join(step.data for step in steps[1:]) == sound
    assert client.send(End(), 0.0) == (Fin(),)
    (told,) = client.send(Finalize(ref="f"), 0.0)
    assert isinstance(told, Notice)
    assert client.receive(Close(), 0.0) == (Ended(audio_ms=25_000),)
    with pytest.raises(BadAudio, match="mp3 has no name"):
        RivaClient().open(Configure(format=AudioFormat("mp3")))


def test_a_fault_of_the_server_half_is_one_of_its_kind_at_the_client() -> None:
    for code, kind in CODES.items():
        server, client = RivaServer(), RivaClient()
        server.open(client.open(Configure(format=AudioFormat())), 0.0)
        first = client.receive(Accept(), 0.0)[0]
        assert isinstance(first, Binary)
        server.receive(first, 0.0)
        fault = kind("a sentence", code=code).fault()
        (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
        assert isinstance(close, Close)
        (ended,) = client.receive(close, 0.0)
        assert isinstance(ended, Ended)
        assert ended.error is not None
        if fault.retryable:
            assert ended.error.retryable, code
    assert RivaClient().receive(Binary(b"\xff"), 0.0)[0] == Close(1)


def test_a_conversation() -> None:
    caller = talk("Turn on the light. And off.", config(interim=True, request_id="me"))
    assert caller.channel.sent == [Accept()]
    caller.say(bytes(32 * 3000))
    caller.fin()
    said = [
        ("final" if r.is_final else "interim", r.alternatives[0].transcript)
        for response in caller.responses
        for r in response.results
    ]
    assert said == [
        ("interim", "Turn"),
        ("interim", "Turn on"),
        ("interim", "Turn on the"),
        ("interim", "Turn on the light."),
        ("final", "Turn on the light. "),
        ("interim", "And"),
        ("interim", "And off."),
        ("final", "And off. "),
    ]
    assert caller.close == Close()
    processed = [r.results[0].audio_processed for r in caller.responses]
    assert processed == sorted(processed)
    assert all(0.2 < seconds <= 3.0 for seconds in processed)
    assert {r.id for r in caller.responses} == {asr.RequestId("me")}
    assert caller.responses[4].results[0].alternatives[0].language_code == ("en-US",)


def test_without_interim_results_only_finals_come_and_words_only_where_asked_for() -> None:
    caller = talk("Turn left.", config())
    caller.say(bytes(32 * 2000))
    ((final,),) = [response.results for response in caller.responses]
    assert final.is_final
    assert final.alternatives[0].words == ()
    timed = talk("Turn left.", config(enable_word_time_offsets=True))
    timed.say(bytes(32 * 2000))
    words = timed.responses[0].results[0].alternatives[0].words
    assert words == (asr.WordInfo(0, 300, "Turn"), asr.WordInfo(300, 600, "left."))


def test_a_header_in_front_corrects_the_configuration() -> None:
    caller = talk("heard", config(sample_rate_hertz=8_000, interim=True))
    caller.say(wav(marked_audio([1, 2]), rate=16_000))
    caller.fin()
    assert caller.responses[-1].results[0].alternatives[0].transcript == "w1 w2 "
    (session,) = caller.house.sessions
    assert session.source == AudioFormat("pcm_s16le", 16_000)


def test_a_header_of_another_encoding_is_an_error() -> None:
    for sound in (wav(bytes(99), tag=7, bits=8), wav(bytes(99), bits=24)):
        caller = talk("heard", config())
        caller.message(audio(sound))
        assert caller.close == Close(
            INVALID, "Error: config format doesn't match with header format"
        )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"language_code": ""}, "Unavailable model requested"),
        ({"encoding": 7}, "encoding 7 is not known"),
        ({"sample_rate_hertz": 3}, "sample rate 3"),
        ({"audio_channel_count": 40}, "40 channels"),
        ({"max_alternatives": -1}, "-1 alternatives"),
        ({"endpointing_config": asr.Endpointing(stop_history=-5)}, "stop_history -5"),
    ],
)
def test_configurations_that_cannot_be_served(asked: dict[str, Any], words: str) -> None:
    caller = talk("heard", config(**asked))
    assert caller.close is not None
    assert caller.close.code == INVALID
    assert caller.close.reason.startswith("Error: ")
    assert words in caller.close.reason
    assert caller.house.sessions == []


def test_the_order_of_messages() -> None:
    for messages in ([audio(b"xx")], [config(), config()], [b""], [config(), b""], [b"\xffsecret"]):
        caller = talk("heard")
        for message in messages:
            caller.message(message)
        assert caller.close is not None
        assert caller.close.code == INVALID
        assert "secret" not in caller.close.reason
        caller.leg.closed(None)  # as the transport does after its last word
        for session in caller.house.sessions:
            assert session.life.state == "ended"
            assert not session.legs


def test_half_close_without_audio_and_a_call_that_says_nothing() -> None:
    for before in ([], [config()]):
        caller = talk("heard")
        for message in before:
            caller.message(message)
        caller.fin()
        assert (caller.responses, caller.close) == ([], Close())
    silent = talk("heard")
    silent.house.pass_time(10.1)
    assert silent.close is not None
    assert silent.close.code == LATE
    no_rate = talk("heard", config(sample_rate_hertz=0))
    no_rate.message(audio(b"abcd"))
    assert no_rate.close is not None
    assert "sample_rate_hertz is needed" in no_rate.close.reason


def test_endpointing_and_what_is_not_done() -> None:
    server = RivaServer()
    server.open(CALL, 0.0)
    (configure,) = server.receive(
        Binary(
            config(
                endpointing_config=asr.Endpointing(stop_history=400, start_threshold=0.5),
                custom_configuration={"a": "b"},
                max_alternatives=50,
                speech_contexts=(asr.SpeechContext(("a", "b", "c" * 300), -4.0),),
                enable_separate_recognition_per_channel=True,
            )
        ),
        0.0,
    )
    assert isinstance(configure, Configure)
    asked = configure.patch["recognition"]
    assert asked["turns"] == {"silence_ms": 400}
    assert asked["hints"] == [{"text": "a"}, {"text": "b"}]
    assert asked["channels"] == "split"
    server.receive(Binary(audio(b"xx")), 0.0)
    server.receive(Fin(), 0.0)
    (final,) = server.send(Transcript(text="x", final=True, channel=1, end_ms=5), 0.0)
    assert isinstance(final, Binary)
    assert asr.STREAMING_RESPONSE.parse(final.data).results[0].channel_tag == 2
    (close,) = server.send(Ended(), 0.0)
    assert isinstance(close, Close)
    texts = " ".join(text for _, text in close.headers)
    for word in ("start_threshold", "custom_configuration", "max_alternatives", "speech_contexts"):
        assert word in texts


def test_full_down_and_denied() -> None:
    for code, status in (
        ("at_capacity", EXHAUSTED),
        ("engine_unavailable", DOWN),
        ("unauthorized", 16),
        ("forbidden", 7),
        ("timed_out", LATE),
    ):
        server = RivaServer()
        server.open(
            msgspec.structs.replace(CALL, headers=(("authorization", "Bearer K"),) * 2), 0.0
        )
        (configure,) = server.receive(Binary(config()), 0.0)
        assert isinstance(configure, Configure)
        assert configure.credential == "K"
        (close,) = server.send(Ended(error=CODES[code]("no", code=code).fault()), 0.0)
        assert isinstance(close, Close)
        assert close.code == status


# ── unary and lists ──


def ask(dialect: Dialect, request: bytes, engine: Any) -> list[Message]:
    """Everything that is answered to one request."""
    caller = Caller(dialect, engine)
    caller.message(request)
    caller.fin()
    for _ in range(400):
        caller.house.serve()
        caller.house.pass_time(0.001)
        if caller.channel.closed:
            break
    return caller.channel.sent


def heard_engine() -> ScriptedEngine:
    return ScriptedEngine("heard", timers=ManualTimers())


def test_one_recording_one_answer() -> None:
    sound = marked_audio([1, 2, 0, 0, 0, 0, 0, 3])
    accept, answer, close = ask(
        RivaRecognizer(), recorded(wav(sound), enable_word_time_offsets=True), heard_engine()
    )
    assert (accept, close) == (Accept(), Close())
    assert isinstance(answer, Binary)
    response = asr.RESPONSE.parse(answer.data)
    assert [r.alternatives[0].transcript for r in response.results] == ["w1 w2 ", "w3 "]
    assert response.results[0].alternatives[0].words[0] == asr.WordInfo(0, 200, "w1")
    assert response.results[0].audio_processed == pytest.approx(len(sound) / 32_000, abs=0.001)
    assert response.id == asr.RequestId("me")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (b"", "no config"),
        (b"\xff", "no RecognizeRequest"),
        (recorded(b""), "no audio"),
        (recorded(language_code=""), "Unavailable model"),
        (recorded(wav(bytes(99), bits=24)), "doesn't match"),
        (recorded(b"certainly no recording" * 9, encoding=0), "no container"),
    ],
)
def test_recordings_that_cannot_be_served(request_: bytes, words: str) -> None:
    (close,) = ask(RivaRecognizer(), request_, heard_engine())
    assert isinstance(close, Close)
    assert close.code == INVALID
    assert words in close.reason


def test_models_and_voices_are_listed() -> None:
    models = [Model("pocketsphinx", ("en-US", "en-GB")), Model("other", (), 8_000)]
    accept, answer, close = ask(ModelLister(models), b"", heard_engine())
    assert (accept, close) == (Accept(), Close())
    assert isinstance(answer, Binary)
    listed = asr.CONFIG_RESPONSE.parse(answer.data).model_config
    assert [(m.model_name, m.parameters["type"]) for m in listed] == [
        ("pocketsphinx", "online"),
        ("pocketsphinx", "offline"),
        ("other", "online"),
        ("other", "offline"),
    ]
    assert listed[0].parameters["language_code"] == "en-US,en-GB"
    assert listed[2].parameters["sample_rate"] == "8000"
    one = asr.CONFIG_REQUEST.write(asr.ModelRequest("other"))
    _, answer, _ = ask(ModelLister(models), one, heard_engine())
    assert isinstance(answer, Binary)
    assert len(asr.CONFIG_RESPONSE.parse(answer.data).model_config) == 2
    _, answer, _ = ask(VoiceLister([Voice("tone")]), b"", heard_engine())
    assert isinstance(answer, Binary)
    (voice,) = tts.CONFIG_RESPONSE.parse(answer.data).model_config
    assert voice.parameters["voice_name"] == "tone"
    (close,) = ask(ModelLister(models), b"\xff", heard_engine())
    assert isinstance(close, Close)
    assert close.code == INVALID


# ── the voice ──


def voiced(dialect: Dialect, *requests: bytes) -> list[Message]:
    """What a speaker makes of a voice that says one byte of sound for each character."""
    out: list[Message] = []

    def take(steps: tuple[Any, ...]) -> None:
        for step in steps:
            if isinstance(step, Speak):
                assert step.text
                sound = bytes(2 * len(step.text))
                take(dialect.send(AudioOut(utterance="u", data=sound), 1.0))
                take(dialect.send(SpeechEnded(side="out", reason="done", utterance="u"), 1.0))
            elif isinstance(step, Accept | Binary | Close):
                out.append(step)
            elif isinstance(step, Configure):
                assert step.speaks is not None
                take(dialect.send(Began(), 0.0))
                speaks = Options(speaks=step.speaks)
                take(dialect.send(Configured(options=speaks), 0.0))
            else:
                assert isinstance(step, End | Played), step

    take(dialect.open(CALL, 0.0))
    for request in requests:
        take(dialect.receive(Binary(request), 0.0))
    take(dialect.receive(Fin(), 0.0))
    take(dialect.send(Ended(), 2.0))
    return out


def test_a_text_is_one_sound() -> None:
    accept, answer, close = voiced(speaker(), spoken("Hello."))
    assert (accept, close) == (Accept(), Close())
    assert isinstance(answer, Binary)
    response = tts.RESPONSE.parse(answer.data)
    assert response.audio == bytes(12)
    assert response.meta == tts.SpokenMetadata("Hello.")
    assert response.id == asr.RequestId("me")


def test_texts_are_said_one_after_another_in_pieces() -> None:
    long = "x" * 2_000
    accept, *answers, close = voiced(online(), spoken("One."), spoken(long))
    assert (accept, close) == (Accept(), Close())
    sizes = [len(tts.RESPONSE.parse(m.data).audio) for m in answers if isinstance(m, Binary)]
    assert sizes == [8, 4_000]


@pytest.mark.parametrize(
    ("encoding", "begins"), [(1, b"\0\0"), (3, b"\xff"), (20, b"\xd5"), (4, b"OggS"), (2, b"fLaC")]
)
def test_encodings(encoding: int, begins: bytes) -> None:
    _, answer, close = voiced(speaker(), spoken("x" * 2_000, encoding=encoding))
    assert isinstance(answer, Binary)
    assert close == Close()
    assert tts.RESPONSE.parse(answer.data).audio.startswith(begins)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (b"\xff", "no SynthesizeSpeechRequest"),
        (spoken(""), "the text is empty"),
        (spoken("x" * 2_001), "2001 characters"),
        (spoken(encoding=9), "encoding 9"),
        (spoken(sample_rate_hz=100), "100 Hz"),
        (spoken(zero_shot_data=tts.ZeroShot(b"x")), "zero_shot_data"),
    ],
)
@pytest.mark.parametrize("make", [speaker, online])
def test_texts_that_cannot_be_said(
    make: Callable[[], Dialect], request_: bytes, words: str
) -> None:
    close = voiced(make(), request_)[-1]
    assert isinstance(close, Close)
    assert close.code == INVALID
    assert words in close.reason


def test_voices_names_and_no_voice_at_all() -> None:
    for name, voice in (
        ("English-US.Female-1", None),
        ("Magpie-Multilingual.EN-US.Aria", None),
        ("alto", "alto"),
    ):
        server = online()
        server.open(CALL, 0.0)
        configure = server.receive(Binary(spoken(voice_name=name)), 0.0)[0]
        assert isinstance(configure, Configure)
        assert configure.patch["synthesis"].get("voice") == voice
        assert configure.speaks == AudioFormat("pcm_s16le", 16_000)
    server = speaker()
    server.open(CALL, 0.0)
    server.receive(Binary(spoken()), 0.0)
    (close,) = server.send(Configured(), 0.0)
    assert isinstance(close, Close)
    assert "no voice speaks here" in close.reason


def test_the_format_stands_for_the_whole_call_and_an_empty_call_is_refused() -> None:
    close = voiced(online(), spoken("One."), spoken("Two.", sample_rate_hz=8_000))[-1]
    assert isinstance(close, Close)
    assert "cannot change" in close.reason
    for make in (speaker, online):
        close = voiced(make())[-1]
        assert isinstance(close, Close)
        assert close.code == INVALID
    server = online()
    server.open(CALL, 0.0)
    (close,) = server.expire(10.0)
    assert isinstance(close, Close)
    assert close.code == LATE


def test_a_text_the_voice_cannot_say() -> None:
    for told, code in (
        (None, DOWN),
        (Notice(level="error", code="bad_option", text="no"), INVALID),
    ):
        server = speaker()
        server.open(CALL, 0.0)
        server.receive(Binary(spoken()), 0.0)
        if told is not None:
            server.send(told, 0.0)
        (close,) = server.send(SpeechEnded(side="out", reason="failed"), 0.0)
        assert isinstance(close, Close)
        assert close.code == code


def test_names_and_numbers_are_those_of_the_services_own_package() -> None:
    checked = 0
    for name in ("asr/riva_asr", "tts/riva_tts"):
        theirs = pytest.importorskip(f"riva.client.proto.{name.split('/')[1]}_pb2").DESCRIPTOR
        ours: Any = descriptor_pool().FindFileByName(f"nvidia/riva/{name}.proto")
        for message, described in ours.message_types_by_name.items():
            for field in described.fields:
                other = theirs.message_types_by_name[message].fields_by_name[field.name]
                assert (field.number, field.type, field.is_repeated, field.has_presence) == (
                    other.number,
                    other.type,
                    other.is_repeated,
                    other.has_presence,
                ), f"{message}.{field.name}"
                checked += 1
        for service in ours.services_by_name.values():
            for method in service.methods:
                other = theirs.services_by_name[service.name].methods_by_name[method.name]
                assert method.client_streaming == other.client_streaming
                assert method.server_streaming == other.server_streaming
    assert checked > 60
