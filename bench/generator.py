"""The generator for machines without a C compiler: see `generator.c`, which it mirrors.

Dearer than the C program, so the rates it reaches are lower; what is measured is the server's CPU.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

MASK = b"\x5a\x3c\x96\xe1"


def masked(body: int) -> bytes:
    """One binary frame of that many random bytes."""
    if body < 126:
        head = bytes((0x82, 0x80 | body))
    elif body < 65_536:
        head = b"\x82\xfe" + body.to_bytes(2, "big")
    else:
        head = b"\x82\xff" + body.to_bytes(8, "big")
    return head + MASK + os.urandom(body)


def spoken(path: str) -> tuple[bytes, bytes]:
    """The file's last line as a masked text frame, and those before it, which are said once."""
    *hello, said = (_text(line) for line in Path(path).read_bytes().rstrip(b"\n").split(b"\n"))
    return b"".join(hello), said


def _text(said: bytes) -> bytes:
    frame = bytearray(masked(len(said)))
    frame[0] = 0x81
    frame[-len(said) :] = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(said))
    return bytes(frame)


class Counters:
    """What all connections share."""

    frames = sent = replies = received = payload = late = closed = 0

    def line(self) -> str:
        now = time.monotonic_ns()
        return (
            f"{now} {self.frames} {self.sent} {self.replies} {self.received} {self.payload} "
            f"{self.late} {self.closed}"
        )


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, counters: Counters, request: bytes, hello: bytes = b"") -> None:
        self.hello = hello
        self.counters = counters
        self.request = request
        self.open = asyncio.get_running_loop().create_future()
        self.stuck = False
        self.kept = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.request:
            transport.write(self.request)
        else:
            self.open.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.open.done():
            head, end, data = (self.kept + data).partition(b"\r\n\r\n")
            if not end:
                self.kept = head
                return
            if b" 101 " not in head[:16]:
                self.open.set_exception(ConnectionError(f"refused: {head!r}"))
                return
            self.kept = b""
            self.transport.write(self.hello)
            self.open.set_result(None)
        self.counters.received += len(data)
        if self.request:
            self.kept = self._frames(self.kept + data)

    def _frames(self, data: bytes) -> bytes:
        at = 0
        while len(data) - at >= 2:
            length, start = data[at + 1] & 127, at + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > len(data):
                break
            if data[at] & 15 < 8:
                self.counters.replies += 1
                self.counters.payload += length
            at = start + length
        return data[at:]

    def pause_writing(self) -> None:
        self.stuck = True

    def resume_writing(self) -> None:
        self.stuck = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.counters.closed += 1
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("closed in the handshake"))

    def transmit(self, frame: bytes) -> None:
        if self.stuck:
            self.counters.late += 1
        elif not self.transport.is_closing():
            self.transport.write(frame)
            self.counters.frames += 1
            self.counters.sent += len(frame)


async def main(arguments: list[str]) -> None:
    kind, host, port, count, body, interval_ms, path = arguments
    loop = asyncio.get_running_loop()
    counters, hello, frame = Counters(), b"", b""
    if kind == "text":
        hello, frame = spoken(body)
    else:
        frame = masked(int(body))
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    connections: list[Connection] = []
    for _ in range(int(count)):
        _, one = await loop.create_connection(
            lambda: Connection(counters, b"" if kind == "tcp" else request, hello), host, int(port)
        )
        await one.open
        connections.append(one)
    over = loop.create_future()

    def asked() -> None:
        if os.read(0, 256):
            print(counters.line(), flush=True)
        elif not over.done():
            over.set_result(None)

    loop.add_reader(0, asked)
    print("ready", flush=True)
    step = float(interval_ms) / 1000 / len(connections)
    due, turn = loop.time(), 0
    while step and not over.done():
        while due <= loop.time():
            connections[turn].transmit(frame)
            turn, due = (turn + 1) % len(connections), due + step
        await asyncio.sleep(max(0.0, due - loop.time()))
    await over


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
