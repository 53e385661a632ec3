"""Deepgram's own SDKs, unmodified, against a gateway process: live and pre-recorded, plain and over
TLS with the local authority. No word lost, none twice, and exactly one close."""

import asyncio
import hashlib
import importlib.metadata
import json
import os
import shutil
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness import GatewayProcess, missing
from interop.sdk_table import record
from ossicle.testing.marked import marked_audio

pytestmark = pytest.mark.interop

SCRIPTS = Path(__file__).parent / "deepgram"
WORDS = [1, 2, 3, 0, 4, 5, 0, 6]
SAID = ["w1", "w2", "w3", "w4", "w5", "w6"]
AUDIO = marked_audio(WORDS)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    flags = ("--engine", "scripted:heard", "--tls-port", "0")
    async with GatewayProcess.start(*flags, tmp_path=tmp_path, OSSICLE_KEYS="me:KEY") as it:
        yield it


def python_sdk() -> str:
    try:
        version = importlib.metadata.version("deepgram-sdk")
    except importlib.metadata.PackageNotFoundError:
        missing("deepgram-sdk is needed (pip install deepgram-sdk==7.17.0)")
        raise
    if not version.startswith("7."):
        missing(f"deepgram-sdk 7 is needed, {version} is installed")
    return version


def javascript_sdk() -> tuple[str, str, str]:
    """node, the folder that holds `@deepgram/sdk`, and its version."""
    node = shutil.which("node")
    if node is None:
        missing("node is needed")
    for folder in (Path(__file__).parent / "js", Path(os.environ.get("NODE_PATH") or ".").parent):
        manifest = folder / "node_modules" / "@deepgram" / "sdk" / "package.json"
        if manifest.exists():
            return str(node), str(folder), json.loads(manifest.read_text())["version"]
    missing("@deepgram/sdk is needed: npm ci in tests/interop/js, or NODE_PATH")
    raise AssertionError


