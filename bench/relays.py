"""Other people's relays, as a user would run them: HAProxy, nginx, one on `websockets`, LiteLLM.

    with haproxy(provider.url) as relay, load("ws", relay, connections=200) as clients: ...

HAProxy and nginx are Debian's own and pass the bytes on; the relay on `websockets` is twenty lines
of `bench.rivals`; LiteLLM's proxy comes from PyPI, pinned, into an environment of its own under the
cache folder, made when it is first wanted. All have one thread, on the core of the servers.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Generator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from .machine import Process, cores
from .progress import Progress

__all__ = ["LITELLM", "LITELLM_KEY", "available", "haproxy", "litellm", "nginx", "versions"]

LITELLM = "1.108.7"
LITELLM_KEY = "sk-bench-only"
"""Its proxy takes no WebSocket without one."""
LITELLM_MODEL = "null-realtime"
_PATH = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
_STARTS_S = 90.0

_HAPROXY = """
global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout tunnel 1h
frontend clients
  bind 127.0.0.1:{port}
  default_backend provider
backend provider
  server provider {upstream} maxconn 8192
"""

_NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/pid;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://{upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""

_LITELLM = """
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {upstream}
      api_key: none
general_settings:
  master_key: {key}
litellm_settings:
  telemetry: false
"""


class Program(Process):
    """A program that is no bench's own: it says nothing and listens after a while."""

    def __init__(
        self, command: list[str], port: int, folder: Path, more: Mapping[str, str] | None = None
    ) -> None:
        self._said = (folder / "said").open("wb")
        self._child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env={"HOME": str(folder), "PATH": _PATH, **(more or {})},
            start_new_session=True,
        )
        os.sched_setaffinity(self._child.pid, {cores()[0]})
        self.pid = self._child.pid
        self.first = f"http://127.0.0.1:{port}"
        self._await(port, folder / "said")

    def _await(self, port: int, said: Path) -> None:
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                text = said.read_text(errors="replace")[-2_000:]
                raise SystemExit(f"{self._child.args} ended: {text}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            time.sleep(0.05)
        self.close()
        raise SystemExit(f"{self._child.args} did not listen within {_STARTS_S:g} s")

    def close(self) -> None:
        """It is told to end; one that does not is ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()
        self._said.close()


def available(program: str) -> str | None:
    """Where it is; None = not here."""
    return shutil.which(program, path=_PATH)


def versions() -> str:
    """Of those that are here, for the page."""
    said: list[str] = []
    for program, asked in (("haproxy", "-v"), ("nginx", "-v")):
        path = available(program)
        if path is not None:
            done = subprocess.run([path, asked], capture_output=True, text=True, check=False)
            said.append((done.stdout + done.stderr).splitlines()[0].split(" - ")[0].strip())
    return ", ".join([*said, f"LiteLLM {LITELLM}"])


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def _program(
    name: str, text: str, command: list[str], upstream: str, more: Mapping[str, str] | None = None
) -> Generator[Program, None, None]:
    """`command` with the places {port}, {folder} and {config} filled in, as `text` is."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix=f"ossicle-bench-{name}-") as made:
        folder = Path(made)
        places = {
            "port": str(port),
            "folder": made,
            "config": str(folder / "config.yaml"),
            "upstream": upstream,
            "model": LITELLM_MODEL,
            "key": LITELLM_KEY,
        }
        Path(places["config"]).write_text(text.format(**places))
        process = Program([part.format(**places) for part in command], port, folder, more)
        try:
            yield process
        finally:
            process.close()


def _program_path(name: str) -> str:
    path = available(name)
    if path is None:
        raise SystemExit(f"{name} is not installed; see scripts/debian-packages.txt")
    return path


def haproxy(url: str) -> contextlib.AbstractContextManager[Program]:
    """HAProxy in front of `url`."""
    command = [_program_path("haproxy"), "-db", "-f", "{config}"]
    return _program("haproxy", _HAPROXY, command, urlsplit(url).netloc)


def nginx(url: str) -> contextlib.AbstractContextManager[Program]:
    """nginx in front of `url`."""
    command = [_program_path("nginx"), "-p", "{folder}", "-e", "stderr", "-c", "{config}"]
    return _program("nginx", _NGINX, command, urlsplit(url).netloc)


def litellm(url: str, progress: Progress) -> contextlib.AbstractContextManager[Program]:
    """LiteLLM's proxy in front of `url`, `/v1/realtime` included."""
    here = _litellm_folder(progress)
    command = [str(here / "bin" / "litellm"), "--config", "{config}", "--host", "127.0.0.1",
               "--port", "{port}", "--num_workers", "1"]  # fmt: skip
    more = {
        "PATH": f"{here / 'bin'}:{_PATH}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    return _program("litellm", _LITELLM, command, url, more)


def _litellm_folder(progress: Progress) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "ossicle" / "bench" / f"litellm-{LITELLM}"
    if not (folder / "whole").exists():
        progress.step(f"installing litellm[proxy] {LITELLM}, once")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        python, wanted = str(folder / "bin" / "python"), f"litellm[proxy]=={LITELLM}"
        faster = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        installer = (
            [faster, "pip", "install", "--quiet", "--python", python]
            if faster
            else [python, "-m", "pip", "install", "--quiet"]
        )
        subprocess.run([*installer, wanted], check=True)
        (folder / "whole").touch()
    return folder
