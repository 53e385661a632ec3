"""Live `/v1/listen`: the laws of a dialect, both halves, and whole conversations whose order is
pinned with the scripted engine on a clock that the test moves."""

import hashlib
import json
from typing import Any

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.dialects.deepgram import DeepgramClient, ListenServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.dialect import check_pair, check_server
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

RAW = (("model", "nova-3"), ("encoding", "linear16"), ("sample_rate", "16000"))
REQUEST = "6f0c0000-0000-4000-8000-000000000001"
FRAME = 640


GOLDEN: list[tuple[Any, ...]] = [
    ("SpeechStarted", 0.0),
    ("interim", "w1"),
    ("finalized", "w1"),
    ("SpeechStarted", 0.22),
    ("interim", "w2"),
    ("speech_final", "w2"),
    ("UtteranceEnd", 0.42),
    ("SpeechStarted", 2.44),
    ("interim", "w3"),
    ("interim", "w3 w4"),
    ("speech_final", "w3 w4"),
    ("Metadata",),
]
"""Repeated interim results count once."""


class Caller:
    """A live client over the real session, with the scripted engine behind it."""

    def __init__(self, script: str, *query: tuple[str, str], raw: bool = True) -> None:
        self.house = HandHouse(ScriptedEngine(script, timers=ManualTimers()))
        self.channel = HandChannel()
        self.leg = Leg(ListenServer(), self.channel, self.house)
        self.leg.start(Opening(id=REQUEST, at=1.5, query=(*(RAW if raw else ()), *query)))
        self.house.serve()
        self._read = 0
        self.audio = b""

    def say(self, data: bytes, *, seconds: bool = True) -> None:
        """Audio in frames of 20 ms, in real time."""
        for at in range(0, len(data), FRAME):
            piece = data[at : at + FRAME]
            self.audio += piece
            self.leg.binary(piece)
            self.house.serve()
            if seconds:
                self.house.pass_time(len(piece) / 32_000)

    def text(self, message: str) -> None:
        self.leg.received(Text(message))
        self.house.serve()

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(m.data) for m in self.channel.sent if isinstance(m, Text)]

    @property
    def new(self) -> list[dict[str, Any]]:
        """Messages since the last look."""
        said = self.all
        fresh, self._read = said[self._read :], len(said)
        return fresh

    @property
    def close(self) -> Close | None:
        return next((m for m in self.channel.sent if isinstance(m, Close)), None)


def short(message: dict[str, Any]) -> tuple[Any, ...]:
    """What a golden conversation pins of one message."""
    match message["type"]:
        case "Results":
            kind = "final" if message["is_final"] else "interim"
            if message["speech_final"]:
                kind = "speech_final"
            if message["from_finalize"]:
                kind = "finalized"
            return (kind, message["channel"]["alternatives"][0]["transcript"])
        case "UtteranceEnd":
            return ("UtteranceEnd", message["last_word_end"])
        case "SpeechStarted":
            return ("SpeechStarted", message["timestamp"])
        case other:
            return (other,)


def check_segments(messages: list[dict[str, Any]]) -> None:
    """The law of segments, whatever was said."""
    starts: dict[int, float] = {}
    for message in (m for m in messages if m["type"] == "Results"):
        channel = message["channel_index"][0]
        start, end = message["start"], message["start"] + message["duration"]
        assert start == starts.get(channel, 0.0), f"{message} does not begin where the last ended"
        for word in message["channel"]["alternatives"][0]["words"]:
            assert start - 1e-6 <= word["start"] <= word["end"] <= end + 1e-6
        assert not message["speech_final"] or message["is_final"]
        if message["is_final"]:
            starts[channel] = round(end, 3)


def test_the_server_half_keeps_the_laws() -> None:
    check_server(ListenServer, Opening(id=REQUEST, query=RAW))
    check_server(ListenServer, Opening(id=REQUEST))


def _kept(item: Command | Event) -> object:
    """Declared losses: no end of speech, no reason, no stable part, whole seconds only to a
    millisecond, refs of commands other than by their order."""
    match item:
        case Began() | Configured() | SpeechEnded():
            return None
        case Configure():
            return (item.patch, item.format, item.credential)
        case Transcript():
            words = tuple((w.text, w.start_ms, w.end_ms, w.confidence) for w in item.words or ())
            return (item.text, item.end_ms, item.final, item.ends_turn, item.confidence, words)
        case Finalize(channel=channel):
            return ("finalize", channel)
        case SpeechStarted(at_ms=at):
            return ("started", at)
        case _:
            return item


