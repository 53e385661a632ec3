"""Every example, and every block of the documents that says it runs, against a real gateway."""

import asyncio
import json
import os
import shutil
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from fences import ROOT, blocks
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.serve import serving

pytestmark = pytest.mark.interop

EXAMPLES = ROOT / "examples"
TURNS = ["Hello there.", "How are you?"]


def runnable() -> list[tuple[str, str, str]]:
    """Where it stands, its language and its text; what continues has before it what ran before."""
    found: list[tuple[str, str, str]] = []
    before: dict[tuple[Path, str], str] = {}
    for block in blocks():
        if block.mark not in {"runs", "continues"}:
            continue
        key = block.page, block.language
        text = before.get(key, "") + block.text if block.mark == "continues" else block.text
        before[key] = text
        found.append((str(block), block.language, text))
    return found


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with two seconds of sound in it; what they say, `scripted` decides."""
    with wave.open(str(tmp_path / "speech.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(64_000))
    return tmp_path


@pytest.fixture
async def url(here: Path) -> AsyncIterator[str]:
    """A gateway that hears `TURNS`."""
    settings = GatewaySettings(
        port=0, tls_port=None, grpc_port=None, state_dir=here / "state", drain_s=2
    )
    heard = open_engine("scripted:" + " ".join(TURNS))
    async with serving(settings, Combined(heard, open_engine("tone"))) as gateway:
        yield gateway.url


async def run(*words: str, here: Path, within_s: float = 30) -> tuple[str, str]:
    """Run a program to its end; its output, and what it said beside."""
    program = await asyncio.create_subprocess_exec(
        *words,
        cwd=here,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OSSICLE_STATE_DIR": str(here / "state"),
        },
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 0, err.decode()
    return out.decode(), err.decode()


async def example(name: str, *arguments: str, here: Path) -> tuple[str, str]:
    return await run(sys.executable, str(EXAMPLES / name), *arguments, here=here)


def tool(name: str) -> str:
    """The path of a program, or a skip that names it."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return path


async def test_stream_file(url: str, here: Path) -> None:
    out, _ = await example("stream_file.py", "speech.wav", url, here=here)
    assert out.splitlines() == TURNS


async def test_live_captions(url: str, here: Path) -> None:
    out, _ = await example("live_captions.py", "speech.wav", url, here=here)
    shown = [line.replace("\r", "") for line in out.split("\033[K")]
    assert "Hello" in shown, "a partial came before the final"
    assert [line.rstrip() for line in shown if line.endswith("\n")] == TURNS


async def test_http_lines(url: str, here: Path) -> None:
    out, _ = await example("http_lines.py", "speech.wav", url, here=here)
    lines = out.splitlines()
    assert lines[0] == "partial Hello", "words come while the sound is still being sent"
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("final")] == TURNS


async def test_webhook_receiver(url: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", "a secret of the test")
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "webhook_receiver.py"), "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            assert program.stdout is not None
            port = (await program.stdout.readline()).decode().split()[-1]
            hook = f"http://127.0.0.1:{port}/words"
            await asyncio.to_thread(
                urlopen,
                f"{url}/v1/stream?transcript_url={hook}",
                (here / "speech.wav").read_bytes(),
                10,
            )
            out, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert out.decode().splitlines() == TURNS


async def test_curl(url: str, here: Path) -> None:
    tool("curl")
    out, _ = await run("sh", str(EXAMPLES / "curl.sh"), "speech.wav", url, here=here)
    lines = out.splitlines()
    assert lines[:2] == TURNS
    assert [line[:20] for line in lines[2:4]] == ['{"type":"transcript"'] * 2
    assert lines[4:] == ["event: ended"]


async def test_speak(url: str, here: Path) -> None:
    await example("speak.py", "Good morning.", "out.wav", url, here=here)
    with wave.open(str(here / "out.wav")) as sound:
        assert sound.getframerate() == 16_000
        assert sound.getnframes() > 1_600
        assert any(sound.readframes(sound.getnframes()))


async def test_observer(url: str, here: Path) -> None:
    speaks = asyncio.create_task(example("live_captions.py", "speech.wav", url, here=here))
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(sessions, url):
            assert not speaks.done(), "the session was over before anybody could listen in"
    out, _ = await example("observer.py", url, here=here)
    await speaks
    finals = [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("final")]
    assert finals == TURNS


