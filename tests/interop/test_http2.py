"""HTTP/2 on the gateway's ports: the same answers as over HTTP/1.1, real flow control, and streams
that do not get into one another's way."""

import asyncio
import base64
import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from chromium import chromium
from harness import address, ask, gateway_with, until, words_of
from http2_peer import Asked, Peer
from ossicle.engines.scripted import ScriptedEngine, parse_script
from ossicle.testing.marked import marked_audio
from page import module

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

PCM = "/v1/stream?encoding=pcm_s16le&sample_rate=16000"
WORDS = [1, 2, 3, 0, 4, 5, 0, 6]
SAID = ["w1", "w2", "w3", "w4", "w5", "w6"]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def words(asked: Asked) -> list[str]:
    return words_of([json.loads(line) for line in asked.body.splitlines()])


def ca_of(gateway: Any) -> str:
    return gateway.house.address.ca


async def test_every_page_answers_as_over_http_1(tmp_path: Path):
    async with gateway_with(tmp_path, tls_port=0) as gateway:
        await gateway.ready()
        port, tls = gateway.doors["http"].port, gateway.doors["https"].port
        async with Peer.open(port) as plain, Peer.open(tls, ca_of(gateway)) as secure:
            assert secure.alpn == "h2"
            for path in ("/healthz", "/readyz", "/", "/ossicle.js", "/v1/sessions", "/nothing"):
                one = await ask(gateway.url, method="GET", path=path)
                for peer in (plain, secure):
                    asked = peer.ask("GET", path, end=True)
                    status, body = await asked.answer()
                    assert (status, body) == (one.status, one.body), path
                    names = one.headers.keys() - {"", "date", "connection", "transfer-encoding"}
                    assert "date" in asked.headers
                    assert {n: asked.headers.get(n) for n in names} == {
                        n: one.headers[n] for n in names
                    }
            head = plain.ask("HEAD", "/healthz", end=True)
            assert await head.answer() == (200, b"")
            wrong = plain.ask("DELETE", "/healthz", end=True)
            assert (await wrong.answer())[0] == 405


async def test_a_page_that_came_over_http_2_streams_over_a_websocket(tmp_path: Path):
    """A browser takes HTTP/2 by ALPN, and opens a connection of its own for the WebSocket."""
    async with (
        gateway_with(tmp_path, tls_port=0) as gateway,
        chromium(tmp_path, "--ignore-certificate-errors") as browser,
    ):
        sound = base64.b64encode(marked_audio(WORDS)).decode()
        page = await browser.open(
            gateway.house.address.https + "/", script=f"window.sound = '{sound}';"
        )
        spoken = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert await page.run(spoken) == "h2"
        told = await page.run(module("""
          const stream = await js.connect({encoding: "pcm_s16le", sample_rate: 16000});
          const reading = read(stream);
          await stream.send(Uint8Array.from(atob(window.sound), (c) => c.charCodeAt(0)));
          await stream.end();
          return {events: await reading};
        """))  # fmt: skip
        assert words_of(told["events"]) == SAID
        posted = await page.run(
            "fetch('/v1/stream?encoding=pcm_s16le', {method: 'POST', body: Uint8Array.from("
            "atob(window.sound), (c) => c.charCodeAt(0))}).then((r) => r.text())"
        )
        assert words_of([json.loads(line) for line in posted.splitlines()]) == SAID


async def test_http_1_is_as_it_was_on_both_ports(tmp_path: Path):
    async with gateway_with(tmp_path) as gateway:
        for head in (b"POST", b"PUT", b"PRI", b"PATCH"):  # as the preface begins, and not
            reader, writer = await asyncio.open_connection(*address(gateway.url))
            for byte in head + b" /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n":
                writer.write(bytes((byte,)))
                await writer.drain()
            line = await asyncio.wait_for(reader.readline(), 5)
            assert line.split()[1] in {b"405", b"400"}, head
            writer.transport.abort()


async def test_the_preface_may_come_byte_by_byte(tmp_path: Path):
    async with (
        gateway_with(tmp_path) as gateway,
        Peer.open(gateway.doors["http"].port, greet=False) as peer,
    ):
        peer.h2.initiate_connection()
        number = peer.h2.get_next_available_stream_id()
        peer.h2.send_headers(number, [(":method", "GET"), (":path", "/healthz"),
                                      (":scheme", "http"), (":authority", "localhost")],
                             end_stream=True)  # fmt: skip
        asked = peer.asked[number] = Asked(peer, number)
        for byte in peer.h2.data_to_send():
            peer.raw(bytes((byte,)))
            await peer.writer.drain()
        assert await asked.answer() == (200, b"alive\n")


async def test_a_stream_of_audio_is_heard(tmp_path: Path):
    async with gateway_with(tmp_path) as gateway, Peer.open(gateway.doors["http"].port) as peer:
        asked = peer.ask("POST", PCM)
        sound = marked_audio(WORDS)
        for at in range(0, len(sound), 640):
            if asked.room < 640:
                await peer.until(lambda: asked.room >= 640)
            asked.send(sound[at : at + 640])
        await peer.until(lambda: b'"transcript"' in asked.body)  # answers while it is asked
        asked.send(b"", end=True)
        status, _ = await asked.answer()
        assert status == 200
        assert words(asked) == SAID
        await until(lambda: not gateway.house.sessions)