def test_what_one_half_says_the_other_hears() -> None:
    check_pair(
        ListenServer,
        DeepgramClient,
        configure=Configure(
            patch={
                "recognition": {
                    "language": "en-GB",
                    "model": "nova-3",
                    "interim_results": True,
                    "punctuate": True,
                    "hints": [{"text": "ossicle"}, {"text": "anvil", "boost": 2.5}],
                    "turns": {"silence_ms": 300},
                }
            },
            format=AudioFormat("mulaw", 8000),
            credential="k",
        ),
        kept=_kept,
        commands=[Audio(data=b"\0\1"), Finalize(), Audio(data=b"\2"), End()],
        events=[
            SpeechStarted(at_ms=100),
            Transcript(text="Turn", end_ms=400, words=(Word("Turn", 100, 400),)),
            Transcript(
                text="Turn left.",
                end_ms=900,
                final=True,
                confidence=0.5,
                words=(Word("Turn", 100, 400, 0.25), Word("left.", 400, 900, 0.75)),
            ),
            SpeechEnded(at_ms=900),
            Transcript(text="", end_ms=900, final=True, ends_turn=True),
        ],
    )


def test_the_end_is_told_to_the_other_half() -> None:
    server, client = ListenServer(), DeepgramClient()
    server.open(client.open(Configure(format=AudioFormat())), 0.0)
    for message in server.send(Began(engine="e"), 0.0):
        client.receive(message, 0.0)  # pyright: ignore[reportArgumentType]
    heard = [
        step
        for message in server.send(Ended(audio_ms=1234), 1.0)
        for step in client.receive(message, 1.0)  # pyright: ignore[reportArgumentType]
    ]
    assert heard == [Ended(audio_ms=1234)]


def test_a_conversation_from_upgrade_to_close() -> None:
    caller = Caller(
        "Hello there. How are you?",
        ("interim_results", "true"),
        ("vad_events", "true"),
        ("utterance_end_ms", "1000"),
    )
    assert caller.channel.sent == [Accept((("dg-request-id", REQUEST),), "")]
    caller.say(bytes(32 * 3000))
    assert [short(m) for m in caller.new] == [
        ("SpeechStarted", 0.0),
        ("interim", "Hello"),
        ("interim", "Hello there."),
        ("speech_final", "Hello there."),
        ("SpeechStarted", 0.6),
        ("interim", "How"),
        ("interim", "How are"),
        ("interim", "How are you?"),
        ("speech_final", "How are you?"),
        ("UtteranceEnd", 1.5),
    ]
    check_segments(caller.all)
    caller.text('{"type": "CloseStream"}')
    assert [short(m) for m in caller.new] == [("Metadata",)]
    metadata = caller.all[-1]
    assert metadata["sha256"] == hashlib.sha256(caller.audio).hexdigest()
    assert metadata["duration"] == 3.0
    assert metadata["created"] == "1970-01-01T00:00:01.500Z"
    assert metadata["request_id"] == REQUEST
    assert caller.close == Close(1000)


def test_finalize_in_mid_word_loses_none_and_doubles_none() -> None:
    caller = Caller("heard", ("interim_results", "true"))
    said = marked_audio([1, 2, 3])
    caller.say(said[: 32 * 300])  # the middle of the second word
    caller.new  # noqa: B018
    caller.text('{"type":"Finalize"}')
    (answer,) = caller.new
    assert answer["from_finalize"]
    assert answer["is_final"]
    assert answer["speech_final"]
    caller.say(said[32 * 300 :] + bytes(32 * 400))
    caller.text('{"type":"CloseStream"}')
    finals = [m for m in caller.all if m.get("is_final")]
    words = [w["word"] for m in finals for w in m["channel"]["alternatives"][0]["words"]]
    assert words == ["w1", "w2", "w3"]
    assert [m["from_finalize"] for m in finals].count(True) == 1
    check_segments(caller.all)


