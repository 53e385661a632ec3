"""A new process takes the ports while the old one drains: no word lost, nobody turned away."""

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import GatewayProcess, Talk, ask, until

from ossicle.client import Reconnect, Wire, connect
from ossicle.core.events import Event, Notice
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

pytestmark = pytest.mark.reliability

QUICK = Reconnect(first_s=0.02, most_s=0.2, total_s=20.0)
SESSIONS = 16
FLAGS = ("--engine", "scripted:heard", "--voice", "off", "--take-over", "--drain", "1")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Caller:
    """One client that talks at a steady pace, and counts what it is told."""

    def __init__(self, url: str, wire: Wire = "websocket") -> None:
        self.words: list[int] = []
        self.events: list[Event] = []
        self.stream = connect(url, reconnect=QUICK, transport=wire)

    async def run(self, enough: asyncio.Event, more: int = 8, pause_s: float = 0.04) -> None:
        """Talk until it is enough, and `more` words. A word of 220 ms each 80 ms, and pauses."""
        async with self.stream as stream:
            reading = asyncio.create_task(self._read())
            left = more
            while left:
                left -= enough.is_set()
                said = (
                    [len(self.words) + 1, 0] if len(self.words) % 4 == 2 else [len(self.words) + 1]
                )
                self.words += said
                audio = marked_audio(said)
                for at in range(0, len(audio), 3_200):
                    await stream.send(audio[at : at + 3_200])
                    await asyncio.sleep(pause_s)
            await stream.end()
            await reading

    async def _read(self) -> None:
        async for event in self.stream:
            self.events.append(event)

    def check(self) -> None:
        said = [word.text for word in marked_words(self.events)]
        assert said == [word.text for word in marked_expected(self.words)]
        check_timeline(self.events)
        assert not [e for e in self.events if isinstance(e, Notice) and e.code == "audio_lost"]
        assert self.stream.ended is not None
        assert self.stream.ended.error is None


class Newcomers:
    """Bare connections all the time, each with one request. None may be refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered = 0
        self.sessions = 0

    async def health(self) -> None:
        while True:
            answer = await ask(self.url, method="GET", path="/healthz")
            assert answer.status == 200
            self.answered += 1
            await asyncio.sleep(0.01)

    async def talk(self) -> None:
        """A client that knows nothing of resuming: it is refused nothing, and finishes."""
        while True:
            async with Talk.open(self.url, encoding="pcm_s16le", sample_rate=16000) as talk:
                await talk.audio(marked_audio([7, 8, 0]))
                await talk.say("end")
                await talk.ended()
                assert talk.words() == ["w7", "w8"]
                self.sessions += 1
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def newcomers(url: str) -> AsyncIterator[Newcomers]:
    some = Newcomers(url)
    tasks = [asyncio.create_task(work()) for work in (some.health, some.health, some.talk)]
    try:
        yield some
        failed = [task.exception() for task in tasks if task.done()]
        assert not failed, failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_next_process_takes_the_ports_and_no_word_is_lost(tmp_path: Path) -> None:
    """Sessions that last longer than the drain go on in the new process; short ones, which never
    stop coming, finish where they began."""
    enough = asyncio.Event()
    async with asyncio.timeout(60), contextlib.AsyncExitStack() as stack:
        port = free_port()
        start = functools.partial(GatewayProcess.start, *FLAGS, tmp_path=tmp_path, port=port)
        old = await stack.enter_async_context(start())
        callers = [Caller(old.url, "http" if n % 6 == 1 else "websocket") for n in range(SESSIONS)]
        async with newcomers(old.url) as some, asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.run(enough))
            await until(lambda: all(len(caller.events) > 2 for caller in callers), 20)
            await stack.enter_async_context(start())
            assert await old.exited(10) == 0
            before = some.sessions, some.answered
            await until(lambda: some.sessions > before[0] + 2 and some.answered > before[1] + 9)
            enough.set()
    for caller in callers:
        caller.check()
    assert [caller.stream.moves for caller in callers] == [1] * SESSIONS
    words = sum(sum(1 for n in caller.words if n) for caller in callers)
    print(
        f"{words} words in {SESSIONS} sessions that moved; {some.answered} requests and "
        f"{some.sessions} sessions came meanwhile, none refused"
    )


class Calls:
    """gRPC calls all the time, each on a connection of its own that nobody opens again. None may be
    refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made = 0

    async def run(self, enough: asyncio.Event) -> None:
        audio = marked_audio([7, 8, 0])
        while not enough.is_set():
            async with connect(self.url, reconnect=False) as stream:
                await stream.send(audio)
                await stream.end()
                events = [event async for event in stream]
            assert [word.text for word in marked_words(events)] == ["w7", "w8"]
            self.made += 1


