"""What a frame costs at the door, against a raw TCP server and against `websockets`.

    python -m bench.websocket_floor [--connections 100] [--windows 6] [--seconds 4]

Every server is a process of its own, all alive at once on the first core and all under the same
load: 640-byte frames at 50/s on each connection, spread evenly, and a 200-byte answer to every
fifth. One generator on the second core. CPU is the process's own schedstat between two marks;
ratios are taken inside each window, the median of the windows is printed. Idle memory is PSS per
connection after connecting and one answer, without load.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import uvloop

FRAME = b"\x82\xfe" + (640).to_bytes(2, "big") + b"\0\0\0\0" + b"a" * 640
ANSWER = "r" * 200
HELLO = (
    b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SELF = (sys.executable, "-m", "bench.websocket_floor")
SERVERS = ("raw", "door", "door-method", "websockets")


async def serve(kind: str, fd: int) -> None:
    listener = socket.socket(fileno=fd)
    if kind == "raw":
        await serve_raw(listener)
    elif kind == "websockets":
        await serve_websockets(listener)
    else:
        await serve_door(listener, rebound=kind == "door")


async def serve_raw(listener: socket.socket) -> None:
    """The floor: bytes are counted, nothing is parsed."""
    size, answer = len(FRAME), b"\x81\x7e\x00\xc8" + ANSWER.encode()

    class Raw(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            self.transport, self.bytes, self.frames = transport, 0, 0

        def data_received(self, data: bytes) -> None:
            self.bytes += len(data)
            while self.bytes >= size:
                self.bytes -= size
                self.frames += 1
                if self.frames % 5 == 0:
                    self.transport.write(answer)

    server = await asyncio.get_running_loop().create_server(Raw, sock=listener)
    await server.serve_forever()


async def serve_websockets(listener: socket.socket) -> None:
    import websockets

    async def handler(connection) -> None:
        frames = 0
        async for _ in connection:
            frames += 1
            if frames % 5 == 0:
                await connection.send(ANSWER)

    async with websockets.serve(handler, sock=listener, compression=None):
        await asyncio.Event().wait()


async def serve_door(listener: socket.socket, *, rebound: bool) -> None:
    import uvicorn

    from ossicle.core.wire import Accept, Text
    from ossicle.transports.http.server import http_protocol
    from ossicle.transports.websocket.server import websocket_protocol

    class Session:
        def __init__(self, channel) -> None:
            self.channel, self.frames = channel, 0

        def audio(self, data: bytes) -> None:
            self.frames += 1
            if self.frames % 5 == 0:
                self.channel.send(Text(ANSWER))

    class Leg:
        """`binary` is either the session's own bound method or one that calls it."""

        def __init__(self, channel) -> None:
            self.session = Session(channel)

        def received(self, message) -> None: ...
        def writable(self, yes) -> None: ...
        def closed(self, error) -> None: ...

    class MethodLeg(Leg):
        def binary(self, data: bytes) -> None:
            self.session.audio(data)

    def acceptor(opening, channel):
        leg = Leg(channel) if rebound else MethodLeg(channel)
        if rebound:
            leg.binary = leg.session.audio
        channel.send(Accept())
        return leg

    async def app(scope, receive, send) -> None: ...

    config = uvicorn.Config(
        app, http=http_protocol(), ws=websocket_protocol(acceptor), lifespan="off", log_config=None
    )
    await uvicorn.Server(config).serve(sockets=[listener])


class Load(asyncio.Protocol):
    def __init__(self, hello: bytes) -> None:
        self.hello, self.ready, self.answers = hello, asyncio.Event(), 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        if self.hello:
            transport.write(self.hello)
        else:
            self.ready.set()

    def data_received(self, data: bytes) -> None:
        if self.ready.is_set():
            self.answers += len(data)
        elif b"\r\n\r\n" in data:
            self.ready.set()


def cpu_ns(pid: int) -> int:
    return sum(
        int((task / "schedstat").read_text().split()[0])
        for task in Path(f"/proc/{pid}/task").iterdir()
    )


