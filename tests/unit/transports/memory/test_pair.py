import pytest

from ossicle.core.errors import ConnectionLost, OssicleError, Refused
from ossicle.core.wire import (
    Accept,
    Binary,
    ChannelTraits,
    Close,
    Fin,
    Mark,
    Media,
    Opening,
    Ping,
    Text,
)
from ossicle.testing.recorder import Recorder
from ossicle.transports.memory.pair import MemoryPair


class Ends:
    def __init__(self, *sent, opening: Opening | None = None, **options) -> None:
        self.sent = sent
        self.pair = MemoryPair(self.accept, self.call, opening, **options)
        if not sent:
            self.far.channel.send(Accept())
            self.pair.deliver()
            self.near.told.clear()

    def accept(self, opening, channel) -> Recorder:
        self.opening, self.far = opening, Recorder(channel)
        for message in self.sent:
            channel.send(message)
        return self.far

    def call(self, channel) -> Recorder:
        self.near = Recorder(channel)
        return self.near


def test_nothing_moves_until_delivered_and_then_in_order() -> None:
    ends = Ends(opening=Opening(path="/x"))
    ends.near.channel.send(Text("a"))
    ends.near.channel.send(Binary(b"b"))
    ends.near.channel.send(Ping(b"c"))
    assert (ends.opening.path, ends.far.told) == ("/x", [])
    assert ends.pair.deliver(1) == 1
    assert ends.far.told == [Text("a")]
    assert ends.pair.deliver() == 2
    assert ends.far.told == [Text("a"), Binary(b"b"), Ping(b"c")]
    assert ends.pair.deliver() == 0


def test_an_unreliable_binary_comes_as_a_message() -> None:
    ends = Ends()
    ends.near.channel.send(Binary(b"x", reliable=False))
    ends.near.channel.send(Media(b"y", 20))
    ends.near.channel.send(Mark("m"))
    ends.pair.deliver()
    assert ends.far.told == [Binary(b"x", reliable=False), Media(b"y", 20), Mark("m")]


def test_the_same_bytes_arrive() -> None:
    data = b"not a copy" * 10
    ends = Ends()
    ends.near.channel.send(Binary(data))
    ends.pair.deliver()
    assert ends.far.told[0].data is data


def test_the_far_end_hears_nothing_until_it_accepts() -> None:
    ends = Ends(Accept(subprotocol="s"), Text("hello"))
    ends.near.channel.send(Text("early"))
    ends.pair.deliver()
    assert ends.near.told == [Accept(subprotocol="s"), Text("hello")]
    assert ends.far.told == [Text("early")]


def test_a_message_before_accept_breaks_the_pair() -> None:
    ends = Ends(Text("early"))
    ends.pair.deliver()
    assert isinstance(ends.near.error, OssicleError)
    assert ends.far.over


def test_the_bound_gives_writable() -> None:
    ends = Ends(bound=4)
    for number in range(6):
        ends.near.channel.send(Text(str(number)))
    assert ends.near.writables == [False]
    ends.pair.deliver(3)
    assert ends.near.writables == [False]
    ends.pair.deliver(1)
    assert ends.near.writables == [False, True]
    ends.pair.deliver()
    assert ends.far.texts == list("012345")


def test_pause_keeps_everything_back() -> None:
    ends = Ends()
    ends.far.channel.pause()
    ends.near.channel.send(Text("a"))
    ends.far.channel.send(Text("b"))
    ends.pair.deliver()
    assert (ends.far.texts, ends.near.texts) == ([], ["b"])
    ends.far.channel.resume()
    ends.pair.deliver()
    assert ends.far.texts == ["a"]


def test_fin_closes_one_direction() -> None:
    ends = Ends()
    ends.near.channel.send(Fin())
    ends.near.channel.send(Text("never"))
    ends.far.channel.send(Text("still"))
    ends.pair.deliver()
    assert (ends.far.told, ends.near.texts) == ([Fin()], ["still"])


def test_cut_loses_what_is_under_way() -> None:
    ends = Ends()
    ends.near.channel.send(Text("lost"))
    ends.pair.cut()
    assert not ends.near.over
    ends.pair.deliver()
    assert not ends.far.told
    for leg in (ends.near, ends.far):
        assert isinstance(leg.error, ConnectionLost)
        assert not leg.broken


def test_a_message_that_is_too_large() -> None:
    ends = Ends(traits=ChannelTraits(max_message=3))
    ends.near.channel.send(Text("abc"))
    ends.near.channel.send(Binary(b"abcd"))
    ends.pair.deliver()
    assert ends.far.told == [Text("abc")]
    assert isinstance(ends.far.error, Refused)
    assert ends.far.error.code == "too_large"


def test_what_a_receiver_raises_is_kept_and_told() -> None:
    ends = Ends()

    def fail(message) -> None:
        raise KeyError("x")

    ends.far.on_message = fail
    ends.near.channel.send(Text("a"))
    ends.pair.deliver()
    assert [type(fault) for fault in ends.pair.faults] == [KeyError]
    assert ends.far.error is not None
    assert ends.near.over


@pytest.mark.parametrize("who", ["near", "far"])
def test_close_is_told_and_both_end(who: str) -> None:
    ends = Ends()
    sender, other = (ends.near, ends.far) if who == "near" else (ends.far, ends.near)
    other.channel.send(Text("crosses"))
    sender.channel.send(Text("last"))
    sender.channel.send(Close(1001, "bye"))
    sender.channel.send(Text("never"))
    ends.pair.deliver()
    assert other.told == [Text("last"), Close(1001, "bye")]
    assert (sender.told, sender.error, other.error) == ([], None, None)
    assert sender.over
    assert other.over


def test_on_work_is_called_when_there_is_something() -> None:
    calls: list[int] = []
    ends = Ends(on_work=lambda: calls.append(1))
    calls.clear()
    ends.near.channel.send(Text("a"))
    ends.far.channel.resume()
    ends.pair.cut()
    ends.pair.cut()
    assert len(calls) == 3
