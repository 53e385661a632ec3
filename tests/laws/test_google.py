"""Google Speech, streaming: the laws of a dialect and whole conversations with the scripted engine
on a clock that the test moves."""

from typing import Any

import pytest

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.errors import CODES
from ossicle.core.events import Began, Ended, Notice, SpeechEnded, SpeechStarted, Transcript, Word
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening
from ossicle.dialects.google import V1, V1P1BETA1, V2, GoogleRules, StreamServer, VersionTwo
from ossicle.dialects.google import v1_messages as one
from ossicle.dialects.google import v2_messages as two
from ossicle.dialects.google.version import Version
from ossicle.dialects.protobuf import Duration
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.dialect import check_server
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

REQUEST = "6f0c0000-0000-4000-8000-000000000003"
CALL = Opening(id=REQUEST, at=1.5, transport="grpc", method="stream")
FRAME = 640
RECOGNIZER = "projects/p/locations/global/recognizers/_"


def v1_config(interim: bool = False, **asked: Any) -> bytes:
    """A first message of v1. `stream_…` are fields of the streaming configuration."""
    stream = {k.removeprefix("stream_"): asked.pop(k) for k in [*asked] if k.startswith("stream_")}
    config = {"encoding": 1, "sample_rate_hertz": 16_000, "language_code": "en-US", **asked}
    request = one.StreamingRecognizeRequest(
        streaming_config=one.StreamingRecognitionConfig(
            config=one.RecognitionConfig(**config), interim_results=interim, **stream
        )
    )
    return V1.codecs.streaming_request.write(request)


def v1_audio(data: bytes) -> bytes:
    return V1.codecs.streaming_request.write(one.StreamingRecognizeRequest(audio_content=data))


def v2_config(interim: bool = False, recognizer: str = RECOGNIZER, **asked: Any) -> bytes:
    """A first message of v2. `stream_…` are streaming features."""
    stream = {k.removeprefix("stream_"): asked.pop(k) for k in [*asked] if k.startswith("stream_")}
    config = {
        "explicit_decoding_config": two.ExplicitDecoding(1, 16_000, 1),
        "language_codes": ("en-US",),
        **asked,
    }
    return two.STREAMING_REQUEST.write(
        two.StreamingRecognizeRequest(
            recognizer=recognizer,
            streaming_config=two.StreamingRecognitionConfig(
                config=two.RecognitionConfig(**config),
                streaming_features=two.StreamingFeatures(interim_results=interim, **stream),
            ),
        )
    )


def v2_audio(data: bytes) -> bytes:
    return two.STREAMING_REQUEST.write(two.StreamingRecognizeRequest(audio=data))


class Caller:
    """A call over the real session, with the scripted engine behind it."""

    def __init__(
        self,
        script: str,
        config: bytes = b"",
        *,
        version: Version = V1,
        rules: GoogleRules | None = None,
        opening: Opening = CALL,
    ) -> None:
        self.version = version
        self.house = HandHouse(ScriptedEngine(script, timers=ManualTimers()))
        self.channel = HandChannel()
        self.leg = Leg(StreamServer(version, rules), self.channel, self.house)
        self.leg.start(opening)
        self._read = 1
        if config:
            self.message(config)

    def message(self, data: bytes) -> None:
        self.leg.binary(data)
        self.house.serve()

    def say(self, data: bytes, *, seconds: bool = True, piece: int = FRAME) -> None:
        """Audio in frames of 20 ms, in real time."""
        write = v2_audio if self.version.generation == "v2" else v1_audio
        for at in range(0, len(data), piece):
            self.message(write(data[at : at + piece]))
            if seconds:
                self.house.pass_time(len(data[at : at + piece]) / 32_000)

    def fin(self) -> None:
        self.leg.received(Fin())
        self.house.serve()

    def pass_time(self, seconds: float) -> None:
        self.house.pass_time(seconds)

    @property
    def all(self) -> list[Any]:
        codec = (
            two.STREAMING_RESPONSE
            if self.version.generation == "v2"
            else V1.codecs.streaming_response
        )
        return [codec.parse(m.data) for m in self.channel.sent if isinstance(m, Binary)]

    @property
    def said(self) -> list[tuple[Any, ...]]:
        return [short(message) for message in self.all]

    @property
    def close(self) -> Close | None:
        return next((m for m in self.channel.sent if isinstance(m, Close)), None)


