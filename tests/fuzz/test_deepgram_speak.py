"""Whatever is said to `/v1/speak`: sound, a warning and a close, or a refusal; never a raise."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio.speechfile import speech_file
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Opening, Text
from ossicle.dialects.deepgram.flux_speak_server import FluxSpeakServer
from ossicle.dialects.deepgram.speak_request import SpeakRequest
from ossicle.dialects.deepgram.speak_server import SpeakServer
from ossicle.engines.tone import ToneEngine
from ossicle.testing.house import HandChannel, HandHouse

pytestmark = pytest.mark.fuzz

messages = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["Flush", "Clear", "Close", "Speak", "Say"]).map(
        lambda kind: json.dumps({"type": kind})
    ),
    st.text(max_size=30).map(lambda text: json.dumps({"type": "Speak", "text": text})),
)
values = st.text(max_size=8) | st.sampled_from(
    [
        "mp3",
        "linear16",
        "mulaw",
        "opus",
        "flac",
        "aac",
        "wav",
        "none",
        "ogg",
        "8000",
        "48000",
        "1.5",
    ]
)
queries = st.lists(
    st.tuples(
        st.sampled_from(["model", "encoding", "container", "sample_rate", "bit_rate", "speed"]),
        values,
    ),
    max_size=5,
).map(tuple)


def started(dialect, query, **opening):
    house, channel = HandHouse(ToneEngine()), HandChannel()
    leg = Leg(dialect, channel, house)
    leg.start(Opening(id="r", query=query, **opening))
    house.serve()
    return house, leg, channel


@settings(max_examples=150, derandomize=True, deadline=None)
@given(queries, st.lists(messages | st.binary(max_size=20), max_size=8))
def test_a_conversation(query, said):
    house, leg, channel = started(SpeakServer(), query)
    for each in said:
        if isinstance(each, bytes):
            leg.binary(each)
        else:
            leg.received(Text(each))
        house.serve()
    leg.received(Text('{"type":"Close"}'))
    assert not channel.aborted
    first, last = channel.sent[0], channel.sent[-1]
    assert isinstance(last, Close)
    assert isinstance(first, Accept) or (first is last and first.code == 400)
    if isinstance(first, Accept):
        assert json.loads(channel.sent[1].data)["type"] == "Metadata"
        numbers = [
            message["sequence_id"]
            for message in (json.loads(m.data) for m in channel.sent if isinstance(m, Text))
            if "sequence_id" in message
        ]
        assert numbers == list(range(len(numbers)))


flux_messages = messages | st.one_of(
    st.sampled_from([None, 0, 10, 500]).map(
        lambda at: json.dumps(
            {"type": "Interrupt"}
            | ({} if at is None else {"playback_offset": {"type": "time_ms", "value": at}})
        )
    ),
    st.sampled_from([0.5, 1, 1.01, 9, None, "x"]).map(
        lambda speed: json.dumps({"type": "Configure", "speed": speed})
    ),
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(queries, st.lists(flux_messages | st.binary(max_size=20), max_size=10))
def test_a_conversation_in_turns(query, said):
    house, leg, channel = started(FluxSpeakServer(), (("model", "flux-haley-en"), *query))
    for each in said:
        if isinstance(each, bytes):
            leg.binary(each)
        else:
            leg.received(Text(each))
        house.serve()
    leg.received(Text('{"type":"Close"}'))
    assert not channel.aborted
    first, last = channel.sent[0], channel.sent[-1]
    assert isinstance(last, Close)
    assert isinstance(first, Accept) or (first is last and first.code == 400)
    told = [json.loads(m.data) for m in channel.sent if isinstance(m, Text)]
    if isinstance(first, Accept):
        assert told[0]["type"] == "Connected"
        assert told[-1]["type"] == ("SessionMetadata" if last.code == 1000 else "Error")
    speaking = None
    for message in channel.sent:  # all sound is of the turn that was started last
        if isinstance(message, Binary):
            assert speaking
        elif isinstance(message, Text):
            match json.loads(message.data):
                case {"type": "SpeechStarted", "speech_id": name}:
                    assert speaking is None
                    speaking = name
                case {"type": "SpeechMetadata", "speech_id": name}:
                    assert name == speaking
                    speaking = None
                case {"type": "SpeechInterrupted", "metadata": {"speech_id": name}}:
                    assert name == speaking
                    speaking = None


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    queries,
    st.binary(max_size=60)
    | st.text(max_size=20).map(lambda text: json.dumps({"text": text}).encode()),
)
def test_a_request(query, body):
    house, leg, channel = started(
        SpeakRequest(speech_file), query, method="POST", traits=ChannelTraits(framed=False)
    )
    leg.binary(body)
    leg.received(Fin())
    house.pass_time(2)
    assert not channel.aborted
    first, last = channel.sent[0], channel.sent[-1]
    assert isinstance(last, Close)
    if isinstance(first, Accept):
        assert all(isinstance(each, Binary) for each in channel.sent[1:-1])
    else:
        assert first is last
        assert first.code in {400, 413}
