"""Runs Deepgram's unmodified SDKs as programs of their own against a gateway with keys and TLS, so
that nothing of this process helps them: no event loop, no trust, no import."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from harness import gateway_with
from ossicle.gateway.serve import Gateway
from sdks import Client, javascript, python, ran

__all__ = ["EVERYWHERE", "KEY", "Door", "client", "door", "noted", "run"]

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


def client(kind: str) -> Client:
    """The SDK that a kind is."""
    return javascript("@deepgram/sdk") if kind == "js" else python("deepgram-sdk")


async def run(name: str, kind: str, orders: dict[str, Any], authority: Path) -> list[Any]:
    """What the SDK's handlers were given. `kind`: sync, async or js."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.upper() for part in ("CERT", "CA_BUNDLE", "SSL", "PROXY"))
    }
    sdk = client(kind)
    variables |= sdk.variables
    variables |= {"SSL_CERT_FILE": str(authority), "NODE_EXTRA_CA_CERTS": str(authority)}
    process = await asyncio.create_subprocess_exec(
        *sdk.command(PROGRAMS / f"{name}.{'cjs' if kind == 'js' else 'py'}"),
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
    ran(client(kind), dialect, door=wire, use=use if kind == "js" else f"{use}, {kind}")
