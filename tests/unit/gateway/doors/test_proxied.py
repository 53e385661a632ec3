"""The PROXY protocol: what is a header, what is none, and that not one byte more is read."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from ossicle.gateway.doors.proxied import SIGNATURE, BadHeader, Proxied, read_header
from ossicle.gateway.keys.forwarded import networks


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


V4 = bytes([198, 51, 100, 7, 10, 0, 0, 1]) + struct.pack("!HH", 4711, 443)
V6 = ipaddress.ip_address("2001:db8::7").packed + bytes(16) + struct.pack("!HH", 4711, 443)

GOOD = {
    "v1, IPv4": (b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 443\r\n", ("198.51.100.7", 4711)),
    "v1, IPv6": (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", ("2001:db8::7", 4711)),
    "v1, unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1, unknown with more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "v2, IPv4": (v2(0x21, 0x11, V4), ("198.51.100.7", 4711)),
    "v2, IPv4 and extensions": (v2(0x21, 0x11, V4 + b"\x04\x00\x03abc"), ("198.51.100.7", 4711)),
    "v2, IPv6": (v2(0x21, 0x21, V6), ("2001:db8::7", 4711)),
    "v2, local": (v2(0x20, 0x00, b""), None),
    "v2, local with addresses": (v2(0x20, 0x11, V4), None),
    "v2, unspecified": (v2(0x21, 0x00, b""), None),
}
BAD = {
    "a request": b"GET / HTTP/1.1\r\nhost: here\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "v1, too long": b"PROXY TCP4 " + b"1" * 200,
    "v1, another protocol": b"PROXY UDP4 198.51.100.7 10.0.0.1 4711 443\r\n",
    "v1, no address": b"PROXY TCP4 somebody 10.0.0.1 4711 443\r\n",
    "v1, no port": b"PROXY TCP4 198.51.100.7 10.0.0.1 x 443\r\n",
    "v1, a port that is none": b"PROXY TCP4 198.51.100.7 10.0.0.1 70000 443\r\n",
    "v1, too few words": b"PROXY TCP4 198.51.100.7\r\n",
    "v2, version 1": v2(0x11, 0x11, V4),
    "v2, a command that is none": v2(0x22, 0x11, V4),
    "v2, UDP": v2(0x21, 0x12, V4),
    "v2, short": v2(0x21, 0x11, V4[:8]),
    "v2, very long": SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 60_000),
}


@contextlib.contextmanager
def wire():
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("step", [1, 1000])
async def test_who_it_is(name: str, step: int) -> None:
    header, whose = GOOD[name]
    with wire() as (near, far):
        reading = asyncio.create_task(read_header(near))
        for at in range(0, len(header), step):
            far.sendall(header[at : at + step])
            await asyncio.sleep(0)
        far.sendall(b"what follows")
        assert await asyncio.wait_for(reading, 2) == whose
        assert near.recv(100) == b"what follows"


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_header(name: str) -> None:
    with wire() as (near, far):
        far.sendall(BAD[name])
        with pytest.raises(BadHeader):
            await asyncio.wait_for(read_header(near), 2)


async def test_a_peer_that_leaves_in_the_middle() -> None:
    with wire() as (near, far):
        far.sendall(b"PROXY TCP4 198.")
        far.close()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(read_header(near), 2)


class Said(asyncio.Protocol):
    """Says who it is, and then what it was sent."""

    def __init__(self, client: tuple[str, int] | None) -> None:
        self.client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(f"{self.client}\n".encode())

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@contextlib.asynccontextmanager
async def door(trusted: str = "127.0.0.1", header_s: float = 5.0) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        proxied = Proxied(listening, networks([trusted]), Said, header_s=header_s)
        running = asyncio.create_task(proxied.run())
        try:
            yield listening.getsockname()[1]
        finally:
            await proxied.stop()
            async with asyncio.timeout(2):
                await running
        assert proxied.pending == 0


async def test_a_connection_goes_on_behind_its_header() -> None:
    async with door() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD["v2, IPv6"][0] + b"hello")
        assert await reader.readline() == b"('2001:db8::7', 4711)\n"
        assert await reader.readexactly(5) == b"hello"
        writer.close()


async def test_one_without_and_one_from_elsewhere_are_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "ossicle.gateway"):
        for trusted, header_s, sent in (
            ("127.0.0.1", 5.0, BAD["a request"]),
            ("10.0.0.0/8", 5.0, GOOD["v2, IPv4"][0]),
            ("127.0.0.1", 0.05, b"PROXY "),
        ):
            async with door(trusted, header_s) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
                writer.close()
    texts = " ".join(caplog.messages)
    for said in ("does not begin with", "not from one of access.trust_proxies", "within 0.05 s"):
        assert said in texts


async def test_what_was_taken_before_a_stop_is_let_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        proxied = Proxied(listening, networks(["127.0.0.1"]), Said)
        running = asyncio.create_task(proxied.run())
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        while not proxied.pending:
            await asyncio.sleep(0.001)
        await proxied.stop()
        writer.write(b"PROXY UNKNOWN\r\n")
        assert await reader.readline() == b"None\n"
        async with asyncio.timeout(2):
            await running
        writer.close()
