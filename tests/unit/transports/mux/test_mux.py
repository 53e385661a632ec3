"""`ossicle.v1.mux` over a channel in memory: the promises of every transport, and its own."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import pytest

from ossicle.core.errors import ConnectionLost, Overloaded, Refused, TimedOut
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Binary, Close, Opening, Ping, Text
from ossicle.testing.recorder import Recorder
from ossicle.testing.transport import Answer, Pair, check_transport
from ossicle.transports.memory.pair import MemoryPair
from ossicle.transports.mux.client import Trunk
from ossicle.transports.mux.frames import PATH, Kind, Wanted, head, parse, payload
from ossicle.transports.mux.server import mux_door
from ossicle.transports.mux.settings import MuxSettings


class House:
    """A server and a client with a wire in memory between them, which moves by itself."""

    def __init__(self, settings: MuxSettings | None = None, answer: Answer | None = None) -> None:
        self.settings = settings or MuxSettings()
        self.answer: Answer = answer or (lambda channel: channel.send(Accept()))
        self.legs: list[Recorder] = []
        self.openings: list[Opening] = []
        self.pairs: list[MemoryPair] = []
        self.outer = Opening(path=PATH)
        self.door = mux_door(self.accept, self.settings)
        self.trunk = Trunk(self.dial, self.settings)

    def accept(self, opening: Opening, channel: Channel) -> Receiver:
        self.openings.append(opening)
        leg = Recorder(channel)
        self.legs.append(leg)
        self.answer(channel)
        return leg

    async def dial(self, opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        loop = asyncio.get_running_loop()
        moving = False

        def move() -> None:
            nonlocal moving
            moving = False
            pair.deliver()

        def work() -> None:
            nonlocal moving
            if not moving:
                moving = True
                loop.call_soon(move)

        headers = (*self.outer.headers, *opening.headers)
        asked = Opening(path=opening.path, headers=headers, peer="192.0.2.1:9")
        pair = MemoryPair(self.door, receiver, asked, bound=1_000, on_work=work)
        self.pairs.append(pair)
        work()
        return pair.near

    async def stream(self, opening: Opening | None = None, timeout: float = 5.0) -> Recorder:
        made: list[Recorder] = []

        def receiver(channel: Channel) -> Recorder:
            made.append(Recorder(channel))
            return made[0]

        await self.trunk.connect(opening or Opening(path="/v1/stream"), receiver, timeout=timeout)
        return made[0]

    async def close(self) -> None:
        for pair in self.pairs:
            pair.cut()
        await asyncio.sleep(0.001)
        for pair in self.pairs:
            assert pair.faults == []


@contextlib.asynccontextmanager
async def house(
    settings: MuxSettings | None = None, answer: Answer | None = None
) -> AsyncGenerator[House]:
    made = House(settings, answer)
    async with asyncio.timeout(20):
        try:
            yield made
        finally:
            await made.close()


@contextlib.asynccontextmanager
async def make_pair(answer: Answer) -> AsyncGenerator[Pair]:
    async with house(answer=answer) as made:
        near = await made.stream()
        yield Pair(near, made.legs[0])


async def test_it_keeps_the_promises_of_every_transport() -> None:
    await check_transport(make_pair, pause_bound=MuxSettings().window + 4096)


async def test_streams_share_one_connection_and_their_numbers_rise() -> None:
    async with house() as made:
        streams = await asyncio.gather(*(made.stream() for _ in range(20)))
        assert len(made.pairs) == 1
        assert [leg.channel.number for leg in made.legs] == list(range(1, 21))  # type: ignore[attr-defined]
        for number, stream in enumerate(streams):
            stream.channel.send(Text(f"from {number}"))
        for number, leg in enumerate(made.legs):
            await leg.until(lambda leg=leg: bool(leg.texts))
            assert leg.texts == [f"from {number}"]


async def test_another_connection_is_dialled_when_one_is_full_and_freed_room_is_used() -> None:
    async with house(MuxSettings(streams=2)) as made:
        streams = [await made.stream() for _ in range(3)]
        assert len(made.pairs) == 2
        streams[0].channel.send(Close())
        await streams[0].until(lambda: streams[0].over)
        await made.stream()
        assert len(made.pairs) == 2


async def test_a_server_that_takes_fewer_streams_says_so_in_its_handshake() -> None:
    async with house() as made:
        made.door = mux_door(made.accept, MuxSettings(streams=1))
        await made.stream()
        await made.stream()
        assert len(made.pairs) == 2


async def test_a_stream_too_many_is_refused_and_the_others_live() -> None:
    """Of a client that does not count."""
    async with house() as made:
        made.door = mux_door(made.accept, MuxSettings(streams=1))
        first = await made.stream()
        line = made.trunk.lines[0]
        line.most = 5
        second = await made.stream()
        await second.until(lambda: second.over)
        close = second.told[0]
        assert isinstance(close, Close)
        assert close.code == 503
        assert ("retry-after", "1") in close.headers
        first.channel.send(Text("still here"))
        await made.legs[0].until(lambda: made.legs[0].texts == ["still here"])


async def test_a_reader_that_stops_stops_its_own_stream_alone() -> None:
    async with house() as made:
        slow, quick = await made.stream(), await made.stream()
        made.legs[0].channel.pause()
        while slow.can_write:
            slow.channel.send(Binary(b"x" * 1_000))
            await asyncio.sleep(0)
        assert made.legs[0].size == 0
        for _ in range(500):
            quick.channel.send(Binary(b"y" * 1_000))
            await asyncio.sleep(0)
        await made.legs[1].until(lambda: made.legs[1].size == 500_000)
        assert quick.can_write
        made.legs[0].channel.resume()
        await slow.until(lambda: slow.can_write)


async def test_a_connection_that_takes_no_more_makes_all_wait_and_serves_them_in_turn() -> None:
    async with house() as made:
        streams = [await made.stream() for _ in range(4)]
        connection = made.trunk.lines[0].connection
        connection.writable(False)
        for stream in streams:
            for _ in range(3):
                stream.channel.send(Binary(bytes([streams.index(stream)]) * 10))
        order: list[int] = []
        put = connection.put
        connection.put = lambda frame: (order.append(frame[5]), put(frame))[1]  # type: ignore[method-assign]
        connection.writable(True)
        assert order == [0, 1, 2, 3] * 3
        for leg in made.legs:
            await leg.until(lambda leg=leg: leg.size == 30)


async def test_a_peer_that_grants_nothing_loses_the_stream() -> None:
    settings = MuxSettings(slow_reader_s=0.02)
    async with house(settings) as made:
        stream, other = await made.stream(), await made.stream()
        made.legs[0].channel.pause()
        while stream.can_write:
            stream.channel.send(Binary(b"x" * 4_000))
        await stream.until(lambda: stream.over)
        assert isinstance(stream.error, Overloaded)
        await made.legs[0].until(lambda: made.legs[0].over)
        assert isinstance(made.legs[0].error, ConnectionLost)
        assert not other.over


async def test_a_receiver_that_goes_on_sending_is_dropped_at_the_bound() -> None:
    async with house() as made:
        stream = await made.stream()
        made.legs[0].channel.pause()
        for _ in range(400):
            stream.channel.send(Binary(b"x" * 4_000))
        await stream.until(lambda: stream.over)
        assert isinstance(stream.error, Overloaded)
        assert stream.error.code == "slow_reader"


async def test_an_answer_that_does_not_come() -> None:
    async with house(MuxSettings(handshake_timeout=0.02), answer=lambda _: None) as made:
        stream = await made.stream()
        await stream.until(lambda: stream.over)
        assert isinstance(stream.told[0], Close)
        assert stream.told[0].code == 503
        await made.legs[0].until(lambda: made.legs[0].over)


async def test_a_client_waits_for_an_answer_only_so_long() -> None:
    async with house(answer=lambda _: None) as made:
        with pytest.raises(TimedOut, match=r"within 0\.02 s"):
            await made.stream(timeout=0.02)
        await made.legs[0].until(lambda: made.legs[0].over)
        made.answer = lambda channel: channel.send(Accept())
        await made.stream()
        assert len(made.pairs) == 1


async def test_a_close_that_is_not_answered() -> None:
    async with house(MuxSettings(close_timeout=0.02)) as made:
        stream = await made.stream()
        made.legs[0].channel.pause()
        stream.channel.send(Close())
        await stream.until(lambda: stream.over)
        assert isinstance(stream.error, TimedOut)
        await made.legs[0].until(lambda: made.legs[0].over)


async def test_the_connection_breaks_and_every_stream_learns_it_once() -> None:
    async with house() as made:
        streams = [await made.stream() for _ in range(3)]
        made.pairs[0].cut()
        for leg in (*streams, *made.legs):
            await leg.until(lambda leg=leg: leg.over)
            assert isinstance(leg.error, ConnectionLost)
            assert not leg.broken
        await made.stream()
        assert len(made.pairs) == 2


async def test_a_server_that_goes_away_tells_every_stream() -> None:
    async with house() as made:
        streams = [await made.stream() for _ in range(2)]
        made.pairs[0].far.send(Close(1001, "server is shutting down"))
        for stream in streams:
            await stream.until(lambda stream=stream: stream.over)
            assert stream.told[-1] == Close(1001, "server is shutting down")
            assert stream.error is None


async def test_a_connection_without_streams_is_closed_after_a_while() -> None:
    async with house(MuxSettings(linger_s=0.02)) as made:
        stream = await made.stream()
        await asyncio.sleep(0.05)  # the timer must not run while there is a stream
        assert len(made.trunk) == 1
        stream.channel.send(Close())
        await stream.until(lambda: stream.over)
        async with asyncio.timeout(2):
            while len(made.trunk):
                await asyncio.sleep(0.005)
        await made.stream()
        assert len(made.pairs) == 2


async def test_pings_of_a_stream_are_told() -> None:
    async with house() as made:
        stream = await made.stream()
        stream.channel.send(Ping(b"x"))
        await made.legs[0].until(lambda: Ping(b"x") in made.legs[0].told)


async def test_who_asks_from_where_is_the_connections_word() -> None:
    async with house() as made:
        made.outer = Opening(
            headers=(
                ("origin", "https://evil.example"),
                ("host", "speech.example"),
                ("authorization", "Bearer outer"),
            )
        )
        await made.stream(
            Opening(
                path="/v1/stream",
                query=(("rate", "8000"),),
                headers=(
                    ("origin", "https://good.example"),
                    ("authorization", "Bearer inner"),
                    ("x-own", "1"),
                ),
            )
        )
        await made.stream(Opening(path="/v1/listen"))
    first, second = made.openings
    assert [v for n, v in first.headers if n == "origin"] == ["https://evil.example"]
    assert [v for n, v in first.headers if n == "authorization"] == ["Bearer inner"]
    assert (first.header("x-own"), first.param("rate")) == ("1", "8000")
    assert first.peer == "192.0.2.1:9"
    assert first.transport == "mux"
    assert second.header("authorization") == "Bearer outer"
    assert first.id
    assert first.id != second.id


async def test_a_server_that_does_not_multiplex() -> None:
    async with house() as made:

        def refuse(opening: Opening, channel: Channel) -> Receiver:
            channel.send(Close(404, "Not Found"))
            return Recorder(channel)

        made.door = refuse
        with pytest.raises(Refused, match="does this gateway multiplex"):
            await made.stream()


async def test_the_subprotocol_has_to_be_offered() -> None:
    told: list[object] = []

    class Near(Recorder):
        def received(self, message: object) -> None:
            told.append(message)

    pair = MemoryPair(mux_door(lambda _o, c: Recorder(c)), Near, Opening(path=PATH))
    pair.deliver()
    assert isinstance(told[0], Close)
    assert told[0].code == 400


# ── a peer that does not keep to it ──


OPEN = head(1, Kind.OPEN) + payload(Wanted("/v1/stream", 65_536))


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"\0\0\0\1"],
        [head(1, Kind.BINARY)[:4] + b"\xff"],
        [head(1, Kind.BINARY) + b"never opened"],
        [head(0, Kind.OPEN) + payload(Wanted("/", 1))],
        [OPEN, OPEN],
        [head(1, Kind.OPEN) + b"{}"],
        [head(1, Kind.OPEN) + b"\xff\xfe"],
        [head(1, Kind.OPEN) + payload(Wanted("/", -1))],
        [head(1, Kind.OPEN) + payload(Wanted("/", 1 << 40))],
        [head(1, Kind.OPEN) + payload(Wanted("/" * 200_000, 1))],
        [OPEN, head(1, Kind.ACCEPT) + b'{"window":1}'],
        [OPEN, head(1, Kind.CREDIT) + b"short"],
        [OPEN, head(1, Kind.CLOSE) + b"[]"],
        [OPEN, *[head(1, Kind.BINARY) + b"x" * 60_000] * 3],
        [OPEN, *[head(1, Kind.BINARY)] * 5_000],
    ],
    ids=str,
)
async def test_a_peer_that_breaks_the_protocol_is_closed_and_every_stream_told(
    frames: list[bytes],
) -> None:
    legs: list[Recorder] = []

    def accept(_opening: Opening, channel: Channel) -> Receiver:
        legs.append(Recorder(channel))
        channel.send(Accept())
        channel.pause()
        return legs[-1]

    near: list[Recorder] = []

    def receiver(channel: Channel) -> Recorder:
        near.append(Recorder(channel))
        return near[0]

    opening = Opening(path=PATH, headers=(("sec-websocket-protocol", "ossicle.v1.mux"),))
    pair = MemoryPair(mux_door(accept), receiver, opening, bound=10_000)
    pair.deliver()
    for frame in frames:
        pair.near.send(Binary(frame))
    pair.deliver()
    close = near[0].told[-1]
    assert isinstance(close, Close)
    assert close.code == 1002
    assert all(leg.over and leg.error is not None for leg in legs)
    assert pair.faults == []


def test_frames_are_taken_apart_as_they_were_put_together() -> None:
    assert parse(head(7, Kind.TEXT) + b"hello") == (7, Kind.TEXT, b"hello")
    assert parse(head((1 << 32) - 1, Kind.PING)) == ((1 << 32) - 1, Kind.PING, b"")
