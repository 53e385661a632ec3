"""Whatever a peer sends to the HTTP/2 door, it is answered or its connection ends; nothing is
raised and nothing is left."""

import asyncio
import logging
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.transports.http2.protocol import PREFACE, http2_protocol
from ossicle.transports.http2.settings import Http2Settings

pytestmark = pytest.mark.fuzz


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.out = bytearray()
        self.over = False

    def write(self, data: Any) -> None:
        assert not self.over
        self.out += data

    def close(self) -> None:
        self.over = True

    abort = close

    def is_closing(self) -> bool:
        return self.over


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it is asked, at once."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    more = True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            return
        more = event["more_body"]
        await send({"type": "http.response.body", "body": event["body"], "more_body": more})


def frame(kind: int, payload: bytes, flags: int, stream: int) -> bytes:
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def good() -> bytes:
    """A polite client: two requests, one with a body."""
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    head = [(":method", "POST"), (":path", "/x?y"), (":scheme", "http"), (":authority", "a")]
    client.send_headers(1, head)
    client.send_headers(3, head, end_stream=True)
    client.send_data(1, b"sound" * 100)
    client.ping(b"12345678")
    client.send_data(1, b"", end_stream=True)
    return client.data_to_send()


GOOD = good()
frames = st.builds(
    frame,
    st.integers(0, 12),
    st.binary(max_size=40),
    st.integers(0, 255),
    st.sampled_from([0, 1, 3, 5, 2, 2**31 - 1]),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    start = draw(st.integers(0, len(GOOD)))
    end = draw(st.integers(start, min(len(GOOD), start + 30)))
    return GOOD[:start] + draw(st.binary(max_size=9)) + GOOD[end:]


said = (
    mutated()
    | st.lists(frames, max_size=8).map(lambda all_: GOOD + b"".join(all_))
    | st.lists(frames, max_size=8).map(lambda all_: PREFACE + b"".join(all_))
    | st.binary(max_size=60)
)


@settings(max_examples=300, derandomize=True)
@given(said, st.integers(1, 200), st.booleans())
def test_everything_is_borne(data: bytes, step: int, stops: bool) -> None:
    asyncio.run(_talk(data, step, stops))


async def _talk(data: bytes, step: int, stops: bool) -> None:
    logging.getLogger("ossicle.transports.http2").setLevel(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    broken: list[Any] = []
    loop.set_exception_handler(lambda _loop, context: broken.append(context))
    state = SimpleNamespace(connections=set(), tasks=set(), total_requests=0, default_headers=[])
    make = http2_protocol(Http2Settings(max_streams=3))
    protocol = make(SimpleNamespace(loaded_app=echo), state, {})
    wire = Wire()
    protocol.connection_made(wire)
    for at in range(0, len(data), step):
        if wire.over:
            break
        protocol.data_received(data[at : at + step])
        await asyncio.sleep(0)
    if stops:
        protocol.shutdown()
    for _ in range(3):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not broken, broken
    assert not state.connections
    assert not state.tasks


async def test_the_polite_client_is_answered() -> None:
    state = SimpleNamespace(connections=set(), tasks=set(), total_requests=0, default_headers=[])
    protocol = http2_protocol()(SimpleNamespace(loaded_app=echo), state, {})
    wire = Wire()
    protocol.connection_made(wire)
    protocol.data_received(GOOD)
    for _ in range(10):
        await asyncio.sleep(0)
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    head = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "a")]
    client.send_headers(1, head)
    client.send_headers(3, head)
    kinds = [type(event).__name__ for event in client.receive_data(bytes(wire.out))]
    assert kinds.count("ResponseReceived") == 2
    assert kinds.count("StreamEnded") == 2
    assert "PingAckReceived" in kinds
    assert state.total_requests == 2
    protocol.connection_lost(None)
