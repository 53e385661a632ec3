"""Peers that abuse HTTP/2: the connection ends, the process lives, other sessions do not notice."""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness import beside, gateway_with, resident, until
from http2_peer import Peer
from ossicle.transports.http.server import HttpSettings
from ossicle.transports.http2.settings import Http2Settings

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(60)]

CALM, PROTOCOL, FLOW = 11, 1, 3


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def head(peer: Peer, path: bytes = b"/healthz") -> bytes:
    """A header block that needs no table."""
    fields = [(b":method", b"POST"), (b":path", path), (b":scheme", b"http"),
              (b":authority", b"localhost")]  # fmt: skip
    return b"".join(b"\0" + bytes((len(n),)) + n + bytes((len(v),)) + v for n, v in fields)


def resets(peer: Peer) -> Iterable[bytes]:
    """CVE-2023-44487."""
    block = head(peer, b"/v1/stream")
    for number in range(1, 40_001, 2):
        yield frame(1, block, 4, number) + frame(3, struct.pack(">I", 8), 0, number)


def pings(_peer: Peer) -> Iterable[bytes]:
    for _ in range(20_000):
        yield frame(6, b"12345678")


def changes(_peer: Peer) -> Iterable[bytes]:
    for _ in range(20_000):
        yield frame(4, struct.pack(">HI", 4, 65_535))


def priorities(_peer: Peer) -> Iterable[bytes]:
    for _ in range(20_000):
        yield frame(2, b"\0\0\0\0\1", 0, 3)


def nothings(peer: Peer) -> Iterable[bytes]:
    yield frame(1, head(peer, b"/v1/stream"), 4, 1)
    for _ in range(20_000):
        yield frame(0, b"", 0, 1)


def continuations(peer: Peer) -> Iterable[bytes]:
    """CVE-2024-27316 and its like: a header block that does not end."""
    yield frame(1, head(peer), 0, 1)
    for _ in range(5_000):
        yield frame(9, b"\x00\x03abc\x7f\x80\x1e" + b"x" * 4_000, 0, 1)


FLOODS = [resets, pings, changes, priorities, nothings, continuations]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda each: each.__name__)
async def test_a_flood_ends_its_connection(
    tmp_path: Path, flood: Callable[[Peer], Iterable[bytes]]
):
    async with (
        gateway_with(tmp_path) as gateway,
        beside(gateway.url),
        Peer.open(gateway.doors["http"].port) as peer,
    ):
        before = resident()
        sent = 0
        for data in flood(peer):
            if peer.closed:
                break
            peer.raw(data)
            sent += 1
            if sent % 50 == 0:
                with contextlib.suppress(ConnectionError):  # then it is closed, as it should be
                    await peer.writer.drain()
                await asyncio.sleep(0)
        await peer.until(lambda: peer.closed)
        assert sent < 20_000
        assert resident() - before < 32 << 20
        await until(lambda: len(gateway.house.sessions) == 1)  # the one beside


async def test_headers_over_the_limit_end_the_connection(tmp_path: Path):
    async with (
        gateway_with(tmp_path) as gateway,
        beside(gateway.url),
        Peer.open(gateway.doors["http"].port) as peer,
    ):
        peer.ask("GET", "/healthz", {f"x-{n}": "y" * 1_000 for n in range(70)}, end=True)
        await peer.until(lambda: peer.closed)
        assert peer.goaway == CALM


async def test_a_bomb_of_references_ends_the_connection(tmp_path: Path):
    """HPACK: one long field, and thousands of references to it of a byte each."""
    async with (
        gateway_with(tmp_path) as gateway,
        beside(gateway.url),
        Peer.open(gateway.doors["http"].port) as peer,
    ):
        long = b"\x40\x01a\x7f\xd1\x1e" + b"x" * (127 + 0x51 + (0x1E << 7))
        peer.raw(frame(1, head(peer) + long[:4_000], 0, 1))
        peer.raw(frame(9, long[4_000:] + b"\xbe" * 10_000, 4, 1))
        await peer.until(lambda: peer.closed)
        assert peer.goaway in {CALM, PROTOCOL, 9}


