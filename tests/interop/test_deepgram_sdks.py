"""Deepgram's own SDKs, unmodified, against a gateway process: live and pre-recorded, plain and over
TLS with the local authority. No word lost, none twice, and exactly one close."""

import asyncio
import hashlib
import json
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from harness import GatewayProcess
from ossicle.testing.marked import marked_audio
from sdks import Client, javascript, python, ran

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

SCRIPTS = Path(__file__).parent / "deepgram"
WORDS = [1, 2, 3, 0, 4, 5, 0, 6]
SAID = ["w1", "w2", "w3", "w4", "w5", "w6"]
AUDIO = marked_audio(WORDS)
LISTEN = "Deepgram /v1/listen"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GatewayProcess]:
    """One for all tests: a session disturbs no other."""
    folder = tmp_path_factory.mktemp("gateway")
    flags = ("--engine", "scripted:heard", "--tls-port", "0")
    async with GatewayProcess.start(*flags, tmp_path=folder, OSSICLE_KEYS="me:KEY") as it:
        it.authority = next(folder.rglob("ca.pem"))
        yield it


async def run(
    gateway: GatewayProcess, door: str, client: Client, program: str, file: Path, *more: str
) -> list[dict[str, Any]]:
    """One client process; the JSON objects it printed."""
    base = gateway.url if door == "plain" else gateway.secure_url
    ws = base.replace("http", "ws", 1)
    env = dict(client.variables)
    if door == "tls":
        authority = str(gateway.authority)
        env |= {"SSL_CERT_FILE": authority, "NODE_EXTRA_CA_CERTS": authority}
    process = await asyncio.create_subprocess_exec(
        *client.command(SCRIPTS / program), base, ws, str(file), *more,
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
    sdk = python("deepgram-sdk")
    file = tmp_path / "speech.raw"
    file.write_bytes(AUDIO)
    check_live(await run(gateway, door, sdk, "python_live.py", file, how))
    ran(sdk, LISTEN, door=named(door, "live"), use=f"live, {how}")


@pytest.mark.parametrize("door", ["plain", "tls"])
async def test_javascript_live(gateway: GatewayProcess, tmp_path: Path, door: str) -> None:
    sdk = javascript("@deepgram/sdk")
    file = tmp_path / "speech.raw"
    file.write_bytes(AUDIO)
    messages = await run(gateway, door, sdk, "live.mjs", file)
    check_live(messages)
    assert messages[-1] == {"type": "CLOSED", "code": 1000, "opened": 1}
    ran(sdk, LISTEN, door=named(door, "live"), use="live")


@pytest.mark.parametrize("how", ["sync", "async", "javascript"])
async def test_another_key_is_refused_and_nothing_is_heard(tmp_path: Path, how: str) -> None:
    flags = ("--engine", "scripted:heard")
    file = tmp_path / "speech.raw"
    file.write_bytes(AUDIO)
    async with GatewayProcess.start(*flags, tmp_path=tmp_path, OSSICLE_KEYS="me:OTHER") as closed:
        if how == "javascript":
            sdk, program = javascript("@deepgram/sdk"), "live.mjs"
        else:
            sdk, program = python("deepgram-sdk"), "python_live.py"
        ws = closed.url.replace("http", "ws", 1)
        process = await asyncio.create_subprocess_exec(
            *sdk.command(SCRIPTS / program), closed.url, ws, str(file), how,
            env={**os.environ, **sdk.variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
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
    sdk = python("deepgram-sdk")
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(AUDIO))
    (answer,) = await run(gateway, door, sdk, "python_file.py", file, how)
    check_file(answer, wav(AUDIO))
    ran(sdk, LISTEN, door=named(door, "file"), use=f"pre-recorded, {how}")


@pytest.mark.parametrize("door", ["plain", "tls"])
async def test_javascript_file(gateway: GatewayProcess, tmp_path: Path, door: str) -> None:
    sdk = javascript("@deepgram/sdk")
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(AUDIO))
    (answer,) = await run(gateway, door, sdk, "file.mjs", file)
    check_file(answer, wav(AUDIO))
    ran(sdk, LISTEN, door=named(door, "file"), use="pre-recorded")


# ── one older major version of each ──


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("how", ["live", "file"])
@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_older(
    gateway: GatewayProcess, tmp_path: Path, door: str, how: str, language: str
) -> None:
    if language == "python":
        sdk, program = python("deepgram-sdk", major=4), "python4_live.py"
    else:
        sdk, program = javascript("@deepgram/sdk", major=4), "live4.cjs"
    file = tmp_path / "speech"
    file.write_bytes(AUDIO if how == "live" else wav(AUDIO))
    messages = await run(gateway, door, sdk, program, file, how)
    if how == "live":
        check_live(messages)
    else:
        check_file(messages[0], wav(AUDIO))
    use = "live" if how == "live" else "pre-recorded"
    ran(sdk, LISTEN, door=named(door, how), use=use)


def named(door: str, how: str) -> str:
    return ("ws" if how == "live" else "http") + ("s" if door == "tls" else "")