async def test_the_grpc_doors_are_taken_over_too(tmp_path: Path) -> None:
    """Both processes listen at the gRPC port; sessions move, and no call is refused meanwhile."""
    enough = asyncio.Event()
    rpc = free_port()
    url = f"grpc://127.0.0.1:{rpc}"
    async with asyncio.timeout(60), contextlib.AsyncExitStack() as stack:
        flags = (*FLAGS, "--grpc-port", str(rpc))
        start = functools.partial(GatewayProcess.start, *flags, tmp_path=tmp_path, port=free_port())
        old = await stack.enter_async_context(start())
        callers = [Caller(url, "grpc") for _ in range(8)]
        calls = [Calls(url) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.run(enough))
            for some in calls:
                group.create_task(some.run(enough))
            await until(lambda: all(len(caller.events) > 2 for caller in callers), 20)
            await stack.enter_async_context(start())
            assert await old.exited(10) == 0
            before = sum(some.made for some in calls)
            await until(lambda: sum(some.made for some in calls) > before + 4, 20)
            enough.set()
    for caller in callers:
        caller.check()
    assert [caller.stream.moves for caller in callers] == [1] * len(callers)


@contextlib.asynccontextmanager
async def unit(
    sock: socket.socket, manager: Path, tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway as systemd starts it: the socket is its descriptor 3."""
    number = sock.fileno()
    program = (
        f"import os, sys; os.dup2({number}, 3); "
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    flags = ("--engine", "scripted:heard", "--voice", "off", "--tls-port", "off", "--drain", "1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program,
        Path(sys.executable).with_name("ossicle"), "serve", *flags,
        "--state-dir", str(tmp_path / "state"),
        stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        pass_fds=(number,), env={**os.environ, "NOTIFY_SOCKET": str(manager)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_two_units_share_the_socket_of_a_service_manager(tmp_path: Path) -> None:
    """`systemctl start ossicle@b` returns at READY=1; then `systemctl stop ossicle@a`."""
    loop = asyncio.get_running_loop()
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "n"))
        manager.setblocking(False)
        url = f"http://localhost:{sock.getsockname()[1]}"
        enough = asyncio.Event()
        callers = [Caller(url) for _ in range(6)]
        async with asyncio.timeout(60), contextlib.AsyncExitStack() as stack:
            start = functools.partial(unit, sock, tmp_path / "n", tmp_path)
            old = await stack.enter_async_context(start())
            assert await loop.sock_recv(manager, 100) == b"READY=1"
            async with newcomers(url) as some, asyncio.TaskGroup() as group:
                for caller in callers:
                    group.create_task(caller.run(enough))
                await until(lambda: all(len(caller.events) > 2 for caller in callers), 20)
                await stack.enter_async_context(start())
                assert await loop.sock_recv(manager, 100) == b"READY=1"
                before = [caller.stream.moves for caller in callers]
                old.send_signal(signal.SIGTERM)
                assert await loop.sock_recv(manager, 100) == b"STOPPING=1"
                assert await asyncio.wait_for(old.wait(), 10) == 0
                enough.set()
            assert before == [0] * 6
            assert some.sessions > 0
        for caller in callers:
            caller.check()
            assert caller.stream.moves == 1
