"""The generator for machines without a C compiler: see `generator.c`, which it mirrors.

Dearer than the C program, so the rates it reaches are lower; what is measured is the server's CPU.
"""

import asyncio
import os
import re
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

MASK = b"\x5a\x3c\x96\xe1"
REPLY = re.compile(rb"reply (\d+) ")
REMEMBERED = 16
"""Frames that are due a reply, of each connection."""


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

    def __init__(self, every: int = 0) -> None:
        self.every = every
        self.trips: list[int] = []

    def line(self) -> str:
        now = time.monotonic_ns()
        return (
            f"{now} {self.frames} {self.sent} {self.replies} {self.received} {self.payload} "
            f"{self.late} {self.closed}"
        )

    def tripped(self) -> str:
        held = sorted(self.trips)
        shares = (str(held[(len(held) - 1) * p // 100]) if held else "0" for p in (50, 90, 99, 100))
        return " ".join((str(len(held)), *shares))


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, counters: Counters, request: bytes, hello: bytes = b"") -> None:
        self.hello = hello
        self.counters = counters
        self.request = request
        self.open = asyncio.get_running_loop().create_future()
        self.stuck = False
        self.kept = b""
        self.frames = 0
        self.asked = [0] * REMEMBERED

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
            kind, body = data[at] & 15, data[start : start + length]
            if kind == 9:  # without a pong we would be dropped one day
                self.transport.write(bytes((0x8A, 0x80 | length, 0, 0, 0, 0)) + body)
            elif kind < 8:
                self.counters.replies += 1
                self.counters.payload += length
                if self.counters.every:
                    self._tripped(body)
            at = start + length
        return data[at:]

    def _tripped(self, body: bytes) -> None:
        found, every = REPLY.search(body, 0, 512), self.counters.every
        number = int(found[1]) if found else 0
        if number and (number + REMEMBERED - 1) * every >= self.frames:
            self.counters.trips.append(time.monotonic_ns() - self.asked[number % REMEMBERED])

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
            self.frames += 1
            if (every := self.counters.every) and self.frames % every == 0:
                self.asked[self.frames // every % REMEMBERED] = time.monotonic_ns()
            self.transport.write(frame)
            self.counters.frames += 1
            self.counters.sent += len(frame)


async def main(arguments: list[str]) -> None:
    kind, host, port, count, body, interval_ms, path, *more = arguments
    loop = asyncio.get_running_loop()
    counters, hello, frame = Counters(int(more[0]) if more else 0), b"", b""
    header = f"{more[1]}\r\n" if more[1:] else ""
    if kind == "text":
        hello, frame = spoken(body)
    else:
        frame = masked(int(body))
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    ).encode()
    connections: list[Connection] = []
    for _ in range(int(count)):
        _, one = await loop.create_connection(
            lambda: Connection(counters, b"" if kind == "tcp" else request, hello), host, int(port)
        )
        await one.open
        connections.append(one)
    over = loop.create_future()
    pace = Pace(float(interval_ms))

    def asked() -> None:
        line = os.read(0, 256).decode()
        if line.startswith("pace "):
            pace.change(float(line[5:]))
            counters.trips.clear()
        if line:
            print(counters.tripped() if line.startswith("trips") else counters.line(), flush=True)
        elif not over.done():
            over.set_result(None)
            pace.change(0.0)

    loop.add_reader(0, asked)
    print("ready", flush=True)
    while not over.done():
        await pace.until_due(len(connections))
        if pace.interval_ms:
            connections[pace.turn].transmit(frame)


class Pace:
    """Whose turn it is, and when."""

    def __init__(self, interval_ms: float) -> None:
        self.turn = -1
        self._changed = asyncio.Event()
        self.change(interval_ms)

    def change(self, interval_ms: float) -> None:
        """Go on like this from now on; 0 = nobody's turn any more."""
        self.interval_ms = interval_ms
        self.due = asyncio.get_running_loop().time()
        self._changed.set()

    async def until_due(self, count: int) -> None:
        """The next one's turn has come, or the pace changed to none."""
        loop = asyncio.get_running_loop()
        while True:
            left = self.due - loop.time() if self.interval_ms else None
            if left is not None and left <= 0:
                break
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue
            if not self.interval_ms:
                return
        self.turn = (self.turn + 1) % count
        self.due += self.interval_ms / 1000 / count


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
