"""tinyproxy, squid and microsocks, as a company has them between its people and the world.

with tinyproxy(folder, password="secret") as proxy:
    connect(url, proxy=proxy.url)
    proxy.connected("127.0.0.1:8080")
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from .real_proxies import free_port, which

__all__ = ["PASSWORD", "PROXIES", "USER", "ForwardProxy", "microsocks", "outside_address"]

USER, PASSWORD = "user", "se-cret.1"
"""All that tinyproxy's file can say."""


class ForwardProxy:
    """One that runs."""

    def __init__(
        self, port: int, journal: Path, *, scheme: str = "http", noted: str = "CONNECT"
    ) -> None:
        """`noted`: what its log says in front of where it made a tunnel to."""
        self.place = f"127.0.0.1:{port}"
        self.url = f"{scheme}://{self.place}"
        self.known = f"{scheme}://{USER}:{PASSWORD}@{self.place}"
        """Its URL with the right password."""
        self._journal = journal
        self._noted = noted

    async def connected(self, place: str, seconds: float = 5.0) -> bool:
        """Whether it made a tunnel to there, by its own log; squid writes when one is over."""
        end = time.monotonic() + seconds
        while f"{self._noted} {place}" not in (
            self._journal.read_text() if self._journal.exists() else ""
        ):
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.02)
        return True


@contextlib.contextmanager
def tinyproxy(*, password: bool) -> Generator[ForwardProxy]:
    """Of Debian; it lets CONNECT go to every port unless told otherwise."""
    program = which("tinyproxy")
    with _folder() as folder:
        port, journal = free_port(), folder / "log"
        lines = [
            f"Port {port}", "Listen 127.0.0.1", "Allow 127.0.0.1", "Timeout 600",
            "MaxClients 100", f'LogFile "{journal}"', "LogLevel Connect",
            f'PidFile "{folder}/pid"',
        ]  # fmt: skip
        if password:
            lines.append(f"BasicAuth {USER} {PASSWORD}")
        config = folder / "tinyproxy.conf"
        config.write_text("\n".join(lines) + "\n")
        with _running([program, "-d", "-c", str(config)], port, folder):
            yield ForwardProxy(port, journal)


@contextlib.contextmanager
def squid(*, password: bool) -> Generator[ForwardProxy]:
    """Of Debian, without its rule that CONNECT is for port 443 alone."""
    program = which("squid")
    with _folder() as folder:
        port, journal = free_port(), folder / "log"
        lines = [
            f"http_port 127.0.0.1:{port}", "pid_filename none", "cache deny all",
            f"access_log stdio:{journal}", f"cache_log {folder}/cache.log",
            "logformat squid %rm %ru", "netdb_filename none", "pinger_enable off",
            "shutdown_lifetime 0 seconds", f"coredump_dir {folder}", "via off",
        ]  # fmt: skip
        if os.geteuid() == 0:  # else it becomes somebody who may not write here
            shutil.chown(folder, "proxy", "proxy")
        if password:
            crypt = ["openssl", "passwd", "-1", PASSWORD]
            word = subprocess.run(crypt, capture_output=True, text=True, check=True).stdout
            (folder / "words").write_text(f"{USER}:{word.strip()}\n")
            lines += [
                f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/words",
                "auth_param basic children 1",
                "acl known proxy_auth REQUIRED",
                "http_access allow known",
                "http_access deny all",
            ]
        else:
            lines.append("http_access allow all")
        config = folder / "squid.conf"
        config.write_text("\n".join(lines) + "\n")
        with _running([program, "-N", "-f", str(config)], port, folder):
            yield ForwardProxy(port, journal)


@contextlib.contextmanager
def microsocks(*, password: bool) -> Generator[ForwardProxy]:
    """Of Debian: SOCKS 5 and nothing else."""
    program = which("microsocks")
    with _folder() as folder:
        port = free_port()
        login = ["-u", USER, "-P", PASSWORD] if password else []
        with _running([program, "-i", "127.0.0.1", "-p", str(port), *login], port, folder):
            yield ForwardProxy(port, folder / "said", scheme="socks5", noted="connected to")


PROXIES: dict[str, Callable[..., contextlib.AbstractContextManager[ForwardProxy]]] = {
    "tinyproxy": tinyproxy,
    "squid": squid,
}


def outside_address() -> str:
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(sock.getsockname()[0])


@contextlib.contextmanager
def _folder() -> Generator[Path]:
    """One that another user may read: both programs may become one."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Generator[None]:
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder)
    try:
        end = time.monotonic() + 20
        while True:
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{command[0]}: {(folder / 'said').read_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