def sessions(url: str) -> list[object]:
    """The sessions that are open."""
    with urlopen(f"{url}/v1/sessions") as answer:
        return json.load(answer)["sessions"]


async def test_reconnect(url: str, here: Path) -> None:
    async with cutting(url, after=40_000) as flaky:
        out, err = await example("reconnect.py", "speech.wav", flaky, here=here)
    assert out.splitlines() == TURNS
    assert "1 reconnects" in err


@asynccontextmanager
async def cutting(url: str, *, after: int) -> AsyncIterator[str]:
    """The way to a gateway, cut hard once, after so many bytes have gone up."""
    host, port = url.removeprefix("http://").split(":")
    left = after

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        upstream, gateway = await asyncio.open_connection(host, int(port))

        async def down() -> None:
            while data := await upstream.read(65_536):
                writer.write(data)
                await writer.drain()

        answers = asyncio.create_task(down())
        try:
            while data := await reader.read(1_024):
                gateway.write(data)
                await gateway.drain()
                if left > 0:
                    left -= len(data)
                    if left <= 0:
                        break
            else:
                await answers
        except ConnectionError:
            pass  # the far end left: what this road is for
        finally:
            answers.cancel()
            writer.transport.abort()
            gateway.transport.abort()

    road = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with road:
        yield f"http://127.0.0.1:{road.sockets[0].getsockname()[1]}"


async def test_pytest_mock(here: Path) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    out, _ = await run(sys.executable, *words, str(EXAMPLES / "pytest_mock.py"), here=here)
    assert "1 passed" in out


PAGE = """
const parts = {};
const part = () => ({ append(text) { this.innerText += text; } });
globalThis.document = { getElementById: id => parts[id] ??= part() };
globalThis.location = { search: "?url=URL" };
URL.createObjectURL = blob => blob;
let node;
globalThis.AudioContext = class {
  audioWorklet = { addModule: async blob => {
    let made;
    globalThis.AudioWorkletProcessor = class {
      port = { postMessage: data => node.port.onmessage({ data }) };
    };
    globalThis.registerProcessor = (name, kind) => { made = kind; };
    (0, eval)(await blob.text());
    this.processor = new made();
  } };
  createMediaStreamSource() {
    return { connect: () => {
      for (let at = 0; at < 32000; at += 128) this.processor.process([[new Float32Array(128)]]);
    } };
  }
};
globalThis.AudioWorkletNode = class { port = {}; constructor() { node = this; } };
const mediaDevices = { getUserMedia: async () => ({}) };
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices } });
SCRIPT
await parts.talk.onclick();
while (!(parts.captions.innerText ?? "").endsWith("LAST")) {
  await new Promise(again => setTimeout(again, 10));
}
console.log(parts.captions.innerText);
process.exit(0);
"""


async def test_browser(url: str, here: Path) -> None:
    node = tool("node")
    version, _ = await run(node, "--version", here=here)
    major = int(version.strip("v\n").split(".")[0])
    if major < 20:
        pytest.skip("node 20 is the first with a WebSocket client")
    script = (EXAMPLES / "browser.html").read_text("utf-8")
    script = script.split('<script type="module">')[1].split("</script>")[0]
    page = PAGE.replace('URL"', url.replace("http", "ws") + '/v1/stream"', 1)
    page = page.replace("SCRIPT", script).replace("LAST", TURNS[-1])
    (here / "page.mjs").write_text(page, "utf-8")
    flags = ["--experimental-websocket"] if major < 22 else []
    out, _ = await run(node, "--no-warnings", *flags, "page.mjs", here=here)
    assert out.splitlines() == TURNS


@pytest.mark.parametrize(("where", "language", "text"), runnable(), ids=[r[0] for r in runnable()])
async def test_block_runs(where: str, language: str, text: str, url: str, here: Path) -> None:
    text = text.replace("http://localhost:8080", url)
    text = text.replace("ws://localhost:8080", url.replace("http", "ws", 1))
    if language == "sh":
        if "curl" in text:
            tool("curl")
        out, _ = await run("sh", "-euc", text, here=here)
    else:
        out, _ = await run(sys.executable, "-c", text, here=here)
    assert out.strip(), f"{where} says nothing"
