"""Behind the real nginx, HAProxy and Caddy, as the how-to pages configure them.

Each proxy runs with a file of `examples/proxies`, its idle timers at 5 s. `STANDS` is the table of
`docs/howto/behind-a-proxy.md`: what survives two and a half idle timers, and by what.
"""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from harness import GatewayProcess, Talk, ask, chunks, gateway_with, read_head, words_of
from ossicle.client import Reconnect
from ossicle.client import connect as stream_to
from ossicle.core.events import Event, Notice
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline
from ossicle.transports.websocket.server import WebSocketSettings

from .real_proxies import CONFIGS, Certificates, free_port, proxy

pytestmark = pytest.mark.interop

TIMER_S = 5
IDLE_S = 2.4 * TIMER_S
RAW = "encoding=pcm_s16le&sample_rate=16000"
BEFORE, AFTER = marked_audio([1, 0]), marked_audio([2, 0])
PAGES = Path(__file__).parents[2] / "docs" / "howto"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_the_page_shows_the_files_that_are_tested(path: Path) -> None:
    """Word for word, so that what is copied from there works."""
    program = re.split(r"[-.f]", path.name.lower())[0]
    page = (PAGES / f"behind-{program}.md").read_text()
    assert f"\n{path.read_text().rstrip()}\n```\n" in page


# ── idle ──


class Place:
    """A way to a gateway: through a proxy, and straight."""

    def __init__(self, url: str, direct: str, here: Certificates) -> None:
        self.url, self.direct, self.here = url, direct, here

    async def socket(self, path: str) -> ClientConnection:
        """A WebSocket whose client never pings by itself."""
        return await connect(
            self.url.replace("https", "wss") + path,
            ssl=self.here.context, proxy=None, compression=None, ping_interval=None,
        )  # fmt: skip

    async def request(self, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection with a request head on it."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            int(self.url.rpartition(":")[2]),
            ssl=self.here.context,
            server_hostname="localhost",
        )
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n")
        return reader, writer


async def native(place: Place) -> bool:
    """A session over WebSocket in which nobody speaks for a while."""
    talk = Talk(await place.socket(f"/v1/stream?{RAW}"))
    try:
        await talk.until("began")
        await talk.audio(BEFORE)
        await asyncio.sleep(IDLE_S)
        await talk.audio(AFTER)
        await talk.say("end")
        await talk.over.wait()
        return talk.words() == ["w1", "w2"]
    except websockets.ConnectionClosed:
        return False
    finally:
        await talk.stop()