def memory_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


async def bench(arguments: argparse.Namespace) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    processes, ports = {}, {}
    for kind in SERVERS:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        ports[kind] = listener.getsockname()[1]
        processes[kind] = subprocess.Popen(
            [*SELF, "--serve", kind, "--fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            # `websockets` writes a traceback for every connection dropped.
            stderr=subprocess.DEVNULL if kind == "websockets" else None,
        )
        listener.close()
    try:
        loads: dict[str, list[Load]] = {}
        idle = {}
        for kind in SERVERS:
            loads[kind] = await connect(loop, ports[kind], kind, 20)  # imports, first-use caches
            await asyncio.sleep(0.5)
            before = memory_kib(processes[kind].pid)
            more = await connect(loop, ports[kind], kind, arguments.idle)
            for load in more:  # buffers count once they have been used
                load.transport.write(FRAME * 5)
            while any(load.answers < 204 for load in more):
                await asyncio.sleep(0.01)
            idle[kind] = (memory_kib(processes[kind].pid) - before) / arguments.idle
            for load in more:
                load.transport.abort()
            loads[kind] += await connect(loop, ports[kind], kind, arguments.connections - 20)
        stop = asyncio.Event()
        pacer = asyncio.create_task(pace(loads, arguments.connections, stop))
        await asyncio.sleep(1.5)
        windows: list[dict[str, float]] = []
        for _ in range(arguments.windows):
            marks = {kind: cpu_ns(processes[kind].pid) for kind in SERVERS}
            answers = {kind: sum(load.answers for load in loads[kind]) for kind in SERVERS}
            await asyncio.sleep(arguments.seconds)
            windows.append(
                {
                    kind: (cpu_ns(processes[kind].pid) - marks[kind])
                    / 1000
                    / ((sum(load.answers for load in loads[kind]) - answers[kind]) / 204 * 5)
                    for kind in SERVERS
                }
            )
        stop.set()
        await pacer
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    median = statistics.median
    return {
        "us_per_frame": {k: round(median(w[k] for w in windows), 2) for k in SERVERS},
        "ratio_to_raw": {k: round(median(w[k] / w["raw"] for w in windows), 3) for k in SERVERS},
        "ratio_to_websockets": {
            k: round(median(w[k] / w["websockets"] for w in windows), 3) for k in SERVERS
        },
        "idle_kib_per_connection": {k: round(v, 1) for k, v in idle.items()},
        "connections": arguments.connections,
        "windows": arguments.windows,
    }


async def connect(loop, port: int, kind: str, count: int) -> list[Load]:
    made = []
    for _ in range(count):
        for _attempt in range(100):
            try:
                _, load = await loop.create_connection(
                    lambda: Load(b"" if kind == "raw" else HELLO), "127.0.0.1", port
                )
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
        await load.ready.wait()
        made.append(load)
    return made


async def pace(loads: dict[str, list[Load]], connections: int, stop: asyncio.Event) -> None:
    """One frame on each connection every 20 ms, one at a time on each server: without bursts a
    server wakes up for nearly every frame, which is the worst case."""
    steps = connections
    start, turn = time.monotonic(), 0
    while not stop.is_set():
        for kind in SERVERS:
            for load in loads[kind][turn % steps :: steps]:
                load.transport.write(FRAME)
        turn += 1
        await asyncio.sleep(max(0.0, start + turn * 0.02 / steps - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--idle", type=int, default=500)
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--serve", choices=SERVERS)
    parser.add_argument("--fd", type=int)
    arguments = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    cores = sorted(os.sched_getaffinity(0))
    if arguments.serve:
        os.sched_setaffinity(0, {cores[0]})
        uvloop.run(serve(arguments.serve, arguments.fd))
    else:
        os.sched_setaffinity(0, {cores[-1]})
        print(json.dumps(uvloop.run(bench(arguments)), indent=2))


if __name__ == "__main__":
    main()
