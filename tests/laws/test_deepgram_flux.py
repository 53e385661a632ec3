"""Both halves of Flux against each other. Declared losses: partials between two updates, refs of
what the client half matches by order, options Flux has no word for."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.wire import Close, Text
from ossicle.dialects.deepgram.flux_client import FluxClient
from ossicle.dialects.deepgram.flux_server import FluxServer
from ossicle.testing.dialect import check_pair

CONFIGURE = Configure(
    patch={
        "recognition": {
            "language": "en",
            "turns": {"confidence": 0.8, "eager": 0.4, "silence_ms": 3000},
            "hints": [{"text": "gateway"}],
        }
    },
    format=AudioFormat("mulaw", 8000),
    credential="KEY",
)


def transcript(words, turn=0, **fields):
    return Transcript(
        text=" ".join(word.text for word in words),
        start_ms=words[0].start_ms,
        end_ms=words[-1].end_ms,
        turn=turn,
        words=tuple(words),
        **fields,
    )


def kept(item):
    match item:
        case Configure():
            options = merged(Options(), item.patch).recognition
            return (
                item.credential, item.format, options.turns.confidence, options.turns.eager,
                options.turns.silence_ms, options.hints,
            )  # fmt: skip
        case Finalize():
            return Finalize()
        case Transcript(final=True):
            return (item.text, item.words, item.turn, item.ends_turn, item.end_confidence)
        case Transcript():
            return None
        case SpeechStarted():
            return ("started", item.turn)
        case SpeechEnded():
            return ("ended", item.turn, item.reason, item.provisional)
        case Began() | Configured():
            return None
        case _:
            return item


def test_the_pair():
    one, two = Word("Turn", 300, 500, 0.5), Word("left.", 520, 800, 0.75)
    check_pair(
        FluxServer,
        FluxClient,
        configure=CONFIGURE,
        commands=[Audio(data=b"abc"), Finalize(ref="f"), Audio(data=b"d"), End()],
        events=[
            SpeechStarted(at_ms=300),
            transcript([one]),
            transcript([one, two]),
            SpeechEnded(at_ms=800, reason="model"),
            transcript([one, two], final=True, ends_turn=True, end_confidence=0.75),
            SpeechStarted(at_ms=1300, turn=1),
            transcript([Word("Now.", 1300, 1500, 1.0)], turn=1),
            SpeechEnded(at_ms=1500, turn=1, reason="timeout"),
            transcript(
                [Word("Now.", 1300, 1500, 1.0)], turn=1, final=True, ends_turn=True,
                end_confidence=0.25,
            ),
        ],
        kept=kept,
    )  # fmt: skip


def test_an_eager_end_and_its_taking_back():
    client, server = FluxClient(), FluxServer()
    server.open(client.open(CONFIGURE), 0.0)
    one = [Word("Turn", 300, 500, 0.5)]
    heard = []
    for event in (
        Began(session="s", options=merged(Options(), CONFIGURE.patch)),
        transcript(one),
        SpeechEnded(at_ms=500, reason="model", provisional=True, confidence=0.5),
        SpeechStarted(at_ms=700),
        SpeechEnded(at_ms=900, reason="model"),
        transcript(one, final=True, ends_turn=True, end_confidence=0.75),
    ):
        for message in server.send(event, 1.0):
            heard += client.receive(message, 1.0)
    assert [kept(event) for event in heard if kept(event) is not None] == [
        ("started", 0),
        ("ended", 0, "model", True),
        ("started", 0),
        ("ended", 0, "model", False),
        ("Turn", tuple(one), 0, True, 0.75),
    ]


names = st.sampled_from(["Turn", "left", "here.", "Now", "stop."])


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.lists(names, min_size=1, max_size=4), max_size=5), st.booleans())
def test_whole_turns_arrive_as_they_were_told(turns, asked):
    client, server = FluxClient(), FluxServer()
    server.open(client.open(CONFIGURE), 0.0)
    told, heard, at = [], [], 0
    events = [Began(session="s"), Configured()]
    for turn, texts in enumerate(turns):
        words = []
        for text in texts:
            words.append(Word(text, at, at + 200, 0.5))
            at += 250
        final = transcript(words, turn, final=True, ends_turn=True, end_confidence=0.5)
        reason = "asked" if asked else "model"
        if asked:
            (message,) = client.send(Finalize(ref=f"f{turn}"), 0.0)
            (command,) = server.receive(message, 0.0)
            final = msgspec.structs.replace(final, ref=command.ref)
        events += [SpeechEnded(turn=turn, at_ms=at, reason=reason), final]
        told.append(msgspec.structs.replace(final, ref=f"f{turn}" if asked else ""))
    for event in events:
        for message in server.send(event, 1.0):
            heard += client.receive(message, 1.0)
    assert [e for e in heard if isinstance(e, Transcript) and e.final] == told


def test_what_is_left_at_the_close_is_a_final():
    client, server = FluxClient(), FluxServer()
    server.open(client.open(CONFIGURE), 0.0)
    words = [Word("Turn", 0, 200, 0.5)]
    heard = []

    def tell(*events):
        for event in events:
            for message in server.send(event, 1.0):
                heard.extend(client.receive(message, 1.0))

    tell(Began(), transcript(words))
    (close,) = client.send(End(), 1.0)
    assert server.receive(close, 1.0) == (End(),)
    tell(
        SpeechEnded(at_ms=200, reason="end"),
        transcript(words, final=True, ends_turn=True),
        Ended(reason="done"),
    )
    assert [type(event).__name__ for event in heard[-3:]] == ["SpeechEnded", "Transcript", "Ended"]
    assert heard[-2].text == "Turn"
    assert heard[-2].final
    assert heard[-1] == Ended(reason="done")


def test_a_refusal_arrives_with_its_reason():
    client, server = FluxClient(), FluxServer()
    opening = client.open(Configure(format=AudioFormat("pcm_f64le", 16_000)))
    assert isinstance(opening.query, tuple)
    (close,) = server.open(msgspec.structs.replace(opening, query=()), 0.0)
    assert isinstance(close, Close)
    (ended,) = client.receive(close, 0.0)
    assert (ended.error.code, ended.error.whose) == ("bad_request", "client")
    assert "model" in ended.error.text


def test_a_client_that_has_nothing_to_say_pings():
    client = FluxClient()
    client.open(CONFIGURE)
    client.send(Audio(data=b"x"), 0.0)
    assert client.deadline == 5.0
    assert len(client.expire(5.0)) == 1
    assert client.deadline == 10.0


def test_what_is_not_flux_ends_the_client_half():
    client = FluxClient()
    client.open(CONFIGURE)
    close, ended = client.receive(Text("nonsense"), 0.0)
    assert isinstance(close, Close)
    assert ended.error.code == "bad_message"
