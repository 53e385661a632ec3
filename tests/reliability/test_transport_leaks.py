"""Connections that end in every way leave nothing behind."""

import asyncio
import gc

import pytest

from ossicle.core.errors import OssicleError
from ossicle.core.wire import Accept, Binary, Close, Opening, Text
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.transports.http import client as http_client
from ossicle.transports.http.server import HttpChannel, http_protocol, stream_endpoint
from ossicle.transports.websocket import client as websocket_client
from ossicle.transports.websocket.channel import WebSocketChannel
from ossicle.transports.websocket.keepalive import Pulse
from ossicle.transports.websocket.server import websocket_protocol
from ossicle.transports.websocket.upgrade import HeldUpgrade

pytestmark = pytest.mark.reliability

KINDS = (WebSocketChannel, HeldUpgrade, HttpChannel, http_client.HttpClientChannel)


def alive() -> dict[str, int]:
    gc.collect()
    found = [type(item) for item in gc.get_objects()]
    return {
        kind.__name__: count
        for kind in KINDS
        if (count := sum(issubclass(each, kind) for each in found if isinstance(each, type)))
    }


@pytest.mark.parametrize("kind", ["ws", "http"])
async def test_nothing_stays(kind: str) -> None:
    legs: list[Recorder] = []
    before = alive()  # of other tests, held by their tracebacks

    def acceptor(opening, channel) -> Recorder:
        leg = Recorder(channel)
        legs.append(leg)
        if opening.path == "/no":
            channel.send(Close(403))
        else:
            channel.send(Accept())
            channel.send(Text("hello\n"))
        return leg

    def factory(channel) -> Recorder:
        legs.append(Recorder(channel))
        return legs[-1]

    call = websocket_client.connect if kind == "ws" else http_client.connect
    async with loopback(
        stream_endpoint(acceptor), http=http_protocol(), ws=websocket_protocol(acceptor)
    ) as port:
        for turn in range(30):
            path = "/no" if turn % 5 == 4 else "/"
            channel = await call(Opening(path=path), factory, url=f"{kind}://127.0.0.1:{port}")
            channel.send(Binary(b"x" * 1000))
            match turn % 5:
                case 0:
                    channel.send(Close())
                case 1:
                    channel.abort()
                case 2:
                    await legs[-1].until(lambda: len(legs[-1].told) > 0)
                    channel.abort()
                case 3:
                    channel.send(Close())
                    channel.abort()
                case _:
                    pass
        for leg in legs:
            if not leg.over:
                await leg.until(lambda leg=leg: leg.over)
            assert not leg.broken
            assert leg.error is None or isinstance(leg.error, OssicleError)
        assert len(Pulse.of(asyncio.get_running_loop())) == 0
        legs.clear()
        del channel, leg
        for _ in range(3):
            await asyncio.sleep(0)
        left = {kind: count - before.get(kind, 0) for kind, count in alive().items()}
        assert not any(count > 0 for count in left.values()), left
