"""Opens many sockets to a gateway from a process of its own, and says what became of them.

    python socket_flood.py PORT COUNT SECONDS

Every second socket asks for a WebSocket, the others send half a request head and fall silent.
Prints one JSON line when all are open, one when the silent ones were let go or time is over.
"""

import asyncio
import json
import resource
import sys
from collections import Counter

__all__: list[str] = []

UPGRADE = (
    b"GET /v1/stream?encoding=pcm_s16le HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HALF = b"GET /v1/stream HTTP/1.1\r\nHost: local"


async def main(port: int, count: int, seconds: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, hard - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 100), hard))
    seen: Counter[str] = Counter()
    writers: list[asyncio.StreamWriter] = []
    silent: list[asyncio.Task[None]] = []
    gate = asyncio.Semaphore(200)

    async def let_go(reader: asyncio.StreamReader) -> None:
        try:
            while await reader.read(4096):
                continue
        except ConnectionError:
            seen["reset"] += 1
        seen["let_go"] += 1

    async def one(number: int) -> None:
        async with gate:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                if number % 2:
                    writer.write(HALF)
                    seen["half"] += 1
                    silent.append(asyncio.ensure_future(let_go(reader)))
                    return
                writer.write(UPGRADE)
                status = (await reader.readline()).split()
                seen[status[1].decode() if len(status) > 1 else "closed"] += 1
            except OSError as error:
                seen[type(error).__name__] += 1

    await asyncio.gather(*(one(number) for number in range(count)))
    print(json.dumps({"asked": count} | seen), flush=True)
    if silent:
        await asyncio.wait(silent, timeout=seconds)
    print(json.dumps(seen), flush=True)
    for writer in writers:
        writer.transport.abort()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
