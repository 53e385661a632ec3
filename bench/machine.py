"""The processes that are measured: started, pinned to a core, watched, stopped.

with server("tcp") as raw, load("tcp", raw, connections=250) as generator:
    before = raw.cpu_ns()
"""

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

__all__ = [
    "AUDIO",
    "Counters",
    "Load",
    "Process",
    "Trips",
    "beside_servers",
    "calls",
    "cores",
    "empty_loop",
    "gateway",
    "load",
    "null_provider",
    "percentile",
    "rival",
]

ROOT = Path(__file__).resolve().parent.parent
AUDIO = "/v1/stream?encoding=pcm_s16le&sample_rate=16000"


def cores() -> tuple[int, int]:
    """The core of the servers, and that of everything that loads them."""
    held = sorted(os.sched_getaffinity(0))
    return held[0], held[1 % len(held)]


@contextlib.contextmanager
def beside_servers() -> Generator[None, None, None]:
    """This process itself loads them meanwhile: it leaves their core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def percentile(values: list[float], share: float) -> float:
    """The value that so many are below."""
    held = sorted(values)
    return held[min(len(held) - 1, int(share * len(held)))]


class Process:
    """A child that prints where it is, and answers lines with lines."""

    def __init__(self, command: list[str], core: int | None) -> None:
        self._child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        if core is not None:
            os.sched_setaffinity(self._child.pid, {core})
        self.pid = self._child.pid
        self.first = self._line()

    @property
    def url(self) -> str:
        """What it printed first, with an address instead of a name."""
        return self.first.replace("localhost", "127.0.0.1")

    def ask(self, line: str = "?") -> str:
        """Its answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return self._line()

    def figures(self) -> dict[str, Any]:
        """Its answer, where that is JSON."""
        return dict(json.loads(self.ask()))

    def _line(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(map(str, self._child.args))} ended: {self._child.wait()}")
        return line.strip()

    def cpu_ns(self) -> int:
        """CPU of all its threads so far; nanoseconds where the kernel counts them."""
        try:
            return sum(
                int(task.joinpath("schedstat").read_text().split()[0])
                for task in Path(f"/proc/{self.pid}/task").iterdir()
            )
        except OSError:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, int]:
        """Bytes: resident, resident and its own, and the most that was ever resident."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
        )
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        own = sum(
            int(line.split()[1]) * 1024
            for line in rollup.splitlines()
            if line.startswith(("Private_Clean:", "Private_Dirty:"))
        )
        return {
            "rss": int(status["VmRSS"].split()[0]) * 1024,
            "uss": own,
            "peak": int(status["VmHWM"].split()[0]) * 1024,
        }

    def forget_peak(self) -> None:
        """The most resident counts from now on (proc(5): clear_refs 5)."""
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def close(self) -> None:
        """Its standard input ends, so it ends."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()


@contextlib.contextmanager
def _running(command: list[str], core: int | None) -> Generator[Process, None, None]:
    process = Process(command, core)
    try:
        yield process
    finally:
        process.close()


def gateway(
    engine: str, *more: str, pinned: bool = True
) -> contextlib.AbstractContextManager[Process]:
    """A gateway with that engine. Pinned, all its processes share the core of the servers; an
    engine with processes of its own needs the whole machine."""
    command = [sys.executable, "-m", "bench.gateway", engine, *more]
    return _running(command, cores()[0] if pinned else None)


def empty_loop() -> contextlib.AbstractContextManager[Process]:
    """A loop that measures its own lag and does nothing else."""
    return _running([sys.executable, "-m", "bench.lag"], None)


def rival(kind: str, *more: str, **environment: str) -> contextlib.AbstractContextManager[Process]:
    """Something to compare with, perhaps in another environment; it ends when told to."""
    put = [f"{name}={value}" for name, value in environment.items()]
    command = ["env", *put, sys.executable, "-m", "bench.rivals", kind, *more]
    return _running(command, cores()[0])


def null_provider() -> contextlib.AbstractContextManager[Process]:
    """What stands behind relays; it shares the core of what loads them."""
    return _running([sys.executable, "-m", "bench.null_provider"], cores()[1])


class Counters(NamedTuple):
    """What a generator has done so far."""

    now_ns: int
    frames: int
    sent: int
    replies: int
    received: int
    payload: int
    late: int
    closed: int


class Trips(NamedTuple):
    """Round trips: from a frame to the reply it is due. Milliseconds."""

    count: int
    median: float
    p90: float
    p99: float
    longest: float


class Load(Process):
    """A running generator."""

    def mark(self) -> Counters:
        """The counters now."""
        return Counters(*map(int, self.ask().split()))

    def pace(self, interval_ms: float) -> None:
        """Send at another pace from now on, and forget the round trips so far."""
        self.ask(f"pace {interval_ms:g}")

    def trips(self) -> Trips:
        """Round trips since the last `pace`."""
        count, *spans = map(int, self.ask("trips").split())
        return Trips(count, *(span / 1_000_000 for span in spans))


@contextlib.contextmanager
def load(
    kind: str,
    server: Process,
    *,
    connections: int,
    body: int = 640,
    interval_ms: float = 20.0,
    path: str = AUDIO,
    text: str | None = None,
    every: int = 0,
    header: str = "",
) -> Generator[Load, None, None]:
    """Clients that send evenly spread frames; 0 ms = that send nothing. `text` is sent instead of
    binary frames, with `kind` "text". `every`: frames that a reply is due for, where round trips
    are wanted. `header`: one more line of the upgrade request."""
    where = urlsplit(server.url)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as said:
        if text is not None:
            said.write(text)
            said.flush()
        what = str(body) if text is None else said.name
        numbers = (str(connections), what, str(interval_ms))
        command = [*_generator(), kind, str(where.hostname), str(where.port), *numbers, path,
                   str(every), header]  # fmt: skip
        process = Load(command, cores()[1])
        try:
            yield process
        finally:
            process.close()


@contextlib.contextmanager
def calls(
    server: Process,
    sessions: int,
    body: int,
    interval_ms: float,
    path: str,
    *,
    native: bool = False,
) -> Generator[Load, None, None]:
    """gRPC clients that send evenly spread messages; `native`: of `ossicle.v1`."""
    where = urlsplit(server.url)
    numbers = (str(sessions), str(body), str(interval_ms))
    command = [sys.executable, "-m", "bench.grpc_load", str(where.hostname), str(where.port),
               *numbers, path, *(("--native",) if native else ())]  # fmt: skip
    process = Load(command, cores()[1])
    try:
        yield process
    finally:
        process.close()


@cache
def _generator() -> list[str]:
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is not None:
        folder = tempfile.mkdtemp(prefix="ossicle-bench-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        built = Path(folder, "generator")
        source = str(ROOT / "bench" / "generator.c")
        made = subprocess.run([compiler, "-O2", "-o", str(built), source], check=False)
        if made.returncode == 0:
            return [str(built)]
    return [sys.executable, "-m", "bench.generator"]
