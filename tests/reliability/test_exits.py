"""Nobody outside a session can hurt it: receivers that are down, observers that do not read."""

import asyncio
import json
import socket
from typing import Any

import pytest
from websockets.asyncio.client import connect

from harness import Talk, address, beside, gateway_with, until
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.events import Ended, Transcript
from ossicle.testing.marked import marked_audio

FORMAT: dict[str, Any] = {"encoding": "pcm_s16le", "sample_rate": 16000}


class Talkative:
    """An engine that says a final for every piece it is given, as fast as it can."""

    capabilities = Capabilities(name="talkative", hears=(PCM16K,))

    def __init__(self, finals: int) -> None:
        self.finals = finals

    async def open(self, options: Any, sink: Any) -> Any:
        finals = self.finals

        class Stream:
            said = 0

            def audio(self, data: bytes) -> None:
                for _ in range(100):
                    if self.said < finals:
                        self.said += 1
                        sink.tell(Transcript(f"n{self.said}", final=True, ends_turn=True))

            def ask(self, command: Any) -> None:
                if type(command).__name__ == "End":
                    sink.tell(Ended())

            def credit(self, until_ms: int) -> None: ...
            def abort(self) -> None: ...

        return Stream()


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_receiver_that_is_down_is_noticed_by_nobody_else(tmp_path: Any) -> None:
    where = f"http://127.0.0.1:{closed_port()}/"
    async with gateway_with(tmp_path, sessions=3) as gateway, beside(gateway.url) as other:
        for round_ in range(5):  # more than may be open at once: none is held by its report
            async with Talk.open(gateway.url, transcript_url=where, **FORMAT) as talk:
                await talk.audio(marked_audio([round_ + 1, 0]))
                await talk.until("transcript", text=f"w{round_ + 1}", final=True)
                await talk.say("end")
                ended = await talk.ended()
                assert "error" not in ended
            await until(lambda: len(gateway.house.sessions) == 1, 3)
        assert gateway.house.exits.reports.running == 5
        assert other.began["session"] in gateway.house.sessions
    assert gateway.house.exits.reports.running == 0, "the gateway stops without them"


async def test_thousands_of_events_to_a_receiver_in_order(tmp_path: Any) -> None:
    finals = 3_000
    got: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                got.append(json.loads(await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 204 x\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    where = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with gateway_with(tmp_path, Talkative(finals), drain_s=30.0) as gateway:
        async with Talk.open(gateway.url, transcript_url=where, **FORMAT) as talk:
            for _ in range(finals // 100):
                await talk.socket.send(bytes(640))
            await talk.until("transcript", text=f"n{finals}")
            await talk.say("end")
            await talk.ended()
        await until(lambda: not gateway.house.exits.reports.running, 40)
    server.close()
    said = [body["text"] for body in got if body["type"] == "transcript"]
    assert said == [f"n{number + 1}" for number in range(finals)]
    numbers = [body["seq"] for body in got]
    assert numbers == sorted(set(numbers))
    assert got[-1]["type"] == "ended"


async def test_a_log_that_overflows_tells_the_receiver_how_much_it_missed(tmp_path: Any) -> None:
    """6,000 turns, 18,000 events, while it answers nothing; then it works again."""
    got: list[dict[str, Any]] = []
    works = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                await works.wait()
                got.append(body)
                writer.write(b"HTTP/1.1 204 x\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    where = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with (
        gateway_with(tmp_path, Talkative(6_000)) as gateway,
        Talk.open(gateway.url, transcript_url=where, **FORMAT) as talk,
    ):
        for _ in range(60):
            await talk.socket.send(bytes(640))
        await talk.until("transcript", text="n6000", seconds=20)
        works.set()
        await until(lambda: any(body["code"] == "events_lost" for body in got))
        await talk.say("end")
        await talk.ended()
        assert not talk.of("notice"), "its owner lost nothing and hears nothing of it"
    server.close()


async def test_an_observer_that_does_not_read_slows_nobody(tmp_path: Any) -> None:
    async with gateway_with(tmp_path, Talkative(4_000)) as gateway:
        host, port = address(gateway.url)
        async with Talk.open(gateway.url, **FORMAT) as talk:
            where = f"ws://{host}:{port}/v1/sessions/{talk.began['session']}/events"
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
            async with connect(
                where, sock=sock, proxy=None, compression=None, max_queue=1, close_timeout=0.1
            ):
                for _ in range(40):
                    await talk.socket.send(bytes(640))
                await talk.until("transcript", text="n4000", seconds=20)
                words = talk.words()
                assert words == [f"n{number + 1}" for number in range(4_000)]
                await talk.say("end")
                assert "error" not in await talk.ended()


@pytest.mark.parametrize("count", [50])
async def test_observers_that_come_and_go(tmp_path: Any, count: int) -> None:
    async with gateway_with(tmp_path) as gateway, beside(gateway.url) as talk:
        session = gateway.house.sessions[talk.began["session"]]
        host, port = address(gateway.url)
        for _ in range(count):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(
                f"GET /v1/sessions/{session.id}/events HTTP/1.1\r\nhost: localhost\r\n"
                "accept: text/event-stream\r\n\r\n".encode()
            )
            await reader.readuntil(b"event: began")
            writer.transport.abort()
        await until(lambda: len(session.legs) == 1, 5, "their legs are gone")
        assert gateway.house.exits.records.find(session.id, "").counts.observers == count
