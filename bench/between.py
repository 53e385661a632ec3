"""nginx and HAProxy as processes that may be killed, halted and started again on the same port,
with idle timers of five seconds.

    async with Between("nginx", 8080, folder) as proxy:
        proxy.port                      leads to port 8080
        await proxy.kill(); await proxy.start()
"""

import asyncio
import shutil
import signal
import socket
from pathlib import Path

__all__ = ["PROGRAMS", "Between", "free_port", "installed"]

IDLE_S = 5


def free_port() -> int:
    """One that nobody has at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _nginx(port: int, target: int, folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return f"""
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    {places}
    access_log off;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{target};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
            proxy_buffering off;
            proxy_read_timeout {IDLE_S}s;
            proxy_send_timeout {IDLE_S}s;
        }}
    }}
}}
"""


def _haproxy(port: int, target: int, _folder: Path) -> str:
    return f"""
defaults
    mode http
    timeout connect 2s
    timeout client {IDLE_S}s
    timeout server {IDLE_S}s
    timeout tunnel {IDLE_S}s
frontend here
    bind 127.0.0.1:{port}
    default_backend there
backend there
    server one 127.0.0.1:{target}
"""


PROGRAMS = {"nginx": _nginx, "haproxy": _haproxy}


def installed(name: str) -> str | None:
    """Where its program is."""
    return shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Between:
    """One proxy before a port of loopback."""

    def __init__(self, name: str, target: int, folder: Path) -> None:
        self.name, self.port = name, free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "config"
        self._config.write_text(PROGRAMS[name](self.port, target, folder))
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Between":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Until it listens."""
        program = installed(self.name)
        if program is None:
            raise RuntimeError(f"{self.name} is not installed: apt-get install {self.name}")
        config, folder = str(self._config), str(self._folder)
        nginx = [
            program, "-p", folder, "-e", "stderr", "-c", config,
            "-g", f"daemon off; master_process off; pid {folder}/pid;",
        ]  # fmt: skip
        command = nginx if self.name == "nginx" else [program, "-db", "-f", config]
        with (self._folder / "said").open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said)
        async with asyncio.timeout(20):
            while True:
                if self._process.returncode is not None:
                    raise RuntimeError((self._folder / "said").read_text()[-2_000:])
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return

    async def kill(self) -> None:
        """At once, with every connection through it."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    def halt(self, *, on: bool) -> None:
        """It does nothing any more, and keeps its connections; or it goes on."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)
