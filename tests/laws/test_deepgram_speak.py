"""Both halves of `/v1/speak` against each other. Declared losses: words of the speech, names of
utterances (the client half counts its own), and refs, which it matches by order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Cancel, Configure, End, Speak
from ossicle.core.events import (
    AudioOut,
    Began,
    Configured,
    Ended,
    SpeechEnded,
    SpeechStarted,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.wire import Close
from ossicle.dialects.deepgram.speak_client import SpeakClient
from ossicle.dialects.deepgram.speak_server import SpeakServer

SPEAKS = AudioFormat("mulaw", 8000)
CONFIGURE = Configure(
    patch={"synthesis": {"language": "en", "speed": 1.5}}, speaks=SPEAKS, credential="KEY"
)


def pair():
    client, server = SpeakClient(), SpeakServer()
    (heard,) = server.open(client.open(CONFIGURE), 0.0)
    told = []

    def tell(*events):
        for event in events:
            for message in server.send(event, 1.0):
                if type(message).__module__.endswith("wire"):
                    told.extend(client.receive(message, 1.0))

    tell(Began(session="s"), Configured(options=Options(speaks=SPEAKS)))
    told.clear()
    return client, server, heard, tell, told


def test_an_opening_says_what_was_configured():
    _, _, heard, _, _ = pair()
    options = merged(Options(), heard.patch)
    assert options.synthesis == merged(Options(), CONFIGURE.patch).synthesis
    assert (heard.speaks, heard.credential) == (SPEAKS, "KEY")


said = st.one_of(
    st.builds(Speak, text=st.text(min_size=1, max_size=20), more=st.booleans()),
    st.builds(Speak, text=st.just("")),
    st.just(Cancel(side="out")),
)


@settings(max_examples=150, derandomize=True)
@given(st.lists(said, max_size=8))
def test_commands_arrive_as_they_were_asked(asked):
    client, server, *_ = pair()
    heard = [
        command
        for each in (*asked, End())
        for message in client.send(each, 1.0)
        for command in server.receive(message, 1.0)
    ]
    expected = []
    for each in asked:
        match each:
            case Speak(text=text, more=more):
                expected += [text] if text else []
                expected += [] if more else ["<flush>"]
            case _:
                expected += ["<cancel>", "<clear>"]
    short = []
    for command in heard[:-1]:
        match command:
            case Cancel():
                short.append("<cancel>")
            case Speak(text="", ref=ref):
                short.append(f"<{ref.partition('-')[0]}>")
            case Speak(text=text):
                short.append(text)
    assert short == expected
    assert heard[-1] == End()


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.lists(st.integers(1, 400), max_size=4), max_size=5), st.booleans())
def test_sound_and_its_ends_arrive_as_they_were_told(utterances, cleared):
    client, server, _, tell, told = pair()
    expected = []
    for number, pieces in enumerate(utterances):
        (flush,) = client.send(Speak(text="", ref=f"asked-{number}"), 1.0)
        (mark,) = server.receive(flush, 1.0)
        at = 0
        if pieces:
            expected.append(("start", f"u{number + 1}"))
        for size in pieces:
            tell(AudioOut(utterance="x", data=bytes(size), start_ms=at // 8))
            expected.append((f"u{number + 1}", size, at // 8))
            at += size
        tell(SpeechEnded(side="out", utterance="x", reason="done", ref=mark.ref))
        expected.append(("end", f"u{number + 1}", "done", f"asked-{number}"))
    (close,) = client.send(End(), 1.0)
    assert server.receive(close, 1.0) == (End(),)
    tell(Ended(reason="done"))
    short = []
    for event in told[:-1]:
        match event:
            case SpeechStarted():
                short.append(("start", event.utterance))
            case AudioOut():
                short.append((event.utterance, len(event.data), event.start_ms))
            case SpeechEnded():
                short.append(("end", event.utterance, event.reason, event.ref))
    assert short == expected
    assert told[-1] == Ended(reason="done")


def test_what_was_cleared_is_cancelled_with_its_ref():
    client, server, _, tell, told = pair()
    (flush,) = client.send(Speak(text="", ref="mine"), 1.0)
    (mark,) = server.receive(flush, 1.0)
    tell(AudioOut(utterance="x", data=bytes(80), start_ms=0))
    (clear,) = client.send(Cancel(side="out"), 1.0)
    _, proof = server.receive(clear, 1.0)
    tell(
        AudioOut(utterance="x", data=bytes(80), start_ms=10),
        SpeechEnded(side="out", utterance="x", reason="cancelled", ref=mark.ref),
        SpeechEnded(side="out", utterance="y", reason="done", ref=proof.ref),
    )
    end = told[-1]
    assert (end.reason, end.ref, end.at_ms) == ("cancelled", "mine", 10)
    assert [type(event).__name__ for event in told] == ["SpeechStarted", "AudioOut", "SpeechEnded"]


def test_a_refusal_ends_the_client_half():
    client, server = SpeakClient(), SpeakServer()
    server.open(client.open(CONFIGURE), 0.0)
    (close,) = server.send(Configured(), 0.0)
    assert isinstance(close, Close)
    (ended,) = client.receive(close, 0.0)
    assert (ended.error.code, ended.error.whose) == ("bad_request", "client")