async def test_a_receiver_that_does_not_read_stops_its_sender_and_nobody_else(tmp_path: Path):
    slow = ScriptedEngine(parse_script("heard?pace=0.01"))
    async with (
        gateway_with(tmp_path, slow, session={"unsent_ms": 100}) as gateway,
        Peer.open(gateway.doors["http"].port) as peer,
    ):
        stalled = peer.ask("POST", PCM)
        taken = await stalled.fill(bytes(1_600), 2 << 20)
        (session,) = gateway.house.sessions.values()
        assert taken - session.taken_bytes <= 128 * 1024
        assert taken < 256 * 1024
        assert stalled.room < 1_600
        for _ in range(5):  # others on the connection go on
            other = peer.ask("GET", "/healthz", end=True)
            assert await other.answer() == (200, b"alive\n")
        beside = peer.ask("POST", "/v1/stream?encoding=nonsense")
        assert (await beside.answer())[0] == 415


async def test_a_hundred_streams_one_of_which_stalls(tmp_path: Path):
    class Odd:
        """Slow for whoever asks for the model `slow`."""

        fast = ScriptedEngine(parse_script("heard"))
        slow = ScriptedEngine(parse_script("heard?pace=0.01"))
        capabilities = fast.capabilities

        async def open(self, options: Any, sink: Any) -> Any:
            engine = self.slow if options.recognition.model == "slow" else self.fast
            return await engine.open(options, sink)

    sound = marked_audio(WORDS)
    async with gateway_with(tmp_path, Odd(), session={"unsent_ms": 100}) as gateway:
        async with Peer.open(gateway.doors["http"].port) as peer:
            stalled = peer.ask("POST", PCM + "&model=slow")
            await stalled.fill(bytes(1_600), 2 << 20)
            asked = [peer.ask("POST", PCM) for _ in range(99)]

            async def speak(one: Asked) -> None:
                for at in range(0, len(sound), 3_200):
                    await peer.until(lambda: one.room >= 3_200)
                    one.send(sound[at : at + 3_200])
                one.send(b"", end=True)

            await asyncio.gather(*(speak(one) for one in asked))
            for one in asked:
                assert (await one.answer(30))[0] == 200
                assert words(one) == SAID
            assert not stalled.over
        await until(lambda: not gateway.house.sessions)


async def test_a_client_that_does_not_read_is_held_back_by_its_window(tmp_path: Path):
    async with gateway_with(tmp_path) as gateway, Peer.open(gateway.doors["http"].port) as peer:
        peer.gives_back = False
        pages = [peer.ask("GET", "/", end=True) for _ in range(20)]
        whole = (await ask(gateway.url, method="GET", path="/")).body
        assert 20 * len(whole) > 65_535
        await peer.until(lambda: sum(len(p.body) for p in pages) == 65_535)
        peer.h2.increment_flow_control_window(1 << 20)
        peer.flush()
        for page in pages:
            assert await page.answer() == (200, whole)


async def test_goaway_in_mid_stream_ends_nothing(tmp_path: Path):
    """As Node sends it once it has response headers."""
    async with gateway_with(tmp_path) as gateway, Peer.open(gateway.doors["http"].port) as peer:
        asked = peer.ask("POST", PCM)
        sound = marked_audio(WORDS)
        asked.send(sound[:6_400])
        await peer.until(lambda: asked.status == 200)
        peer.raw(struct.pack(">BHBBIII", 0, 8, 7, 0, 0, 0, 0))
        asked.send(sound[6_400:], end=True)
        await asked.answer()
        assert words(asked) == SAID
        await peer.until(lambda: peer.closed)  # and then there is nothing left to stay for
        assert peer.goaway == 0


@pytest.mark.parametrize("how", ["reset", "vanish"])
async def test_a_client_that_is_gone_leaves_nothing(tmp_path: Path, how: str):
    async with gateway_with(tmp_path) as gateway:
        async with Peer.open(gateway.doors["http"].port) as peer:
            asked = [peer.ask("POST", PCM) for _ in range(3)]
            for one in asked:
                one.send(marked_audio([1, 2]))
            await until(lambda: len(gateway.house.sessions) == 3)
            if how == "reset":
                peer.h2.reset_stream(asked[0].number, 8)
                peer.flush()
                await until(lambda: len(gateway.house.sessions) == 2)
            else:
                peer.writer.transport.abort()
                await until(lambda: not gateway.house.sessions)
        await until(lambda: not gateway.house.sessions)
        (server,) = gateway.doors.values()
        await until(lambda: not server.server_state.connections)
        await until(lambda: not server.server_state.tasks)


async def test_a_request_that_goes_on_after_its_answer_is_reset_without_an_error(tmp_path: Path):
    async with gateway_with(tmp_path) as gateway, Peer.open(gateway.doors["http"].port) as peer:
        asked = peer.ask("POST", "/v1/stream?encoding=nonsense")
        status, body = await asked.answer()
        assert (status, b"nonsense" in body) == (415, True)
        asked.send(bytes(100))
        await peer.until(lambda: asked.reset is not None)
        assert asked.reset == 0
        assert not peer.closed


async def test_a_gateway_that_stops_lets_streams_finish(tmp_path: Path):
    async with contextlib.AsyncExitStack() as stack:
        running = contextlib.AsyncExitStack()
        gateway = await running.enter_async_context(gateway_with(tmp_path, drain_s=5.0))
        port = gateway.doors["http"].port
        peer = await stack.enter_async_context(Peer.open(port))
        idle = await stack.enter_async_context(Peer.open(port))
        assert (await idle.ask("GET", "/healthz", end=True).answer())[0] == 200
        asked = peer.ask("POST", PCM)
        asked.send(marked_audio(WORDS))
        await peer.until(lambda: asked.status == 200)
        stopping = asyncio.create_task(running.aclose())
        await until(lambda: gateway.house.draining)
        asked.send(b"", end=True)
        await asked.answer()
        assert words(asked) == SAID
        await stopping
        await peer.until(lambda: peer.closed)
        await idle.until(lambda: idle.closed)
        assert idle.goaway == 0
