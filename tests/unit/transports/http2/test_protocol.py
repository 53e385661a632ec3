"""One connection in memory: what an application is told, and what becomes of what it does."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamEnded, StreamReset

from ossicle.transports.http2.protocol import http2_protocol

HEAD = [(":method", "POST"), (":path", "/a%20b?c=d"), (":scheme", "http"), (":authority", "here")]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 4), "sockname": ("10.0.0.2", 80)})
        self.out = bytearray()
        self.over = False

    def write(self, data: Any) -> None:
        self.out += data

    def close(self) -> None:
        self.over = True

    def is_closing(self) -> bool:
        return self.over


class Talk:
    """Both ends of a connection."""

    def __init__(self, app: Any, proxied: tuple[str, int] | None = None) -> None:
        state = SimpleNamespace(
            connections=set(), tasks=set(), total_requests=0, default_headers=[(b"date", b"now")]
        )
        self.server = http2_protocol()(SimpleNamespace(loaded_app=app), state, {})
        self.server.proxied = proxied
        self.wire = Wire()
        self.client = H2Connection(H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.server.connection_made(self.wire)
        self.events: list[Any] = []

    async def move(self) -> None:
        """Until nothing moves."""
        for _ in range(10):
            if data := self.client.data_to_send():
                self.server.data_received(data)
            await asyncio.sleep(0)
            if self.wire.out:
                out, self.wire.out = bytes(self.wire.out), bytearray()
                self.events += self.client.receive_data(out)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def end(self) -> None:
        self.server.connection_lost(None)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"X-Told", b"yes"), (b"connection", b"close")]})  # fmt: skip
    await send({"type": "http.response.body", "body": b"body"})


@pytest.mark.parametrize("proxied", [None, ("192.0.2.7", 99)])
async def test_what_an_application_is_told(proxied: Any) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await answer(scope, receive, send)

    talk = Talk(app, proxied)
    talk.client.send_headers(1, [*HEAD, ("cookie", "a=1"), ("cookie", "b=2")], end_stream=True)
    await talk.move()
    (scope,) = scopes
    assert scope["client"] == (proxied or ("10.0.0.1", 4))
    assert (scope["method"], scope["path"], scope["query_string"]) == ("POST", "/a b", b"c=d")
    assert (scope["http_version"], scope["scheme"]) == ("2", "http")
    assert scope["headers"] == [(b"host", b"here"), (b"cookie", b"a=1; b=2")]
    (response,) = talk.of(ResponseReceived)
    assert response.headers == [(b":status", b"200"), (b"x-told", b"yes"), (b"date", b"now")]
    assert talk.of(StreamEnded)
    talk.end()


async def test_an_application_that_breaks(caplog: pytest.LogCaptureFixture) -> None:
    async def early(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("what somebody said")

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("what somebody said")

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return

    for app, status, code in ((early, b"500", None), (late, b"200", 2), (silent, None, 2)):
        talk = Talk(app)
        talk.client.send_headers(1, HEAD, end_stream=True)
        await talk.move()
        answers = talk.of(ResponseReceived)
        assert [dict(each.headers)[b":status"] for each in answers] == ([status] if status else [])
        assert [each.error_code for each in talk.of(StreamReset)] == ([code] if code else [])
        talk.end()
    assert "what somebody said" not in caplog.text


async def test_a_stop_closes_what_is_idle_and_refuses_what_is_new() -> None:
    idle = Talk(answer)
    await idle.move()
    assert idle.server.cycle is None
    idle.server.shutdown()
    assert idle.wire.over
    idle.end()

    held = asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await held.wait()
        await answer(scope, receive, send)

    busy = Talk(waits)
    busy.client.send_headers(1, HEAD, end_stream=True)
    await busy.move()
    assert busy.server.cycle is not None
    busy.server.shutdown()
    busy.client.send_headers(3, HEAD, end_stream=True)
    await busy.move()
    assert [(each.stream_id, each.error_code) for each in busy.of(StreamReset)] == [(3, 7)]
    held.set()
    await busy.move()
    assert [each.stream_id for each in busy.of(StreamEnded)] == [1]
    assert busy.wire.over
    busy.end()


async def test_a_response_waits_for_the_window_and_for_the_socket() -> None:
    size = 100_000

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(size)})

    talk = Talk(large)
    talk.server.pause_writing()
    talk.client.send_headers(1, HEAD, end_stream=True)
    await talk.move()
    assert talk.client.remote_flow_control_window(1) == 65_535
    talk.server.resume_writing()
    await talk.move()
    assert talk.client.remote_flow_control_window(1) == 0
    assert not talk.of(StreamEnded)
    talk.client.increment_flow_control_window(size, 1)
    talk.client.increment_flow_control_window(size)
    await talk.move()
    assert talk.of(StreamEnded)
    talk.end()