def short(message: Any) -> tuple[Any, ...]:
    """What a golden conversation pins of one message."""
    if message.speech_event_type:
        assert not message.results, "an event and results in one message"
        return ("event", message.speech_event_type)
    if message.results:
        first = message.results[0]
        if first.is_final:
            assert len(message.results) == 1
            assert first.stability == 0
            return ("final", first.alternatives[0].transcript)
        assert all(0 < result.stability < 1 for result in message.results)
        assert not any(result.is_final for result in message.results)
        return ("interim", *(result.alternatives[0].transcript for result in message.results))
    if isinstance(message, two.StreamingRecognizeResponse):
        assert message.metadata is not None
        assert message.metadata.total_billed_duration is not None
        return ("billed", message.metadata.total_billed_duration.seconds)
    return ("billed", message.total_billed_time.seconds)


VERSIONS: list[tuple[Version, Any, Any]] = [
    (V1, v1_config, v1_audio),
    (V1P1BETA1, v1_config, v1_audio),
    (V2, v2_config, v2_audio),
]
each_version = pytest.mark.parametrize(
    ("version", "config", "audio"), VERSIONS, ids=["v1", "v1p1beta1", "v2"]
)


@each_version
def test_the_server_half_keeps_the_laws(version: Version, config: Any, audio: Any) -> None:
    check_server(lambda: StreamServer(version), CALL, [Binary(config())])
    check_server(lambda: StreamServer(version), CALL, [Binary(config(interim=True))])


def test_a_conversation_of_v1() -> None:
    caller = Caller(
        "Book a table. For two.", v1_config(interim=True, stream_single_utterance=False)
    )
    assert caller.channel.sent == [Accept()]
    caller.say(bytes(32 * 2500))
    caller.fin()
    assert caller.said == [
        ("interim", "Book"),
        ("interim", "Book a"),
        ("interim", "Book a table."),
        ("final", "Book a table."),
        ("interim", " For"),
        ("interim", " For two."),
        ("final", " For two."),
        ("billed", 3),
    ]
    assert caller.close == Close()
    finals = [m.results[0] for m in caller.all if m.results and m.results[0].is_final]
    assert "".join(r.alternatives[0].transcript for r in finals) == "Book a table. For two."
    assert [r.language_code for r in finals] == ["en-us", "en-us"]
    assert [r.result_end_time.ms for r in finals] == [900, 1500]
    assert len({m.request_id for m in caller.all}) == 1
    assert caller.all[0].request_id


def test_a_conversation_of_v2() -> None:
    caller = Caller("Book a table. For two.", v2_config(interim=True), version=V2)
    caller.say(bytes(32 * 2500))
    caller.fin()
    assert caller.said == [
        ("interim", "Book"),
        ("interim", "Book a"),
        ("interim", "Book a table."),
        ("final", "Book a table."),
        ("interim", "For"),
        ("interim", "For two."),
        ("final", "For two."),
        ("billed", 3),
    ]
    assert caller.close == Close()
    last = caller.all[-1]
    assert last.metadata.request_id == REQUEST
    assert all(m.metadata is None for m in caller.all[:-1])
    assert caller.all[3].results[0].language_code == "en-US"
    assert caller.all[3].results[0].result_end_offset == Duration(0, 900_000_000)


@each_version
def test_without_interim_results_only_finals_come(
    version: Version, config: Any, audio: Any
) -> None:
    caller = Caller("Book a table.", config(), version=version)
    caller.say(bytes(32 * 2000))
    assert [kind for kind, *_ in caller.said] == ["final"]


