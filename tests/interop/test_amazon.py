"""Amazon's own SDKs, unmodified, against a gateway with keys: Python and Node over HTTP/2, the
browser's over WebSocket, and a URL signed by botocore."""

import asyncio
import base64
import importlib.metadata
import json
import os
import shutil
import sys
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.asyncio.client import connect

from chromium import chromium
from harness import Talk, gateway_with, missing, until
from interop.sdk_table import record
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.dialects.amazon.eventstream import encode, read_frames
from ossicle.dialects.amazon.messages import audio_frame
from ossicle.engines.open import open_engine
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.configuration.settings import AmazonSettings
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

SCRIPTS = Path(__file__).parent / "amazon"
WORDS = [1, 2, 3, 0, 4, 5, 0, 6]
SAID = ["w1 w2 w3", "w4 w5", "w6"]
AUDIO = marked_audio(WORDS)
DIALECT = "Amazon Transcribe"
KEY, SECRET = "AKTEAM", "5ecret/of+a=test"
PATH = "/stream-transcription-websocket"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"OSSICLE_AWS_SECRET_{KEY}", SECRET)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with keyed(tmp_path) as it:
        yield it


def keyed(folder: Path, engine: Any = None, **more: Any) -> Any:
    """A gateway whose key of `team` stands behind the access key."""
    amazon = {"access_keys": ((KEY, "team"),)} | more.pop("amazon", {})
    return gateway_with(
        folder, engine, tls_port=0, keys=(("team", "a-key-of-the-team"),),
        amazon=AmazonSettings(**amazon), **more,
    )  # fmt: skip


def python_sdk() -> str:
    try:
        return importlib.metadata.version("amazon-transcribe")
    except importlib.metadata.PackageNotFoundError:
        missing("amazon-transcribe is needed (pip install amazon-transcribe==0.6.4)")
        raise


def javascript_sdk() -> tuple[str, str, str]:
    """node, the folder of the SDK, and its version."""
    node = shutil.which("node")
    if node is None:
        missing("node is needed")
    for folder in (Path(__file__).parent / "js", Path(os.environ.get("NODE_PATH") or ".").parent):
        sdk = folder / "node_modules" / "@aws-sdk" / "client-transcribe-streaming" / "package.json"
        if sdk.exists():
            return str(node), str(folder), json.loads(sdk.read_text())["version"]
    missing("@aws-sdk/client-transcribe-streaming is needed: npm ci in tests/interop/js")
    raise AssertionError


