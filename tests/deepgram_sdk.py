"""Runs Deepgram's unmodified SDKs as programs of their own against a gateway with keys and TLS, so
that nothing of this process helps them: no event loop, no trust, no import."""

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from harness import gateway_with, missing
from interop.sdk_table import record
from ossicle.gateway.serve import Gateway

__all__ = ["EVERYWHERE", "KEY", "Door", "door", "noted", "run"]

KEY = "a-secret-key-of-a-test"
EVERYWHERE = [(kind, wire) for kind in ("sync", "async", "js") for wire in ("plain", "tls")]
PROGRAMS = Path(__file__).parent / "interop" / "deepgram_flux"


class Door:
    """A gateway with keys, on a plain and on a TLS port."""

    def __init__(self, gateway: Gateway, authority: Path) -> None:
        self.plain = gateway.doors["http"].port
        self.secure = gateway.doors["https"].port
        self.authority = authority
        self.house = gateway.house

    def at(self, wire: str) -> dict[str, str]:
        """Where an SDK is pointed."""
        if wire == "tls":
            host = f"localhost:{self.secure}"
            return {"base": f"https://{host}", "ws": f"wss://{host}"}
        host = f"localhost:{self.plain}"
        return {"base": f"http://{host}", "ws": f"ws://{host}"}


@contextlib.asynccontextmanager
async def door(tmp_path: Path, engine: Any = None, **settings: Any) -> AsyncIterator[Door]:
    """A gateway for SDKs."""
    async with gateway_with(
        tmp_path, engine, tls_port=0, keys=(("me", KEY),), **settings
    ) as gateway:
        await gateway.ready()
        (authority,) = (tmp_path / "state").rglob("ca.pem")
        yield Door(gateway, authority)


def _node() -> tuple[str, str]:
    program = shutil.which("node")
    if program is None:
        missing("node is not installed")
    here = Path(__file__).parent / "interop" / "js" / "node_modules"
    for folder in (here, os.environ.get("NODE_PATH", "")):
        if folder and (Path(folder) / "@deepgram").is_dir():
            return str(program), str(folder)
    missing("the JavaScript package @deepgram/sdk is not installed (tests/interop/js)")
    raise AssertionError


async def run(name: str, kind: str, orders: dict[str, Any], authority: Path) -> list[Any]:
    """What the SDK's handlers were given. `kind`: sync, async or js."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.upper() for part in ("CERT", "CA_BUNDLE", "SSL", "PROXY"))
    }
    if kind == "js":
        executable, modules = _node()
        command = [executable, str(PROGRAMS / f"{name}.cjs")]
        variables |= {"NODE_PATH": modules, "NODE_EXTRA_CA_CERTS": str(authority)}
    else:
        if importlib.util.find_spec("deepgram") is None:
            missing("the Python package deepgram-sdk is not installed")
        command = [sys.executable, str(PROGRAMS / f"{name}.py")]
        variables["SSL_CERT_FILE"] = str(authority)
    process = await asyncio.create_subprocess_exec(
        *command,
        env=variables,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            text = json.dumps({"key": KEY, "kind": kind} | orders).encode()
            out, err = await process.communicate(text)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err, err.decode()
    return [json.loads(line) for line in out.splitlines()]


def noted(dialect: str, kind: str, wire: str, use: str) -> None:
    """A row in the table of clients."""
    if kind == "js":
        folder = Path(_node()[1]) / "@deepgram" / "sdk" / "package.json"
        version = json.loads(folder.read_text())["version"]
        record(dialect, sdk="@deepgram/sdk", version=version, language="JavaScript",
               door=wire, use=use)  # fmt: skip
    else:
        version = importlib.metadata.version("deepgram-sdk")
        record(dialect, sdk="deepgram-sdk", version=version, language="Python",
               door=wire, use=f"{use}, {kind}")  # fmt: skip