def test_a_stable_head_and_an_unstable_tail() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    server.receive(Binary(v1_config(interim=True)), 0.0)
    server.send(Began(), 0.0)

    def heard(text: str, stable: int) -> list[tuple[str, float]]:
        (message,) = server.send(Transcript(text=text, end_ms=9, stable=stable), 0.0)
        assert isinstance(message, Binary)
        results = V1.codecs.streaming_response.parse(message.data).results
        return [(r.alternatives[0].transcript, round(r.stability, 2)) for r in results]

    assert heard("book a table", 6) == [("book a", 0.9), (" table", 0.01)]
    assert heard("book a table", 7) == [("book a", 0.9), (" table", 0.01)]
    assert heard("book", 0) == [("book", 0.01)]
    assert heard("book", 4) == [("book", 0.9)]
    assert heard("book", 99) == [("book", 0.9)]
    server.send(Transcript(text="book", final=True, end_ms=9), 0.0)
    assert heard("a table", 1) == [(" a", 0.9), (" table", 0.01)]
    assert heard("a table", 0) == [(" a table", 0.01)]
    assert server.send(Transcript(text=" ", end_ms=9), 0.0) == ()


def words_of(version: Version, config: bytes) -> tuple[Any, ...]:
    server = StreamServer(version)
    server.open(CALL, 0.0)
    server.receive(Binary(config), 0.0)
    server.send(Began(), 0.0)
    (message,) = server.send(
        Transcript(
            text="Yes. No",
            final=True,
            end_ms=1500,
            confidence=0.75,
            alternatives=("yes no", "yet no", "yes know"),
            words=(Word("Yes.", 500, 700, 0.5, "b"), Word("No", 1200, 1500, None, "a")),
        ),
        0.0,
    )
    assert isinstance(message, Binary)
    codec = two.STREAMING_RESPONSE if version is V2 else V1.codecs.streaming_response
    parsed: Any = codec.parse(message.data)
    return parsed.results[0].alternatives


def test_words_of_v1_as_far_as_they_were_asked_for() -> None:
    (plain,) = words_of(V1, v1_config())
    assert (plain.transcript, plain.confidence, plain.words) == ("Yes. No", 0.75, ())
    (timed,) = words_of(V1, v1_config(enable_word_time_offsets=True))
    assert timed.words == (
        one.WordInfo(Duration(0, 500_000_000), Duration(0, 700_000_000), "Yes."),
        one.WordInfo(Duration(1, 200_000_000), Duration(1, 500_000_000), "No"),
    )
    (sure,) = words_of(V1, v1_config(enable_word_confidence=True))
    assert sure.words == (one.WordInfo(None, None, "Yes.", 0.5), one.WordInfo(None, None, "No"))
    speakers = one.Diarization(enable_speaker_diarization=True)
    (who,) = words_of(V1, v1_config(diarization_config=speakers))
    assert [(word.speaker_tag, word.speaker_label) for word in who.words] == [(1, "1"), (2, "2")]
    best, *others = words_of(V1, v1_config(max_alternatives=3, enable_word_time_offsets=True))
    assert best.words
    assert [(o.transcript, o.confidence, o.words) for o in others] == [
        ("yes no", 0.0, ()),
        ("yet no", 0.0, ()),
    ]


def test_words_of_v2_as_far_as_they_were_asked_for() -> None:
    features = two.RecognitionFeatures(
        enable_word_time_offsets=True,
        enable_word_confidence=True,
        diarization_config=two.Diarization(),
        max_alternatives=2,
    )
    best, other = words_of(V2, v2_config(features=features))
    assert best.words == (
        two.WordInfo(Duration(0, 500_000_000), Duration(0, 700_000_000), "Yes.", 0.5, "1"),
        two.WordInfo(Duration(1, 200_000_000), Duration(1, 500_000_000), "No", 0.0, "2"),
    )
    assert other.transcript == "yes no"


def test_each_channel_has_a_tag_and_its_own_blank() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    config = v1_config(audio_channel_count=2, enable_separate_recognition_per_channel=True)
    (configure,) = server.receive(Binary(config), 0.0)
    assert isinstance(configure, Configure)
    assert configure.format is not None
    assert configure.format.channels == 2
    assert configure.patch["recognition"]["channels"] == "split"
    server.send(Began(), 0.0)
    said: list[tuple[int, str]] = []
    for channel, text in ((1, "a"), (0, "b"), (1, "c")):
        (message,) = server.send(Transcript(text=text, final=True, end_ms=9, channel=channel), 0.0)
        assert isinstance(message, Binary)
        (result,) = V1.codecs.streaming_response.parse(message.data).results
        said.append((result.channel_tag, result.alternatives[0].transcript))
    assert said == [(2, "a"), (1, "b"), (2, " c")]


