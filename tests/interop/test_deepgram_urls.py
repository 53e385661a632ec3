"""Deepgram's own SDKs, unmodified: recordings by URL, from a real HTTPS server whose authority the
gateway was told to trust, asked for in the clear and over TLS with the gateway's own authority."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from harness import GatewayProcess
from interop.test_deepgram_sdks import AUDIO, LISTEN, SCRIPTS, check_file
from remote import Remote, page, redirect, wav
from sdks import Client, javascript, python, ran

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

RECORDING = wav(AUDIO)


class Place(NamedTuple):
    """A gateway, whose authority is which, and who has recordings."""

    gateway: GatewayProcess
    authority: Path
    remote: Remote


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    pages = {"/speech.wav": page(RECORDING), "/moved": redirect("/speech.wav?signed=yes")}
    async with Remote(pages).running(tls=tmp_path_factory.mktemp("theirs")) as remote:
        folder = tmp_path_factory.mktemp("ours")
        flags = ("--engine", "scripted:heard", "--tls-port", "0", "--allow-host", "localhost")
        trust = f"trust_ca={remote.authority}"
        async with GatewayProcess.start(
            *flags, "--set", trust, tmp_path=folder, OSSICLE_KEYS="me:KEY"
        ) as gateway:
            yield Place(gateway, next(folder.rglob("ca.pem")), remote)


def client(how: str) -> Client:
    """The SDK that is run this way."""
    return javascript("@deepgram/sdk") if how == "javascript" else python("deepgram-sdk")


async def run(place: Place, door: str, how: str, url: str) -> Any:
    """What the SDK gave its user."""
    sdk = client(how)
    more = () if how == "javascript" else (how,)
    command = sdk.command(SCRIPTS / ("url.mjs" if how == "javascript" else "python_url.py"))
    env = dict(sdk.variables)
    base = place.gateway.url if door == "plain" else place.gateway.secure_url
    if door == "tls":
        names = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        env |= dict.fromkeys(names, str(place.authority))
    process = await asyncio.create_subprocess_exec(
        *command, base, base.replace("http", "ws", 1), url, *more,
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
    return json.loads(out)


@pytest.mark.parametrize("door", ["plain", "tls"])
@pytest.mark.parametrize("how", ["sync", "async", "javascript"])
async def test_a_recording_by_url(place: Place, door: str, how: str) -> None:
    path = "/speech.wav?key=hush" if door == "plain" else "/moved?key=hush"
    check_file(await run(place, door, how, place.remote.url(path, "localhost")), RECORDING)
    assert "hush" not in place.gateway.text
    use = "pre-recorded by URL" + (f", {how}" if how != "javascript" else "")
    ran(client(how), LISTEN, door="http" if door == "plain" else "https", use=use)


@pytest.mark.parametrize("how", ["sync", "javascript"])
async def test_what_is_refused_is_an_error_of_the_sdk(place: Place, how: str) -> None:
    remote = place.remote
    before = len(remote.heads)
    for url, status, code in (
        (remote.url("/missing", "localhost"), 400, "REMOTE_CONTENT_ERROR"),
        (remote.url("/speech.wav", "127.0.0.1"), 403, "INSUFFICIENT_PERMISSIONS"),
        ("http://169.254.169.254/latest/meta-data", 403, "INSUFFICIENT_PERMISSIONS"),
    ):
        answer = await run(place, "plain", how, url)
        body = answer["body"]
        assert (answer["status"], body["err_code"]) == (status, code)
        assert set(body) == {"err_code", "err_msg", "request_id"}
    assert len(remote.heads) == before + 1, "and none of them is tried again"
