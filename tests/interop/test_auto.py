"""`transport="auto"` where something stands between: real proxies that let no upgrade pass, and
networks that swallow what they are sent."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from harness import gateway_with, missing, until
from ossicle.client import Pace, Reconnect, SpeechStream, connect
from ossicle.client.racing import MEMORY
from ossicle.core.errors import ConnectionLost, Denied, Refused
from ossicle.core.events import Event, Notice
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .real_proxies import Certificates, proxy, which

pytestmark = pytest.mark.interop

WORDS = [1, 2, 0, 3, 0]
QUICK = Pace(head_start_s=0.2, answer_s=1.0)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(autouse=True)
def _forget() -> None:
    MEMORY.forget()


async def said(stream: SpeechStream) -> list[Event]:
    await stream.send(marked_audio(WORDS))
    await stream.end()
    return [event async for event in stream]


class Middlebox:
    """Between a client and a gateway, on a plain port; it knows a WebSocket when it sees one."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.upgrades = self.others = 0
        self.blocks = "nothing"
        """`hang`: upgrades are swallowed; `cut`: they are hung up on."""
        self._to = port
        self._wires: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def running(self) -> "AsyncGenerator[Middlebox]":
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
            self.cut()

    def cut(self) -> None:
        """Break every connection that is there."""
        for wire in self._wires:
            wire.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wires.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            upgrade = b"upgrade: websocket" in head.lower()
            self.upgrades += upgrade
            self.others += not upgrade
            if upgrade and self.blocks == "hang":
                await reader.read()
            elif not upgrade or self.blocks == "nothing":
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
                up_writer.write(head)
                await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))
        writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()


NO_UPGRADE = {
    "nginx.conf": {
        "proxy_set_header Upgrade $http_upgrade;": "",
        "proxy_set_header Connection $connection_upgrade;": 'proxy_set_header Connection "";',
    },
    "haproxy.cfg": {
        "http-request set-header X-Forwarded-For %[src]": (
            "http-request deny status 403 if { req.hdr(upgrade) -m found }"
        ),
    },
}
"""Not handed on, so that the gateway sees a plain GET; and forbidden."""


@pytest.mark.parametrize("name", sorted(NO_UPGRADE))
async def test_a_real_proxy_that_lets_no_upgrade_pass(
    name: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with gateway_with(tmp_path) as gateway:
        places = {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}", **NO_UPGRADE[name]}
        async with proxy(name, places, certificates, tmp_path / "proxy") as url:
            begun = time.monotonic()
            for _ in range(2):  # the second time it is known
                async with (
                    asyncio.timeout(20),
                    connect(url, ca=certificates.authority, transport="auto") as stream,
                ):
                    events = await said(stream)
                assert marked_words(events) == marked_expected(WORDS)
                assert stream.wire == "http"
            assert time.monotonic() - begun < 2.0  # nobody waited for the head start
            with pytest.raises((ConnectionLost, Denied, Refused)):
                async with connect(url, ca=certificates.authority, reconnect=False):
                    pass


@pytest.mark.parametrize("blocks", ["hang", "cut"])
async def test_upgrades_that_nobody_answers(blocks: str, tmp_path: Path) -> None:
    async with (
        gateway_with(tmp_path) as gateway,
        Middlebox(gateway.doors["http"].port).running() as box,
    ):
        box.blocks = blocks
        for _ in range(3):
            async with (
                asyncio.timeout(10),
                connect(f"http://127.0.0.1:{box.port}", transport=QUICK) as stream,
            ):
                assert marked_words(await said(stream)) == marked_expected(WORDS)
                assert stream.wire == "http"
        assert (box.upgrades, box.others) == (1, 3)


async def test_a_websocket_is_taken_where_it_passes(tmp_path: Path) -> None:
    async with (
        gateway_with(tmp_path) as gateway,
        Middlebox(gateway.doors["http"].port).running() as box,
    ):
        async with connect(f"http://127.0.0.1:{box.port}", transport="auto") as stream:
            assert marked_words(await said(stream)) == marked_expected(WORDS)
            assert stream.wire == "websocket"
        assert (box.upgrades, box.others) == (1, 0)


BLACK_HOLE = """
import asyncio, sys, time
from ossicle.client import Pace, connect
from ossicle.core.errors import TimedOut

async def main():
    begun = time.monotonic()
    try:
        async with connect("http://192.0.2.7:8080", transport=Pace(head_start_s=0.2, answer_s=1.0),
                           reconnect=False):
            sys.exit("connected")
    except TimedOut as error:
        print(f"{time.monotonic() - begun:.1f} {error}")

asyncio.run(main())
"""


async def test_packets_that_are_dropped(tmp_path: Path) -> None:
    """A firewall that answers nothing, not even that it refuses: in a network of its own."""
    nft = which("nft")
    if os.geteuid() != 0:
        missing("a network namespace needs root")
    rules = (
        "ip link set lo up && ip addr add 192.0.2.7/32 dev lo && "
        f"{nft} add table inet t && "
        f"{nft} add chain inet t in '{{ type filter hook input priority 0; }}' && "
        f"{nft} add rule inet t in tcp dport 8080 drop && "
        f'exec "{sys.executable}" "{tmp_path}/client.py"'
    )
    (tmp_path / "client.py").write_text(BLACK_HOLE)
    done = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "--net", "sh", "-c", rules],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode and "Operation not permitted" in done.stderr:
        missing("no network namespace may be made here")
    assert done.returncode == 0, done.stderr
    seconds, _, text = done.stdout.partition(" ")
    assert 0.9 < float(seconds) < 3.0
    assert "192.0.2.7:8080" in text


