"""RFC 6455, clause by clause, over a raw socket: against the door and against the client.

One table serves both ends; frames are masked towards the server and not towards the client. A
case says what the receiver has to be told, which pongs have to come, and with which code the
connection has to be failed (None: it goes on). `KNOWN` lists what is not as the RFC wants it.
"""

import asyncio
import base64
import hashlib
import os
import random
import struct
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import pytest
import pytest_asyncio

from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Ping, Text
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.transports.http.server import http_protocol
from ossicle.transports.websocket.client import connect
from ossicle.transports.websocket.server import WebSocketSettings, websocket_protocol

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

LIMIT = 100_000
SETTINGS = WebSocketSettings(max_message=LIMIT, close_timeout=0.1)
CONT, TEXT, BIN, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Frame(NamedTuple):
    """One frame as it is written; what is None follows from the rest."""

    op: int
    data: bytes = b""
    fin: bool = True
    rsv: int = 0
    masked: bool | None = None
    length: bytes | None = None

    def bytes(self, masks: bool) -> bytes:
        masked = masks if self.masked is None else self.masked
        size = len(self.data)
        if self.length is not None:
            length = bytes([self.length[0] | 128 * masked]) + self.length[1:]
        elif size < 126:
            length = bytes([size | 128 * masked])
        elif size < 1 << 16:
            length = struct.pack("!BH", 126 | 128 * masked, size)
        else:
            length = struct.pack("!BQ", 127 | 128 * masked, size)
        key = b"\x37\xfa\x21\x3d" if masked else b""
        data = bytes(b ^ key[i % 4] for i, b in enumerate(self.data)) if masked else self.data
        return bytes([self.fin << 7 | self.rsv << 4 | self.op]) + length + key + data


class Case(NamedTuple):
    section: str
    name: str
    frames: tuple[Frame, ...]
    told: tuple[Message, ...] = ()
    code: int | None = None
    pongs: tuple[bytes, ...] = ()


def close(code: int, reason: bytes = b"") -> Frame:
    return Frame(CLOSE, struct.pack("!H", code) + reason)


ACCENTS = "κόσμε€𝄞".encode()
GOOD_CODES = (
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    3999,
    4000,
    4401,
    4999,
)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
BAD_UTF8 = {
    "lone-continuation": b"\x80",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond-10ffff": b"\xf4\x90\x80\x80",
    "truncated": b"\xce\xba\xe1\xbd",
    "fe": b"ok\xfe",
}

