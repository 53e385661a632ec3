"""Connections that begin and do not go on: closed in time, on both ports; their files come back.

Against `ossicle serve` in a process of its own, with a session talking meanwhile.
"""

import asyncio
import os
import ssl
import sys
import time
from pathlib import Path

import pytest

from harness import GatewayProcess, address, beside, until

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(sys.platform != "linux", reason="counts files in /proc"),
]

LIMIT_S = 1.0
EACH = 20
HEAD = b"POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nContent-Le"
UPGRADE = (
    b"GET /v1/stream?encoding=pcm_s16le HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Ver"
)


def hello() -> bytes:
    """A whole ClientHello."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    wanted = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        wanted.do_handshake()
    return out.read()


async def half(port: int, data: bytes, context: ssl.SSLContext | None = None) -> float:
    """Seconds until a connection that sends only this is closed."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
    )
    start = time.monotonic()
    try:
        writer.write(data)
        async with asyncio.timeout(LIMIT_S + 10):
            while await reader.read(4096):
                pass
    except (ConnectionError, ssl.SSLError):
        pass  # reset: closed as well
    finally:
        writer.transport.abort()
    return time.monotonic() - start


async def drip(port: int) -> float:
    """As `half`, a byte at a time: what dribbles is not going on either."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.monotonic()
    gone = asyncio.create_task(reader.read())
    try:
        for byte in UPGRADE * 4:
            writer.write(bytes([byte]))
            await asyncio.wait([gone], timeout=0.05)
            if gone.done():
                break
    finally:
        gone.cancel()
        await asyncio.wait([gone])
        writer.transport.abort()
    return time.monotonic() - start


async def test_what_does_not_go_on_is_closed_in_time(tmp_path: Path):
    async with GatewayProcess.start(
        "--engine", "scripted:heard", "--tls-port", "0",
        tmp_path=tmp_path, OSSICLE_HTTP__HEAD_TIMEOUT=f"{LIMIT_S:g}",
    ) as gateway:  # fmt: skip
        await until(lambda: gateway.secure_url, 10)
        plain, secure = address(gateway.url)[1], address(gateway.secure_url)[1]
        trusting = ssl.create_default_context(cafile=tmp_path / "state" / "ca.pem")
        files = Path(f"/proc/{gateway.process.pid}/fd")

        def held() -> int:
            return len(os.listdir(files))  # noqa: PTH208  counted many times

        first = hello()
        async with beside(gateway.url, every_s=0.02):
            before = held()
            cases = {
                "nothing": [half(plain, b"") for _ in range(EACH)],
                "half a head": [half(plain, HEAD) for _ in range(EACH)],
                "half an upgrade": [half(plain, UPGRADE) for _ in range(EACH)],
                "byte by byte": [drip(plain) for _ in range(EACH)],
                "TLS: nothing": [half(secure, b"") for _ in range(EACH)],
                "TLS: half a ClientHello": [
                    half(secure, first[: len(first) // 2]) for _ in range(EACH)
                ],
                "TLS: a ClientHello": [half(secure, first) for _ in range(EACH)],
                "TLS: nothing behind it": [half(secure, b"", trusting) for _ in range(EACH)],
                "TLS: half a head": [half(secure, HEAD, trusting) for _ in range(EACH)],
                "TLS: half an upgrade": [half(secure, UPGRADE, trusting) for _ in range(EACH)],
            }
            flat = [case for each in cases.values() for case in each]
            waiting = asyncio.gather(*flat)
            await until(lambda: held() >= before + len(flat) - 5, 10, "all are open")
            took = await waiting
            times = dict(zip(cases, zip(*[iter(took)] * EACH, strict=True), strict=True))
            print({name: f"{min(each):.2f}-{max(each):.2f}" for name, each in times.items()})
            for name, each in times.items():
                assert min(each) > LIMIT_S * 0.7, name  # it was counted from a little before
                assert max(each) < LIMIT_S + 3.0, name
            await until(lambda: held() <= before, 10, "files are back")
        assert "Traceback" not in gateway.text


async def test_what_is_no_tls_is_closed_at_once(tmp_path: Path):
    async with GatewayProcess.start(
        "--engine", "scripted:heard", "--tls-port", "0", tmp_path=tmp_path
    ) as gateway:
        await until(lambda: gateway.secure_url, 10)
        secure, plain = address(gateway.secure_url)[1], address(gateway.url)[1]
        assert await half(secure, UPGRADE + b"sion: 13\r\n\r\n") < 5
        assert await half(plain, hello()) < 5
        async with beside(gateway.url):
            pass
