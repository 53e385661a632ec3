"""Every text that `ossicle snippet` prints, run as it stands with the real SDK."""

import asyncio
import json
import os
import shutil
import sys
import wave
from pathlib import Path

import pytest

from harness import ask, gateway_with, missing
from ossicle.gateway.doors.bind import BINDINGS
from ossicle.gateway.snippets import TEMPLATES, Address, Snippet, Template, fill
from ossicle.testing.marked import marked_audio
from sdks import javascript, python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

WORDS = [1, 2, 3, 0, 4, 5]
SAID = [f"w{number}" for number in WORDS if number]
PACKAGES = {"deepgram": "deepgram-sdk", "flux": "deepgram-sdk", "assemblyai": "assemblyai",
            "twilio": "twilio", "google": "google-cloud-speech",
            "riva": "nvidia-riva-client", "openai": "openai",
            "amazon": "amazon-transcribe"}  # fmt: skip
MODULES = {"deepgram": "@deepgram/sdk", "flux": "@deepgram/sdk", "assemblyai": "assemblyai",
           "twilio": "twilio", "websocket": "ws", "google": "@google-cloud/speech",
           "openai": "openai", "amazon": "@aws-sdk/client-transcribe-streaming"}  # fmt: skip
IN_A_PAGE = {"/ossicle.js", "/whip", "/v1/realtime/calls"}
RUN = [each for each in TEMPLATES if each.language != "xml" and each.path not in IN_A_PAGE]
"""TwiML is parsed by its own test, and a page's module by the tests of the playground."""
KEY = "a-key-of-a-test"

BEFORE = {
    "websocket": "import WebSocket from 'ws'; import { readFileSync } from 'node:fs';\n"
    "const sound = readFileSync(process.argv[2]);\n"
}
"""What the text says is the reader's own."""


def command(template: Template, text: Snippet, folder: Path) -> list[str]:
    """How a reader would run it."""
    name = {"python": "python", "javascript": "node", "shell": "bash"}[template.language]
    if template.language == "python":
        program = sys.executable
        if template.sdk != "ossicle":
            program = python(PACKAGES[template.sdk]).program
    else:
        program = shutil.which(name) or ""
        if not program:
            missing(f"{name} is not installed")
    if template.language == "javascript":
        # an import looks for packages beside the file, not along NODE_PATH
        sdk = javascript(MODULES[template.sdk])
        (folder / "node_modules").symlink_to(sdk.variables["NODE_PATH"])
    file = folder / f"text{text.suffix}"
    file.write_text(BEFORE.get(template.sdk, "") + text.text)
    return [program, str(file), "speech.wav"]


async def run(arguments: list[str], folder: Path, **variables: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not any(w in k for w in ("CERT", "CA_", "SSL"))}
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        env={**clean, "OSSICLE_KEY": KEY, **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("template", RUN, ids=lambda each: f"{each.sdk}-{each.language}")
async def test_a_text_runs_as_it_stands(
    template: Template, secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if template.path not in {binding.path for binding in BINDINGS}:
        pytest.skip(f"nothing answers at {template.path} in this version")
    if template.secure and not secure:
        pytest.skip("this client insists on TLS")
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(marked_audio(WORDS))
    monkeypatch.setenv("OSSICLE_AWS_SECRET_ME", KEY)  # who signs has the key's owner for a name
    doors = {"tls_port": 0, "port": None if secure else 0, "grpc_tls_port": 0}
    keys = (("me", KEY),) if template.sdk != "websocket" else ()  # that one says what to put there
    async with gateway_with(tmp_path, keys=keys, **doors) as gateway:
        await gateway.ready()
        here = gateway.house.address
        text = fill(template, here)
        names = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
        trust = dict.fromkeys(names, here.ca) if secure else {}
        trust |= {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": KEY}
        said = await run(command(template, text, tmp_path), tmp_path, **trust)
    if template.sdk == "twilio":
        assert (
            f'<Stream url="wss://localhost:{here.https.rpartition(":")[2]}/twilio/media">' in said
        )
    else:
        assert said.lower().replace(".", "").split() == SAID


@pytest.mark.parametrize(
    "template", [t for t in TEMPLATES if t.language == "javascript"], ids=lambda each: each.sdk
)
async def test_javascript_is_javascript(template: Template, tmp_path: Path) -> None:
    """Those, too, whose dialect is not in this version."""
    program = shutil.which("node") or ""
    if not program:
        missing("node is not installed")
    file = tmp_path / "text.mjs"
    here = Address("http://a:1", "https://a:2", "/ca.pem", "grpc://a:3", "grpcs://a:4")
    file.write_text(fill(template, here).text)
    await run([program, "--check", str(file)], tmp_path)


def test_twiml_is_what_their_builder_makes() -> None:
    python("twilio")
    from xml.etree.ElementTree import canonicalize

    from twilio.twiml.voice_response import Connect, VoiceResponse

    (template,) = [each for each in TEMPLATES if each.language == "xml"]
    text = fill(template, Address(https="https://speech.example")).text
    response, connect = VoiceResponse(), Connect()
    stream = connect.stream(url="wss://speech.example/twilio/media")
    stream.parameter(name="language", value="en-US")
    response.append(connect)
    assert canonicalize(text, strip_text=True) == canonicalize(str(response))


async def test_a_gateway_tells_its_own_lines_to_who_may_use_it(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, keys=(("me", KEY),), tls_port=0) as gateway:
        denied = await ask(gateway.url, method="GET", path="/v1/snippets")
        assert denied.status == 401
        answer = await ask(
            gateway.url,
            method="GET",
            path="/v1/snippets",
            headers={"authorization": f"Bearer {KEY}", "host": "speech.lan:1"},
        )
        told = json.loads(answer.body)["snippets"]
        port = gateway.doors["http"].port
    curl = next(each["text"] for each in told if each["sdk"] == "curl")
    assert f"http://speech.lan:{port}/v1/stream" in curl
    assert KEY not in answer.body.decode()
