"""The short ways of sound to a provider: a channel's own, and a dialect's own messages."""

from collections.abc import Callable, Sequence

import pytest

from ossicle.core.commands import Audio, Command, Configure
from ossicle.core.events import Event
from ossicle.core.link import Link
from ossicle.core.wire import Binary, Message, Opening, Text
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel


class Dialect:
    """Audio is one Binary; or, where `plain` is False, whatever `send` makes of it."""

    deadline = float("inf")

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain

    def open(self, configure: Configure) -> Opening:
        return Opening()

    def receive(self, message: Message, now: float) -> tuple[Message | Event, ...]:
        return ()

    def send(self, command: Command, now: float) -> tuple[Message | Event, ...]:
        assert isinstance(command, Audio)
        return (Text(command.data.hex()),)

    def expire(self, now: float) -> tuple[Message | Event, ...]:
        return ()


class Packing(Dialect):
    """Two pieces make one message."""

    def __init__(self) -> None:
        super().__init__(plain=False)
        self.held = b""

    def pack(self, data: bytes) -> Sequence[Message]:
        if not self.held:
            self.held = data
            return ()
        whole, self.held = self.held + data, b""
        return (Binary(whole),)


class Straight(HandChannel):
    """Has a way of its own for sound."""

    def __init__(self) -> None:
        super().__init__()
        self.sounds: list[bytes] = []

    @property
    def sound(self) -> Callable[[bytes], None]:
        return self.sounds.append


class Owner:
    def told(self, link: Link, event: Event) -> None: ...
    def flowing(self, link: Link) -> None: ...


@pytest.fixture
async def make() -> Callable[[Dialect, HandChannel], Link]:
    return lambda dialect, channel: Link(dialect, Owner(), ManualTimers()).attach(channel)


async def test_sound_takes_the_channels_own_way_once_that_is_asked_for(
    make: Callable[[Dialect, HandChannel], Link],
) -> None:
    channel = Straight()
    link = make(Dialect(plain=True), channel)
    piece = b"\0\0"
    link.audio(piece)
    assert (channel.sent, channel.sounds) == ([Binary(piece)], [])
    link.straighten()
    link.audio(piece)
    assert len(channel.sent) == 1
    assert channel.sounds[0] is piece


async def test_a_channel_without_one_goes_on_as_before(
    make: Callable[[Dialect, HandChannel], Link],
) -> None:
    channel = HandChannel()
    link = make(Dialect(plain=True), channel)
    link.straighten()
    link.audio(b"\0\0")
    assert channel.sent == [Binary(b"\0\0")]


async def test_a_dialect_that_is_not_plain_keeps_its_own_messages(
    make: Callable[[Dialect, HandChannel], Link],
) -> None:
    channel = Straight()
    link = make(Dialect(plain=False), channel)
    link.straighten()
    link.audio(b"\1")
    assert (channel.sent, channel.sounds) == ([Text("01")], [])


async def test_a_dialect_packs_sound_as_its_provider_wants_it(
    make: Callable[[Dialect, HandChannel], Link],
) -> None:
    channel = Straight()
    link = make(Packing(), channel)
    link.straighten()
    link.audio(b"\1")
    assert channel.sent == []
    link.audio(b"\2")
    assert (channel.sent, channel.sounds) == ([Binary(b"\1\2")], [])
