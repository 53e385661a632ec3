"""The processes in which a gateway's engines work, found from outside and broken.

    for pid in workers(gateway_pid): ...
    half_close(pid)                     its end of the socket to the gateway sends nothing more

Linux alone: they are found in /proc, and a socket of theirs is borrowed with pidfd_getfd(2).
"""

import contextlib
import ctypes
import os
import socket
import time
from pathlib import Path

__all__ = ["busy", "half_close", "nursery", "workers"]

_PIDFD_GETFD = 438
"""The same number on every architecture (Linux 5.6)."""


def workers(gateway: int) -> list[int]:
    """Process ids: those of pocketsphinx (children of the process that holds the models), and
    those of `from_blocking`."""
    found: list[int] = []
    for child in _children(gateway):
        command = _command(child)
        if "pocketsphinx.zygote" in command:
            found += _children(child)
        elif "spawn_main" in command:
            found.append(child)
    return found


def nursery(gateway: int) -> int:
    """The process that holds the models and makes workers; 0 = there is none now."""
    return next((c for c in _children(gateway) if "pocketsphinx.zygote" in _command(c)), 0)


def busy(pids: list[int], within_s: float = 0.15) -> list[int]:
    """Those that compute just now, which is in the middle of a word: a spare one sleeps."""
    before = {pid: _spent(pid) for pid in pids}
    time.sleep(within_s)
    return [pid for pid in pids if _spent(pid) > before[pid]]


def half_close(pid: int) -> bool:
    """It can send nothing more to its gateway, and still hears. False: it is gone."""
    with contextlib.ExitStack() as stack:
        try:
            process = os.pidfd_open(pid)
            stack.callback(os.close, process)
            numbers = sorted(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
        except (FileNotFoundError, ProcessLookupError):
            return False
        for number in numbers:
            borrowed = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
            if borrowed < 0:
                continue
            try:
                connection = socket.socket(fileno=borrowed)
            except OSError:
                os.close(borrowed)  # a file, or a pipe
                continue
            with connection:
                if connection.family == socket.AF_UNIX and connection.type == socket.SOCK_STREAM:
                    connection.shutdown(socket.SHUT_WR)
                    return True
    return False


def _children(pid: int) -> list[int]:
    """Of every thread of it."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended meanwhile
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _spent(pid: int) -> int:
    """Nanoseconds of processor time."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0
