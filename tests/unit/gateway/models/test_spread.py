"""One name, several addresses: who is asked first, who is left alone, and what a name that changes
does to that."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import ossicle
from harness import gateway_with, heard
from ossicle.core.errors import ConnectionLost, OssicleError, Refused, TimedOut
from ossicle.core.events import Ended
from ossicle.core.ports import Channel, Dial, Receiver
from ossicle.core.wire import Accept, Message, Opening
from ossicle.gateway.models.spread import Spread, addresses_of
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel


class Ear:
    """A receiver."""

    def __init__(self) -> None:
        self.got: list[Message | bytes] = []
        self.over: list[OssicleError | None] = []

    def received(self, message: Message) -> None:
        self.got.append(message)

    @property
    def binary(self) -> Callable[[bytes], None]:
        return self.got.append

    def writable(self, yes: bool) -> None: ...

    def closed(self, error: OssicleError | None) -> None:
        self.over.append(error)


class World:
    """Addresses, and what each does."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.fails: dict[str, OssicleError] = {}
        self.dialled: list[str] = []
        self.receivers: dict[str, list[Receiver]] = {}
        self.timers = ManualTimers(100.0)
        self.spread = Spread(
            "speech.example", 443, self.at, resolve=self.resolve, timers=self.timers,
            chance=lambda: 0.0,
        )  # fmt: skip

    async def resolve(self, host: str, port: int) -> list[str]:
        assert (host, port) == ("speech.example", 443)
        return list(self.addresses)

    def at(self, address: str) -> Dial:
        async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
            self.dialled.append(address)
            if address in self.fails:
                raise self.fails[address]
            channel = HandChannel()
            self.receivers.setdefault(address, []).append(receiver(channel))
            return channel

        return dial

    async def connect(self) -> Ear:
        ear = Ear()
        await self.spread(Opening(), lambda _channel: ear)
        return ear


async def test_the_one_with_the_fewest_connections_is_asked() -> None:
    world = World("a", "b", "c")
    for _ in range(6):
        await world.connect()
    assert sorted(world.dialled) == ["a", "a", "b", "b", "c", "c"]
    world.receivers["b"][0].closed(None)
    await world.connect()
    assert world.dialled[-1] == "b"


async def test_one_that_fails_is_left_alone_and_asked_again_later() -> None:
    world = World("a", "b")
    world.fails["a"] = ConnectionLost("refused")
    await world.connect()
    assert world.dialled == ["a", "b"]
    await world.connect()
    assert world.dialled[2:] == ["b"]
    del world.fails["a"]
    world.timers.advance(6)
    await world.connect()
    assert world.dialled[3:] == ["a"]


async def test_a_connection_that_breaks_counts_against_its_address() -> None:
    world = World("a", "b")
    ear = await world.connect()
    (receiver,) = world.receivers["a"]
    receiver.received(Accept())
    receiver.binary(b"x")
    receiver.closed(ConnectionLost("cut"))
    assert ear.got == [Accept(), b"x"]
    assert isinstance(ear.over[0], ConnectionLost)
    assert world.spread.order(world.timers.now()) == ["b", "a"]


async def test_what_we_did_wrong_is_not_the_addresss_failure() -> None:
    world = World("a", "b")
    world.fails["a"] = Refused("a URL that is none")
    with pytest.raises(Refused):
        await world.connect()
    assert world.dialled == ["a"]
    assert world.spread.health["a"].failures == 0


async def test_when_none_answers_the_last_reason_is_said() -> None:
    world = World("a", "b")
    world.fails |= {"a": ConnectionLost("one"), "b": TimedOut("two")}
    with pytest.raises(TimedOut, match="two"):
        await world.connect()
    with pytest.raises(OssicleError):  # and they are asked again, since there is nobody else
        await world.connect()
    assert len(world.dialled) == 4


async def test_a_name_that_changes() -> None:
    world = World("a", "b")
    world.fails["a"] = ConnectionLost("gone")
    await world.connect()
    world.addresses = ["b", "c"]
    await world.connect()
    assert world.dialled == ["a", "b", "c"]
    assert set(world.spread.health) == {"b", "c"}


async def test_one_address_is_left_to_the_platform() -> None:
    world = World("a")
    await world.connect()
    assert world.dialled == [""]


async def test_a_name_that_is_not_known() -> None:
    with pytest.raises(ConnectionLost, match="has no address"):
        await addresses_of("no-such-name.invalid", 1)


async def test_over_real_sockets_a_dead_address_is_gone_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two addresses of loopback; nobody listens on the second."""
    real = socket.getaddrinfo

    def both(host: object, port: object, *rest: object, **more: object) -> object:
        if host == "speech.example":
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("127.0.0.7", "127.0.0.1")
            ]
        return real(host, port, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    async with gateway_with(tmp_path / "b", heard(), allow_hosts=("speech.example",)) as behind:
        port = behind.doors["http"].port
        engine = open_upstream(f"deepgram@ws://speech.example:{port}")
        async with gateway_with(tmp_path / "a", engine) as front:
            for _ in range(3):
                async with ossicle.connect(front.url) as stream:
                    await stream.send(bytes(3_200))
                    await stream.end()
                    events = [event async for event in stream]
                assert isinstance(events[-1], Ended)
                assert events[-1].error is None