CASES = [
    # 5.2 base framing: lengths
    *(
        Case("5.2", f"binary-{n}", (Frame(BIN, b"z" * n),), (Binary(b"z" * n),))
        for n in (0, 1, 125, 126, 127, 128, 65535, 65536, LIMIT)
    ),
    *(
        Case("5.2", f"text-{n}", (Frame(TEXT, b"t" * n),), (Text("t" * n),))
        for n in (0, 125, 126, 65535, 65536)
    ),
    Case("5.2", "length-64-bit-high-bit", (Frame(BIN, length=b"\x7f\x80" + bytes(7)),), code=1002),
    Case(
        "5.2", "length-16-bit-not-minimal", (Frame(BIN, b"x", length=b"\x7e\x00\x01"),), code=1002
    ),
    Case(
        "5.2",
        "length-64-bit-not-minimal",
        (Frame(BIN, b"x", length=b"\x7f" + bytes(7) + b"\x01"),),
        code=1002,
    ),
    Case("7.4.1", "too-large", (Frame(BIN, b"x" * (LIMIT + 1)),), code=1009),
    Case(
        "7.4.1",
        "announced-1-gb",
        (Frame(BIN, length=b"\x7f" + struct.pack("!Q", 1 << 30)),),
        code=1009,
    ),
    Case(
        "7.4.1",
        "too-large-in-fragments",
        (Frame(BIN, b"x" * LIMIT, fin=False), Frame(CONT, b"x")),
        code=1009,
    ),
    # 5.2 reserved bits and opcodes
    *(
        Case("5.2", f"reserved-bits-{rsv}-{op}", (Frame(op, b"x", rsv=rsv),), code=1002)
        for rsv in (1, 2, 4, 7)
        for op in (TEXT, BIN, PING)
    ),
    Case("5.2", "reserved-bits-close", (Frame(CLOSE, b"\x03\xe8", rsv=4),), code=1002),
    Case("5.2", "reserved-bits-pong", (Frame(PONG, b"", rsv=2),), code=1002),
    Case(
        "5.2",
        "reserved-bits-after-good",
        (Frame(BIN, b"a"), Frame(BIN, b"b", rsv=4), Frame(BIN, b"c")),
        (Binary(b"a"),),
        1002,
    ),
    *(
        Case("5.2", f"opcode-{op}", (Frame(op, b"x"),), code=1002)
        for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ),
    # 5.4 fragments
    Case(
        "5.4",
        "text-in-three",
        (Frame(TEXT, b"a", fin=False), Frame(CONT, b"b", fin=False), Frame(CONT, b"c")),
        (Text("abc"),),
    ),
    Case(
        "5.4",
        "binary-in-three",
        (Frame(BIN, b"a", fin=False), Frame(CONT, b"", fin=False), Frame(CONT, b"c")),
        (Binary(b"ac"),),
    ),
    Case(
        "5.4",
        "all-empty",
        (Frame(TEXT, fin=False), Frame(CONT, fin=False), Frame(CONT)),
        (Text(""),),
    ),
    Case("5.4", "empty-binary-fragments", (Frame(BIN, fin=False), Frame(CONT)), (Binary(b""),)),
    Case(
        "5.4",
        "ping-between",
        (Frame(TEXT, b"a", fin=False), Frame(PING, b"p"), Frame(CONT, b"b")),
        (Ping(b"p"), Text("ab")),
        pongs=(b"p",),
    ),
    Case(
        "5.4",
        "pong-between",
        (Frame(BIN, b"a", fin=False), Frame(PONG, b"p"), Frame(CONT, b"b")),
        (Binary(b"ab"),),
    ),
    Case("5.4", "continuation-of-nothing", (Frame(CONT, b"x"),), code=1002),
    Case("5.4", "continuation-of-nothing-open", (Frame(CONT, b"x", fin=False),), code=1002),
    Case(
        "5.4",
        "continuation-after-whole",
        (Frame(BIN, b"x"), Frame(CONT, b"x")),
        (Binary(b"x"),),
        1002,
    ),
    Case("5.4", "text-inside-text", (Frame(TEXT, b"a", fin=False), Frame(TEXT, b"b")), code=1002),
    Case("5.4", "binary-inside-text", (Frame(TEXT, b"a", fin=False), Frame(BIN, b"b")), code=1002),
    Case("5.4", "binary-inside-binary", (Frame(BIN, b"a", fin=False), Frame(BIN, b"b")), code=1002),
    Case(
        "5.4",
        "text-inside-binary-open",
        (Frame(BIN, b"a", fin=False), Frame(TEXT, b"b", fin=False)),
        code=1002,
    ),
    # 5.5 control frames
    Case("5.5.2", "ping-empty", (Frame(PING),), (Ping(b""),), pongs=(b"",)),
    Case(
        "5.5.2",
        "ping-binary",
        (Frame(PING, bytes(range(125))),),
        (Ping(bytes(range(125))),),
        pongs=(bytes(range(125)),),
    ),
    Case(
        "5.5.2",
        "ten-pings",
        tuple(Frame(PING, b"%d" % n) for n in range(10)),
        tuple(Ping(b"%d" % n) for n in range(10)),
        pongs=tuple(b"%d" % n for n in range(10)),
    ),
    Case("5.5.3", "pong-unasked", (Frame(PONG, b"why"), Frame(BIN, b"x")), (Binary(b"x"),)),
    Case("5.5", "ping-126", (Frame(PING, b"x" * 126),), code=1002),
    Case("5.5", "pong-126", (Frame(PONG, b"x" * 126),), code=1002),
    Case("5.5", "close-126", (Frame(CLOSE, b"\x03\xe8" + b"x" * 124),), code=1002),
    Case("5.5", "ping-fragment", (Frame(PING, b"x", fin=False),), code=1002),
    Case("5.5", "pong-fragment", (Frame(PONG, b"x", fin=False),), code=1002),
    Case("5.5", "close-fragment", (Frame(CLOSE, b"\x03\xe8", fin=False),), code=1002),
    # 5.5.1 and 7.4 closing
    Case("5.5.1", "close-empty", (Frame(CLOSE),), (Close(None),), 1000),
    Case("5.5.1", "close-one-byte", (Frame(CLOSE, b"\x03"),), code=1002),
    Case("5.5.1", "close-reason", (close(1000, ACCENTS),), (Close(1000, ACCENTS.decode()),), 1000),
    Case("5.5.1", "close-reason-123", (close(1000, b"r" * 123),), (Close(1000, "r" * 123),), 1000),
    Case("5.5.1", "close-reason-not-utf8", (close(1000, b"\xce\xba\xe1\xbd"),), code=1007),
    Case(
        "5.5.1",
        "data-after-close",
        (close(1000), Frame(BIN, b"x"), Frame(PING, b"x")),
        (Close(1000),),
        1000,
    ),
    Case("5.5.1", "close-twice", (close(1001), close(1000)), (Close(1001),), 1001),
    Case(
        "5.5.1",
        "close-inside-fragments",
        (Frame(TEXT, b"a", fin=False), close(1000)),
        (Close(1000),),
        1000,
    ),
    *(
        Case("7.4.1", f"close-code-{code}", (close(code),), (Close(code),), code)
        for code in GOOD_CODES
    ),
    *(Case("7.4.2", f"close-code-{code}", (close(code),), code=1002) for code in BAD_CODES),
    # 8.1 UTF-8
    Case("8.1", "utf8", (Frame(TEXT, ACCENTS),), (Text(ACCENTS.decode()),)),
    Case(
        "8.1",
        "utf8-split-in-characters",
        (
            *(
                Frame(TEXT if i == 0 else CONT, ACCENTS[i : i + 1], fin=False)
                for i in range(len(ACCENTS))
            ),
            Frame(CONT),
        ),
        (Text(ACCENTS.decode()),),
    ),
    Case(
        "8.1",
        "utf8-nul-and-noncharacters",
        (Frame(TEXT, "\0\ufffe\uffff\U0010ffff".encode()),),
        (Text("\0\ufffe\uffff\U0010ffff"),),
    ),
    *(
        Case("8.1", f"not-utf8-{name}", (Frame(TEXT, data),), code=1007)
        for name, data in BAD_UTF8.items()
    ),
    *(
        Case(
            "8.1",
            f"not-utf8-fragments-{name}",
            (Frame(TEXT, b"ok", fin=False), Frame(CONT, data)),
            code=1007,
        )
        for name, data in BAD_UTF8.items()
    ),
    Case(
        "8.1",
        "not-utf8-known-early",
        (Frame(TEXT, b"ok", fin=False), Frame(CONT, b"\xff", fin=False)),
        code=1007,
    ),
    Case("8.1", "binary-need-not-be-utf8", (Frame(BIN, b"\xff\xfe"),), (Binary(b"\xff\xfe"),)),
]
SERVER_CASES = [
    Case("5.1", "unmasked-binary", (Frame(BIN, b"x", masked=False),), code=1002),
    Case("5.1", "unmasked-ping", (Frame(PING, b"", masked=False),), code=1002),
    Case("5.1", "unmasked-close", (Frame(CLOSE, b"\x03\xe8", masked=False),), code=1002),
]
CLIENT_CASES = [
    Case("5.1", "masked-binary", (Frame(BIN, b"x", masked=True),), code=1002),
    Case("5.1", "masked-close", (Frame(CLOSE, b"\x03\xe8", masked=True),), code=1002),
]

