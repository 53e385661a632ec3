"""The laws of a transport, for a channel that is an HTTP/2 stream. The near end is played by h2."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from http2_peer import Asked, Peer
from ossicle.core.errors import ConnectionLost
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Text
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.testing.transport import Answer, Pair, check_transport
from ossicle.transports.http.server import http_protocol, stream_endpoint
from ossicle.transports.http2.protocol import http2_protocol

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

BOUND = 64 * 1024


class Near:
    """A channel made of one request: lines in, bytes out, bounded by the windows it is given."""

    traits = ChannelTraits(framed=False)

    def __init__(self, peer: Peer, asked: Asked) -> None:
        self.peer, self.asked = peer, asked
        self.leg = Recorder(self)
        self.out: deque[bytes] = deque()
        self.waiting = 0
        self.full = self.finished = self.closing = self.over = False
        self.accepted = False
        self.seen = 0
        self.moving = asyncio.create_task(self.move())

    def send(self, message: Message) -> None:
        if self.over or self.closing or (self.finished and not isinstance(message, Close)):
            return
        match message:
            case Text(data):
                self.put(data.encode())
            case Binary(data):
                self.put(data)
            case Fin():
                self.finished = True
            case Close():
                self.finished = self.closing = True
            case _:
                pass
        self.peer._news.set()

    def put(self, data: bytes) -> None:
        self.out.append(data)
        self.waiting += len(data)
        if not self.full and self.waiting > BOUND:
            self.full = True
            self.leg.writable(False)

    def pause(self) -> None: ...
    def resume(self) -> None: ...

    def abort(self) -> None:
        if not self.over:
            self.peer.writer.transport.abort()

    async def move(self) -> None:
        """Until one of the ends has had enough."""
        asked, error = self.asked, None
        sent_end = False
        while True:
            while self.out and not asked.over and asked.room > 0:
                piece = self.out.popleft()
                size = min(asked.room, len(piece))
                if size < len(piece):
                    self.out.appendleft(piece[size:])
                asked.send(piece[:size])
                self.waiting -= size
                if self.full and self.waiting <= BOUND // 4:
                    self.full = False
                    self.leg.writable(True)
            if self.finished and not self.out and not sent_end and not asked.over:
                sent_end = True
                asked.send(b"", end=True)
            self.tell()
            if asked.over or (sent_end and self.closing):
                break
            self.peer._news.clear()
            await self.peer._news.wait()
        if asked.ended:
            self.tell(last=True)
            if asked.status != 200:
                fields = tuple(asked.headers.items())
                self.leg.received(Close(asked.status, headers=fields, body=bytes(asked.body)))
            elif not self.closing:
                self.leg.received(Close())
        elif not self.closing:
            error = ConnectionLost("reset")
        self.over = True
        if self.closing:
            await self.peer.writer.drain()
            self.peer.writer.close()
        self.leg.closed(error)

    def tell(self, *, last: bool = False) -> None:
        if self.asked.status != 200:
            return
        if not self.accepted:
            self.accepted = True
            self.leg.received(Accept(tuple(self.asked.headers.items())))
        body = bytes(self.asked.body)
        whole = len(body) if last else body.rfind(b"\n") + 1
        for line in body[self.seen : whole].splitlines(keepends=True):
            self.leg.received(Text(line.decode()))
        self.seen = max(self.seen, whole)


async def test_the_laws_of_a_transport() -> None:
    @asynccontextmanager
    async def make_pair(answer: Answer) -> AsyncIterator[Pair]:
        far: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

        def accept(opening, channel) -> Recorder:
            assert opening.method == "POST"
            assert not channel.traits.framed
            leg = Recorder(channel)
            far.set_result(leg)
            answer(channel)
            return leg

        http = http_protocol(None, http2_protocol())
        async with loopback(stream_endpoint(accept), http=http) as port, Peer.open(port) as peer:
            near = Near(peer, peer.ask("POST", "/x"))
            try:
                yield Pair(near.leg, await far)
            finally:
                near.moving.cancel()
                await asyncio.wait([near.moving])

    await check_transport(make_pair, half_close=True, pause_bound=128 * 1024)
