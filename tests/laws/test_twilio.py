"""The laws of the telephone dialect: what Twilio's end says is heard, what is said arrives there.

Declared losses: a telephone says no commands but its own (sound, digits, marks, the end), and takes
no events but sound; names and times of utterances are the client's own, and marks the server's.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio, Command, Configure, End, Report, Tell
from ossicle.core.events import (
    Asked,
    AudioOut,
    Configured,
    Event,
    Marked,
    Notice,
    SpeechStarted,
    Told,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text
from ossicle.dialects.twilio import CallServer, TwilioClient
from ossicle.testing.dialect import check_pair, check_server

TELEPHONE = AudioFormat("mulaw", 8_000)
CALL = Configure(format=TELEPHONE, speaks=TELEPHONE, names=("CA" + "1" * 32, "MZ" + "1" * 32))
STARTS: dict[str, tuple[dict[str, Any], ...]] = {
    "twilio": (
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ1",
            "start": {"streamSid": "MZ1", "callSid": "CA1", "customParameters": {"mode": "bidi"}},
        },
    ),
    "telnyx": (
        {"event": "connected", "version": "1.0.0"},
        {
            "event": "start",
            "sequence_number": "1",
            "stream_id": "s1",
            "start": {"call_control_id": "c1", "media_format": {"encoding": "PCMA"}},
        },
    ),
    "vonage": ({"event": "websocket:connected", "content-type": "audio/l16;rate=16000"},),
    "plivo": (
        {
            "event": "start",
            "streamId": "s1",
            "start": {"callId": "c1", "streamId": "s1", "tracks": ["inbound"]},
        },
    ),
}


def hello(carrier: str) -> tuple[Message, ...]:
    """What the carrier says first."""
    return tuple(Text(json.dumps(message)) for message in STARTS[carrier])


@pytest.mark.parametrize("carrier", STARTS)
def test_the_laws_of_a_server_half(carrier: str):
    check_server(lambda: CallServer(carrier), Opening(path="/"), hello(carrier))
    check_server(CallServer, Opening(path="/"), hello(carrier))


def kept(item: Command | Event) -> object:
    """What survives: see above."""
    match item:
        case Configure(patch=patch):
            return (merged(Options(), patch), item.format, item.speaks, item.credential, item.names,
                    item.report_to)  # fmt: skip
        case AudioOut():
            return item.data or None
        case Audio():
            return item.data
        case Tell() | End():
            return item
        case _:
            return None


@settings(max_examples=60, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.binary(min_size=160, max_size=160).map(lambda data: Audio(data=data)),
            st.sampled_from("0123456789*#").map(lambda d: Tell(kind="digits", text=d)),
        ),
        max_size=8,
    ),
    st.lists(
        st.one_of(
            st.builds(AudioOut, utterance=st.just("u"), data=st.binary(min_size=1, max_size=400)),
            st.builds(Transcript, text=st.text(max_size=10), final=st.booleans()),
            st.builds(Notice, code=st.text(max_size=5)),
            st.builds(Told, text=st.text(max_size=5)),
            st.builds(Asked, call=st.text(max_size=5)),
            st.builds(Marked, name=st.text(max_size=5)),
            st.builds(Configured),
        ),
        max_size=8,
    ),
)
def test_what_is_said_at_one_end_is_heard_at_the_other(
    commands: list[Command], events: list[Event]
):
    check_pair(
        lambda: CallServer("twilio"),
        TwilioClient,
        commands=[*commands, End()],
        events=events,
        kept=kept,
        configure=CALL,
    )


@settings(max_examples=60, derandomize=True)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "language": st.sampled_from(["de-DE", "en-GB"]),
            "model": st.text("abc:/-", min_size=1, max_size=10),
            "punctuate": st.booleans(),
            "diarize": st.booleans(),
            "profanity_filter": st.booleans(),
            "interim_results": st.booleans(),
            "hints": st.lists(
                st.fixed_dictionaries(
                    {
                        "text": st.text("abc ", min_size=1, max_size=9)
                        .filter(str.strip)
                        .map(str.strip)
                    },
                    optional={"boost": st.integers(0, 9).map(float)},
                ),
                min_size=1,
                max_size=3,
            ),
            "turns": st.fixed_dictionaries({"silence_ms": st.integers(0, 9_000)}),
        },
    ),
    st.sampled_from(["", "front desk"]),
    st.sampled_from([None, "key"]),
    st.sampled_from([(), (Report("https://example.com/words?a=1&b=2"),)]),
)
def test_a_configuration_arrives_as_parameters(
    recognition: dict[str, Any], label: str, credential: str | None, report_to: tuple[Report, ...]
):
    patch: dict[str, Any] = {"recognition": recognition} | ({"label": label} if label else {})
    configure = Configure(
        patch=patch,
        format=TELEPHONE,
        speaks=TELEPHONE,
        credential=credential,
        names=CALL.names,
        report_to=report_to,
    )
    check_pair(
        lambda: CallServer("twilio"), TwilioClient, commands=[], events=[], kept=kept,
        configure=configure,
    )  # fmt: skip


def test_a_caller_who_speaks_silences_us_and_no_mark_counts_afterwards():
    """The whole way: sound out, barge-in, clear, marks that come back at once."""
    client, server = TwilioClient(), CallServer("twilio")
    server.open(client.open(CALL), 0.0)
    for message in client.receive(Accept(), 0.0):
        server.receive(message, 0.0)  # type: ignore[arg-type]
    sent = server.send(AudioOut(utterance="u", data=bytes(8_000), mark="end"), 0.0)
    for message in sent:
        client.receive(message, 0.0)  # type: ignore[arg-type]
    assert client.deadline == 1.0
    steps = server.send(SpeechStarted(side="in"), 0.4)
    clear = steps[0]
    assert isinstance(clear, Text)
    assert json.loads(clear.data)["event"] == "clear"
    (_, *marks) = client.receive(clear, 0.4)
    assert len(marks) == 1
    assert server.receive(marks[0], 0.4) == ()  # type: ignore[arg-type]


def test_a_binary_message_to_twilio_is_complained_of_once():
    client = TwilioClient()
    client.open(CALL)
    (notice,) = client.receive(Binary(b"x"), 0.0)
    assert isinstance(notice, Notice)
    assert notice.code == "31950"
    assert client.receive(Binary(b"x"), 0.0) == ()
    assert [type(step) for step in client.receive(Text("{}"), 0.0)] == [Notice]
    assert client.receive(Close(1000), 0.0) != ()
