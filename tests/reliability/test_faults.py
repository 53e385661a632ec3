"""What breaks under a session: engines, workers, sockets, the gateway itself."""

import asyncio
import os
import re
import shutil
import signal
import sys
import time
import wave
from pathlib import Path

import pytest
import websockets

from harness import (
    GatewayProcess,
    Proxy,
    Talk,
    address,
    ask,
    beside,
    gateway_with,
    heard,
    missing,
    pieces,
    refusal,
    until,
    words_of,
)
from ossicle.core.commands import End
from ossicle.core.errors import EngineFailed, Overloaded, Refused
from ossicle.engines.pocketsphinx import PocketsphinxEngine
from ossicle.testing.marked import marked_audio

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and fork"),
]

PCM = {"encoding": "pcm_s16le", "sample_rate": 16000}
WORDS = [n if n % 5 else 0 for n in range(1, 40)]
SAID = [f"w{n}" for n in WORDS if n]
SOUND = marked_audio(WORDS, frames=4)


# ── engines ──


class Broken:
    """A working engine with one thing wrong with it, the first `times` times."""

    def __init__(self, fault: str, error: BaseException, times: int = 1_000_000) -> None:
        self.inner = heard()
        self.capabilities = self.inner.capabilities
        self.fault, self.error, self.left = fault, error, times

    def trip(self, where: str) -> None:
        if where == self.fault and self.left > 0:
            self.left -= 1
            raise self.error

    async def open(self, options, sink):
        self.trip("open")
        return BrokenStream(self, await self.inner.open(options, sink))