async def test_more_streams_than_allowed(tmp_path: Path):
    limits = Http2Settings(max_streams=5)
    async with gateway_with(tmp_path, http2=limits) as gateway, beside(gateway.url):
        async with Peer.open(gateway.doors["http"].port) as peer:
            block = head(peer, b"/v1/stream?encoding=pcm_s16le")
            for number in range(1, 21, 2):
                peer.raw(frame(1, block, 4, number))
            await peer.until(lambda: peer.closed)
            assert peer.goaway is not None
        await until(lambda: len(gateway.house.sessions) == 1)


async def test_more_data_than_the_window(tmp_path: Path):
    async with (
        gateway_with(tmp_path) as gateway,
        beside(gateway.url),
        Peer.open(gateway.doors["http"].port) as peer,
    ):
        block = head(peer, b"/v1/stream?encoding=nonsense")
        peer.raw(frame(1, block, 4, 1))
        for _ in range(6):
            peer.raw(frame(0, bytes(16_000), 0, 1))
        await peer.until(lambda: peer.closed or peer.goaway is not None, 5)
        assert peer.goaway in {FLOW, None}


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4) + frame(1, b"\x82", 0, 1),
    ],
    ids=["nothing", "half a preface", "a preface alone", "half a head"],
)
async def test_who_begins_and_does_not_go_on(tmp_path: Path, bytes_sent: bytes):
    limits = {"http2": Http2Settings(head_timeout=0.2), "http": HttpSettings(head_timeout=0.2)}
    async with (
        gateway_with(tmp_path, **limits) as gateway,
        Peer.open(gateway.doors["http"].port, greet=False) as peer,
    ):
        peer.raw(bytes_sent)
        await peer.until(lambda: peer.closed, 5)


async def test_a_peer_that_answers_no_ping_is_dropped(tmp_path: Path):
    limits = Http2Settings(keepalive_s=0.4)
    async with gateway_with(tmp_path, http2=limits) as gateway:
        port = gateway.doors["http"].port
        async with Peer.open(port) as peer, Peer.open(port) as deaf:
            asked = peer.ask("POST", "/v1/stream?encoding=pcm_s16le&sample_rate=16000")
            deaf.ask("POST", "/v1/stream?encoding=pcm_s16le&sample_rate=16000")
            await until(lambda: len(gateway.house.sessions) == 2)
            assert deaf._task is not None
            deaf._task.cancel()  # it reads no more, so it answers nothing
            await until(lambda: len(gateway.house.sessions) == 1)
            assert not asked.over  # the other one answered


@pytest.mark.parametrize(
    "data",
    [
        frame(0, b"x", 0, 0),
        frame(1, b"\xff" * 20, 4, 1),
        frame(8, b"\0\0\0\0"),
        frame(5, b"\0" * 8, 4, 1),
        frame(9, b"x", 0, 1),
        frame(4, b"12345"),
        frame(6, b"short"),
        frame(1, b"", 4, 2),
        b"\xff\xff\xff" + frame(0)[3:],
        frame(7, struct.pack(">II", 0, 2)),
    ],
    ids=["data of no stream", "bad hpack", "window of 0", "push", "continuation of nothing",
         "settings of 5 bytes", "short ping", "even stream", "huge frame", "goaway with an error"],
)  # fmt: skip
async def test_what_breaks_the_protocol_ends_the_connection(tmp_path: Path, data: bytes):
    async with gateway_with(tmp_path) as gateway:
        async with Peer.open(gateway.doors["http"].port) as peer:
            assert (await peer.ask("GET", "/healthz", end=True).answer())[0] == 200
            peer.raw(data)
            await peer.until(lambda: peer.closed, 5)
        async with Peer.open(gateway.doors["http"].port) as peer:
            assert (await peer.ask("GET", "/healthz", end=True).answer())[0] == 200