def test_single_utterance_is_over_after_one_final() -> None:
    config = v1_config(interim=True, stream_single_utterance=True)
    caller = Caller("Stop it. And go on.", config)
    caller.say(bytes(32 * 3000))
    assert caller.said == [
        ("interim", "Stop"),
        ("interim", "Stop it."),
        ("event", one.SpeechEventType.END_OF_SINGLE_UTTERANCE),
        ("final", "Stop it."),
        ("billed", 1),
    ]
    assert caller.close == Close()  # before the client closed its half


def test_several_finals_after_the_end_of_the_utterance_are_told_as_one() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    server.receive(Binary(v1_config(stream_single_utterance=True)), 0.0)
    server.send(Began(), 0.0)
    server.send(SpeechStarted(at_ms=0), 0.0)
    told = server.send(SpeechEnded(at_ms=800), 0.0)
    assert isinstance(told[-1], End)
    assert server.receive(Binary(v1_audio(b"late")), 0.0) == ()
    assert server.send(Transcript(text="one", final=True, end_ms=400, confidence=0.5), 0.0) == ()
    (whole,) = server.send(Transcript(text="two", final=True, ends_turn=True, end_ms=800), 0.0)
    assert isinstance(whole, Binary)
    (result,) = V1.codecs.streaming_response.parse(whole.data).results
    assert result.alternatives == (one.Alternative("one two"),)
    assert server.send(Transcript(text="no", final=True, ends_turn=True, end_ms=900), 0.0) == ()
    assert server.send(Ended(audio_ms=900), 0.0)[-1] == Close()


@each_version
def test_voice_activity_is_told_where_it_is_asked_for(
    version: Version, config: Any, audio: Any
) -> None:
    caller = Caller("One. Two.", config(stream_enable_voice_activity_events=True), version=version)
    caller.say(bytes(32 * 2000))
    caller.fin()
    assert [m for m in caller.said if m[0] != "billed"] == [
        ("event", 2),
        ("event", 3),
        ("final", "One."),
        ("event", 2),
        ("event", 3),
        ("final", " Two." if version.leading_blank else "Two."),
    ]


def timeouts(version: Version, start: int | None, end: int | None) -> dict[str, Any]:
    kind = two.VoiceActivityTimeout if version is V2 else one.VoiceActivityTimeout
    of_ms = Duration.of_ms
    return {
        "stream_enable_voice_activity_events": True,
        "stream_voice_activity_timeout": kind(
            None if start is None else of_ms(start), None if end is None else of_ms(end)
        ),
    }


@each_version
def test_nobody_speaks_at_first(version: Version, config: Any, audio: Any) -> None:
    caller = Caller("heard", config(**timeouts(version, 2000, None)), version=version)
    caller.say(bytes(32 * 1900))
    assert caller.said == []
    assert caller.close is None
    caller.say(bytes(32 * 200))
    if version is V2:
        assert caller.said == []
    else:
        assert caller.said == [("event", one.SpeechEventType.SPEECH_ACTIVITY_TIMEOUT)]
        assert caller.close is None  # the client may close its half first
        caller.pass_time(1.1)
    assert caller.close == Close()


def test_a_client_that_closes_its_half_after_a_timeout_waits_for_nothing() -> None:
    caller = Caller("heard", v1_config(**timeouts(V1, 1000, None)))
    caller.say(bytes(32 * 1100))
    caller.fin()
    assert caller.close == Close()


@each_version
def test_nobody_speaks_any_more(version: Version, config: Any, audio: Any) -> None:
    caller = Caller("One.", config(**timeouts(version, 5000, 1000)), version=version)
    caller.say(bytes(32 * 3500))
    kinds = [m for m in caller.said if m[0] != "billed"]
    timeout = [] if version is V2 else [("event", 4)]
    assert kinds == [("event", 2), ("event", 3), ("final", "One."), *timeout]
    assert caller.close == Close()