async def run(
    gateway: GatewayProcess, door: str, command: list[str], file: Path, *more: str, **env: str
) -> list[dict[str, Any]]:
    """One client process; the JSON objects it printed."""
    base = gateway.url if door == "plain" else gateway.secure_url
    ws = base.replace("http", "ws", 1)
    if door == "tls":
        authority = next(file.parent.rglob("ca.pem"))
        env |= {"SSL_CERT_FILE": str(authority), "NODE_EXTRA_CA_CERTS": str(authority)}
    process = await asyncio.create_subprocess_exec(
        *command, base, ws, str(file), *more,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, complaint = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()[-3000:]
    return [json.loads(line) for line in out.decode().splitlines()]


def check_live(messages: list[dict[str, Any]]) -> None:
    """What every client has to have seen."""
    assert not [m for m in messages if m["type"] in {"FAILED", "Error"}], messages
    results = [m for m in messages if m["type"] == "Results"]
    finals = [m for m in results if m["is_final"]]
    words = [w["word"] for m in finals for w in m["channel"]["alternatives"][0]["words"]]
    assert words == SAID
    assert [m["from_finalize"] for m in finals].count(True) == 1
    assert any(not m["is_final"] for m in results)
    kinds = [m["type"] for m in messages]
    assert kinds.index("SpeechStarted") < kinds.index("Results")
    (metadata,) = [m for m in messages if m["type"] == "Metadata"]
    assert metadata["sha256"] == hashlib.sha256(AUDIO).hexdigest()
    assert metadata["duration"] == pytest.approx(len(AUDIO) / 32_000, abs=0.01)
    assert metadata["channels"] == 1
    last = [k for k in kinds if k != "CLOSED"][-1]
    assert last == "Metadata"


def check_file(answer: dict[str, Any], body: bytes) -> None:
    (channel,) = answer["results"]["channels"]
    (reading,) = channel["alternatives"]
    assert reading["transcript"] == " ".join(SAID)
    assert [w["word"] for w in reading["words"]] == SAID
    assert [w["punctuated_word"] for w in reading["words"]] == SAID
    assert reading["paragraphs"]["paragraphs"][0]["sentences"][0]["text"] == "w1 w2 w3"
    assert " ".join(u["transcript"] for u in answer["results"]["utterances"]) == " ".join(SAID)
    assert answer["metadata"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert answer["metadata"]["channels"] == 1


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("how", ["sync", "async"])
async def test_python_live(gateway: GatewayProcess, tmp_path: Path, door: str, how: str) -> None:
    version = python_sdk()
    file = tmp_path / "speech.raw"
    file.write_bytes(AUDIO)
    check_live(
        await run(gateway, door, [sys.executable, str(SCRIPTS / "python_live.py")], file, how)
    )
    record("Deepgram /v1/listen", sdk="deepgram-sdk", version=version, language="Python",
           door="ws" if door == "plain" else "wss", use=f"live, {how}")  # fmt: skip


@pytest.mark.parametrize("door", ["plain", "tls"])
async def test_javascript_live(gateway: GatewayProcess, tmp_path: Path, door: str) -> None:
    node, folder, version = javascript_sdk()
    file = tmp_path / "speech.raw"
    file.write_bytes(AUDIO)
    messages = await run(gateway, door, [node, str(SCRIPTS / "live.mjs")], file, OSSICLE_JS=folder)
    check_live(messages)
    assert messages[-1] == {"type": "CLOSED", "code": 1000, "opened": 1}
    record("Deepgram /v1/listen", sdk="@deepgram/sdk", version=version, language="JavaScript",
           door="ws" if door == "plain" else "wss", use="live")  # fmt: skip


@pytest.mark.parametrize("how", ["sync", "async", "javascript"])
async def test_another_key_is_refused_and_nothing_is_heard(tmp_path: Path, how: str) -> None:
    flags = ("--engine", "scripted:heard")
    file = tmp_path / "speech.raw"
    file.write_bytes(AUDIO)
    async with GatewayProcess.start(*flags, tmp_path=tmp_path, OSSICLE_KEYS="me:OTHER") as closed:
        if how == "javascript":
            node, folder, _ = javascript_sdk()
            command = [node, str(SCRIPTS / "live.mjs"), closed.url, closed.url, str(file)]
            variables = {"OSSICLE_JS": folder}
        else:
            python_sdk()
            script = str(SCRIPTS / "python_live.py")
            ws = closed.url.replace("http", "ws", 1)
            command = [sys.executable, script, closed.url, ws, str(file), how]
            variables = {}
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, complaint = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    said = [json.loads(line) for line in out.decode().splitlines()]
    assert not [message for message in said if message["type"] not in {"FAILED", "CLOSED"}]
    if how == "javascript":
        assert [m for m in said if m["type"] == "FAILED" and "401" in m["error"]], said
    else:
        assert process.returncode != 0
        assert "401" in complaint.decode()


def wav(data: bytes) -> bytes:
    return (
        struct.pack("<4sI4s", b"RIFF", len(data) + 36, b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("how", ["sync", "async", "chunked"])
async def test_python_file(gateway: GatewayProcess, tmp_path: Path, door: str, how: str) -> None:
    version = python_sdk()
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(AUDIO))
    (answer,) = await run(
        gateway, door, [sys.executable, str(SCRIPTS / "python_file.py")], file, how
    )
    check_file(answer, wav(AUDIO))
    record("Deepgram /v1/listen", sdk="deepgram-sdk", version=version, language="Python",
           door="http" if door == "plain" else "https", use=f"pre-recorded, {how}")  # fmt: skip


@pytest.mark.parametrize("door", ["plain", "tls"])
async def test_javascript_file(gateway: GatewayProcess, tmp_path: Path, door: str) -> None:
    node, folder, version = javascript_sdk()
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(AUDIO))
    (answer,) = await run(gateway, door, [node, str(SCRIPTS / "file.mjs")], file, OSSICLE_JS=folder)
    check_file(answer, wav(AUDIO))
    record("Deepgram /v1/listen", sdk="@deepgram/sdk", version=version, language="JavaScript",
           door="http" if door == "plain" else "https", use="pre-recorded")  # fmt: skip


# ── one older major version of each ──


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("how", ["live", "file"])
async def test_older_python(gateway: GatewayProcess, tmp_path: Path, door: str, how: str) -> None:
    """Its own environment: OSSICLE_DEEPGRAM4 names its python."""
    python = os.environ.get("OSSICLE_DEEPGRAM4", "")
    if not python:
        pytest.skip("OSSICLE_DEEPGRAM4 may name a python with deepgram-sdk 4.8.1")
    file = tmp_path / "speech"
    file.write_bytes(AUDIO if how == "live" else wav(AUDIO))
    command = [python, str(SCRIPTS / "python4_live.py")]
    messages = await run(gateway, door, command, file, how)
    if how == "live":
        check_live(messages)
    else:
        check_file(messages[0], wav(AUDIO))
    record("Deepgram /v1/listen", sdk="deepgram-sdk", version="4.8.1", language="Python",
           door=_door(door, how), use="live" if how == "live" else "pre-recorded")  # fmt: skip


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("how", ["live", "file"])
async def test_older_javascript(
    gateway: GatewayProcess, tmp_path: Path, door: str, how: str
) -> None:
    """Its own folder: OSSICLE_JS4 names it."""
    node, folder = shutil.which("node"), os.environ.get("OSSICLE_JS4", "")
    if not node or not folder:
        pytest.skip("OSSICLE_JS4 may name a folder with @deepgram/sdk 4.11.3")
    file = tmp_path / "speech"
    file.write_bytes(AUDIO if how == "live" else wav(AUDIO))
    command = [str(node), str(SCRIPTS / "live4.cjs")]
    messages = await run(gateway, door, command, file, how, OSSICLE_JS=folder)
    if how == "live":
        check_live(messages)
    else:
        check_file(messages[0], wav(AUDIO))
    record("Deepgram /v1/listen", sdk="@deepgram/sdk", version="4.11.3", language="JavaScript",
           door=_door(door, how), use="live" if how == "live" else "pre-recorded")  # fmt: skip


def _door(door: str, how: str) -> str:
    return ("ws" if how == "live" else "http") + ("s" if door == "tls" else "")
