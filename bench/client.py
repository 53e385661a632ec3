"""A client of `ossicle.v1` that does nothing by itself: frames out, messages in, with their times.

Not `ossicle.client`: what is measured is the gateway, and a client that misbehaves must be able to.
"""

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Client", "Refusal"]

MASK = b"\x5a\x3c\x96\xe1"


class Refusal(Exception):
    """The gateway answered the handshake with something else than 101."""

    def __init__(self, status: int, body: str, after_ms: float) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.after_ms = after_ms


class Client:
    """One WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.asked_at = 0.0
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.heard: Callable[[dict[str, Any]], None] | None = None
        self.close_code: int | None = None

    @classmethod
    async def open(
        cls, url: str, path: str, *, receive_buffer: int = 0, send_buffer: int = 0
    ) -> "Client":
        """Connect and upgrade.

        Raises:
            Refusal: no 101.
        """
        where = urlsplit(url)
        plain = socket.socket(socket.AF_INET)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if send_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, (where.hostname or "", where.port or 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self = cls(*await asyncio.open_connection(sock=plain, limit=1 << 14))
        if send_buffer:
            self.writer.transport.set_write_buffer_limits(send_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        self.asked_at = time.perf_counter()
        self.writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
            .encode()
        )  # fmt: skip
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        if status != 101:
            after = (time.perf_counter() - self.asked_at) * 1000
            body = (await self.reader.read()).decode()
            self.writer.close()
            raise Refusal(status, body, after)
        return self

    def audio(self, data: bytes) -> None:
        """A binary message."""
        self._send(0x82, data)

    def say(self, kind: str, **fields: Any) -> None:
        """A text message."""
        self._send(0x81, json.dumps({"type": kind, **fields}).encode())

    def _send(self, head: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            start = bytes((head, 0x80 | size))
        elif size < 65_536:
            start = bytes((head, 0xFE)) + size.to_bytes(2, "big")
        else:
            start = bytes((head, 0xFF)) + size.to_bytes(8, "big")
        self.writer.write(start + MASK + masked(data))

    async def receive(self) -> dict[str, Any] | None:
        """The next event; None at the end."""
        while True:
            try:
                head = await self.reader.readexactly(2)
                size = head[1] & 127
                if size >= 126:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
                data = await self.reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            match head[0] & 15:
                case 1:
                    event = json.loads(data)
                    self.events.append((time.perf_counter(), event))
                    if self.heard is not None:
                        self.heard(event)
                    return event
                case 8:
                    self.close_code = int.from_bytes(data[:2], "big")
                    return None
                case 9:
                    self._send(0x8A, data)
                case _:
                    continue

    async def until(self, *kinds: str) -> dict[str, Any] | None:
        """Receive up to an event of these kinds; None when it ended before."""
        while (event := await self.receive()) is not None:
            if event["type"] in kinds:
                return event
        return None

    def drop(self) -> None:
        """Away, without a word."""
        self.writer.transport.abort()


def masked(data: bytes) -> bytes:
    """RFC 6455 5.3."""
    size = len(data)
    mask = (MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
