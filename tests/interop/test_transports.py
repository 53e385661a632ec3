"""The conformance kit on every transport that has both ends here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ossicle.core.wire import ChannelTraits, Opening
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.testing.transport import Answer, Pair, check_transport
from ossicle.transports.grpc import client as grpc_client
from ossicle.transports.grpc.server import GrpcServer
from ossicle.transports.http import client as http_client
from ossicle.transports.http.server import http_protocol, stream_endpoint
from ossicle.transports.memory.pair import MemoryPair
from ossicle.transports.websocket import client as websocket_client
from ossicle.transports.websocket.server import websocket_protocol

pytestmark = pytest.mark.interop


class Far:
    """An acceptor for one channel."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.leg: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

    def __call__(self, opening, channel) -> Recorder:
        leg = Recorder(channel)
        self.leg.set_result(leg)
        self.answer(channel)
        return leg


async def test_websocket() -> None:
    @asynccontextmanager
    async def make_pair(answer: Answer) -> AsyncIterator[Pair]:
        far = Far(answer)
        near: list[Recorder] = []

        def leg(channel) -> Recorder:
            near.append(Recorder(channel))
            return near[0]

        async with loopback(http=http_protocol(), ws=websocket_protocol(far)) as port:
            channel = await websocket_client.connect(Opening(), leg, url=f"ws://127.0.0.1:{port}")
            yield Pair(near[0], await far.leg)
            channel.abort()

    await check_transport(make_pair)


async def test_http() -> None:
    @asynccontextmanager
    async def make_pair(answer: Answer) -> AsyncIterator[Pair]:
        far = Far(answer)
        near: list[Recorder] = []

        def leg(channel) -> Recorder:
            near.append(Recorder(channel))
            return near[0]

        async with loopback(stream_endpoint(far), http=http_protocol()) as port:
            channel = await http_client.connect(Opening(), leg, url=f"http://127.0.0.1:{port}")
            yield Pair(near[0], await far.leg)
            channel.abort()

    await check_transport(make_pair, half_close=True)


async def test_memory() -> None:
    @asynccontextmanager
    async def make_pair(answer: Answer) -> AsyncIterator[Pair]:
        loop = asyncio.get_running_loop()
        pairs: list[MemoryPair] = []
        far = Far(answer)
        near: list[Recorder] = []

        def leg(channel) -> Recorder:
            near.append(Recorder(channel))
            return near[0]

        def deliver() -> None:
            pairs[0].deliver()

        pairs.append(
            MemoryPair(
                far,
                leg,
                traits=ChannelTraits(max_message=1000),
                on_work=lambda: loop.call_soon(deliver),
            )
        )
        pairs[0].deliver()
        yield Pair(near[0], await far.leg)

    await check_transport(make_pair, half_close=True, pause_bound=1)


async def test_grpc() -> None:
    @asynccontextmanager
    async def make_pair(answer: Answer) -> AsyncIterator[Pair]:
        far = Far(answer)
        near: list[Recorder] = []

        def leg(channel) -> Recorder:
            near.append(Recorder(channel))
            return near[0]

        server = GrpcServer(far, {"/kit.v1.Kit/Talk": "stream"})
        port = server.listen("127.0.0.1:0")
        await server.start()
        opening = Opening(path="/kit.v1.Kit/Talk", method="stream")
        channel = await grpc_client.connect(opening, leg, url=f"grpc://127.0.0.1:{port}")
        yield Pair(near[0], await far.leg)
        channel.abort()
        await server.stop(0)

    await check_transport(make_pair, speaks_first=True, pause_bound=160_000)
