"""The real coturn on loopback, and the secret that a gateway shares with it.

async with coturn(tmp_path, "shared-secret") as port:
    share_secret(tmp_path / "state", "shared-secret")
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from harness import missing

__all__ = ["coturn", "share_secret"]


def share_secret(state: Path, secret: str) -> None:
    """Where a gateway with that state looks for it."""
    (state / "secrets").mkdir(parents=True, mode=0o700, exist_ok=True)
    path = state / "secrets/turn_secret"
    path.write_text(secret)
    path.chmod(0o600)


@contextlib.asynccontextmanager
async def coturn(tmp_path: Path, secret: str) -> AsyncIterator[int]:
    """A relay on loopback."""
    program = shutil.which("turnserver")
    if program is None:
        missing("coturn is not installed: apt-get install coturn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(program), "-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1",
        "--listening-port", str(port), "--use-auth-secret", "--static-auth-secret", secret,
        "--realm", "local", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli",
        "--pidfile", str(tmp_path / "turn.pid"), "--log-file", "stdout", "--simple-log",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert process.returncode is None
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()
