"""`ossicle.v1` on a call: sound on the track, words beside it, and what was heard."""

import json

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Audio, Cancel, Configure, End, Played
from ossicle.core.events import AudioOut, Began, Event, Marked, SpeechEnded
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.wire import (
    Accept,
    Binary,
    ChannelTraits,
    Clear,
    Close,
    Mark,
    Media,
    Opening,
    Text,
)  # fmt: skip
from ossicle.dialects.native import NativeObserver, NativeServer
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine

CALL = ChannelTraits(media=True, flow_controlled=False)
SOUND = AudioFormat("pcm_s16le", 16_000, 1)


def opened(query: tuple[tuple[str, str], ...] = ()) -> tuple[NativeServer, Configure]:
    server = NativeServer()
    (configure,) = server.open(Opening(path="/whip", traits=CALL, query=query), 0.0)
    assert isinstance(configure, Configure)
    return server, configure


def begun() -> NativeServer:
    server, _ = opened()
    accept, text = server.send(Began(session="s"), 0.0)
    assert isinstance(accept, Accept)
    assert isinstance(text, Text)
    return server


def test_the_track_decides_the_format() -> None:
    _, configure = opened((("language", "de"),))
    assert configure.format == configure.speaks == SOUND
    assert configure.patch == {"recognition": {"language": "de"}, "overload": "drop_oldest"}
    _, configure = opened((("overload", "refuse"),))
    assert configure.patch["overload"] == "refuse"
    server = NativeServer()
    (refused,) = server.open(
        Opening(path="/whip", traits=CALL, query=(("encoding", "mulaw"),)), 0.0
    )
    assert isinstance(refused, Close)
    assert refused.code == 400


def test_sound_in() -> None:
    server = begun()
    assert server.receive(Media(b"ab"), 0.0) == (Audio(data=b"ab"),)
    assert not server.plain
    (said,) = server.receive(Binary(b"ab"), 0.0)
    assert isinstance(said, Text)
    assert "track" in json.loads(said.data)["text"]


def test_sound_out_comes_with_marks_that_tell_what_was_heard() -> None:
    server = begun()
    steps = server.send(
        AudioOut(utterance="u1", data=bytes(3_200 * 2 + 640), start_ms=500, mark="half"), 0.0
    )
    assert [type(step) for step in steps] == [Media, Mark] * 3
    assert b"".join(step.data for step in steps if isinstance(step, Media)) == bytes(7_040)
    marks = [step.name for step in steps if isinstance(step, Mark)]
    assert server.receive(Mark(marks[0]), 0.0) == (
        Played(utterance="u1", until_ms=600, by_wire=True),
    )
    assert server.receive(Mark(marks[2]), 0.0) == (
        Played(utterance="u1", until_ms=720, mark="half", by_wire=True),
    )
    assert server.receive(Mark(marks[2]), 0.0) == ()  # once
    assert server.receive(Mark("stranger"), 0.0) == ()


def test_a_mark_without_sound() -> None:
    server = begun()
    (mark,) = server.send(AudioOut(utterance="u1", data=b"", start_ms=40, mark="end"), 0.0)
    assert isinstance(mark, Mark)
    assert server.receive(mark, 0.0) == (
        Played(utterance="u1", until_ms=40, mark="end", by_wire=True),
    )


CUT = {
    "in the making": SpeechEnded(side="out", utterance="u1", reason="cancelled", at_ms=10),
    "made whole": Marked(name="", utterance="u1", heard_ms=10, cleared=True),
}


@pytest.mark.parametrize("how", ["asked", *CUT])
def test_what_was_cleared_was_not_heard(how: str) -> None:
    server = begun()
    steps = server.send(AudioOut(utterance="u1", data=bytes(6_400)), 0.0)
    marks = [step for step in steps if isinstance(step, Mark)]
    if how == "asked":
        done = server.receive(Text('{"type": "cancel"}'), 0.0)
        assert done == (Clear(), Cancel(side="out"))
    else:
        clear, text = server.send(CUT[how], 0.0)
        assert clear == Clear()
        assert isinstance(text, Text)
    for mark in marks:
        assert server.receive(mark, 0.0) == ()


