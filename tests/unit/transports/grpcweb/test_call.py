"""A call of gRPC-Web over a byte stream: what the dialect's leg sees, and what the page is sent."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError, Refused, TimedOut
from ossicle.core.ports import Channel
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text
from ossicle.testing.recorder import Recorder
from ossicle.transports.grpcweb.call import grpc_web
from ossicle.transports.grpcweb.frames import FrameReader, frame

WEB, TEXT = "application/grpc-web+proto", "application/grpc-web-text"


class Body:
    """The channel of an HTTP request, written down."""

    traits = ChannelTraits(framed=False)

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.calls: list[str] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")

    @property
    def head(self) -> dict[str, str]:
        assert isinstance(self.sent[0], Accept)
        return dict(self.sent[0].headers)

    def frames(self, *, text: bool = False) -> list[tuple[int, bytes]]:
        pieces = [each.data for each in self.sent if isinstance(each, Binary)]
        if text:
            pieces = [base64.b64decode(piece, validate=True) for piece in pieces]
        return FrameReader(1 << 20).feed(b"".join(pieces))


class Called:
    """Both ends of one call."""

    def __init__(
        self,
        *,
        kind: Any = "answers",
        content_type: str = WEB,
        headers: tuple[tuple[str, str], ...] = (),
        answer: Callable[[Channel], None] = lambda channel: channel.send(Accept()),
    ) -> None:
        self.body = Body()
        self.opening: Opening | None = None
        self.leg: Any = None

        def accept(opening: Opening, channel: Channel) -> Recorder:
            self.opening = opening
            self.leg = Recorder(channel)
            answer(channel)
            return self.leg

        acceptor = grpc_web(
            accept, {"/s/m": kind}, headers=lambda _: (("x-cors", "yes"),), max_message=100
        )
        self.http: Any = acceptor(
            Opening(
                transport="http",
                method="POST",
                path="/s/m",
                headers=(("content-type", content_type), *headers),
            ),
            self.body,
        )

    def end(self) -> dict[str, str]:
        """The trailers."""
        flags, data = self.body.frames()[-1]
        assert flags == 0x80
        assert self.body.sent[-1] == Close()
        lines = data.decode().rstrip("\r\n").split("\r\n")
        return dict(line.split(":", 1) for line in lines)


async def test_one_message_in_many_out_and_a_status() -> None:
    call = Called()
    data = frame(b"ask")
    call.http.binary(data[:3])
    call.http.binary(data[3:])
    call.http.received(Fin())
    assert call.leg.told == [Binary(b"ask"), Fin()]
    channel = call.leg.channel
    for message in (Binary(b"one"), Text("two"), Close(0, "", (("x", "y"),)), Binary(b"never")):
        channel.send(message)
    assert [data for _, data in call.body.frames()][:2] == [b"one", b"two"]
    assert call.end() == {"grpc-status": "0", "x": "y"}
    assert call.body.head == {"content-type": WEB, "x-cors": "yes"}
    call.http.closed(None)
    assert call.leg.over
    assert call.leg.error is None


@pytest.mark.parametrize(("kind", "method"), [("unary", "unary"), ("answers", "stream")])
async def test_the_dialect_sees_a_call_of_grpc(kind: str, method: str) -> None:
    call = Called(kind=kind, headers=(("authorization", "Bearer K"),))
    assert call.opening is not None
    assert call.opening.method == method
    assert call.opening.transport == "grpc-web"
    assert call.opening.header("authorization") == "Bearer K"
    assert call.opening.traits.framed


async def test_text_is_base64_both_ways() -> None:
    call = Called(content_type=TEXT)
    call.http.binary(base64.b64encode(frame(b"ask")))
    assert call.leg.told == [Binary(b"ask")]
    call.leg.channel.send(Binary(b"a"))
    call.leg.channel.send(Close())
    assert call.body.frames(text=True)[0] == (0, b"a")
    assert call.body.head["content-type"] == TEXT


async def test_a_refusal_is_a_status_too() -> None:
    call = Called(answer=lambda channel: channel.send(Close(16, "no key")))
    assert call.end() == {"grpc-status": "16", "grpc-message": "no key"}


async def test_who_streams_is_told_where() -> None:
    call = Called(kind="stream")
    assert call.leg is None
    assert call.end()["grpc-status"] == "12"
    assert "WebSocket" in call.end()["grpc-message"]
    call.http.binary(frame(b"ask"))
    call.http.received(Fin())
    call.http.closed(None)


async def test_another_content_type_is_415() -> None:
    call = Called(content_type="application/grpc")
    (close,) = call.body.sent
    assert isinstance(close, Close)
    assert close.code == 415
    assert ("x-cors", "yes") in close.headers
    assert call.leg is None


@pytest.mark.parametrize(
    ("pieces", "status", "error"),
    [
        ((frame(b"a") + frame(b"b"),), 3, BadMessage),
        ((b"\x01" + frame(b"a")[1:],), 3, BadMessage),
        ((b"\x80" + frame(b"a")[1:],), 3, BadMessage),
        ((b"\0\0\0\0\x65",), 8, Refused),
        ((frame(b"abc")[:-1], None), 3, BadMessage),
    ],
    ids=["two messages", "compressed", "trailers", "too large", "torn"],
)
async def test_bad_bodies_end_the_call_with_a_status(
    pieces: tuple[bytes | None, ...], status: int, error: type[OssicleError]
) -> None:
    call = Called()
    for piece in pieces:
        if piece is None:
            call.http.received(Fin())
        else:
            call.http.binary(piece)
    assert call.end()["grpc-status"] == str(status)
    call.http.binary(frame(b"more"))
    call.http.closed(None)
    assert isinstance(call.leg.error, error)


async def test_what_is_not_base64_ends_the_call() -> None:
    call = Called(content_type=TEXT)
    call.http.binary(b"****")
    call.http.closed(None)
    assert isinstance(call.leg.error, BadMessage)


async def test_a_deadline_ends_the_call() -> None:
    call = Called(headers=(("grpc-timeout", "20m"),))
    call.http.binary(frame(b"ask"))
    async with asyncio.timeout(5):
        while call.body.sent[-1] != Close():
            await asyncio.sleep(0.005)
    assert call.end()["grpc-status"] == "4"
    call.http.closed(None)
    assert isinstance(call.leg.error, TimedOut)


async def test_pause_room_and_loss_are_those_of_the_request() -> None:
    call = Called()
    channel = call.leg.channel
    channel.pause()
    channel.resume()
    call.http.writable(False)
    assert not call.leg.can_write
    call.http.writable(True)
    assert call.leg.can_write
    channel.abort()
    assert call.body.calls == ["pause", "resume", "abort"]
    call.http.closed(ConnectionLost("left"))
    assert isinstance(call.leg.error, ConnectionLost)
    channel.send(Binary(b"never"))
    assert call.body.frames() == []
