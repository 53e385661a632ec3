"""The command as people run it: a process of its own against a gateway of its own."""

import asyncio
import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.serve import serving

pytestmark = pytest.mark.interop

COMMAND = (sys.executable, "-c", "from ossicle.cli import main; main()", "transcribe")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    settings = GatewaySettings(
        port=0, tls_port=None, grpc_port=None, drain_s=1.0, keys=(("me", "secret"),)
    )
    async with serving(settings, ScriptedEngine("Hello there. How are you?")) as gateway:
        yield gateway.url


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\1\2" * 48_000)
    return path


async def run(
    *arguments: str, given: bytes = b"", stop: float | None = None
) -> tuple[int, str, str]:
    variables = {name: v for name, v in os.environ.items() if not name.startswith("OSSICLE_")}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=variables | {"NO_COLOR": "1", "COLUMNS": "200"},
    )
    if stop is None:
        out, err = await asyncio.wait_for(process.communicate(given), 40)
    else:
        assert process.stdout is not None
        first = await asyncio.wait_for(process.stdout.readline(), 40)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 40)
        out = first + out
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("transport", ["websocket", "http"])
async def test_a_file(url: str, recording: Path, transport: str):
    code, out, err = await run(
        str(recording), "--url", url, "--key", "secret", "--transport", transport
    )
    assert (code, out, err) == (0, "Hello there.\nHow are you?\n", "")


async def test_standard_input_as_json(url: str, recording: Path):
    code, out, _ = await run(
        "-", "--url", url, "--key", "secret", "--output", "json", given=recording.read_bytes()
    )
    assert code == 0
    said = json.loads(out)
    assert said["text"] == "Hello there. How are you?"
    assert said["duration_ms"] == 3_000


async def test_raw_samples_as_subtitles(url: str, recording: Path):
    code, out, _ = await run(
        "-", "--url", url, "--key", "secret", "--output", "srt", "--encoding", "pcm_s16le",
        given=recording.read_bytes()[44:],
    )  # fmt: skip
    assert code == 0
    assert out.startswith("1\n00:00:00,000 --> 00:00:00,600\nHello there.\n")


async def test_ctrl_c_keeps_the_last_words(url: str, recording: Path):
    """At the pace of speech the first turn is out long before the end; then Ctrl-C."""
    code, out, err = await run(
        str(recording), "--url", url, "--key", "secret", "--realtime", stop=0.0
    )
    assert code == 130
    lines = out.splitlines()
    assert lines[0] == "Hello there."
    assert "Traceback" not in err


async def test_no_key(url: str, recording: Path):
    code, out, err = await run(str(recording), "--url", url)
    assert (code, out) == (1, "")
    assert "a key is needed" in err
    assert "--key KEY" in err


async def test_no_gateway(recording: Path):
    code, _, err = await run(str(recording), "--url", "http://127.0.0.1:9")
    assert code == 1
    assert "ossicle serve" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "FILE"),
        (("-", "--mic"), "FILE"),
        (("no such file.wav",), "is not a file"),
        (("-", "--realtime"), "--encoding"),
        (("-", "--output", "pdf"), "pdf"),
    ],
)
async def test_wrong_use(arguments: tuple[str, ...], text: str):
    code, _, err = await run(*arguments)
    assert code == 2
    assert text in err


async def test_what_is_no_audio(url: str):
    code, _, err = await run("-", "--url", url, "--key", "secret", given=b"# not audio\n" * 100)
    assert code == 1
    assert "--encoding" in err
