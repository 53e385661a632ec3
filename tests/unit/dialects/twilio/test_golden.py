"""Golden calls: a real session and a scripted engine behind the server half. Nothing of it is said
on the socket, so what is pinned is the session's log, which observers and webhooks read."""

import base64
import json
from typing import Any

import pytest

from ossicle.core.events import Ended, Event, SpeechEnded, SpeechStarted, Told, Transcript
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Close, Opening, Text
from ossicle.dialects.twilio import CallServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse

SILENCE = base64.b64encode(b"\xff" * 160).decode()


class Call:
    """Twilio's end, 20 ms at a time."""

    def __init__(self, script: str) -> None:
        self.house = HandHouse(ScriptedEngine(script, timers=ManualTimers()))
        self.channel = HandChannel()
        self.leg = Leg(CallServer("twilio"), self.channel, self.house)
        self.leg.start(Opening(id="r1", path="/twilio/media"))
        self._number = self._at = 0
        self.leg.received(Text('{"event":"connected","protocol":"Call","version":"1.0.0"}'))
        tracks = {"streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"]}
        self.say("start", start=tracks | {"customParameters": {}})
        self.house.serve()

    def say(self, event: str, **body: Any) -> None:
        self._number += 1
        head = {"event": event, "streamSid": "MZ1", "sequenceNumber": str(self._number)}
        self.leg.received(Text(json.dumps(head | body)))

    def ms(self, milliseconds: int) -> None:
        """That much sound."""
        for _ in range(milliseconds // 20):
            media = {"track": "inbound", "timestamp": str(self._at), "payload": SILENCE}
            self.say("media", media=media)
            self._at += 20
            self.house.pass_time(0.02)

    @property
    def story(self) -> list[tuple[str, ...]]:
        """What was logged."""
        (session,) = self.house.sessions
        log = session.log
        events = (log.read(number) for number in range(log.first, log.next))
        return [line for event in events if event is not None and (line := short(event))]


def short(event: Event) -> tuple[str, ...]:
    match event:
        case SpeechStarted():
            return ("start",)
        case Transcript(final=True):
            return ("last" if event.ends_turn else "final", event.text)
        case Transcript():
            return ("partial", event.text)
        case SpeechEnded():
            return ("end", event.reason)
        case Told():
            return ("told", event.text)
        case Ended():
            return ("over", event.reason)
        case _:
            return ()


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_call_that_ends_in_mid_utterance_keeps_every_word_once(how: str) -> None:
    call = Call("Hello there. How are you?")
    call.ms(1_000)
    call.say("dtmf", dtmf={"track": "inbound_track", "digit": "5"})
    if how == "stop":
        call.say("stop", stop={"accountSid": "AC1", "callSid": "CA1"})
    else:
        call.leg.received(Close(1006))
    call.house.pass_time(1)
    story = call.story
    assert story == [
        ("start",),
        ("end", "silence"),
        ("last", "Hello there."),
        ("start",),
        ("told", "5"),
        ("end", "end"),
        ("last", "How"),  # the next word was cut off before its end
        ("over", "done"),
    ], story
    assert call.channel.sent == [Accept(), Close(1000)]


def test_a_call_of_two_turns_from_start_to_stop() -> None:
    call = Call("Hello there. How are you?")
    call.ms(3_000)
    call.say("stop", stop={})
    call.house.pass_time(1)
    assert [line for line in call.story if line[0] not in {"partial", "told"}] == [
        ("start",),
        ("end", "silence"),
        ("last", "Hello there."),
        ("start",),
        ("end", "silence"),
        ("last", "How are you?"),
        ("over", "done"),
    ]
    assert call.channel.sent == [Accept(), Close(1000)]
