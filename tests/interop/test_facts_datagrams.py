"""What the table of facts claims of the wires over UDP, measured: `facts.toml` names these tests.

A relay that keeps each datagram back for half a round trip stands in the way. What a set-up takes
grows by a whole round trip for each time that somebody has to wait for the other end, and by
nothing else: so two runs over ways of different length tell how many times that was.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("aiortc")
pytest.importorskip("aioquic")

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from harness import address, gateway_with, until
from ossicle.advisor import FACTS
from ossicle.advisor.line import Place
from ossicle.advisor.measured import Tried
from ossicle.advisor.quic import handshakes
from ossicle.core.probing import QUIC_ALPN, QUIC_NAME, Offer
from ossicle.gateway.measuring.quicecho import QuicEchoes
from pitch import pitches
from webrtc_peers import Caller, encoded

from .test_facts import Client, Obliging

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

NEAR_S, FAR_S = 0.06, 0.26
"""Round trips of the two ways."""
CANDIDATE = re.compile(r"^(a=candidate:.* 127\.0\.0\.1) (\d+) ", re.MULTILINE)
TRIES = 3
"""Others use this machine, too: a run in which they took it is measured again."""


class Way(asyncio.DatagramProtocol):
    """A relay that keeps every datagram back, both ways, and remembers what went up."""

    def __init__(self, port: int, trip_s: float) -> None:
        self._far, self._half = ("127.0.0.1", port), trip_s / 2
        self._near: tuple[str, int] | None = None
        self.sent: list[bytes] = []
        self.port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, port: int, trip_s: float) -> AsyncGenerator["Way"]:
        loop = asyncio.get_running_loop()
        way = cls(port, trip_s)
        front, _ = await loop.create_datagram_endpoint(lambda: way, local_addr=("127.0.0.1", 0))
        back, _ = await loop.create_datagram_endpoint(
            lambda: _Back(way), local_addr=("127.0.0.1", 0)
        )
        way._front, way._back = front, back
        way.port = front.get_extra_info("sockname")[1]
        try:
            yield way
        finally:
            front.abort()
            back.abort()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._near = addr
        self.sent.append(data)
        self._later(self._back, data, self._far)

    def answered(self, data: bytes) -> None:
        if self._near is not None:
            self._later(self._front, data, self._near)

    def _later(self, through: asyncio.DatagramTransport, data: bytes, to: tuple[str, int]) -> None:
        def send() -> None:
            if not through.is_closing():
                through.sendto(data, to)

        asyncio.get_running_loop().call_later(self._half, send)

    _front: asyncio.DatagramTransport
    _back: asyncio.DatagramTransport


class _Back(asyncio.DatagramProtocol):
    def __init__(self, way: Way) -> None:
        self._way = way

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._way.answered(data)


def trips(near_ms: float, far_ms: float) -> float:
    """How many round trips the set-up took."""
    return (far_ms - near_ms) / ((FAR_S - NEAR_S) * 1_000)


async def test_round_trips_of_quic(tmp_path: Path) -> None:
    """Cold: one for the handshake, which holds TLS 1.3, and one for a question; with a ticket the
    question leaves with the first packet. WebTransport's request is such a question."""
    async with gateway_with(tmp_path, Obliging()) as gateway:
        counted: list[float] = []
        for left in reversed(range(TRIES)):
            figures: list[list[float]] = []
            for trip_s in (NEAR_S, FAR_S):
                offer = await offered(gateway.url)
                assert offer.quic_port
                tried = Tried()
                async with Way.open(offer.quic_port, trip_s) as way:
                    here = msgspec.structs.replace(offer, quic_port=way.port)
                    place = Place("127.0.0.1", way.port, secure=False)
                    await handshakes(place, here, tried, 10.0)
                assert tried.state == "passes", tried
                told = re.fullmatch(
                    r"first answer after ([0-9.]+) ms cold, ([0-9.]+) ms resumed as early data",
                    tried.why,
                )
                assert told is not None, tried
                figures.append([tried.cold_ms or 0.0, float(told[1]), float(told[2])])
            counted = [trips(near, far) for near, far in zip(*figures, strict=True)]
            if all(abs(each - round(each)) < 0.25 for each in counted) or not left:
                break
    assert [round(each) for each in counted] == [1, 2, 1], counted
    assert FACTS["webtransport.setup"].value == "2 round trips"
    assert FACTS["webtransport.setup_resumed"].value.startswith("1 ")


