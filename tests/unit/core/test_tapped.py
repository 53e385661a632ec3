"""A dialect that has to see every byte keeps the hot path."""

from ossicle.core.commands import Audio, Configure
from ossicle.core.events import Ended, Event
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine


class Counting:
    """Counts what it sees; takes frames that begin with a zero as they are."""

    name = "counting"
    deadline = float("inf")
    plain = resumable = False

    def __init__(self) -> None:
        self.tapped: list[bytes] = []
        self.received: list[Message] = []
        self._accepted = False

    def open(self, opening: Opening, now: float) -> Steps:
        return (Configure(format=AudioFormat()),)

    def tap(self, data: bytes) -> bool:
        if data[:1] != b"\0":
            return False
        self.tapped.append(data)
        return True

    def receive(self, message: Message, now: float) -> Steps:
        self.received.append(message)
        return (Audio(data=message.data),) if isinstance(message, Binary) else ()

    def send(self, event: Event, now: float) -> Steps:
        first, self._accepted = (() if self._accepted else (Accept(),)), True
        return (*first, Close()) if isinstance(event, Ended) else first

    def expire(self, now: float) -> Steps:
        return ()


def test_a_tap_sees_every_byte_and_the_engine_gets_the_same_object() -> None:
    house = HandHouse(HeldEngine())
    dialect = Counting()
    leg = Leg(dialect, HandChannel(), house)
    leg.start(Opening())
    house.serve()
    plain, special = b"\0\0" * 320, b"\1\0" * 320
    leg.binary(plain)
    leg.binary(special)
    assert dialect.tapped == [plain]
    assert dialect.received == [Binary(special)]
    assert house.engine.stream.fed[0] is plain
    assert house.engine.stream.heard == plain + special


def test_a_leg_that_is_gone_is_not_tapped_any_more() -> None:
    house = HandHouse(HeldEngine())
    dialect = Counting()
    leg = Leg(dialect, HandChannel(), house)
    leg.start(Opening())
    house.serve()
    leg.closed(None)
    leg.binary(b"\0\0")
    assert dialect.tapped == []