class BrokenStream:
    def __init__(self, engine: Broken, inner) -> None:
        self.engine, self.inner, self.bytes = engine, inner, 0

    def audio(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.bytes > 20_000:
            self.engine.trip("audio")
        self.inner.audio(data)

    def ask(self, command) -> None:
        if isinstance(command, End):
            self.engine.trip("ask")
        self.inner.ask(command)

    def credit(self, until_ms: int) -> None:
        self.inner.credit(until_ms)

    def abort(self) -> None:
        self.engine.trip("abort")
        self.inner.abort()


SECRET = ValueError("secret-words the user said")


@pytest.mark.parametrize("fault", ["open", "audio", "ask"])
@pytest.mark.parametrize("error", [SECRET, EngineFailed("it broke"), KeyError("secret-words")])
async def test_an_engine_that_breaks_once_is_not_noticed(tmp_path, fault, error):
    async with gateway_with(tmp_path, Broken(fault, error, times=2)) as gateway:
        async with Talk.open(gateway.url, **PCM) as talk:
            await talk.audio(SOUND)
            await talk.say("end")
            ended = await talk.ended()
        assert "error" not in ended
        assert talk.words() == SAID
        assert not talk.of("notice")


@pytest.mark.parametrize("fault", ["open", "audio", "ask"])
@pytest.mark.parametrize(
    ("error", "code", "close"),
    [
        (SECRET, None, None),
        (EngineFailed("the model is gone"), "engine_failed", 4502),
        (Refused("no such language", code="bad_option"), "bad_option", 4400),
        (Overloaded("8 of 8 workers are busy"), "at_capacity", 4503),
    ],
)
async def test_an_engine_that_is_broken_ends_the_session_in_words(
    tmp_path, caplog, fault, error, code, close
):
    limits = {"replay_wait_s": (0.0,), "replays": 3}
    async with gateway_with(tmp_path, Broken(fault, error), session=limits) as gateway:
        if fault == "open" and error is not SECRET and code != "engine_failed":
            status, body = await refusal(gateway.url, **PCM)
            assert status == close - 4000
            assert body["error"]["code"] == code
            return
        refused = None
        try:
            async with Talk.open(gateway.url, **PCM) as talk:
                await talk.audio(SOUND[:40_000])
                await talk.say("end")
                ended = await talk.ended()
        except websockets.InvalidStatus as error_answer:
            refused = error_answer.response
        if refused is not None:
            assert fault == "open"
            assert refused.status_code in {502, 503}
            assert b"secret-words" not in refused.body
        else:
            assert ended["error"]["code"] in {code or "engine_failed", "engine_unavailable"}
            assert talk.close[0] in {close or 4502, 4503}
            assert "secret-words" not in repr(talk.messages)
        await until(lambda: not gateway.house.sessions)
    assert "secret-words" not in caplog.text


async def test_an_engine_that_never_opens_keeps_the_audio_and_lets_go(tmp_path):
    class Never:
        capabilities = heard().capabilities
        left = 0

        async def open(self, options, sink):
            try:
                await asyncio.Event().wait()
            finally:
                self.left += 1

    engine = Never()
    limits = {"unsent_ms": 1_000, "open_s": 60.0}
    async with gateway_with(tmp_path, engine, session=limits, drain_s=0.5) as gateway:
        async with Talk.open(gateway.url, **PCM) as talk:
            session = gateway.house.sessions[talk.began["session"]]

            async def pour() -> None:
                while True:
                    await talk.socket.send(bytes(3200))

            pouring = asyncio.create_task(pour())
            await until(lambda: session.journal.waiting > 32_000)
            await asyncio.sleep(0.3)  # whether it goes on growing
            assert session.journal.waiting < 32_000 + (1 << 20)
            pouring.cancel()
            # a polite goodbye would wait behind the audio that nobody reads
            talk.socket.transport.abort()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert engine.left == 1


async def test_an_engine_that_never_ends_is_let_go_with_the_session(tmp_path):
    """`end` is asked and nothing comes: the client may leave, and the drain ends it."""

    class Deaf(Broken):
        async def open(self, options, sink):
            stream = await super().open(options, sink)
            stream.inner.ask = lambda _command: None
            return stream

    async with gateway_with(tmp_path, Deaf("none", SECRET), drain_s=0.5) as gateway:
        talk_open = Talk.open(gateway.url, **PCM)
        talk = await talk_open.__aenter__()
        await talk.audio(SOUND[:6400])
        await talk.say("end")
        await talk.until("flow", taken_commands=1)
    ended = await talk.ended()
    assert ended["reason"] == "shutdown"
    await talk_open.__aexit__(None, None, None)


# ── the embedded engine ──


def clip(name: str) -> bytes:
    folder = os.environ.get("OSSICLE_CLIPS")
    if not folder or not Path(folder, name).is_file():
        missing(f"{name} is needed in the folder that OSSICLE_CLIPS names (scripts/clips.py)")
    with wave.open(str(Path(folder or "", name))) as file:
        return file.readframes(file.getnframes())


async def test_a_worker_killed_in_mid_word_is_not_noticed(tmp_path):
    """Once before its first word, once in the middle of "ten"."""
    speech = clip("go-forward.wav") + bytes(32_000)
    engine = PocketsphinxEngine(pool=2)
    async with gateway_with(tmp_path, engine) as gateway:

        async def listen(*cuts: int) -> Talk:
            async with Talk.open(gateway.url, **PCM) as talk:
                at = 0
                for cut in (*cuts, len(speech)):
                    await talk.audio(speech[at:cut], 3200)
                    at = cut
                    if cut < len(speech):
                        await until(lambda: any(engine._nursery.workers.values()))
                        if cut > 40_000:
                            await talk.until("transcript")
                        for pid in list(engine._nursery.workers.values()):
                            if pid:
                                os.kill(pid, signal.SIGKILL)
                await talk.say("end")
                ended = await talk.ended(30)
            assert "error" not in ended
            assert not talk.of("notice")
            return talk

        whole = await listen()
        assert " ".join(whole.words()) == "go forward ten meters"
        broken = await listen(3200, 48_000)
        assert broken.words() == whole.words()
        finals = [m for m in broken.of("transcript") if m["final"]]
        assert finals[-1]["end_ms"] <= len(speech) // 32


async def test_a_gateway_killed_leaves_no_worker(tmp_path):
    async with GatewayProcess.start("--engine", "pocketsphinx", tmp_path=tmp_path) as it:
        await ready(it)
        async with Talk.open(it.url, **PCM) as talk:
            await talk.audio(bytes(64_000), 3200)
            await talk.until("flow")
            family = descendants(it.process.pid)
            assert family, "no worker is at work"
            it.process.kill()
            await it.exited(5)
            await until(lambda: not any(alive(pid) for pid in family), 10, f"orphans of {family}")


async def ready(it: GatewayProcess) -> None:
    async with asyncio.timeout(30):
        while (await ask(it.url, method="GET", path="/readyz")).status != 200:
            await asyncio.sleep(0.05)


def descendants(pid: int) -> set[int]:
    """Children and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(pid: int) -> bool:
    """It runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# ── sockets ──


async def carried(url: str, cut, *, cuts: int, every: int = 7) -> tuple[list[str], int]:
    """Say SOUND through something that is cut `cuts` times, resuming by the wire's own rules:
    send on from `taken_bytes`, name the last `seq`. Returns the words and the doubled events."""
    messages: list[dict] = []
    seen: set[int] = set()
    doubled = 0
    token, at, ended = "", 0, False
    for attempt in range(cuts + 1):
        last = max(seen, default=0)
        query = {"resume": token, "since": last} if token else PCM
        async with Talk.open(url, **query) as talk:
            began = talk.began
            assert began["resumed"] is bool(token)
            token, at = began["token"], began["taken_bytes"]
            try:
                for number, frame in enumerate(pieces(SOUND[at:], 333)):
                    await talk.socket.send(frame)
                    if attempt < cuts and number == 3 + every * attempt:
                        await cut()
                await talk.say("end")
            except websockets.ConnectionClosed:
                pass
            async with asyncio.timeout(10):
                await talk.over.wait()
        for message in talk.messages:
            if number := message.get("seq", 0):
                doubled += number in seen
                seen.add(number)
                messages.append(message)
        ended = bool(talk.of("ended"))
        if ended:
            break
    assert ended
    return words_of(messages), doubled


async def test_a_socket_cut_in_mid_word_loses_nothing_and_doubles_nothing(tmp_path):
    session = {"resume_window_s": 10.0}
    async with gateway_with(tmp_path, session=session) as gateway:
        async with Proxy(address(gateway.url)[1]) as proxy:

            async def cut() -> None:
                # a session that took nothing is not kept: its client has lost nothing
                await until(lambda: all(s.taken_bytes for s in gateway.house.sessions.values()))
                proxy.cut()

            words, doubled = await carried(proxy.url, cut, cuts=6)
            assert proxy.connections == 7
        assert words == SAID
        assert doubled == 0
        await until(lambda: not gateway.house.sessions)


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
async def test_a_real_proxy_that_is_killed_in_mid_word(tmp_path, name):
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        missing(f"{name} is needed (Debian package {name})")
    async with gateway_with(tmp_path, session={"resume_window_s": 10.0}) as gateway:
        port = free_port()
        config = tmp_path / f"{name}.conf"
        config.write_text(CONFIGS[name].format(port=port, far=address(gateway.url)[1], at=tmp_path))
        command = [str(program), "-f" if name == "haproxy" else "-c", str(config)]
        process: list[asyncio.subprocess.Process] = []

        async def begin() -> None:
            process.append(
                await asyncio.create_subprocess_exec(
                    *command,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            )
            async with asyncio.timeout(10):
                while True:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except ConnectionRefusedError:
                        await asyncio.sleep(0.02)
                    else:
                        writer.close()
                        return

        async def cut() -> None:
            # a session that has taken nothing ends with its connection
            await until(lambda: any(s.taken_bytes for s in gateway.house.sessions.values()))
            process[-1].kill()
            await process[-1].wait()
            await begin()

        await begin()
        try:
            words, doubled = await carried(f"http://localhost:{port}", cut, cuts=2, every=20)
            assert words == SAID
            assert doubled == 0
            answer = await ask(f"http://localhost:{port}", [SOUND], path="/v1/stream?encoding=pcm")
            assert answer.words == SAID
        finally:
            process[-1].kill()
            await process[-1].wait()


CONFIGS = {
    "haproxy": """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server gateway 127.0.0.1:{far}
""",
    "nginx": """
daemon off;
master_process off;
pid {at}/nginx.pid;
error_log {at}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {at}/body;
  proxy_temp_path {at}/proxy;
  fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi;
  scgi_temp_path {at}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{far};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
      proxy_set_header Host localhost;
      proxy_request_buffering off;
      proxy_buffering off;
    }}
  }}
}}
""",
}


def free_port() -> int:
    """One that is free at this moment."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ── signals ──


async def test_sigterm_lets_sessions_finish_and_ends_the_others(tmp_path):
    flags = ("--engine", "scripted:heard", "--drain", "4")
    async with GatewayProcess.start(*flags, tmp_path=tmp_path) as it:
        async with (
            Talk.open(it.url, **PCM) as short,
            Talk.open(it.url, **PCM) as long,
        ):
            for talk in (short, long):
                await talk.audio(SOUND[:32_000])
                await talk.until("transcript")
            began = time.monotonic()
            it.signal(signal.SIGTERM)
            await until(lambda: "stopping" in it.text, 5)
            with pytest.raises(OSError):
                await asyncio.open_connection(*address(it.url))
            await short.audio(SOUND[32_000:])
            await short.say("end")
            ended = await short.ended()
            assert ended["reason"] == "done"
            assert short.words() == SAID
            ended = await long.ended()
            assert ended["reason"] == "shutdown"
            assert ended["error"]["code"] == "draining"
            assert ended["error"]["retryable"]
            assert long.close == (4503, "draining")
        assert await it.exited(10) == 0
        assert time.monotonic() - began < 5.5
        assert "Traceback" not in it.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_without_sessions_ends_at_once(tmp_path, number):
    flags = ("--engine", "scripted:heard", "--tls-port", "0")
    async with GatewayProcess.start(*flags, tmp_path=tmp_path) as it:
        async with Talk.open(it.url, **PCM) as talk:
            await talk.say("end")
            await talk.ended()
        began = time.monotonic()
        it.signal(number)
        assert await it.exited(5) == 0
        assert time.monotonic() - began < 3
        assert "stopped" in it.text
        assert "Traceback" not in it.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_second_signal_ends_at_once(tmp_path, number):
    flags = ("--engine", "scripted:heard", "--drain", "60")
    async with GatewayProcess.start(*flags, tmp_path=tmp_path) as it:
        async with Talk.open(it.url, **PCM) as talk:
            await talk.audio(SOUND[:6400])
            await talk.until("flow")
            it.signal(number)
            await until(lambda: "stopping" in it.text, 5)
            it.signal(number)
            await it.exited(5)
        assert "Traceback" not in it.text


async def test_a_gateway_killed_in_mid_word_and_another_takes_the_port(tmp_path):
    """The client replays from what was settled (contracts M28): nothing lost, nothing doubled."""
    engine = ("--engine", "scripted:heard")
    async with GatewayProcess.start(*engine, tmp_path=tmp_path) as first:
        port = address(first.url)[1]
        async with Talk.open(first.url, **PCM) as talk:
            await talk.audio(SOUND[:50_000])
            await talk.until("transcript", final=True)
            first.process.kill()
            await talk.over.wait()
            await first.exited(5)
            finals = [m for m in talk.of("transcript") if m["final"]]
            settled = finals[-1]["end_ms"]
    async with GatewayProcess.start(*engine, tmp_path=tmp_path, port=port) as second:
        query = {
            "resume": talk.began["token"],
            "since": max(m.get("seq", 0) for m in talk.messages),
            "turn": finals[-1]["turn"] + 1,
            "settled_ms": settled,
        }
        async with Talk.open(second.url, **query, **PCM) as again:
            assert not again.began["resumed"]
            assert again.began["taken_bytes"] == 0
            await again.audio(SOUND[settled * 32 :])
            await again.say("end")
            await again.ended()
        assert talk.words() + again.words() == SAID
        starts = [m["start_ms"] for m in again.of("transcript")]
        assert min(starts) >= settled
        numbers = [m["seq"] for m in again.messages if m.get("seq")]
        assert min(numbers) == query["since"] + 1


# ── beside all that ──


async def test_others_go_on_while_engines_break(tmp_path):
    class Moody(Broken):
        """Broken for those who ask for French."""

        async def open(self, options, sink):
            inner = await self.inner.open(options, sink)
            return BrokenStream(self, inner) if options.recognition.language == "fr" else inner

    limits = {"replay_wait_s": (0.0,), "replays": 2}
    async with gateway_with(tmp_path, Moody("audio", SECRET), session=limits) as gateway:
        async with beside(gateway.url):
            for _ in range(5):
                async with Talk.open(gateway.url, language="fr", **PCM) as talk:
                    await talk.audio(SOUND[:40_000])
                    ended = await talk.ended()
                    assert ended["error"]["code"] == "engine_failed"
        await until(lambda: not gateway.house.sessions)


async def test_log_lines_are_one_line_each_and_hold_no_words(tmp_path):
    async with GatewayProcess.start("--engine", "scripted:heard", tmp_path=tmp_path) as it:
        async with Talk.open(it.url, **PCM, label="my-label") as talk:
            token = talk.began["token"]
            await talk.audio(SOUND)
            await talk.socket.send("secret-words")
            await talk.say("end")
            await talk.ended()
        await ask(it.url, b"garbage", path=f"/v1/stream?resume={token}")
        it.signal(signal.SIGTERM)
        assert await it.exited(5) == 0
        for word in (token, "secret-words", "my-label"):
            assert word not in it.text
        assert not re.search(r"\bw\d+\b", it.text)
