"""A bound of messages that only those pay for who have one."""

import pytest

from ossicle.core.events import Ended
from ossicle.core.legs import Leg
from ossicle.core.measure import Measure
from ossicle.core.wire import Binary, Close, Opening, Text
from ossicle.dialects.native import NativeServer
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine


def met(house, **values):
    """A leg of the native dialect that may send 64 bytes at once."""
    leg = Leg(NativeServer(), HandChannel(), house)
    told = []

    def over(error):
        told.append(error)
        leg.refuse(error)

    leg.bound(Measure(64, over, **values))
    leg.start(Opening(query=(("encoding", "pcm_s16le"),)))
    house.serve()
    return leg, told


def test_what_fits_goes_through_as_the_same_object():
    house = HandHouse(HeldEngine())
    leg, told = met(house)
    sound = bytes(64)
    leg.binary(sound)
    leg.received(Text('{"type":"keep_alive"}'))
    assert house.engine.stream.fed[-1] is sound
    assert told == []


@pytest.mark.parametrize(
    "send",
    [
        lambda leg: leg.binary(bytes(65)),
        lambda leg: leg.received(Binary(bytes(65))),
        lambda leg: leg.received(Text(" " * 65)),
        lambda leg: leg.received(Text('"' + "\N{SNOWMAN}" * 21 + '"')),
    ],
)
def test_what_does_not_is_refused_once_and_heard_by_nobody(send):
    house = HandHouse(HeldEngine())
    leg, told = met(house)
    send(leg)
    send(leg)
    (error,) = told
    assert (error.code, str(error)) == (
        "too_large",
        "a message of 65 bytes; the limit of this key is 64 (max_message)",
    )
    assert house.engine.stream.heard == b""
    close = next(m for m in leg.channel.sent if isinstance(m, Close))
    assert (close.code, close.reason) == (1009, "too_large")


def test_a_body_is_one_message_however_it_is_cut():
    house = HandHouse(HeldEngine())
    leg, told = met(house, whole=True)
    for _ in range(3):
        leg.binary(bytes(32))
    (error,) = told
    assert str(error).startswith("a message of 96 bytes")
    assert house.engine.stream.heard == bytes(64)


def test_who_has_no_bound_pays_nothing():
    house = HandHouse(HeldEngine())
    leg = Leg(NativeServer(), HandChannel(), house)
    leg.start(Opening(query=(("encoding", "pcm_s16le"),)))
    house.serve()
    assert leg.binary == leg.session.audio
    leg.tell(Ended(reason="done"))