KNOWN: dict[str, str] = {
    "close-twice": "picows reads one frame ahead: a second Close in the same segment is a protocol "
    "error (1002) before the first is answered; the peer broke 5.5.1 itself",
}
"""Case name to the reason why it is not as the RFC wants it."""


def parametrize(cases: list[Case]):
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                case,
                id=f"{case.section}-{case.name}",
                marks=pytest.mark.xfail(reason=KNOWN[case.name], strict=True)
                if case.name in KNOWN
                else (),
            )
            for case in cases
        ],
    )


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Opcode, data, masked. Ends with IncompleteReadError or ConnectionResetError."""
    first, second = await reader.readexactly(2)
    assert first & 0x70 == 0, "reserved bits were sent"
    assert first & 0x80, "we do not send fragments"
    size, masked = second & 127, second >> 7
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    key = await reader.readexactly(4) if masked else b""
    data = await reader.readexactly(size)
    if masked:
        data = bytes(b ^ key[i % 4] for i, b in enumerate(data))
    return first & 15, data, bool(masked)


class Raw(NamedTuple):
    """The other end, by hand, and who listens on ours."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    leg: Recorder
    masks: bool


class Door(NamedTuple):
    """One server for all cases, and who came."""

    port: int
    legs: list[Recorder]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door() -> AsyncIterator[Door]:
    legs: list[Recorder] = []

    def acceptor(opening, channel) -> Recorder:
        legs.append(Recorder(channel))
        channel.send(Accept())
        return legs[-1]

    async with loopback(http=http_protocol(), ws=websocket_protocol(acceptor, SETTINGS)) as port:
        yield Door(port, legs)


@asynccontextmanager
async def against_server(door: Door) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455 1.3
    leg = door.legs[-1]
    try:
        yield Raw(reader, writer, leg, True)
    finally:
        writer.close()
        await leg.until(lambda: leg.over)


