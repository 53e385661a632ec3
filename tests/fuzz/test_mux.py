"""`ossicle.v1.mux` against anything that may come: it is taken, or the connection is closed with
1002 and every stream told. Nothing else happens, and what is kept stays within its bounds."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.testing.recorder import Recorder
from ossicle.transports.memory.pair import MemoryPair
from ossicle.transports.mux.frames import (
    PATH,
    SUBPROTOCOL,
    Closing,
    Kind,
    Opened,
    Wanted,
    credit,
    head,
    payload,
)
from ossicle.transports.mux.server import mux_door
from ossicle.transports.mux.settings import MuxSettings

LIMITS = MuxSettings(streams=3, window=2_000, max_message=1_000)

numbers = st.one_of(st.integers(0, 6), st.integers(0, (1 << 32) - 1))
bodies = st.one_of(
    st.binary(max_size=1_500),
    st.builds(payload, st.builds(Wanted, st.text(max_size=20), st.integers(-1, 1 << 33))),
    st.builds(payload, st.builds(Opened, st.integers(-1, 1 << 33))),
    st.builds(payload, st.builds(Closing, st.none() | st.integers(0, 5_000), st.text(max_size=9))),
    st.builds(credit, st.integers(0, (1 << 64) - 1)),
)
frames = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda n, k, b: head(n, k) + b, numbers, st.sampled_from(Kind), bodies),
)
opens = st.builds(
    lambda n, w: head(n, Kind.OPEN) + payload(Wanted("/v1/stream", w)),
    st.integers(1, 6),
    st.integers(0, 5_000),
)


@given(st.lists(st.one_of(opens, frames), max_size=30), st.integers(0, 3))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_server_against_anything(messages: list[bytes], temper: int) -> None:
    asyncio.run(_serve(messages, temper))


async def _serve(messages: list[bytes], temper: int) -> None:
    legs: list[Recorder] = []

    def accept(_opening: Opening, channel: Channel) -> Receiver:
        legs.append(Recorder(channel))
        if temper == 1:
            channel.pause()
        if temper == 2:
            channel.send(Close(403, "no"))
        elif temper != 3:
            channel.send(Accept())
            channel.send(Text("hello"))
        return legs[-1]

    near: list[Recorder] = []

    def receiver(channel: Channel) -> Recorder:
        near.append(Recorder(channel))
        return near[0]

    opening = Opening(path=PATH, headers=(("sec-websocket-protocol", SUBPROTOCOL),))
    pair = MemoryPair(mux_door(accept, LIMITS), receiver, opening, bound=10_000)
    pair.deliver()
    for message in messages:
        pair.near.send(Binary(message))
        pair.deliver()
        await asyncio.sleep(0)
        alive = [leg for leg in legs if not leg.over]
        assert len(alive) <= LIMITS.streams
    pair.deliver()
    for leg in legs:
        assert not leg.broken, leg.broken
        assert leg.size <= 30 * 1_500
    closes = [message for message in near[0].told if isinstance(message, Close)]
    assert all(close.code in {1002, 1000} for close in closes)
    assert pair.faults == []
    pair.cut()
    pair.deliver()
    await asyncio.sleep(0)
    assert all(leg.over for leg in legs)