async def run(*command: str, **env: str) -> list[dict[str, Any]]:
    """One client process; the JSON objects it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaint = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()[-3000:]
    return [json.loads(line) for line in out.decode().splitlines()]


async def client(
    gateway: Gateway,
    which: str,
    sound: bytes = AUDIO,
    *,
    key: str = KEY,
    secret: str = SECRET,
    **options: Any,
) -> list[dict[str, Any]]:
    """What one of the SDKs saw. `python`, `node` (over TLS) or `node h2c`."""
    file = gateway.house.settings.state_dir / "speech.raw"
    file.write_bytes(sound)
    ca = gateway.house.address.ca
    secure, plain = gateway.house.address.https, gateway.house.address.http
    if which == "python":
        python_sdk()
        script = str(SCRIPTS / "python_stream.py")
        return await run(sys.executable, script, secure, ca, str(file), key, secret,
                         json.dumps(options))  # fmt: skip
    node, folder, _ = javascript_sdk()
    url = plain if which == "node h2c" else secure
    return await run(node, str(SCRIPTS / "stream.mjs"), url, str(file), key, secret,
                     json.dumps(options), OSSICLE_JS=folder, NODE_EXTRA_CA_CERTS=ca)  # fmt: skip


def finals(said: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in said if each["type"] == "RESULT" and not each["partial"]]


SDKS = pytest.mark.parametrize("which", ["python", "node"])
WIRES = pytest.mark.parametrize("which", ["python", "node", "node h2c"])


@WIRES
async def test_a_stream_is_heard(gateway: Gateway, which: str) -> None:
    session = "0b1f4a0e-7d5c-4f4d-9a53-2f1f0a2d0001"
    name = "session_id" if which == "python" else "SessionId"
    said = await client(gateway, which, **{name: session})
    accepted, *results, ended = said
    assert accepted["type"] == "ACCEPTED", said
    assert accepted["session"] == session
    assert accepted["request"]
    assert (accepted["rate"], accepted["language"]) == (16_000, "en-US")
    assert ended == {"type": "ENDED"}
    assert finals(said) == SAID
    by_id: dict[str, list[bool]] = {}
    for result in results:
        by_id.setdefault(result["id"], []).append(result["partial"])
    assert len(by_id) == len(SAID)
    assert all(partials == [*[True] * (len(partials) - 1), False] for partials in by_id.values())
    assert all(item[0] == "pronunciation" for result in results for item in result["items"])
    await until(lambda: not gateway.house.sessions)
    if which == "python":
        record(DIALECT, sdk="amazon-transcribe", version=python_sdk(), language="Python",
               door="https", use="live over HTTP/2, signed, secret checked")  # fmt: skip
    else:
        record(DIALECT, sdk="@aws-sdk/client-transcribe-streaming", version=javascript_sdk()[2],
               language="JavaScript", door="http" if "h2c" in which else "https",
               use="live over HTTP/2, signed, secret checked")  # fmt: skip


async def test_what_is_stable_is_said_to_be(gateway: Gateway) -> None:
    said = await client(gateway, "python", enable_partial_results_stabilization=True,
                        partial_results_stability="high")  # fmt: skip
    stable = [item[2] for r in said if r["type"] == "RESULT" for item in r["items"]]
    assert stable
    assert None not in stable
    plain = await client(gateway, "python")
    assert {item[2] for r in plain if r["type"] == "RESULT" for item in r["items"]} == {None}


async def test_two_channels_are_told_apart(gateway: Gateway) -> None:
    left, right = marked_audio([1, 2, 0]), marked_audio([7, 0, 8])
    size = max(len(left), len(right))
    pairs = zip(*(memoryview(x.ljust(size, b"\0")).cast("h") for x in (left, right)), strict=True)
    sound = b"".join(a.to_bytes(2, "little", signed=True) + b.to_bytes(2, "little", signed=True)
                     for a, b in pairs)  # fmt: skip
    said = await client(gateway, "python", sound, enable_channel_identification=True,
                        number_of_channels=2)  # fmt: skip
    by_channel = {
        name: [r["text"] for r in said if r["type"] == "RESULT" and not r["partial"]
               and r["channel"] == name]
        for name in ("ch_0", "ch_1")
    }  # fmt: skip
    assert by_channel == {"ch_0": ["w1 w2"], "ch_1": ["w7", "w8"]}, said[0]


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"secret": "another"}, "InvalidSignatureException"),
        ({"key": "AKOTHER"}, "UnrecognizedClientException"),
    ],
)
@SDKS
async def test_a_wrong_secret_and_an_unknown_key(
    gateway: Gateway, which: str, how: dict[str, str], name: str
) -> None:
    (refused,) = await client(gateway, which, **how)
    if which == "python":  # its table has five names; the others are told in the text
        assert refused["name"] == "UnknownServiceException"
        assert name in refused["text"]
    else:
        assert (refused["type"], refused["name"], refused["status"]) == ("FAILED", name, 403)
    assert not gateway.house.sessions


async def test_a_clock_that_is_off(gateway: Gateway) -> None:
    (refused,) = await client(gateway, "node", clock=-600_000)
    assert refused["name"] == "InvalidSignatureException"
    assert "expired" in refused["text"]
    (refused,) = await client(gateway, "node", clock=600_000)
    assert "not yet current" in refused["text"]
    assert (await client(gateway, "node", clock=240_000))[-1] == {"type": "ENDED"}


@SDKS
async def test_parameters_that_cannot_be(gateway: Gateway, which: str) -> None:
    wrong = {"media_sample_rate_hz": 7} if which == "python" else {"MediaSampleRateHertz": 7}
    (refused,) = await client(gateway, which, **wrong)
    assert refused["name"] == "BadRequestException"
    assert "8000 to 48000" in refused["text"]


@SDKS
async def test_fifteen_seconds_of_silence(tmp_path: Path, which: str) -> None:
    async with keyed(tmp_path, amazon={"silence_s": 0.3}) as gateway:
        pause = 1.0 if which == "python" else 1_000
        said = await client(gateway, which, marked_audio([1, 2]), piece=100_000, pause=pause)
    assert said[-1]["type"] == "FAILED"
    assert said[-1]["name"] == "BadRequestException"
    assert "no new audio was received" in said[-1]["text"]
    assert finals(said) == ["w1 w2"]  # what was heard is not lost


async def test_a_session_id_that_is_in_use(gateway: Gateway) -> None:
    async with connect(signed(gateway, session_id="taken"), proxy=None) as socket:
        await socket.recv()
        (refused,) = await client(gateway, "node h2c", SessionId="taken")
        assert (refused["name"], refused["status"]) == ("ConflictException", 409)
        (refused,) = await client(gateway, "python", session_id="taken")
        assert refused["name"] == "ConflictException"
    await until(lambda: not gateway.house.sessions)
    said = await client(gateway, "node h2c", SessionId="taken")
    assert finals(said) == SAID


async def test_an_engine_that_breaks(tmp_path: Path) -> None:
    class Broken(ScriptedEngine):
        async def open(self, options: Options, sink: Any) -> Any:
            raise RuntimeError("broken")

    settings = {"session": {"replays": 0}}
    async with keyed(tmp_path, Broken(), **settings) as gateway:
        for which in ("python", "node"):
            said = await client(gateway, which)
            assert said[-1]["name"] in {"InternalFailureException", "ServiceUnavailableException"}


# ── over WebSocket ──


async def test_a_secret_in_a_file_and_a_key_that_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"OSSICLE_AWS_SECRET_{KEY}")
    async with keyed(tmp_path) as gateway:
        url = signed(gateway)
        assert (await refused(url))[:2] == (403, "UnrecognizedClientException")
        file = gateway.house.settings.state_dir / "secrets" / f"aws_secret_{KEY}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(SECRET + "\n")
        file.chmod(0o644)
        assert await over(url, []) == ([], "ServiceUnavailableException", 1000)
        file.chmod(0o600)
        assert (await over(url, [*EVENTS, b""]))[0] == SAID
        async with connect(signed(gateway), proxy=None) as socket:
            await socket.recv()
            gateway.house.access._given = ()
            monkeypatch.setattr(gateway.house.access, "refresh", lambda: True)
            gateway.house.tick()
            (frame,) = read_frames(await socket.recv())
            assert frame.text(":message-type") == "exception"
            assert b"revoked" in frame.payload
        assert (await refused(signed(gateway)))[:2] == (403, "UnrecognizedClientException")


def signed(
    gateway: Gateway,
    *,
    secret: str = SECRET,
    expires: int = 300,
    host: str = "",
    token: str | None = None,
    **given: str,
) -> str:
    """A URL signed by botocore."""
    where = host or f"localhost:{gateway.doors['http'].port}"
    more = {"language_code": "en-US", "media_encoding": "pcm", "sample_rate": "16000"} | given
    query = "&".join(f"{name.replace('_', '-')}={value}" for name, value in more.items())
    request = AWSRequest("GET", f"https://{where}{PATH}?{query}")
    credentials = Credentials(KEY, secret, token)
    SigV4QueryAuth(credentials, "transcribe", "us-east-1", expires=expires).add_auth(request)
    return request.url.replace(f"https://{where}", f"ws://localhost:{gateway.doors['http'].port}")


async def over(url: str, messages: list[Any]) -> tuple[list[str], str, int | None]:
    """The finals, the name of an exception, and the close code."""
    words: list[str] = []
    name = ""
    async with connect(url, proxy=None, compression=None) as socket:

        async def speak() -> None:
            for message in messages:
                await socket.send(message)

        speaking = asyncio.create_task(speak())
        try:
            async for message in socket:
                (frame,) = read_frames(message)  # one frame in each message
                name = name or frame.text(":exception-type")
                if not name:
                    results = json.loads(frame.payload)["Transcript"]["Results"]
                    words += [r["Alternatives"][0]["Transcript"] for r in results
                              if not r["IsPartial"]]  # fmt: skip
        except websockets.ConnectionClosed:
            pass  # the code says how
        speaking.cancel()
        await asyncio.wait([speaking])
        return words, name, socket.close_code


EVENTS = [encode(audio_frame(AUDIO[at : at + 3200])) for at in range(0, len(AUDIO), 3200)]


@pytest.mark.parametrize("end", [b"", encode(audio_frame(b""))], ids=["no bytes", "empty event"])
async def test_a_url_signed_by_botocore(gateway: Gateway, end: bytes) -> None:
    url = signed(gateway, token="of/temporary+credentials=")
    assert await over(url, [*EVENTS, end]) == (SAID, "", 1000)
    record(DIALECT, sdk="botocore", version=importlib.metadata.version("botocore"),
           language="Python", door="ws", use="live over WebSocket, presigned URL")  # fmt: skip


async def refused(url: str) -> tuple[int, str, str]:
    with pytest.raises(websockets.InvalidStatus) as error:
        async with connect(url, proxy=None):
            pass
    response = error.value.response
    return (response.status_code, response.headers["x-amzn-errortype"],
            json.loads(response.body or b"")["Message"])  # fmt: skip


async def test_urls_that_are_refused_before_the_upgrade(gateway: Gateway) -> None:
    wrong = await refused(signed(gateway, secret="another"))
    assert wrong[:2] == (403, "InvalidSignatureException")
    long = await refused(signed(gateway, expires=301))
    assert "1 to 300" in long[2]
    changed = await refused(signed(gateway).replace("en-US", "de-DE"))
    assert changed[:2] == (403, "InvalidSignatureException")
    unsigned = await refused(signed(gateway).partition("&X-Amz")[0])
    assert unsigned[:2] == (403, "AccessDeniedException")
    short = signed(gateway, expires=1)
    await asyncio.sleep(2.1)  # the signature's clock is what passes here
    expired = await refused(short)
    assert expired[:2] == (403, "InvalidSignatureException")
    assert "expired" in expired[2]


async def test_behind_a_proxy_that_rewrites_the_host(tmp_path: Path) -> None:
    async with keyed(tmp_path) as gateway:
        url = signed(gateway, host="speech.example.com")
        assert (await refused(url))[1] == "InvalidSignatureException"
    async with keyed(tmp_path, amazon={"hosts": ("speech.example.com",)}) as gateway:
        url = signed(gateway, host="speech.example.com")
        assert (await over(url, [*EVENTS, b""]))[0] == SAID


@pytest.mark.parametrize(
    "bad",
    [
        EVENTS[0][:-1] + bytes((EVENTS[0][-1] ^ 1,)),
        EVENTS[0][:7],
        b"\xff" * 40,
        "text",
    ],
    ids=["sum", "truncated", "noise", "text"],
)
async def test_a_broken_event_ends_the_stream_in_words(gateway: Gateway, bad: Any) -> None:
    _, name, code = await over(signed(gateway), [EVENTS[0], bad])
    assert (name, code) == ("BadRequestException", 1000)
    await until(lambda: not gateway.house.sessions)


async def test_a_session_is_gone_on_with(gateway: Gateway) -> None:
    more = {"session_id": "goes-on", "session_resume_window": "5"}
    async with connect(signed(gateway, **more), proxy=None) as socket:
        for event in EVENTS[: len(EVENTS) // 2]:
            await socket.send(event)
        (session,) = gateway.house.sessions.values()
        half = sum(len(read_frames(e)[0].payload) for e in EVENTS[: len(EVENTS) // 2])
        await until(lambda: session.taken_bytes == half)
        socket.transport.abort()
    await until(lambda: session.detached_until is not None)
    words, name, code = await over(signed(gateway, **more), [*EVENTS[len(EVENTS) // 2 :], b""])
    assert (name, code) == ("", 1000)
    assert session.taken_bytes == len(AUDIO)
    assert words[-1] == SAID[-1]
    assert session.ended is not None


async def test_the_browsers_sdk_in_a_browser(tmp_path: Path) -> None:
    node, folder, version = javascript_sdk()
    bundle = tmp_path / "bundle.js"
    await run(node, str(SCRIPTS / "bundle.cjs"), str(SCRIPTS / "page.mjs"), str(bundle),
              OSSICLE_JS=folder)  # fmt: skip
    async with keyed(tmp_path) as gateway:
        port = gateway.doors["https"].port
        # the SDK dials port 8443 of any host, and no other: the browser is told where that is
        async with chromium(
            tmp_path,
            f"--host-resolver-rules=MAP speech.test:8443 127.0.0.1:{port}",
            "--ignore-certificate-errors",
        ) as browser:
            page = await browser.open(gateway.url + "/healthz", script=bundle.read_text())
            sound = base64.b64encode(AUDIO).decode()
            call = (
                "window.transcribe('speech.test', {key}, {secret}, "
                "Uint8Array.from(atob('{sound}'), (c) => c.charCodeAt(0)), {more})"
            )

            async def ask(secret: str = SECRET, **more: Any) -> Any:
                text = call.replace("{sound}", sound).replace("{more}", json.dumps(more))
                text = text.replace("{key}", json.dumps(KEY))
                return await page.run(text.replace("{secret}", json.dumps(secret)))

            heard = await ask()
            assert heard.get("ended"), heard
            assert [r["text"] for r in heard["said"] if not r["partial"]] == SAID
            bad = await ask(MediaSampleRateHertz=7)
            assert bad["error"] == "BadRequestException", bad
            wrong = await ask("another")
            assert "ended" not in wrong
        await until(lambda: not gateway.house.sessions)
    record(DIALECT, sdk="@aws-sdk/client-transcribe-streaming", version=version,
           language="JavaScript", door="wss",
           use="live over WebSocket in Chromium, signed URL")  # fmt: skip


# ── real speech ──


@pytest.mark.parametrize("name", ["go-forward.wav", "numbers.wav"])
async def test_real_speech_has_the_words_of_the_native_dialect(name: str, tmp_path: Path) -> None:
    folder = os.environ.get("OSSICLE_CLIPS", "")
    if not folder or not (Path(folder) / name).is_file():
        missing(f"{name} is needed in the folder that OSSICLE_CLIPS names (scripts/clips.py)")
    with wave.open(str(Path(folder) / name)) as file:
        assert AudioFormat("pcm_s16le", file.getframerate()).sample_rate == 16_000
        sound = file.readframes(file.getnframes()) + bytes(32_000)
    async with gateway_with(tmp_path, open_engine("pocketsphinx"), tls_port=0) as gateway:
        await gateway.ready()
        async with Talk.open(gateway.url, encoding="pcm_s16le", sample_rate=16000) as talk:
            await talk.audio(sound, 3200)
            await talk.say("end")
            await talk.ended(60)
            wanted = talk.words()
        assert wanted
        began = time.monotonic()
        for which in ("python", "node"):
            said = await client(gateway, which, sound)
            assert said[-1] == {"type": "ENDED"}
            assert " ".join(finals(said)).split() == wanted
        assert time.monotonic() - began < 60
