"""A dialect whose audio comes in text keeps the hot path."""

from ossicle.core.commands import Audio, Configure
from ossicle.core.events import Ended, Event
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Close, Message, Opening, Text
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine


class Hexed:
    """Audio in hexadecimal; what begins with an exclamation mark is looked at whole."""

    name = "hexed"
    deadline = float("inf")
    plain = resumable = False

    def __init__(self) -> None:
        self.received: list[Message] = []
        self._accepted = False

    def open(self, opening: Opening, now: float) -> Steps:
        return (Configure(format=AudioFormat()),)

    def spelled(self, text: str) -> bytes | None:
        return None if text.startswith("!") else bytes.fromhex(text)

    def receive(self, message: Message, now: float) -> Steps:
        self.received.append(message)
        return (Audio(data=bytes.fromhex(message.data[1:])),) if isinstance(message, Text) else ()

    def send(self, event: Event, now: float) -> Steps:
        first, self._accepted = (() if self._accepted else (Accept(),)), True
        return (*first, Close()) if isinstance(event, Ended) else first

    def expire(self, now: float) -> Steps:
        return ()


def test_sound_goes_straight_to_the_session_and_the_rest_to_the_dialect() -> None:
    house = HandHouse(HeldEngine())
    dialect = Hexed()
    leg = Leg(dialect, HandChannel(), house)
    leg.start(Opening())
    house.serve()
    leg.received(Text("0001"))
    leg.received(Text("!0203"))
    leg.received(Text("0405"))
    assert dialect.received == [Text("!0203")]
    assert house.engine.stream.heard == bytes((0, 1, 2, 3, 4, 5))


def test_nothing_is_heard_of_a_leg_that_is_gone() -> None:
    house = HandHouse(HeldEngine())
    leg = Leg(Hexed(), HandChannel(), house)
    leg.start(Opening())
    house.serve()
    leg.received(Text("0001"))
    leg.closed(None)
    leg.received(Text("0203"))
    assert house.engine.stream.heard == bytes((0, 1))
