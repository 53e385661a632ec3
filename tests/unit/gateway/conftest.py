"""A running house, without doors: legs are made by hand."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Configure
from ossicle.core.wire import Opening
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.house import House
from ossicle.testing.house import HeldEngine, Peer, PeerDialect


class WaitingEngine(HeldEngine):
    """`open` waits for `go`."""

    def __init__(self):
        super().__init__()
        self.go = asyncio.Event()
        self.opening = self.cancelled = 0

    async def open(self, options, sink):
        self.opening += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await super().open(options, sink)


class Gateway:
    def __init__(self, house):
        self.house = house
        self.engine = house.engine

    def peer(self, configure=None, *, headers=(), resumable=True, **names):
        configure = configure or Configure(format=PCM16K, **names)
        peer = Peer(self.house, PeerDialect(configure, plain=True, resumable=resumable))
        peer.leg.start(Opening(headers=headers, transport="memory"))
        return peer

    async def until(self, condition, turns=200):
        """A condition that comes true by itself, within some turns of the loop."""
        for _ in range(turns):
            if condition():
                return
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)

    @property
    def tasks(self):
        return [t for t in asyncio.all_tasks() if t.get_name().startswith("session ")]


@pytest.fixture
def gateway():
    @asynccontextmanager
    async def make(engine=None, **names):
        house = House(GatewaySettings(**names), engine or HeldEngine())
        running = asyncio.create_task(house.run())
        await asyncio.sleep(0)
        gateway = Gateway(house)
        try:
            yield gateway
        finally:
            running.cancel()
            await asyncio.wait({running})
            assert gateway.tasks == [], "a session's task outlived its house"
            assert house.sessions == {}

    return make


@pytest.fixture
def waiting_engine():
    return WaitingEngine
