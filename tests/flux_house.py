"""A Flux client on a house without sockets: real session, real leg, a clock that a test moves."""

import json

from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.dialects.deepgram.flux_server import FluxServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.wrap.endpointed import Endpointed
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse

__all__ = ["QUERY", "Flux", "house"]

QUERY = (("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "16000"))


class Ramp:
    """Sure in proportion to silence."""

    basis = "a ramp"

    def confidence(self, pause):
        return min(0.99, pause.silence_ms / 1000)


def house(engine=None):
    return HandHouse(
        engine or Endpointed(ScriptedEngine("heard", timers=ManualTimers(0.0)), Ramp())
    )


class Flux:
    def __init__(self, house, *more, headers=(), query=QUERY):
        self.house = house
        self.channel = HandChannel()
        self.leg = Leg(FluxServer(), self.channel, house)
        self.leg.start(Opening(id="r1", query=(*query, *more), headers=headers))
        house.serve()

    def say(self, **message):
        self.leg.received(Text(json.dumps(message)))

    def hear(self, audio, piece=640):
        for at in range(0, len(audio), piece):
            self.leg.binary(audio[at : at + piece])

    @property
    def close(self):
        last = self.channel.sent[-1]
        return (last.code, last.reason) if isinstance(last, Close) else None

    @property
    def messages(self):
        return [json.loads(m.data) for m in self.channel.sent if isinstance(m, Text)]

    @property
    def story(self):
        """Everything but Updates, in short."""
        told = []
        for message in self.messages:
            if message["type"] == "TurnInfo":
                if message["event"] != "Update":
                    trigger = message.get("trigger")
                    told.append(
                        f"{message['turn_index']} {message['event']} {message['transcript']!r}"
                        + (f" {trigger}" if trigger else "")
                    )
            else:
                told.append(message["type"])
        return told

    def check(self):
        """The laws of Flux over all that was sent."""
        assert isinstance(self.channel.sent[0], Accept)
        assert not any(isinstance(m, Binary) for m in self.channel.sent)
        place, turn, eager = "idle", 0, None
        for number, message in enumerate(self.messages):
            assert message["sequence_id"] == number
            if message["type"] != "TurnInfo":
                continue
            event, text = message["event"], message["transcript"]
            assert message["turn_index"] == turn, message
            assert message["audio_window_start"] <= message["audio_window_end"]
            assert ("trigger" in message) == (event == "EndOfTurn")
            match event:
                case "StartOfTurn":
                    assert place == "idle"
                    assert text
                    place = "speaking"
                case "Update":
                    assert place != "idle" or not text
                    if place == "waiting":
                        assert text == eager
                case "EagerEndOfTurn":
                    assert place == "speaking"
                    assert text
                    place, eager = "waiting", text
                case "TurnResumed":
                    assert place == "waiting"
                    place = "speaking"
                case "EndOfTurn":
                    assert place in {"speaking", "waiting"}
                    if place == "waiting":
                        assert text == eager
                    place, turn = "idle", turn + 1