@pytest.mark.parametrize(
    "event", [*CUT.values(), Marked(name="m", utterance="u2", heard_ms=10, cleared=True)]
)
def test_a_cancelled_utterance_takes_no_other_along(event: Event) -> None:
    server = begun()
    server.send(AudioOut(utterance="u2", data=bytes(640)), 0.0)
    assert Clear() not in server.send(event, 0.0)
    late = server.receive(Text('{"type": "cancel", "utterance": "u1"}'), 0.0)
    assert late == (Cancel(side="out", utterance="u1"),)
    named = server.receive(Text('{"type": "cancel", "utterance": "u2"}'), 0.0)
    assert named == (Clear(), Cancel(side="out", utterance="u2"))


def test_who_cancels_on_a_call_is_told_how_much_was_heard() -> None:
    """The voice made it whole long before it was heard, so no end of speech will say it; what
    waits behind it was not heard at all, and neither is waited for."""
    house = HandHouse(HeldEngine(Capabilities(name="held", speaks=(PCM16K,))))
    channel = HandChannel()
    leg = Leg(NativeServer(), channel, house)
    leg.start(Opening(path="/whip", traits=CALL))
    house.serve()
    leg.received(Text('{"type":"speak","text":"something long"}'))
    house.serve()
    voice = house.engine.stream.sink
    for name in ("long", "next"):
        voice.tell(AudioOut(utterance=name, data=bytes(32_000)))
        voice.tell(SpeechEnded(side="out", utterance=name, reason="done", at_ms=1_000))
    marks = [message for message in channel.sent if isinstance(message, Mark)]
    for mark in marks[:3]:
        leg.received(mark)
    house.timers.advance(0.5)  # what a clock would say is not what was heard
    leg.received(Text('{"type":"cancel"}'))
    assert Clear() in channel.sent
    told = [json.loads(message.data) for message in channel.sent if isinstance(message, Text)]
    cut = [
        (event["utterance"], event["heard_ms"], event["cleared"])
        for event in told
        if event["type"] == "marked"
    ]
    assert cut == [("long", 300, True), ("next", 0, True)]
    assert all("heard_ms" not in event for event in told if event["type"] == "speech_ended")
    (session,) = house.sessions
    assert not session.voice.speech.audible(house.timers.now())


def test_what_shares_a_track_with_something_cancelled_is_not_waited_for() -> None:
    """A track is cleared whole."""
    server = begun()
    server.send(AudioOut(utterance="u1", data=bytes(6_400)), 0.0)
    server.send(AudioOut(utterance="u2", data=bytes(640), mark="m"), 0.0)
    assert server.receive(Text('{"type": "cancel", "utterance": "u1"}'), 0.0) == (
        Clear(),
        Played(utterance="u2", until_ms=20, estimated=True, by_wire=True),
        Cancel(side="out", utterance="u1"),
    )


def test_goodbyes() -> None:
    assert begun().receive(Close(1000), 0.0) == (End(),)
    assert begun().receive(Close(1006), 0.0) == ()


def test_a_listener_hears_the_voice() -> None:
    observer = NativeObserver()
    (configure,) = observer.open(Opening(path="/whep/room", traits=CALL), 0.0)
    assert isinstance(configure, Configure)
    assert configure.join is not None
    assert (configure.join.session, configure.join.role) == ("room", "observer")
    observer.send(Began(session="s"), 0.0)
    media, mark = observer.send(AudioOut(utterance="u1", data=bytes(640)), 0.0)
    assert media == Media(bytes(640))
    assert observer.receive(mark, 0.0) == ()  # an observer tells nothing


def test_a_guest_brings_no_sound_and_ends_nothing() -> None:
    server, _ = opened((("session", "room"), ("role", "controller")))
    server.send(Began(session="s"), 0.0)
    assert server.receive(Media(b"ab"), 0.0) == ()
    assert server.receive(Close(1000), 0.0) == ()