def test_audio_that_stands_still_is_no_silence() -> None:
    caller = Caller("heard", v1_config(**timeouts(V1, 2000, None)))
    caller.say(bytes(32 * 500))
    caller.pass_time(5.0)
    assert caller.said == []
    caller.say(bytes(32 * 1600))
    assert caller.said == [("event", 4)]


@each_version
def test_timeouts_without_events_are_not_heeded(version: Version, config: Any, audio: Any) -> None:
    asked = {**timeouts(version, 1000, 1000), "stream_enable_voice_activity_events": False}
    caller = Caller("heard", config(**asked), version=version)
    caller.say(bytes(32 * 3000))
    assert (caller.said, caller.close) == ([], None)


NO_AUDIO = (
    "Audio Timeout Error: Long duration elapsed without audio. "
    "Audio should be sent close to real time."
)
SILENT = {
    "v1": (11, NO_AUDIO),
    "v2": (10, "Stream timed out after receiving no more client requests."),
}


@each_version
def test_ten_seconds_without_audio(version: Version, config: Any, audio: Any) -> None:
    caller = Caller("heard", config(), version=version)
    caller.say(marked_audio([1, 2]))
    caller.pass_time(9.0)
    assert caller.close is None
    caller.pass_time(2.5)
    assert caller.said == [("final", "w1 w2")]  # what was heard is told first
    assert caller.close == Close(*SILENT[version.generation])


@each_version
def test_ten_seconds_without_a_configuration(version: Version, config: Any, audio: Any) -> None:
    caller = Caller("heard", version=version)
    caller.pass_time(9.9)
    assert caller.close is None
    caller.pass_time(0.2)
    assert caller.close == Close(*SILENT[version.generation])
    assert caller.house.sessions == []


def test_time_does_not_pass_while_we_do_not_read() -> None:
    caller = Caller("heard", v1_config())
    caller.leg.pause("overload")
    caller.pass_time(60.0)
    caller.leg.resume("overload")
    caller.pass_time(9.0)
    assert caller.close is None


@each_version
def test_the_limit_of_a_stream_is_off_and_can_be_kept(
    version: Version, config: Any, audio: Any
) -> None:
    texts = {
        "v1": (11, "Exceeded maximum allowed stream duration of 305 seconds."),
        "v2": (10, "Max duration of 5 minutes reached for stream."),
    }
    limit = 305.0
    rules = GoogleRules(stream_limit_s=limit, silence_s=0)
    caller = Caller("heard", config(), version=version, rules=rules)
    caller.say(marked_audio([1]))
    caller.pass_time(limit - 1)
    assert caller.close is None
    caller.pass_time(1.0)
    assert caller.said == [("final", "w1")]
    assert caller.close == Close(*texts[version.generation])
    free = Caller("heard", config(), version=version, rules=GoogleRules(silence_s=0))
    free.pass_time(1000.0)
    assert free.close is None


MALORDERED = "Malordered Data Received."


@each_version
def test_the_order_of_messages(version: Version, config: Any, audio: Any) -> None:
    for messages in (
        [audio(b"xx")],
        [config(), config()],
        [b""],
        [config(), b""],
        [config(), audio(b"xx"), config()],
    ):
        caller = Caller("heard", version=version)
        for message in messages:
            caller.message(message)
        assert caller.close is not None, messages
        assert caller.close.code == 3
        assert caller.close.reason.startswith(MALORDERED), caller.close
        caller.leg.closed(None)  # as the transport does after its last word
        for session in caller.house.sessions:
            assert session.life.state == "ended"
            assert not session.legs


@each_version
def test_an_audio_message_over_the_limit(version: Version, config: Any, audio: Any) -> None:
    caller = Caller("heard", config(), version=version)
    caller.message(audio(bytes(25_600)))
    assert caller.close is None
    caller.message(audio(bytes(25_601)))
    assert caller.close == Close(
        3,
        "Audio chunk can be of a maximum of 25600 bytes. Received audio of 25601 bytes instead.",
    )
    kind = Caller("heard", config(), version=version, rules=GoogleRules(max_audio=0))
    kind.message(audio(bytes(50_000)))
    assert kind.close is None


