"""Clients of a gRPC method that send evenly spread messages: `generator.py`, for HTTP/2.

    python -m bench.grpc_load HOST PORT CONNECTIONS BODY INTERVAL_MS PATH [--native]

A connection to a session, frames made beforehand, so that it costs little beside what it loads.
It keeps to the server's windows. `--native`: begins with a start message and wraps each body as
`ossicle.v1` does; otherwise messages are bodies as they are.
"""

import argparse
import asyncio
import os
import struct
import time
from typing import cast

import uvloop

from ossicle.core.commands import Configure
from ossicle.core.formats import AudioFormat
from ossicle.dialects.native.byhand import audio_out
from ossicle.dialects.native.protobuf import write_start

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW = 0, 1, 4, 6, 8
WIDE = 1 << 30


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113 section 4.1."""
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload
    )


def literal(name: str, value: str) -> bytes:
    """A header without indexing (RFC 7541 section 6.2.2), short enough for one byte of length."""
    return b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def hello(path: str) -> bytes:
    """What opens a connection and its one call."""
    block = b"".join(
        literal(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        )
    )
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WIDE))
        + frame(WINDOW, 0, 0, struct.pack(">I", WIDE))
        + frame(HEADERS, 4, 1, block)
    )


def message(body: bytes) -> bytes:
    """One message as a DATA frame."""
    return frame(DATA, 0, 1, b"\0" + struct.pack(">I", len(body)) + body)


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

    def __init__(self, counters: Counters, opening: bytes, first: bytes) -> None:
        self.counters, self.opening, self.first = counters, opening, first
        self.windows = [65_535, 65_535]  # of the connection, of the stream
        self.initial = 65_535
        self.kept = b""
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.opening)

    def data_received(self, data: bytes) -> None:
        self.counters.received += len(data)
        data = self.kept + data
        at = 0
        while len(data) - at >= 9:
            length = int.from_bytes(data[at : at + 3], "big")
            if len(data) - at < 9 + length:
                break
            self.frame(
                data[at + 3], data[at + 4], data[at + 5 : at + 9], data[at + 9 : at + 9 + length]
            )
            at += 9 + length
        self.kept = data[at:]

    def frame(self, kind: int, flags: int, stream: bytes, payload: bytes) -> None:
        if kind == DATA:
            self.counters.replies += 1
            self.counters.payload += len(payload)
        elif kind == WINDOW:
            self.windows[stream != b"\0\0\0\0"] += int.from_bytes(payload, "big")
        elif kind == PING and not flags & 1:
            self.transport.write(frame(PING, 1, 0, payload))
        elif kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == 4:
                    self.windows[1] += value - self.initial
                    self.initial = value
            self.transport.write(frame(SETTINGS, 1, 0, b"") + self.first)
            if not self.open.done():
                self.open.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counters.closed += 1
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("closed at once"))

    def transmit(self, data: bytes) -> None:
        size = len(data) - 9
        if min(self.windows) < size:
            self.counters.late += 1
        elif not self.transport.is_closing():
            self.windows = [window - size for window in self.windows]
            self.transport.write(data)
            self.counters.frames += 1
            self.counters.sent += len(data)


async def main(asked: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    counters = Counters()
    body = os.urandom(asked.body)
    piece = message(audio_out(body) if asked.native else body)
    start = write_start(Configure(format=AudioFormat()))
    first = message(start) if asked.native else b""
    connections: list[Connection] = []
    for _ in range(asked.connections):
        _, one = await loop.create_connection(
            lambda: Connection(counters, hello(asked.path), first), asked.host, asked.port
        )
        await one.open
        connections.append(one)
    over = loop.create_future()

    def told() -> None:
        if os.read(0, 256):
            print(counters.line(), flush=True)
        elif not over.done():
            over.set_result(None)

    loop.add_reader(0, told)
    print("ready", flush=True)
    step = asked.interval_ms / 1000 / len(connections)
    due, turn = loop.time(), 0
    while not over.done():
        while due <= loop.time():
            connections[turn].transmit(piece)
            turn, due = (turn + 1) % len(connections), due + step
        await asyncio.sleep(max(0.0, due - loop.time()))
    await over


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("body", type=int)
    parser.add_argument("interval_ms", type=float)
    parser.add_argument("path")
    parser.add_argument("--native", action="store_true")
    uvloop.run(main(parser.parse_args()))