async def body(place: Place) -> bool:
    """Chunked both ways: words come while sound still goes."""
    reader, writer = await place.request(
        f"POST /v1/stream?{RAW} HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\n"
    )

    def chunk(data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    try:
        chunk(BEFORE)
        async with asyncio.timeout(4):
            assert (await read_head(reader))[0] == 200
        await asyncio.sleep(IDLE_S)
        chunk(AFTER)
        writer.write(b"0\r\n\r\n")
        lines = b"".join([piece async for piece in chunks(reader)]).splitlines()
        return words_of(map(json.loads, lines)) == ["w1", "w2"]
    except (OSError, ValueError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.transport.abort()


def follower(accept: str) -> Callable[[Place], Awaitable[bool]]:
    """Follows a session in which nobody speaks for a while, in a response that goes on."""

    async def follow(place: Place) -> bool:
        query = {"encoding": "pcm_s16le", "sample_rate": 16000}
        async with Talk.open(place.direct, **query) as talk:
            session = talk.began["session"]
            reader, writer = await place.request(
                f"GET /v1/sessions/{session}/events HTTP/1.1\nhost: localhost\naccept: {accept}\n"
            )
            assert (await read_head(reader))[0] == 200
            await talk.audio(BEFORE)
            await asyncio.sleep(IDLE_S)
            await talk.audio(AFTER)
            await talk.say("end")
            await talk.ended()
            try:
                text = b"".join([piece async for piece in chunks(reader)]).decode()
            except (OSError, ValueError, asyncio.IncompleteReadError):
                return False
            finally:
                writer.transport.abort()
            if accept.endswith("ndjson"):  # as naive readers do: each line is a value
                assert words_of(map(json.loads, text.splitlines())) == ["w1", "w2"]
            return "w1" in text and "w2" in text

    return follow


async def watching(place: Place) -> bool:
    """Follows a session over WebSocket."""
    async with Talk.open(place.direct, encoding="pcm_s16le", sample_rate=16000) as talk:
        other = Talk(await place.socket(f"/v1/sessions/{talk.began['session']}/events"))
        await talk.audio(BEFORE)
        await asyncio.sleep(IDLE_S)
        await talk.audio(AFTER)
        await talk.say("end")
        await talk.ended()
        await other.over.wait()
        await other.stop()
        return other.words() == ["w1", "w2"]


async def deepgram(place: Place) -> bool:
    """As its SDK does: KeepAlive every few seconds of silence."""
    wire = await place.socket("/v1/listen?encoding=linear16&sample_rate=16000")
    try:
        await wire.send(BEFORE)
        for _ in range(4):
            await asyncio.sleep(IDLE_S / 4)
            await wire.send('{"type":"KeepAlive"}')
        await wire.send(AFTER)
        await wire.send('{"type":"CloseStream"}')
        return "w2" in "".join([str(message) async for message in wire])
    except websockets.ConnectionClosed:
        return False


async def assemblyai(place: Place) -> bool:
    """Its protocol has no message for a silence."""
    wire = await place.socket("/v3/ws?encoding=pcm_s16le&sample_rate=16000")
    try:
        await wire.send(BEFORE)
        await asyncio.sleep(IDLE_S)
        await wire.send(AFTER)
        await wire.send('{"type":"Terminate"}')
        return "w2" in "".join([str(message) async for message in wire])
    except websockets.ConnectionClosed:
        return False


async def twilio(place: Place) -> bool:
    """A call is never idle: its sound goes on when nobody speaks."""
    wire = await place.socket("/twilio/media")
    media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"]}
    start |= {"mediaFormat": media, "customParameters": {}}
    try:
        await wire.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await wire.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
        sound = {"track": "inbound", "payload": base64.b64encode(b"\xff" * 160).decode()}
        for number in range(int(IDLE_S / 0.2)):
            sound |= {"chunk": str(number + 1), "timestamp": str(number * 20)}
            await wire.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": sound}))
            await asyncio.sleep(0.2)
        await wire.send('{"event":"stop","streamSid":"MZ1","stop":{}}')
        async for _ in wire:
            pass
        return wire.close_code == 1000
    except websockets.ConnectionClosed:
        return False


CASES: dict[str, Callable[[Place], Awaitable[bool]]] = {
    "ossicle.v1 over WebSocket": native,
    "ossicle.v1 as a chunked body": body,
    "following: WebSocket": watching,
    "following: server-sent events": follower("text/event-stream"),
    "following: JSON lines": follower("application/x-ndjson"),
    "following: words only": follower("text/plain"),
    "Deepgram, with KeepAlive": deepgram,
    "AssemblyAI": assemblyai,
    "Twilio": twilio,
}
KINDS: dict[str, tuple[float, float]] = {
    "heartbeats": (1.5, 3600.0),
    "pings": (3600.0, 1.5),
    "neither": (3600.0, 3600.0),
}
"""heartbeat_s and websocket.keepalive_s of three gateways."""

ALL = frozenset(KINDS)
STANDS: dict[str, frozenset[str]] = {
    "ossicle.v1 over WebSocket": frozenset({"heartbeats", "pings"}),
    "ossicle.v1 as a chunked body": frozenset({"heartbeats"}),
    "following: WebSocket": frozenset({"heartbeats", "pings"}),
    "following: server-sent events": frozenset({"heartbeats"}),
    "following: JSON lines": frozenset({"heartbeats"}),
    "following: words only": frozenset(),
    "Deepgram, with KeepAlive": ALL,
    "AssemblyAI": frozenset({"pings"}),
    "Twilio": ALL,
}
"""What is enough, behind nginx and HAProxy alike: any byte in either direction of a WebSocket, and
any byte of a response. Caddy has no idle timer."""


async def test_who_outlives_two_idle_timers(certificates: Certificates, tmp_path: Path) -> None:
    """Every case, behind every proxy, at the same time."""
    found: dict[tuple[str, str, str], bool] = {}

    async def run(key: tuple[str, str, str], work: Awaitable[bool]) -> None:
        async with asyncio.timeout(IDLE_S + 15):
            found[key] = await work

    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for kind, (heartbeat_s, keepalive_s) in KINDS.items():
            wire = WebSocketSettings(keepalive_s=keepalive_s, silence_s=7200.0)
            running = gateway_with(tmp_path / kind, heartbeat_s=heartbeat_s, websocket=wire)
            gateway = await stack.enter_async_context(running)
            for name in ("nginx.conf", "haproxy.cfg", "Caddyfile"):
                if name == "Caddyfile" and kind != "neither":
                    continue
                places = {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}"}
                if name != "Caddyfile":
                    places["60s"] = f"{TIMER_S}s"
                through = proxy(name, places, certificates, tmp_path / kind)
                place = Place(await stack.enter_async_context(through), gateway.url, certificates)
                for case, work in CASES.items():
                    if name == "Caddyfile" and work is body:
                        continue  # see below
                    group.create_task(run((name, kind, case), work(place)))
    assert len(found) == 7 * len(CASES) - 1
    expected = {
        (name, kind, case): name == "Caddyfile" or kind in STANDS[case]
        for name, kind, case in found
    }
    wrong = {key: came for key, came in found.items() if came != expected[key]}
    assert not wrong


async def test_caddy_holds_the_answer_until_the_body_is_complete(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Go's HTTP/1 server reads the body first; words come at the end, and none is lost."""
    async with (
        gateway_with(tmp_path) as gateway,
        proxy(
            "Caddyfile",
            {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}"},
            certificates,
            tmp_path,
        ) as url,
    ):
        reader, writer = await Place(url, gateway.url, certificates).request(
            f"POST /v1/stream?{RAW} HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\n"
        )
        writer.write(b"%x\r\n%b\r\n" % (len(BEFORE), BEFORE))
        head = asyncio.create_task(read_head(reader))
        assert not (await asyncio.wait([head], timeout=0.7))[0]
        writer.write(b"0\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await head)[0] == 200
            lines = b"".join([piece async for piece in chunks(reader)]).splitlines()
        assert words_of(map(json.loads, lines)) == ["w1"]
        writer.transport.abort()


# ── who it is ──


REAL = {
    "nginx.conf": {
        "location / {": "set_real_ip_from 127.0.0.1; real_ip_header X-Test; location / {"
    },
    "haproxy.cfg": {
        "http-request set-header X-F": "http-request set-src req.hdr(X-Test)\n"
        "    http-request set-header X-F"
    },
}
"""Loopback is not limited, so the proxy is told that the client is somewhere else."""


@pytest.mark.parametrize("name", list(REAL))
async def test_the_limit_before_any_key_is_each_clients_own(
    name: str, certificates: Certificates, tmp_path: Path
) -> None:
    access = AccessSettings(trust_proxies=("127.0.0.1",), handshakes_per_s=0.1)
    async with (
        gateway_with(tmp_path, access=access) as gateway,
        proxy(
            name,
            REAL[name] | {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}"},
            certificates,
            tmp_path,
        ) as url,
    ):
        place = Place(url, gateway.url, certificates)

        async def status(address: str, claim: str) -> int:
            reader, writer = await place.request(
                f"GET /v1/sessions HTTP/1.1\nhost: localhost\nx-test: {address}\n"
                f"x-forwarded-for: {claim}\nforwarded: for={claim}\n"
            )
            try:
                return (await read_head(reader))[0]
            finally:
                writer.transport.abort()

        loud = [await status("198.51.100.1", f"203.0.113.{n}") for n in range(3)]
        assert loud == [200, 429, 429]
        assert await status("198.51.100.2", "198.51.100.1") == 200


@pytest.mark.parametrize("name", ["nginx-passthrough.conf", "haproxy-passthrough.cfg"])
async def test_tls_passed_through_and_the_address_said_before_it(
    name: str, certificates: Certificates, tmp_path: Path
) -> None:
    access = AccessSettings(trust_proxies=("127.0.0.1",), proxy_protocol=True)
    settings: dict[str, Any] = {
        "port": None, "tls_port": 0, "certificate": certificates.chain, "key": certificates.key,
    }  # fmt: skip
    async with gateway_with(tmp_path, access=access, **settings) as gateway:
        places = {"127.0.0.1:8443": f"127.0.0.1:{gateway.doors['https'].port}"}
        async with proxy(name, places, certificates, tmp_path) as url:
            place = Place(url, gateway.url, certificates)
            talk = Talk(await place.socket(f"/v1/stream?{RAW}"))
            await talk.until("began")
            await talk.audio(BEFORE)
            await talk.say("end")
            await talk.ended()
            assert talk.words() == ["w1"]
            reader, writer = await place.request("GET /healthz HTTP/1.1\nhost: localhost\n")
            assert (await read_head(reader))[0] == 200
            writer.transport.abort()


@pytest.mark.parametrize("name", ["nginx.conf", "haproxy.cfg", "Caddyfile"])
async def test_a_large_recording_passes(
    name: str, certificates: Certificates, tmp_path: Path
) -> None:
    """nginx refuses bodies over 1 MB unless told otherwise."""
    async with (
        gateway_with(tmp_path) as gateway,
        proxy(
            name,
            {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}"},
            certificates,
            tmp_path,
        ) as url,
    ):
        sound = marked_audio([5, 0]) + bytes(3 << 20)
        place = Place(url, gateway.url, certificates)
        reader, writer = await place.request(
            f"POST /v1/stream?{RAW} HTTP/1.1\nhost: localhost\ncontent-length: {len(sound)}\n"
        )
        writer.write(sound)
        status, headers = await read_head(reader)
        assert status == 200
        assert headers["content-type"] == "application/x-ndjson"
        lines = b"".join([piece async for piece in chunks(reader)]).splitlines()
        assert words_of(map(json.loads, lines)) == ["w5"]
        writer.transport.abort()


# ── two gateways ──


@contextlib.asynccontextmanager
async def two(
    names: Iterable[str], certificates: Certificates, tmp_path: Path
) -> AsyncIterator[tuple[dict[str, str], dict[str, GatewayProcess]]]:
    """Nodes a and b behind several proxies at once: URLs and nodes by name."""
    flags = ("--engine", "scripted:heard", "--voice", "off", "--drain", "1")
    async with contextlib.AsyncExitStack() as stack:

        async def node(letter: str) -> tuple[str, GatewayProcess]:
            starting = GatewayProcess.start(
                *flags, tmp_path=tmp_path / letter, port=free_port(), OSSICLE_NODE=letter
            )
            return letter, await stack.enter_async_context(starting)

        nodes = dict(await asyncio.gather(node("a"), node("b")))
        places = {
            f"127.0.0.1:808{1 + 'ab'.index(letter)}": f"127.0.0.1:{each.url.rpartition(':')[2]}"
            for letter, each in nodes.items()
        }
        urls = {
            name: await stack.enter_async_context(proxy(name, places, certificates, tmp_path))
            for name in names
        }
        yield urls, nodes


class Caller:
    """A native client whose connection is cut in mid-word, twice."""

    def __init__(self, url: str, here: Certificates, wire: Any) -> None:
        plan = Reconnect(first_s=0.02, most_s=0.2, total_s=20.0)
        self.stream = stream_to(url, ca=here.authority, reconnect=plan, transport=wire)
        self.words = [n if n % 5 else 0 for n in range(1, 27)]
        self.events: list[Event] = []
        self.homes: list[str] = []
        self.halfway = asyncio.Event()

    @property
    def node(self) -> str:
        """Whose token it holds."""
        return self.stream._token.partition(".")[0]

    async def run(self, go_on: asyncio.Event) -> None:
        async with self.stream as stream:
            reading = asyncio.create_task(self._read())
            for number, word in enumerate(self.words):
                sound = marked_audio([word])
                await stream.send(sound[:3_000])
                await asyncio.sleep(0.03)
                if number in (6, 12):
                    assert stream._link is not None
                    self.homes.append(self.node)
                    stream._link.abort()
                if number == 17:
                    self.homes.append(self.node)
                    self.halfway.set()
                    await go_on.wait()
                await stream.send(sound[3_000:])
                await asyncio.sleep(0.03)
            await stream.end()
            await reading

    async def _read(self) -> None:
        async for event in self.stream:
            self.events.append(event)

    def check(self) -> None:
        assert marked_words(self.events) == marked_expected(self.words)
        check_timeline(self.events)
        assert not [event for event in self.events if isinstance(event, Notice)]


async def test_who_comes_back_is_brought_to_the_node_that_knows(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Cut in mid-word: the session goes on where it is. Its node killed: the other takes over."""
    go_on = asyncio.Event()
    names = ("nginx-two.conf", "haproxy-two.cfg", "Caddyfile.two")
    async with asyncio.timeout(90), two(names, certificates, tmp_path) as (urls, nodes):
        callers: dict[str, list[Caller]] = {}
        for name, url in urls.items():
            bodies = name != "Caddyfile.two"  # it holds answers to HTTP/1 bodies
            callers[name] = [
                Caller(url, certificates, "http" if bodies and n % 4 == 3 else "websocket")
                for n in range(8)
            ]
        everybody = [caller for some in callers.values() for caller in some]
        async with asyncio.TaskGroup() as group:
            for caller in everybody:
                group.create_task(caller.run(go_on))
            for caller in everybody:
                await caller.halfway.wait()
            for name, some in callers.items():
                assert {caller.node for caller in some} == {"a", "b"}, f"{name} uses both"
                assert all(len(set(caller.homes)) == 1 for caller in some), f"{name}: not home"
                assert [caller.stream.reconnects for caller in some] == [2] * 8
                assert [caller.stream.moves for caller in some] == [0] * 8
                await followed(urls[name], nodes, certificates)
            at_a = [caller.node == "a" for caller in everybody]
            nodes["a"].process.kill()
            await nodes["a"].process.wait()
            go_on.set()
        for caller in everybody:
            caller.check()
        assert [caller.stream.moves for caller in everybody] == [int(moved) for moved in at_a]
        assert {caller.node for caller in everybody} == {"b"}


async def followed(url: str, nodes: dict[str, GatewayProcess], here: Certificates) -> None:
    """Who follows a session says the node in the open."""
    place = Place(url, "", here)
    for letter, node in nodes.items():
        listed = await ask(node.url, method="GET", path="/v1/sessions")
        session = listed.json["sessions"][0]["session"]
        reader, writer = await place.request(
            f"GET /v1/sessions/{session}/events?node={letter} HTTP/1.1\nhost: localhost\n"
        )
        assert (await read_head(reader))[0] == 200
        writer.transport.abort()