def test_the_order_of_everything_with_finalize_in_mid_word_and_close_in_mid_utterance() -> None:
    caller = Caller(
        "heard", ("interim_results", "true"), ("vad_events", "true"), ("utterance_end_ms", "1000")
    )
    said = marked_audio([1, 2])
    caller.say(said[: 32 * 300])  # the middle of the second word
    caller.text('{"type":"Finalize"}')
    caller.say(said[32 * 300 :] + bytes(32 * 2000))
    caller.say(marked_audio([3, 4])[: 32 * 380])  # the middle of the last word
    caller.text('{"type":"CloseStream"}')
    told = [short(m) for m in caller.all]
    order = [one for one, before in zip(told, [None, *told], strict=False) if one != before]
    assert order == GOLDEN, order
    words = [
        w["word"]
        for m in caller.all
        if m.get("is_final")
        for w in m["channel"]["alternatives"][0]["words"]
    ]
    assert words == ["w1", "w2", "w3", "w4"]
    check_segments(caller.all)
    assert caller.close == Close(1000)


def test_finalize_of_nothing_is_answered() -> None:
    caller = Caller("Hello.")
    caller.text('{"type":"Finalize"}')
    caller.text('{"type":"Finalize","channel":0}')
    answers = caller.new
    assert [short(m) for m in answers] == [("finalized", ""), ("finalized", "")]
    assert answers[0]["channel"]["alternatives"][0] == {
        "transcript": "",
        "confidence": 0.0,
        "words": [],
    }


def test_close_stream_in_mid_utterance_says_what_was_heard_first() -> None:
    caller = Caller("heard", ("interim_results", "true"))
    caller.say(marked_audio([1, 2]))
    caller.leg.binary(b"")  # the older form of CloseStream
    caller.house.serve()
    said = [short(m) for m in caller.all]
    assert said[-2:] == [("speech_final", "w1 w2"), ("Metadata",)]
    assert caller.close == Close(1000)
    caller.text('{"type":"Finalize"}')
    caller.leg.binary(b"late")
    assert [short(m) for m in caller.all] == said


def test_without_interim_results_only_finals_come() -> None:
    caller = Caller("Hello there. How are you?")
    caller.say(bytes(32 * 2000))
    caller.text('{"type":"CloseStream"}')
    assert [short(m) for m in caller.new] == [
        ("speech_final", "Hello there."),
        ("speech_final", "How are you?"),
        ("Metadata",),
    ]


def test_an_utterance_end_comes_in_noise_without_a_speech_final_and_once() -> None:
    caller = Caller(
        "heard", ("interim_results", "true"), ("utterance_end_ms", "1000"), ("endpointing", "false")
    )
    noise = b"".join((n % 7 - 9).to_bytes(2, "little", signed=True) for n in range(16_000 * 3))
    caller.say(marked_audio([1, 2]) + noise)
    said = [short(m) for m in caller.new]
    assert said.count(("UtteranceEnd", 0.42)) == 1
    assert not [m for m in said if m[0] == "speech_final"]
    caller.say(marked_audio([3]) + noise)
    assert [short(m) for m in caller.new if m["type"] == "UtteranceEnd"] == [("UtteranceEnd", 3.64)]


def test_no_utterance_end_while_the_audio_stands_still() -> None:
    caller = Caller("heard", ("interim_results", "true"), ("utterance_end_ms", "1000"))
    caller.say(marked_audio([1]) + bytes(32 * 300))
    for _ in range(5):
        caller.text('{"type":"KeepAlive"}')
        caller.house.pass_time(2.0)
    assert not [m for m in caller.all if m["type"] == "UtteranceEnd"]
    caller.say(bytes(32 * 1000))
    assert [m for m in caller.all if m["type"] == "UtteranceEnd"]


def test_ten_seconds_of_silence_close_the_stream_and_keep_its_words() -> None:
    caller = Caller("heard")
    caller.say(marked_audio([1, 2]))
    caller.house.pass_time(9.0)
    caller.text('{"type":"KeepAlive"}')
    caller.house.pass_time(9.0)
    assert caller.close is None
    caller.house.pass_time(2.0)
    assert [short(m) for m in caller.all] == [("speech_final", "w1 w2")]
    assert caller.close == Close(1011, "NET-0001")