@each_version
def test_garbage_is_an_invalid_argument_that_quotes_nothing(
    version: Version, config: Any, audio: Any
) -> None:
    for before in ([], [config()]):
        caller = Caller("heard", version=version)
        for message in (*before, b"\xff\xfesecret words"):
            caller.message(message)
        assert caller.close is not None
        assert caller.close.code == 3
        assert "secret" not in caller.close.reason


@each_version
def test_half_close_without_audio(version: Version, config: Any, audio: Any) -> None:
    for before in ([], [config()]):
        caller = Caller("heard", version=version)
        for message in before:
            caller.message(message)
        caller.fin()
        assert caller.said == []
        assert caller.close == Close()


def test_no_speech_is_no_message_at_all() -> None:
    caller = Caller("heard", v1_config(interim=True))
    caller.say(bytes(32_000))
    caller.fin()
    assert (caller.all, caller.close) == ([], Close())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"language_code": ""}, "bad language code"),
        ({"language_code": "not a language"}, "bad language code"),
        ({"encoding": 7, "sample_rate_hertz": 8000}, "SPEEX_WITH_HEADER_BYTE is 16000 Hz"),
        ({"encoding": 10}, "10 is not known"),
        ({"encoding": 99}, "99 is not known"),
        ({"sample_rate_hertz": 4000}, "bad sample rate hertz"),
        ({"sample_rate_hertz": -1}, "bad sample rate hertz"),
        ({"audio_channel_count": 99}, "bad audio channel count"),
        ({"max_alternatives": 31}, "bad max alternatives"),
        (
            {
                "stream_enable_voice_activity_events": True,
                "stream_voice_activity_timeout": one.VoiceActivityTimeout(Duration(-1)),
            },
            "negative",
        ),
    ],
)
def test_configurations_of_v1_that_cannot_be_served(asked: dict[str, Any], words: str) -> None:
    caller = Caller("heard", v1_config(**asked))
    assert caller.close is not None
    assert caller.close.code == 3
    assert words in caller.close.reason
    assert caller.house.sessions == []


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"recognizer": ""}, 3, "recognizers/NAME"),
        ({"recognizer": "recognizers/_"}, 3, "recognizers/NAME"),
        ({"recognizer": "projects/p/locations/l/recognizers/mine"}, 5, "recognizers/mine"),
        ({"language_codes": ()}, 3, "language_codes"),
        ({"language_codes": ("12",)}, 3, "bad language code"),
        ({"explicit_decoding_config": None}, 3, "auto_decoding_config"),
        (
            {"explicit_decoding_config": two.ExplicitDecoding(10, 8000, 1)},
            3,
            "MP4_AAC has no decoder",
        ),
        ({"explicit_decoding_config": two.ExplicitDecoding(0, 8000, 1)}, 3, "0 is not known"),
        ({"features": two.RecognitionFeatures(max_alternatives=-1)}, 3, "max_alternatives"),
    ],
)
def test_configurations_of_v2_that_cannot_be_served(
    asked: dict[str, Any], code: int, words: str
) -> None:
    caller = Caller("heard", v2_config(**asked), version=V2)
    assert caller.close is not None
    assert caller.close.code == code
    assert words in caller.close.reason
    assert caller.house.sessions == []


def test_a_recognizer_of_the_settings_and_what_is_laid_over_it() -> None:
    version = VersionTwo(
        (("calls", "language=en-GB&model=nova-3&punctuation=true&word_times=true"),)
    )
    name = "projects/p/locations/eu/recognizers/calls"

    def configured(message: bytes) -> dict[str, Any]:
        server = StreamServer(version)
        server.open(CALL, 0.0)
        step = server.receive(Binary(message), 0.0)[0]
        assert isinstance(step, Configure), step
        return step.patch["recognition"]

    plain = configured(
        two.STREAMING_REQUEST.write(
            two.StreamingRecognizeRequest(name, streaming_config=two.StreamingRecognitionConfig())
        )
    )
    assert (plain["language"], plain["model"], plain["punctuate"]) == ("en-GB", "nova-3", True)
    over = configured(v2_config(recognizer=name, language_codes=("de-DE",)))
    assert (over["language"], over["model"], over["word_times"]) == ("de-DE", "nova-3", True)
    at_once = configured(
        two.STREAMING_REQUEST.write(two.StreamingRecognizeRequest(name, audio=b"RIFF"))
    )
    assert at_once["language"] == "en-GB"


