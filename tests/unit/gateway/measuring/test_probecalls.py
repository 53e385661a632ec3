"""Measuring over gRPC and WebRTC, and the judgement of samples: what is answered, and what not."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import ask, gateway_with, heard
from ossicle.core.probing import GRPC_ASK, GRPC_ECHO, ICE_PATH, PATH
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.gateway.configuration.settings import GatewaySettings, ProbeSettings
from ossicle.gateway.house import House
from ossicle.gateway.measuring.probe import Probes
from ossicle.gateway.measuring.probecalls import EchoRequest, answers, questions


class Wire:
    """A channel that keeps what is sent."""

    def __init__(self) -> None:
        self.traits = ChannelTraits()
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


def called(path: str = GRPC_ECHO, keys: Any = (), **settings: Any) -> tuple[Probes, Wire, Any]:
    probes = Probes(House(GatewaySettings(probe=ProbeSettings(**settings), keys=keys), heard()))
    wire = Wire()
    opening = Opening(path=path, transport="grpc", peer="192.0.2.1:5")
    return probes, wire, probes.accept(opening, wire)


async def test_each_question_has_its_answer_and_the_end_is_good() -> None:
    _, wire, receiver = called()
    for n in (0, 7, 2**40):
        receiver.binary(questions.write(EchoRequest(n)))
    receiver.received(Fin())
    begun, *echoes, end = wire.sent
    assert isinstance(begun, Accept)
    told = [answers.parse(each.data) for each in echoes if isinstance(each, Binary)]
    assert [each.n for each in told] == [0, 7, 2**40]
    assert all(each.at_ms > 1e12 for each in told)
    assert end == Close()


async def test_asking_once_ends_with_the_answer() -> None:
    _, wire, receiver = called(GRPC_ASK)
    receiver.binary(questions.write(EchoRequest(3)))
    receiver.binary(questions.write(EchoRequest(4)))
    assert [type(each) for each in wire.sent] == [Accept, Binary, Close]


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        ({"on": False}, 5, "probe.on"),
        ({"keys": (("me", "secret"),)}, 16, "credential"),
        ({"per_address": 0}, 8, "probe.per_address"),
        ({"at_once": 0}, 8, "probe.at_once"),
    ],
    ids=["off", "keys", "address", "all"],
)
async def test_who_may_not_is_told_with_a_status(
    settings: dict[str, Any], status: int, said: str
) -> None:
    _, wire, receiver = called(**settings)
    (end,) = wire.sent
    assert isinstance(end, Close)
    assert end.code == status
    assert said in end.reason or status == 16
    receiver.binary(b"")
    assert len(wire.sent) == 1


async def test_noise_and_too_much_end_it() -> None:
    _, wire, receiver = called()
    receiver.binary(b"\xff\xff\xff")
    assert isinstance(wire.sent[-1], Close)
    assert wire.sent[-1].code == 3
    _, wire, receiver = called(bytes_per_minute=1)
    receiver.binary(questions.write(EchoRequest(300)))
    assert isinstance(wire.sent[-1], Close)
    assert wire.sent[-1].code == 8
    assert "probe.bytes_per_minute" in wire.sent[-1].reason


async def test_calls_at_once_are_bounded_and_counted_down() -> None:
    probes = Probes(House(GatewaySettings(probe=ProbeSettings(calls=1)), heard()))
    opening = Opening(path=ICE_PATH, transport="webrtc", peer="192.0.2.1:5")
    first, second, third = Wire(), Wire(), Wire()
    receiver = probes.accept(opening, first)
    assert isinstance(first.sent[0], Accept)
    receiver.received(Text('{"type":"echo","n":5}'))
    assert isinstance(first.sent[1], Text)
    assert json.loads(first.sent[1].data)["n"] == 5
    refused = probes.accept(opening, second)
    assert isinstance(second.sent[0], Close)
    assert b"probe.calls" in second.sent[0].body
    refused.closed(None)
    receiver.closed(None)
    probes.accept(opening, third)
    assert isinstance(third.sent[0], Accept)


async def test_the_offer_names_what_there_is(tmp_path: Path) -> None:
    settings: list[tuple[dict[str, Any], bool, bool]] = [
        ({}, True, True),
        ({"probe": ProbeSettings(quic=False, calls=0)}, False, False),
        ({"probe": ProbeSettings(udp_port=None)}, False, True),
    ]
    for number, (given, quic, ice) in enumerate(settings):
        async with gateway_with(tmp_path / str(number), **given) as gateway:
            offer = (await ask(gateway.url, method="GET", path=PATH)).json
            assert (offer.get("quic_port") is not None) == quic
            assert offer.get("quic_certificate", "").startswith("-----BEGIN") == quic
            assert offer.get("ice", False) == ice


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no samples"),
        (b"[]", "no samples"),
        (b'{"url":"x","rtt_ms":["a"]}', "no samples"),
        (b'{"url":"x","rtt_ms":[' + b"1," * 1_000 + b"1]}", "at most 1000"),
        (b'{"url":"x","peer":"' + b"a" * 300_000 + b'"}', "larger than"),
        (b"[" * 20_000, "no samples"),
    ],
    ids=["empty", "list", "text", "many", "long", "deep"],
)
async def test_samples_that_are_none(tmp_path: Path, body: bytes, said: str) -> None:
    async with gateway_with(tmp_path) as gateway:
        answer = await ask(gateway.url, method="POST", path="/v1/probe/findings", body=body)
    assert answer.status in {400, 413}
    assert said in answer.json["error"]["text"]


async def test_a_gateway_that_is_not_to_be_measured_judges_nothing(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, probe=ProbeSettings(on=False)) as gateway:
        answer = await ask(
            gateway.url, method="POST", path="/v1/probe/findings", body=b'{"url":"x"}'
        )
    assert answer.status == 404
    assert "probe.on" in answer.json["error"]["text"]