def test_a_client_that_never_speaks_is_closed_too() -> None:
    caller = Caller("heard")
    caller.house.pass_time(9.9)
    assert caller.close is None
    caller.house.pass_time(0.2)
    assert caller.close == Close(1011, "NET-0001")


def test_time_does_not_pass_while_we_do_not_read() -> None:
    caller = Caller("heard")
    caller.leg.pause("overload")
    caller.house.pass_time(60.0)
    caller.leg.resume("overload")
    caller.house.pass_time(9.0)
    assert caller.close is None


def test_nonsense_is_answered_and_the_stream_goes_on() -> None:
    caller = Caller("heard")
    caller.text("UklGRiQAAABXQVZF")
    caller.text('{"type":"Sing"}')
    caller.text('{"type":"Finalize","channel":"x"}')
    caller.text('{"type":"Finalize","channel":7}')
    caller.say(marked_audio([5]))
    caller.text('{"type":"CloseStream"}')
    assert [short(m)[0] for m in caller.new] == ["Error"] * 4 + ["speech_final", "Metadata"]
    assert caller.all[0]["message"] == "UklGRiQAAABXQVZF"
    assert caller.close == Close(1000)


def test_configure_is_answered() -> None:
    caller = Caller("heard")
    caller.text('{"type":"Configure","keyterms":["gateway"],"features":{"numerals":true}}')
    caller.text('{"type":"Configure","keyterms":["%s"]}' % ("x" * 300))
    said = caller.new
    assert said[0] == {
        "type": "ConfigureSuccess",
        "request_id": REQUEST,
        "keyterms": ["gateway"],
    }
    assert said[1]["type"] == "ConfigureFailure"
    assert said[1]["code"] == "CONFIGURE_BAD_OPTION"


def test_bad_audio_closes_with_its_own_code() -> None:
    caller = Caller("heard", raw=False)
    caller.leg.binary(b"this is no container at all")
    assert caller.close == Close(1008, "DATA-0000")


def test_each_channel_has_its_own_results() -> None:
    server = ListenServer()
    steps = server.open(
        Opening(id=REQUEST, query=(*RAW, ("channels", "2"), ("multichannel", "true"))), 0.0
    )
    assert isinstance(steps[0], Configure)
    assert steps[0].patch["recognition"]["channels"] == "split"
    server.send(Began(engine="e"), 0.0)
    said: list[dict[str, Any]] = []
    for channel, end in ((0, 500), (1, 700), (0, 900)):
        event = Transcript(text="a", end_ms=end, final=True, ends_turn=True, channel=channel)
        said += [json.loads(m.data) for m in server.send(event, 1.0) if isinstance(m, Text)]
    assert [m["channel_index"] for m in said] == [[0, 2], [1, 2], [0, 2]]
    check_segments(said)


def test_refusals_come_before_the_upgrade_in_the_services_json() -> None:
    for query, words in (
        ((("encoding", "linear16"),), "sample_rate is missing"),
        ((("encoding", "g722"), ("sample_rate", "16000")), "is not known"),
        ((("encoding", "g729"), ("sample_rate", "16000")), "8000 Hz and one channel"),
        ((("encoding", "linear16"), ("sample_rate", "many")), "a number of Hz"),
        ((*RAW, ("interim_results", "maybe")), "true or false"),
        ((*RAW, ("endpointing", "soon")), "or false"),
        ((*RAW, ("channels", "99")), "channels"),
        ((*RAW, ("utterance_end_ms", "-1")), "outside"),
    ):
        (close,) = ListenServer().open(Opening(id=REQUEST, query=query), 0.0)
        assert isinstance(close, Close)
        assert close.code == 400
        body = json.loads(close.body)
        assert set(body) == {"err_code", "err_msg", "request_id"}
        assert words in body["err_msg"], body
        assert dict(close.headers)["dg-request-id"] == REQUEST


def test_binary_is_audio_and_keepalive_is_nothing() -> None:
    server = ListenServer()
    server.open(Opening(id=REQUEST, query=RAW), 0.0)
    server.send(Began(), 0.0)
    assert server.receive(Binary(b"ab"), 1.0) == (Audio(data=b"ab"),)
    assert server.receive(Text('{"type":"KeepAlive"}'), 2.0) == ()