async def offered(url: str) -> Offer:
    """What the gateway has to measure with."""
    reader, writer = await asyncio.open_connection(*address(url))
    writer.write(b"GET /v1/probe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    async with asyncio.timeout(10):
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.transport.abort()
    return msgspec.json.decode(body, type=Offer)


async def test_round_trips_of_webrtc(tmp_path: Path) -> None:
    """Three for a request over HTTPS, counted; one for an ICE check and two for DTLS 1.2, by how
    much later sound leaves over a longer way. And what is around a packet of it."""
    packets = encoded(pitches([0, 10, 20, 30]))
    engine = Obliging()
    async with gateway_with(tmp_path, engine, tls_port=0) as gateway:
        secure = next(door.url for door in gateway.doors.values() if door.url.startswith("https"))
        context = ssl.create_default_context(cafile=str(tmp_path / "state" / "ca.pem"))
        waits: set[int] = set()
        sizes: set[int] = set()

        async def called(trip_s: float) -> float:
            """Milliseconds from the answer to the first sound."""
            loop = asyncio.get_running_loop()
            begun = 0.0
            async with contextlib.AsyncExitStack() as stack:
                ways: list[Way] = []

                async def exchange(offer: str) -> str:
                    nonlocal begun
                    client = Client(context)
                    await client.connect(secure)
                    body = offer.encode()
                    client.write(
                        b"POST /whip HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/sdp"
                        b"\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
                    )
                    head = await client.read_until(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 201"), head
                    waits.add(client.waits)
                    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                    assert length is not None
                    answer = head.partition(b"\r\n\r\n")[2]
                    while len(answer) < int(length[1]):
                        answer += await client.read_until(b"\n")
                    client.close()
                    text, begun = answer.decode(), loop.time()
                    found = CANDIDATE.search(text)
                    assert found is not None
                    way = await stack.enter_async_context(Way.open(int(found[2]), trip_s))
                    ways.append(way)
                    return CANDIDATE.sub(rf"\1 {way.port} ", text)

                before = engine.taken
                async with Caller.call(exchange, packets, data=True, change=nowhere) as caller:
                    assert caller.track is not None
                    await until(lambda: caller.track.sent_at != [])  # pyright: ignore[reportOptionalMemberAccess]  it has one
                    left = caller.track.sent_at[0] - begun
                    await until(lambda: engine.taken > before)
                    sizes.update(bare(rtp) for rtp in ways[0].sent if is_sound(rtp))
            return left * 1_000

        counted = 0.0
        for left in reversed(range(TRIES)):
            counted = trips(await called(NEAR_S), await called(FAR_S))
            if abs(counted - round(counted)) < 0.25 or not left:
                break
    assert waits == {3}
    assert round(counted) == 3, counted
    assert FACTS["webrtc.setup"].value == "6 round trips"
    assert FACTS["webrtc.setup_resumed"].value == "4"
    # without header extensions: 12 bytes of RTP, and the tag of AES-GCM (RFC 7714 section 8)
    assert sizes <= {12 + len(packet) + 16 for packet in packets}, sizes
    assert FACTS["webrtc.overhead"].value == "28 bytes a packet"


def nowhere(offer: str) -> str:
    """Without addresses of the caller, so that nobody goes around the relay."""
    return re.sub(r"^a=(candidate|end-of-candidates).*\r\n", "", offer, flags=re.MULTILINE)


def bare(rtp: bytes) -> int:
    """Its length without header extensions (RFC 3550 section 5.3.1)."""
    assert rtp[0] & 15 == 0, "no contributing sources"
    return len(rtp) - (4 + 4 * int.from_bytes(rtp[14:16]) if rtp[0] & 16 else 0)


def is_sound(datagram: bytes) -> bool:
    """RTP (RFC 7983), and not RTCP (RFC 5761)."""
    return 127 < datagram[0] < 192 and not 192 <= datagram[1] <= 223


def test_overhead_of_a_quic_packet() -> None:
    """20 ms of sound on a stream, once the handshake is over."""
    echoes = QuicEchoes(1)
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=[QUIC_ALPN], server_name=QUIC_NAME
    )
    configuration.load_verify_locations(cadata=echoes.certificate.encode())
    client = QuicConnection(configuration=configuration)
    client.connect(("127.0.0.1", 4433), now=0.0)

    def known(cookie: bytes) -> bool:
        return not cookie

    def carry(now: float) -> int:
        """All that wants to go, and the answers; gives the longest that went."""
        longest = 0
        while post := client.datagrams_to_send(now=now):
            for data, _ in post:
                longest = max(longest, len(data))
                for answer, _ in echoes.received(data, ("127.0.0.1", 5), now, known):
                    client.receive_datagram(answer, ("127.0.0.1", 4433), now=now)
        return longest

    costs: list[int] = []
    carry(0.0)
    for now in (0.2, 0.4, 0.6, 0.8, 1.0):
        client.send_stream_data(0, bytes(640))
        costs.append(carry(now) - 640)
        client.handle_timer(now=now + 0.1)  # what came is acknowledged, in a packet of its own
        carry(now + 0.1)
    assert echoes.echoed == 5 * 640
    assert set(costs[2:]) == {33}, costs
    assert FACTS["webtransport.overhead"].value == "about 33 bytes a packet"
