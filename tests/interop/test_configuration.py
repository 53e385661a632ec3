"""`ossicle serve --config`, and what `ossicle config` says, as people run them."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from harness import GatewayProcess, Talk, ask
from ossicle.testing.marked import marked_audio

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

FILE = """
engine = "scripted:heard"
unknown_model = "refuse"
drain_s = 1
[models]
"how-much-*" = "echo"
[session]
session_s = 3600
[websocket]
max_message = 2048
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ossicle.toml"
    path.write_text(FILE)
    return path


async def ossicle(
    *arguments: str | Path, folder: Path | None = None, **variables: str
) -> tuple[int, str, str]:
    """Status, output, complaints."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("ossicle"),
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **variables},
    )
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Traceback" not in err.decode()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_gateway_does_what_its_file_says(file: Path, tmp_path: Path) -> None:
    async with GatewayProcess.start("--config", str(file), tmp_path=tmp_path) as gateway:
        assert "how-much-*" in gateway.text, "the routes are shown"
        ready = await ask(gateway.url, method="GET", path="/readyz")
        assert ready.status == 200
        async with Talk.open(gateway.url, model="how-much-2", encoding="pcm_s16le") as talk:
            assert talk.messages[0]["engine"].startswith("echo")
            answer = await ask(gateway.url, method="GET", path="/v1/sessions")
            (row,) = json.loads(answer.body)["sessions"]
            assert (row["model"], row["engine"]) == ("how-much-2", talk.messages[0]["engine"])
        async with Talk.open(gateway.url, model="nova-3", encoding="pcm_s16le") as talk:
            assert talk.messages[0]["engine"].startswith("scripted"), "a vendor's name: the default"
        refused = await ask(
            gateway.url, marked_audio([1]), path="/v1/stream?model=how-mush-1&encoding=pcm_s16le"
        )
        assert refused.status == 400
        assert b"how-much-*" in refused.body
        async with Talk.open(gateway.url) as talk:
            await talk.socket.send(bytes(4096))
            await asyncio.wait_for(talk.over.wait(), 10)
            assert talk.socket.close_code == 1009, "its limit is that of the file"
        gateway.signal(signal.SIGTERM)
        assert await gateway.exited(10) == 0


async def test_environment_over_file_and_flags_over_both(file: Path, tmp_path: Path) -> None:
    flags = ("--set", "websocket.max_message=8192", "--engine", "echo")
    variables = {
        "OSSICLE_CONFIG": str(file),
        "OSSICLE_WEBSOCKET__MAX_MESSAGE": "1024",
        "OSSICLE_ENGINE": "tone",
    }
    async with (
        GatewayProcess.start(*flags, tmp_path=tmp_path, **variables) as gateway,
        Talk.open(gateway.url, encoding="pcm_s16le") as talk,
    ):
        assert talk.messages[0]["engine"].startswith("echo")
        await talk.socket.send(bytes(4096))
        await talk.socket.send('{"type": "end"}')
        await talk.until("ended")


async def test_a_wrong_file_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ossicle.toml"
    file.write_text("prot = 80\n[session]\nidle_s = -1\n")
    status, _, said = await ossicle("serve", "--config", file)
    assert status == 2
    assert f"{file}:1: there is no setting prot; did you mean port?" in said
    assert f"{file}:3: session.idle_s: -1 is not a number from 0 to" in said
    file.write_text('host = "127.0.')
    status, _, said = await ossicle("serve", "--config", file)
    assert (status, said.count("\n")) == (2, 1)
    assert "is it complete?" in said


async def test_a_file_in_the_folder_is_not_read_unless_told_so(file: Path) -> None:
    status, out, _ = await ossicle("config", "show", "--changed", "--json", folder=file.parent)
    assert (status, json.loads(out)) == (0, {})
    _, out, _ = await ossicle("config", "show", "--config", "ossicle.toml", "--changed", "--json",
                              folder=file.parent)  # fmt: skip
    assert json.loads(out)["engine"] == {"value": "scripted:heard", "source": "ossicle.toml:2"}


async def test_check_says_good_or_why_not(file: Path) -> None:
    status, out, _ = await ossicle("config", "check", file)
    assert status == 0
    assert f"good: 6 settings from {file}" in out
    status, _, said = await ossicle("config", "check", file, OSSICLE_PROT="1")
    assert (status, said) == (
        2, "error OSSICLE_PROT: there is no such setting; did you mean OSSICLE_PORT?\n",
    )  # fmt: skip


async def test_secrets_are_never_shown(file: Path) -> None:
    for flags in ((), ("--json",)):
        _, out, said = await ossicle(
            "config", "show", "--config", file, *flags, OSSICLE_KEYS="bob:very-secret"
        )
        assert "OSSICLE_KEYS" in out
        assert "not shown" in out
        assert "very-secret" not in out + said


async def test_the_schema_is_json(file: Path) -> None:
    status, out, _ = await ossicle("config", "schema")
    assert status == 0
    assert json.loads(out)["properties"]["session"]["properties"]["idle_s"]["type"] == "number"


async def test_engines_say_which_models_they_hear_for(file: Path) -> None:
    _, out, _ = await ossicle("engines", "--config", file, "--json")
    models = {row["name"]: row["models"] for row in json.loads(out)}
    assert models["echo"] == ["how-much-*"]
    assert models["scripted"] == ["(any other)"]


async def test_snippets_name_the_configured_gateway(tmp_path: Path) -> None:
    file = tmp_path / "ossicle.toml"
    file.write_text('host = "speech.lan"\nport = "off"\ntls_port = 443\nstate_dir = "state"\n')
    _, out, _ = await ossicle("snippet", "--sdk", "curl", "--config", file)
    assert "https://speech.lan:443/v1/stream" in out
    assert f"--cacert {tmp_path / 'state' / 'ca.pem'}" in out
