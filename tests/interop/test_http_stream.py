"""Chunked HTTP on real sockets: duplex, statuses, backpressure, and clients that misbehave."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from ossicle.core.errors import BadMessage, ConnectionLost, Refused, TimedOut
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening, Text
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.transports.http.client import HttpClientSettings, connect
from ossicle.transports.http.server import HttpSettings, http_protocol, stream_endpoint

pytestmark = pytest.mark.interop

CHUNKED = b"POST /s?x=1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n"


class Door(NamedTuple):
    port: int
    legs: list[Recorder]
    openings: list[Opening]

    async def call(self, data: bytes):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer

    async def arrived(self) -> Recorder:
        async with asyncio.timeout(5):
            while not self.legs:
                await asyncio.sleep(0)
        return self.legs[0]


@asynccontextmanager
async def door(answer: Callable = lambda leg: None, **limits) -> AsyncIterator[Door]:
    legs: list[Recorder] = []
    openings: list[Opening] = []
    settings = HttpSettings(**limits)

    def acceptor(opening, channel) -> Recorder:
        openings.append(opening)
        legs.append(Recorder(channel))
        answer(legs[-1])
        return legs[-1]

    async with loopback(stream_endpoint(acceptor, settings), http=http_protocol(settings)) as port:
        yield Door(port, legs, openings)
        for leg in legs:
            leg.channel.abort()


def accept(leg: Recorder) -> None:
    leg.channel.send(Accept((("content-type", "application/x-ndjson"),)))


async def test_the_response_streams_while_the_body_still_comes() -> None:
    def answer(leg: Recorder) -> None:
        accept(leg)

        def heard(message) -> None:
            match message:
                case Binary(data):
                    leg.channel.send(Text(f"{data.decode()}!\n"))
                case Fin():
                    leg.channel.send(Close())

        leg.on_message = heard

    async with door(answer) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head
        assert b"application/x-ndjson" in head
        for word in (b"one", b"two"):
            writer.write(b"3\r\n" + word + b"\r\n")
            assert word + b"!" in await reader.readuntil(b"\n\r\n")
        writer.write(b"0\r\n\r\n")
        assert await reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"
        # The connection can be used again.
        writer.write(CHUNKED + b"\r\n0\r\n\r\n")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        leg, opening = here.legs[0], here.openings[0]
        assert (leg.error, leg.broken, leg.told[-1]) == (None, [], Fin())
        assert (opening.method, opening.path, opening.query) == ("POST", "/s", (("x", "1"),))


async def test_the_status_waits_until_the_body_is_understood() -> None:
    def answer(leg: Recorder) -> None:
        def heard(message) -> None:
            if leg.size >= 100_000:
                leg.channel.send(Close(422, "no audio in there", (("x-limit", "1"),)))

        leg.on_message = heard

    async with door(answer) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n186a0\r\n" + bytes(100_000) + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 422 ")
        assert b"x-limit: 1" in head
        assert await reader.readline() == b"no audio in there\n"
        writer.close()
        assert here.legs[0].error is None


async def test_expect_100_continue() -> None:
    """A refusal that is known at once comes instead of 100; else 100 comes and then the body."""
    ask = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    async with door(lambda leg: leg.channel.send(Close(401))) as here:
        reader, writer = await here.call(ask)
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()
    async with door(accept) as here:
        reader, writer = await here.call(ask)
        lines = {await reader.readline(), await reader.readline()}
        assert b"HTTP/1.1 100 Continue\r\n" in lines or b"HTTP/1.1 200 OK\r\n" in lines
        writer.write(b"abc")
        await here.legs[0].until(lambda: here.legs[0].told == [Binary(b"abc"), Fin()])
        writer.close()


async def test_a_content_coding_is_refused_in_words() -> None:
    async with door() as here:
        reader, writer = await here.call(CHUNKED + b"Content-Encoding: gzip\r\n\r\n0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 415 ")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readline() == (
            b"content-encoding 'gzip' is not taken here; send the body as it is\n"
        )
        assert not here.legs
        writer.close()


async def test_a_client_that_leaves() -> None:
    async with door(accept) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n1\r\nx\r\n")
        await reader.readuntil(b"\r\n\r\n")
        leg = here.legs[0]
        await leg.until(lambda: leg.size == 1)
        writer.close()
        await leg.until(lambda: leg.over)
        assert isinstance(leg.error, ConnectionLost)
        assert Fin() not in leg.told


async def test_an_abort_leaves_the_response_visibly_unfinished() -> None:
    async with door(accept) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        here.legs[0].channel.abort()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readuntil(b"0\r\n\r\n")
        await here.legs[0].until(lambda: here.legs[0].over)
        writer.close()


async def test_a_client_that_never_reads() -> None:
    async with door(accept, slow_reader_s=0.2) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        leg = here.legs[0]
        sent = 0
        while not leg.over:
            leg.channel.send(Text("r" * 1000))
            sent += 1000
            assert sent < 64 << 20
            await asyncio.sleep(0)
            await leg.until(lambda: leg.can_write or leg.over)
        assert False in leg.writables
        assert leg.error.code == "slow_reader"
        writer.close()


async def test_a_body_that_goes_on_after_its_answer_is_cut() -> None:
    async with door(lambda leg: leg.channel.send(Close(400)), linger_s=0.1) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(5):
                while True:
                    writer.write(b"4\r\nmore\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()


async def test_a_receiver_that_raises_before_the_status_is_a_500() -> None:
    def fail(message) -> None:
        raise ValueError("on purpose")

    def answer(leg: Recorder) -> None:
        leg.on_message = fail

    async with door(answer) as here:
        reader, writer = await here.call(CHUNKED + b"\r\n1\r\nx\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 500 ")
        await here.legs[0].until(lambda: here.legs[0].over)
        assert here.legs[0].error.code == "internal"
        writer.close()


async def test_curl_streams_a_large_body_in_bounded_memory(tmp_path) -> None:
    if not shutil.which("curl"):
        if os.environ.get("CI") == "true":
            pytest.fail("curl is needed")
        pytest.skip("curl is not here")
    size, seen = 64 << 20, 0

    class Counter(Recorder):
        def binary(self, data: bytes) -> None:
            nonlocal seen
            seen += len(data)

        def received(self, message) -> None:
            self.channel.send(Text(f"{seen}\n"))
            self.channel.send(Close())

    def acceptor(opening, channel) -> Recorder:
        channel.send(Accept())
        return Counter(channel)

    body = tmp_path / "body"
    with body.open("wb") as file:
        file.truncate(size)
    async with loopback(stream_endpoint(acceptor), http=http_protocol()) as port:
        process = await asyncio.create_subprocess_exec(
            *("curl", "-sS", "-H", "Expect:", "-T", str(body), "-X", "POST"),
            f"http://127.0.0.1:{port}/",
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert int(out) == size == seen


# The client against servers made by hand ------------------------------------------------------


@asynccontextmanager
async def calling(answer: bytes, *, hang_up: bool = True, **limits) -> AsyncIterator[Recorder]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if hang_up:
            writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    legs: list[Recorder] = []

    def factory(channel) -> Recorder:
        legs.append(Recorder(channel))
        return legs[0]

    async with server:
        channel = await connect(
            Opening(path="/s"),
            factory,
            url=f"http://127.0.0.1:{port}",
            settings=HttpClientSettings(**limits),
        )
        yield legs[0]
        channel.abort()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "told", "error"),
    [
        (OK + b"Content-Length: 5\r\n\r\na\nb\nc", ["a\n", "b\n", "c"], None),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n\xc3\xa9\r\n1\r\n\n\r\n0\r\n\r\n",
            ["é\n"],
            None,
        ),
        (OK + b"Connection: close\r\n\r\na\n\nb", ["a\n", "\n", "b"], None),
        (OK + b"Content-Length: 9\r\n\r\na\nb", ["a\n"], ConnectionLost),
        (CHUNKS + b"2\r\na\n\r\n", ["a\n"], ConnectionLost),
        (OK + b"Content-Length: 2\r\n\r\n\xff\n", [], BadMessage),
        (OK + b"Content-Length: 99\r\n\r\n" + b"x" * 99, [], Refused),
        (b"SSH-2.0-OpenSSH\r\n\r\n", [], BadMessage),
        (b"", [], ConnectionLost),
    ],
)
async def test_a_body_is_told_in_lines(answer, told, error) -> None:
    async with calling(answer, max_message=50) as leg:
        await leg.until(lambda: leg.over)
        assert leg.texts == told
        assert not leg.broken
        if error is None:
            assert (leg.error, leg.told[-1]) == (None, Close())
        else:
            assert isinstance(leg.error, error)


async def test_a_refusal_keeps_its_body_up_to_a_limit() -> None:
    answer = b"HTTP/1.1 403 No\r\nX-Why: key\r\nContent-Length: 100000\r\n\r\n" + b"n" * 100_000
    async with calling(answer) as leg:
        await leg.until(lambda: leg.over)
        (close,) = leg.told
        assert (close.code, close.reason, len(close.body)) == (403, "No", 64 * 1024)
        assert ("x-why", "key") in close.headers
        assert leg.error is None


async def test_audio_is_told_as_binary() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: 4\r\n\r\n\xff\0\n\xfe"
    async with calling(answer) as leg:
        await leg.until(lambda: leg.over)
        assert leg.payload == b"\xff\0\n\xfe"
        assert not leg.texts


async def test_pause_keeps_back_what_was_read_already() -> None:
    answer = OK + b"Content-Length: 4\r\n\r\na\nb\n"
    async with calling(answer) as leg:
        leg.on_message = lambda message: leg.channel.pause()
        await leg.until(lambda: len(leg.told) == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert isinstance(leg.told[0], Accept)
        assert len(leg.told) == 1
        leg.on_message = lambda message: None
        leg.channel.resume()
        await leg.until(lambda: leg.over)
        assert leg.texts == ["a\n", "b\n"]


@pytest.mark.parametrize("url", ["ftp://host/", "host:80", "http://"])
async def test_an_url_that_is_not_http(url: str) -> None:
    with pytest.raises(Refused, match="http://host/path"):
        await connect(Opening(), Recorder, url=url)


async def test_nobody_there() -> None:
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:1"):
        await connect(Opening(), Recorder, url="http://127.0.0.1:1/")


async def test_tls_that_does_not_answer() -> None:
    async def serve(reader, writer) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimedOut, match=r"within 0\.1 s"):
            await connect(Opening(), Recorder, url=f"https://127.0.0.1:{port}", timeout=0.1)
