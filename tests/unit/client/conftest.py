"""A world in memory: a gateway house, wires that break after so many messages, no real waiting."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest

from ossicle.client import Reconnect, SpeechStream
from ossicle.client.connect import patch_of
from ossicle.core.commands import Configure
from ossicle.core.errors import ConnectionLost
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import ChannelTraits, Opening
from ossicle.dialects.native import NativeClient, NativeServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.doors.bind import Binding, router
from ossicle.gateway.house import House
from ossicle.transports.memory.pair import MemoryPair

BINDINGS = (Binding("memory", "/v1/stream", lambda _: NativeServer()),)


class FastClock:
    """Waits take no time, but count: `now` moves with every sleep."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)
        await asyncio.sleep(0)


class World:
    """Gateways that live and die, and how clients get to them."""

    def __init__(self, cuts: Iterator[tuple[int, bool]], script: str, framed: bool) -> None:
        """`cuts`: for each connection, after how many messages it breaks, and whether the gateway
        dies with it."""
        self.cuts = cuts
        self.script = script
        self.traits = ChannelTraits(framed=framed)
        self.house: House | None = None
        self.pairs: list[MemoryPair] = []
        self.openings: list[Opening] = []
        self.clock = FastClock()
        self.kills = 0
        self._running: asyncio.Task[None] | None = None

    async def live(self) -> None:
        """A gateway with nothing in it."""
        settings = GatewaySettings(port=None, tls_port=None, grpc_port=None)
        self.house = house = House(settings, ScriptedEngine(self.script))
        self._running = asyncio.create_task(house.run())
        while house._group is None:
            await asyncio.sleep(0)

    def kill(self) -> None:
        """It is gone, with all it knew; what it says now reaches nobody."""
        self.kills += 1
        self.house = None
        for pair in self.pairs:
            pair.cut()

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def dial(self, opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        """A `Dial`."""
        if self.house is None:
            await self.close()
            await self.live()
            assert self.house is not None
        self.openings.append(opening)
        loop = asyncio.get_running_loop()
        left, kills = next(self.cuts, (-1, False))
        scheduled = False
        pair: MemoryPair | None = None

        def work() -> None:
            nonlocal scheduled
            if not scheduled:
                scheduled = True
                loop.call_soon(move)

        def move() -> None:
            nonlocal scheduled, left
            scheduled = False
            assert pair is not None
            moved = pair.deliver(1)
            if left >= 0:
                left -= moved
                if left < 0:
                    if kills:
                        self.kill()
                    pair.cut()
            if moved:
                work()

        pair = MemoryPair(
            router(self.house, "memory", BINDINGS),
            receiver,
            opening,
            traits=self.traits,
            on_work=work,
        )
        self.pairs.append(pair)
        work()
        if left == 0:
            pair.cut()
            raise ConnectionLost("cut while dialling")
        return pair.near

    def stream(
        self,
        *,
        options: object = None,
        source: AudioFormat | None = None,
        reconnect: Reconnect | None = None,
        **rest: object,
    ) -> SpeechStream:
        framed = self.traits.framed
        return SpeechStream(
            self.dial,
            lambda: NativeClient(framed=framed),
            Configure(patch=patch_of(options), format=source or AudioFormat()),  # type: ignore[arg-type]
            framed=framed,
            reconnect=reconnect or Reconnect(),
            clock=self.clock,
            chance=lambda: 0.5,
            **rest,  # type: ignore[arg-type]
        )


@contextlib.asynccontextmanager
async def world(
    cuts: list[tuple[int, bool]] | None = None, script: str = "heard", *, framed: bool = True
) -> AsyncGenerator[World]:
    made = World(iter(cuts or []), script, framed)
    await made.live()
    try:
        async with asyncio.timeout(20):
            yield made
    finally:
        await made.close()
    for pair in made.pairs:
        assert pair.faults == []


@pytest.fixture
def fast_clock() -> FastClock:
    return FastClock()