@asynccontextmanager
async def against_client() -> AsyncIterator[Raw]:
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.partition(": ")[2]
            for line in head.split("\r\n")
            if line.lower().startswith("sec-websocket-key")
        )
        digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        await arrived.put((reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    legs: list[Recorder] = []

    def factory(channel) -> Recorder:
        legs.append(Recorder(channel))
        return legs[0]

    channel = await connect(Opening(), factory, url=f"ws://127.0.0.1:{port}", settings=SETTINGS)
    reader, writer = await arrived.get()
    assert isinstance(legs[0].told.pop(0), Accept)
    try:
        yield Raw(reader, writer, legs[0], False)
    finally:
        channel.abort()
        writer.close()
        server.close()


async def run(case: Case, raw: Raw, *, chopped: bool) -> None:
    data = b"".join(frame.bytes(raw.masks) for frame in case.frames)
    if chopped:
        for byte in data:
            raw.writer.write(bytes([byte]))
            await asyncio.sleep(0)
    else:
        raw.writer.write(data)
    code, pongs = case.code, list(case.pongs)
    if code is None:  # it goes on: an ordinary end shows it
        raw.writer.write(close(1000, b"end").bytes(raw.masks))
        code = 1000
    async with asyncio.timeout(5):
        while True:
            op, payload, masked = await read_frame(raw.reader)
            assert masked != raw.masks, "masked by the wrong end"
            if op == PONG:
                assert payload == pongs.pop(0)
            elif op == CLOSE:
                break
            else:
                pytest.fail(f"opcode {op} was sent")
    assert (int.from_bytes(payload[:2], "big"), pongs) == (code, [])
    told = [*case.told, Close(1000, "end")] if case.code is None else list(case.told)
    if not raw.masks:
        raw.writer.close()  # a client waits for the server to hang up, RFC 6455 7.1.1
    await raw.leg.until(lambda: raw.leg.over)
    assert raw.leg.told == told
    assert not raw.leg.broken
    peer_closed = any(isinstance(message, Close) for message in told)
    assert (raw.leg.error is None) == peer_closed
    if not peer_closed:
        wanted = "too_large" if case.code == 1009 else "bad_message"
        assert raw.leg.error.code == wanted
    if raw.masks:
        async with asyncio.timeout(3):
            # A reset is an end too: the server does not read what follows a broken frame.
            with suppress(ConnectionResetError):
                assert await raw.reader.read() == b""


def choppable(case: Case) -> bool:
    """Byte by byte where that is quick, and where nothing is written to a connection that the
    other end may have closed already."""
    enders = [n for n, frame in enumerate(case.frames) if frame.op == CLOSE]
    ends = not enders or enders[0] == len(case.frames) - 1
    return ends and sum(len(frame.data) for frame in case.frames) < 150


@parametrize(CASES + SERVER_CASES)
async def test_server(door: Door, case: Case) -> None:
    async with against_server(door) as raw:
        await run(case, raw, chopped=False)
    if choppable(case):
        async with against_server(door) as raw:
            await run(case, raw, chopped=True)


@parametrize(CASES + CLIENT_CASES)
async def test_client(case: Case) -> None:
    async with against_client() as raw:
        await run(case, raw, chopped=False)
    if choppable(case):
        async with against_client() as raw:
            await run(case, raw, chopped=True)


async def test_a_gigabyte_is_refused_without_making_room_for_it(door: Door) -> None:
    async with against_server(door) as raw:
        tracemalloc.start()
        try:
            raw.writer.write(Frame(BIN, length=b"\x7f" + struct.pack("!Q", 1 << 30)).bytes(True))
            for _ in range(64):  # and goes on sending
                raw.writer.write(os.urandom(64 * 1024))
            await raw.leg.until(lambda: raw.leg.over)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert raw.leg.error.code == "too_large"
        # 4 MiB of it are this test's own send buffer.
        assert peak < 8 << 20


async def test_random_bytes_neither_crash_nor_stay(door: Door) -> None:
    """After the upgrade anything may come. Every connection ends, and so does its receiver."""
    dice = random.Random(6455)
    for _ in range(60):
        async with against_server(door) as raw:
            junk = dice.randbytes(dice.randrange(1, 3000))
            if dice.random() < 0.7:  # a plausible first byte gets further
                junk = (
                    bytes([dice.choice((0x81, 0x82, 0x01, 0x02, 0x89, 0x88)), 0x80 | junk[0]])
                    + junk
                )
            raw.writer.write(junk)
            raw.writer.write_eof()
            await raw.leg.until(lambda raw=raw: raw.leg.over)
            assert not raw.leg.broken
    assert all(leg.over for leg in door.legs)
