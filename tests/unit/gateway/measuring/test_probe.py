"""`/v1/probe` at the gateway: what it echoes, and every bound of it."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from harness import heard, until
from ossicle.core.ports import Receiver
from ossicle.core.probing import PATH, Offer
from ossicle.core.wire import (
    Accept,
    Binary,
    ChannelTraits,
    Close,
    Fin,
    Message,
    Opening,
    Signal,
    Text,
)
from ossicle.gateway.configuration.settings import AccessSettings, GatewaySettings, ProbeSettings
from ossicle.gateway.house import House
from ossicle.gateway.measuring.probe import Probes, open_datagrams


class Wire:
    """A channel that keeps what is sent."""

    def __init__(self, *, framed: bool) -> None:
        self.traits = ChannelTraits(framed=framed)
        self.sent: list[Message] = []
        self.aborted = self.paused = False
        self.receiver: Receiver | None = None
        self.stuck = False

    def send(self, message: Message) -> None:
        self.sent.append(message)
        if self.stuck and isinstance(message, Binary):
            assert self.receiver is not None
            self.receiver.writable(False)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.aborted = True

    @property
    def said(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(m.data) for m in self.sent if isinstance(m, Text)]

    @property
    def bulk(self) -> int:
        return sum(len(m.data) for m in self.sent if isinstance(m, Binary))

    def ask(self, **request: object) -> None:
        assert self.receiver is not None
        self.receiver.received(Text(msgspec.json.encode(request).decode()))

    def fed(self, data: bytes) -> None:
        assert self.receiver is not None
        self.receiver.binary(data)


def probes(**settings: Any) -> Probes:
    access = settings.pop("access", AccessSettings())
    keys = settings.pop("keys", ())
    house = House(
        GatewaySettings(probe=ProbeSettings(**settings), access=access, keys=keys), heard()
    )
    return Probes(house)


def knock(
    door: Probes, *, framed: bool = True, method: str = "GET", peer: str = "127.0.0.1:1",
    headers: tuple[tuple[str, str], ...] = (), **query: object,
) -> Wire:  # fmt: skip
    wire = Wire(framed=framed)
    opening = Opening(
        method=method, path=PATH, peer=peer, headers=headers,
        query=tuple((name, str(value)) for name, value in query.items()),
    )  # fmt: skip
    wire.receiver = door.accept(opening, wire)
    return wire


def refused(wire: Wire) -> tuple[int | None, str]:
    close = wire.sent[-1]
    assert isinstance(close, Close)
    return close.code, close.body.decode()


async def test_the_offer() -> None:
    door = probes(most_bytes=1000)
    wire = knock(door, framed=False, peer="192.0.2.1:7")
    close = wire.sent[0]
    assert isinstance(close, Close)
    offer = msgspec.json.decode(close.body, type=Offer)
    assert (offer.peer, offer.most_bytes, offer.udp_port, offer.ticket) == (
        "192.0.2.1",
        1000,
        None,
        "",
    )
    assert abs(offer.at_ms - time.time() * 1000) < 5_000


async def test_an_echo_and_a_count() -> None:
    wire = knock(probes())
    assert isinstance(wire.sent[0], Accept)
    wire.ask(type="echo", n=4)
    wire.fed(b"x" * 10)
    wire.fed(b"x" * 5)
    wire.ask(type="count")
    wire.ask(type="count")
    echoed, counted, again = wire.said
    assert (echoed["type"], echoed["n"]) == ("echoed", 4)
    assert (counted["bytes"], again["bytes"]) == (15, 0)


async def test_quiet_is_quiet_and_bounded() -> None:
    wire = knock(probes(most_s=20.0))
    wire.ask(type="quiet", s=5)
    wire.ask(type="quiet", s=1e9)
    assert [m.value for m in wire.sent if isinstance(m, Signal)] == ["5.000", "20.000"]
    assert [each["s"] for each in wire.said] == [5.0, 20.0]


async def test_bulk_waits_for_its_reader() -> None:
    wire = knock(probes())
    wire.stuck = True
    wire.ask(type="send", bytes=100_000)
    assert wire.bulk == 16 * 1024
    wire.stuck = False
    assert wire.receiver is not None
    wire.receiver.writable(True)
    await until(lambda: wire.said)
    assert (wire.bulk, wire.said) == (100_000, [{"type": "sent", "bytes": 100_000}])


async def test_a_body_up_and_down() -> None:
    door = probes()
    up = knock(door, framed=False, method="POST")
    up.fed(b"abc")
    up.fed(b"defg")
    assert up.receiver is not None
    up.receiver.received(Fin())
    assert [(line["type"], line["bytes"]) for line in up.said] == [
        ("came", 3), ("came", 4), ("total", 7),
    ]  # fmt: skip
    assert isinstance(up.sent[-1], Close)
    down = knock(door, framed=False, pieces=3, every_ms=1, size=150)
    await until(lambda: isinstance(down.sent[-1], Close))
    lines = [m.data for m in down.sent if isinstance(m, Binary)]
    assert [len(line) for line in lines] == [150] * 3
    assert [msgspec.json.decode(line)["n"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize(
    "query",
    [{"bytes": 0}, {"bytes": 2001}, {"bytes": "x"}, {"bytes": -1}, {"bytes": "9" * 400},
     {"pieces": 65}, {"pieces": 0}, {"pieces": 2, "every_ms": 0}, {"pieces": 2, "size": 20_000},
     {"pieces": 60, "every_ms": 1_000}],
)  # fmt: skip
async def test_what_is_out_of_bounds_is_refused(query: dict[str, object]) -> None:
    door = probes(most_bytes=2000, most_s=30.0)
    wire = knock(door, framed=False, **query)
    assert refused(wire)[0] in {400, 413}
    assert wire.receiver is not None
    wire.receiver.closed(None)
    assert knock(door, framed=False, bytes=2000).sent  # and nobody else is


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"type":"open"}', '{"type":"send"}', '{"type":"send","bytes":-1}',
     '{"type":"send","bytes":99999999}', '{"type":"quiet","s":"x"}', "x" * 2_000, "[" * 900],
)  # fmt: skip
async def test_nonsense_ends_it(text: str) -> None:
    wire = knock(probes())
    assert wire.receiver is not None
    wire.receiver.received(Text(text))
    close = wire.sent[-1]
    assert isinstance(close, Close)
    assert close.code in {4400, 1009}
    wire.ask(type="echo")
    assert wire.sent[-1] is close


async def test_more_bytes_than_one_measurement() -> None:
    wire = knock(probes(most_bytes=1000))
    wire.fed(b"x" * 1001)
    close = wire.sent[-1]
    assert isinstance(close, Close)
    assert "probe.most_bytes" in close.reason
    body = knock(probes(most_bytes=1000), framed=False, method="POST")
    body.fed(b"x" * 1001)
    assert body.aborted


async def test_more_bytes_than_a_minute_has() -> None:
    door = probes(bytes_per_minute=5000)
    first = knock(door, peer="192.0.2.1:1")
    first.fed(b"x" * 4000)
    second = knock(door, peer="192.0.2.1:2")
    second.fed(b"x" * 1500)
    close = second.sent[-1]
    assert isinstance(close, Close)
    assert "probe.bytes_per_minute" in close.reason
    other = knock(door, peer="192.0.2.2:1")
    other.fed(b"x" * 1500)
    assert not isinstance(other.sent[-1], Close)


async def test_more_connections_than_there_may_be() -> None:
    door = probes(per_address=2, at_once=3)
    mine = [knock(door, peer=f"192.0.2.1:{n}") for n in range(3)]
    assert refused(mine[2])[0] == 429
    assert mine[2].receiver is not None
    mine[2].receiver.closed(None)
    assert isinstance(knock(door, peer="192.0.2.2:1").sent[0], Accept)
    full = knock(door, peer="192.0.2.3:1")
    assert refused(full)[0] == 503
    assert mine[0].receiver is not None
    mine[0].receiver.closed(None)
    assert isinstance(knock(door, peer="192.0.2.1:9").sent[0], Accept)


async def test_the_rate_of_an_address_comes_before_its_key() -> None:
    door = probes(access=AccessSettings(handshakes_per_s=0.25), keys=(("me", "secret"),))
    wires = [knock(door, peer="192.0.2.1:1") for _ in range(2)]
    assert [refused(wire)[0] for wire in wires] == [401, 429]


async def test_it_can_be_turned_off() -> None:
    code, body = refused(knock(probes(on=False)))
    assert code == 404
    assert "probe.on" in body
    off = GatewaySettings(probe=ProbeSettings(on=False))
    assert open_datagrams(probes(on=False), off, [0]) is None


async def test_keys() -> None:
    door = probes(keys=(("me", "secret"),))
    assert refused(knock(door))[0] == 401
    assert refused(knock(door, token="secret"))[0] == 401  # a key has no place in a URL
    wire = knock(door, headers=(("authorization", "Bearer secret"),))
    assert isinstance(wire.sent[0], Accept)
    browser = knock(door, headers=(("sec-websocket-protocol", "ossicle.v1, token, secret"),))
    assert browser.sent[0] == Accept(subprotocol="ossicle.v1")


async def test_a_page_of_elsewhere() -> None:
    assert refused(knock(probes(), headers=(("origin", "https://evil.example"),)))[0] == 403


async def test_nothing_goes_on_for_ever() -> None:
    door = probes(most_s=0.05)
    wire, body = knock(door), knock(door, framed=False, method="POST")
    await until(lambda: isinstance(wire.sent[-1], Close) and body.aborted)
    assert refused(wire)[0] == 4408


async def test_a_judge_is_waited_for_and_nothing_is_heard_meanwhile() -> None:
    access = AccessSettings(judge="python:unit_probe_judge:verdict")
    verdicts: asyncio.Queue[str | None] = asyncio.Queue()

    async def verdict(_credential: str) -> str | None:
        return await verdicts.get()

    import sys
    import types

    module = types.ModuleType("unit_probe_judge")
    module.verdict = verdict  # type: ignore[attr-defined]
    sys.modules["unit_probe_judge"] = module
    try:
        settings = GatewaySettings(access=access)
        house = House(settings, heard())
        running = asyncio.create_task(house.run())
        await asyncio.sleep(0)
        door = Probes(house)
        bearer = (("authorization", "Bearer theirs"),)
        good, bad = knock(door, headers=bearer), knock(door, headers=bearer)
        assert good.paused
        assert not good.sent
        await verdicts.put("them")
        await verdicts.put(None)
        await until(lambda: good.sent and bad.sent)
        assert isinstance(good.sent[0], Accept)
        assert refused(bad)[0] == 401
        assert not good.paused
        running.cancel()
        await asyncio.wait([running])
    finally:
        del sys.modules["unit_probe_judge"]


async def test_it_is_counted() -> None:
    door = probes()
    knock(door).fed(b"x" * 77)
    page = door.house.metrics.page().decode()
    assert 'ossicle_probes_total{transport="websocket"} 1.0' in page
    assert "ossicle_probe_bytes_total 77.0" in page