async def test_a_gateway_that_is_down_is_told_at_once(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        port = gateway.doors["http"].port
    begun = time.monotonic()
    with pytest.raises(ConnectionLost, match=str(port)) as told:
        async with connect(f"http://127.0.0.1:{port}", transport="auto"):
            pass
    assert time.monotonic() - begun < 1.0
    assert str(told.value).count(str(port)) <= 2  # one reason, not one for each wire


async def test_a_wrong_key_is_wrong_on_every_wire(
    tmp_path: Path,
) -> None:
    async with (
        gateway_with(tmp_path, keys=(("me", "right"),)) as gateway,
        Middlebox(gateway.doors["http"].port).running() as box,
    ):
        with pytest.raises(Denied):
            async with connect(f"http://127.0.0.1:{box.port}", transport="auto", key="wrong"):
                pass
        assert (box.upgrades, box.others) == (1, 0)


async def test_a_stream_goes_on_by_the_other_wire_and_says_what_that_cannot_carry(
    tmp_path: Path,
) -> None:
    """Exactly once across the change; what needs messages is refused instead of waited for."""
    async with (
        gateway_with(tmp_path, session={"resume_window_s": 10.0}) as gateway,
        asyncio.timeout(20),
        Middlebox(gateway.doors["http"].port).running() as box,
        connect(
            f"http://127.0.0.1:{box.port}",
            transport=QUICK,
            reconnect=Reconnect(first_s=0.01, most_s=0.05, total_s=10),
        ) as stream,
    ):
        audio = marked_audio([*range(1, 20), 0])
        half = len(audio) // 2
        await stream.send(audio[:half])
        await until(lambda: (stream.buffered_s or 0) < 1.5)
        assert stream.wire == "websocket"
        box.blocks = "hang"
        box.cut()
        await until(lambda: not stream.connected)
        answer = asyncio.create_task(stream.finalize())
        await stream.configure({"recognition": {"language": "de-DE"}})
        with pytest.raises(Refused, match="audio only"):
            await answer
        assert stream.wire == "http"
        with pytest.raises(Refused, match="audio only"):
            await stream.finalize()
        await stream.send(audio[half:])
        await stream.end()
        events = [event async for event in stream]
    assert marked_words(events) == marked_expected([*range(1, 20), 0])
    check_timeline(events)
    assert stream.moves == 0
    notices = [event for event in events if isinstance(event, Notice)]
    assert [notice.level for notice in notices if "audio only" in notice.text] == ["error"] * 2
