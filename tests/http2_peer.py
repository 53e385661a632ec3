"""An HTTP/2 client for tests: h2's client side on a socket, with every frame in the test's hands.

    async with Peer.open(url) as peer:
        one = peer.ask("GET", "/healthz", end=True)
        assert await one.answer() == (200, b"alive\n")

It gives no window back by itself and splits no data: what the gateway allows is seen.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error

__all__ = ["Asked", "Peer"]


class Asked:
    """One request of a peer."""

    def __init__(self, peer: "Peer", number: int) -> None:
        self.peer = peer
        self.number = number
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.ended = False
        self.reset: int | None = None
        """The code of a RST_STREAM that came."""
        self.sent = 0

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self.ended or self.reset is not None or self.peer.closed

    @property
    def room(self) -> int:
        """Bytes that may be sent now."""
        return self.peer.h2.local_flow_control_window(self.number)

    def send(self, data: bytes, *, end: bool = False) -> None:
        """One DATA frame, or several."""
        for at in range(0, len(data), 16_384):
            piece = data[at : at + 16_384]
            self.peer.h2.send_data(self.number, piece, end_stream=end and at + 16_384 >= len(data))
        if not data and end:
            self.peer.h2.end_stream(self.number)
        self.sent += len(data)
        self.peer.flush()

    async def fill(self, piece: bytes, most: int, settle_s: float = 0.2) -> int:
        """Send until the gateway gives no window any more; how much it took."""
        sent = 0
        while sent < most and not self.over:
            if self.room < len(piece):
                try:
                    await self.peer.until(lambda: self.room >= len(piece) or self.over, settle_s)
                except TimeoutError:
                    break
                continue
            self.send(piece)
            sent += len(piece)
        return sent

    async def answer(self, seconds: float = 10.0) -> tuple[int | None, bytes]:
        """Status and body, when they are complete."""
        await self.peer.until(lambda: self.over, seconds)
        return self.status, bytes(self.body)


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False,
                            normalize_outbound_headers=False)
        )  # fmt: skip
        self.asked: dict[int, Asked] = {}
        self.goaway: int | None = None
        self.closed = False
        self.gives_back = True
        """Windows of responses are given back as they are read."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, port: int, ca: str = "", *, greet: bool = True) -> "AsyncIterator[Peer]":
        """Connected; over TLS with ALPN where `ca` names an authority."""
        context = None
        if ca:
            context = ssl.create_default_context(cafile=ca)
            context.set_alpn_protocols(["h2", "http/1.1"])
        reader, writer = await asyncio.open_connection(
            "localhost" if ca else "127.0.0.1", port, ssl=context
        )
        peer = cls(reader, writer)
        if greet:
            peer.h2.initiate_connection()
            peer.flush()
        peer._task = asyncio.create_task(peer._read())
        try:
            yield peer
        finally:
            peer._task.cancel()
            await asyncio.wait([peer._task])
            writer.transport.abort()

    @property
    def alpn(self) -> str | None:
        """What TLS agreed on."""
        return self.writer.get_extra_info("ssl_object").selected_alpn_protocol()

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, *, end: bool = False
    ) -> Asked:
        """A request's head."""
        number = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":path", path), (":scheme", "http"),
                  (":authority", "localhost"), *(headers or {}).items()]  # fmt: skip
        self.h2.send_headers(number, fields, end_stream=end)
        self.flush()
        asked = self.asked[number] = Asked(self, number)
        return asked

    def flush(self) -> None:
        """Write what h2 has."""
        if not self.closed:
            self.writer.write(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        """Bytes of one's own."""
        self.writer.write(data)

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait for something that comes over the connection.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(seconds):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self._event(event)
                self.flush()
                self._news.set()
        except (ConnectionError, H2Error):
            pass  # seen as `closed`
        finally:
            self.closed = True
            self._news.set()

    def _event(self, event: object) -> None:
        asked = self.asked.get(getattr(event, "stream_id", None) or 0)
        match event:
            case ConnectionTerminated():
                self.goaway = int(event.error_code or 0)
            case ResponseReceived() if asked is not None:
                fields = [(n.decode(), v.decode()) for n, v in event.headers or ()]
                asked.headers = dict(fields)
                asked.status = int(asked.headers[":status"])
            case DataReceived() if asked is not None:
                asked.body += event.data or b""
                if self.gives_back and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id or 0
                    )
            case StreamEnded() if asked is not None:
                asked.ended = True
            case StreamReset() if asked is not None:
                asked.reset = int(event.error_code or 0)
            case _:
                pass