def test_every_fault_has_a_status_and_none_that_poisons_a_retry() -> None:
    for code, kind in CODES.items():
        for version in (V1, V2):
            server = StreamServer(version)
            server.open(CALL, 0.0)
            config = v2_config() if version is V2 else v1_config()
            server.receive(Binary(config), 0.0)
            fault = kind("a sentence", code=code).fault()
            (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
            assert isinstance(close, Close)
            # UNAVAILABLE and DEADLINE_EXCEEDED make a v1 client repeat with half its audio
            poison = {14} if version is V2 else {4, 14}
            assert close.code not in {None, 0, *poison}, code
            assert close.reason


def test_a_clients_deadline_bounds_the_session_and_is_told() -> None:
    late = CODES["timed_out"]("too late").fault()
    for heard, version, code in ((False, V1, 10), (True, V1, 4), (False, V2, 4)):
        server = StreamServer(version)
        server.open(Opening(id=REQUEST, headers=(("grpc-timeout", "5000m"),)), 0.0)
        (configure,) = server.receive(Binary(v2_config() if version is V2 else v1_config()), 1.0)
        assert isinstance(configure, Configure)
        assert configure.within_s == 4.0
        if heard:
            server.send(Transcript(text="so far", final=True, end_ms=9), 2.0)
        (close,) = server.send(Ended(error=late), 4.5)
        assert close == Close(code, "too late")


def test_a_full_house_is_resource_exhausted() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    server.receive(Binary(v1_config()), 0.0)
    fault = CODES["at_capacity"]("no room", code="at_capacity").fault()
    assert server.send(Ended(reason="refused", error=fault), 0.0) == (Close(8, "no room"),)


def test_keys_and_what_a_wrong_one_is_told() -> None:
    denied = CODES["unauthorized"]("who are you?").fault()
    for headers, credential, code in (
        ((("x-goog-api-key", "K"),), "K", 3),
        ((("authorization", "Bearer T"),), "T", 16),
        ((("authorization", "Basic T"),), None, 16),
        ((), None, 16),
    ):
        server = StreamServer(V1)
        server.open(Opening(id=REQUEST, headers=headers), 0.0)
        (configure,) = server.receive(Binary(v1_config()), 0.0)
        assert isinstance(configure, Configure)
        assert configure.credential == credential
        (close,) = server.send(Ended(reason="refused", error=denied), 0.0)
        assert isinstance(close, Close)
        assert close.code == code
        assert "K" not in close.reason.replace("API key", "").replace("Key", "")


def test_a_stream_the_gateway_ends_is_not_told_as_whole() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    server.receive(Binary(v1_config()), 0.0)
    server.send(Began(), 0.0)
    (close,) = server.send(Ended(reason="shutdown"), 0.0)
    assert isinstance(close, Close)
    assert close.code == 8


def test_what_is_not_done_is_told_in_trailing_metadata() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    config = v1_config(alternative_language_codes=("de-DE",), max_alternatives=20)
    server.receive(Binary(config), 0.0)
    server.send(Began(), 0.0)
    server.send(Notice(level="warning", code="x", text="y\n\u00e9"), 0.0)
    server.receive(Fin(), 0.0)
    server.receive(Binary(v1_audio(b"xx")), 0.0)
    (close,) = server.send(Ended(), 0.0)
    assert isinstance(close, Close)
    assert [name for name, _ in close.headers] == ["ossicle-notice"] * 3
    texts = " ".join(text for _, text in close.headers)
    assert "alternative_language_codes" in texts
    assert "max_alternatives: 10 of 20" in texts
    assert "x: y??" in texts


def test_audio_goes_on_as_it_is() -> None:
    server = StreamServer(V1)
    server.open(CALL, 0.0)
    server.receive(Binary(v1_config()), 0.0)
    assert server.receive(Binary(v1_audio(b"\1\2")), 0.0) == (Audio(data=b"\1\2"),)
    assert server.receive(Binary(v1_audio(b"")), 0.0) == ()
