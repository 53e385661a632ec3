"""The process that loads the models once and forks a worker for each stream.

    python -m ossicle.engines.pocketsphinx.zygote FD

Started by `nursery`, which holds the other end of FD. Records are nine bytes, `op id number`:

    from the nursery   f id 0 (+ one descriptor)   fork a worker that serves it
                       k id 0                      kill that worker
    to the nursery     r 0 pid                     models are loaded
                       f id pid                    forked
                       x id status                 the worker is gone

It dies with its socket and with its parent, and its workers die with it. Terminal signals do not
reach it (its own session), and it ignores SIGTERM: a service manager that signals the whole group
must not cut off the sessions that the gateway is draining.
"""

import ctypes
import gc
import os
import resource
import select
import signal
import socket
import struct
import sys
import traceback
from typing import Final

from ...audio.vad import load_vad
from .decoder import PocketDecoder
from .worker import Models, serve

__all__ = ["RECORD", "main"]

RECORD: Final = struct.Struct("=cIi")
"""One record on the control socket."""

_NICE: Final = 10
"""Recognition waits for the event loop, never the other way round."""


def main(fd: int) -> None:
    """Load, then fork on request until the control socket ends."""
    _settle_in()
    with socket.socket(fileno=fd) as control:
        models = Models(PocketDecoder(), load_vad())
        # Objects that the collector will not touch stay on pages shared with every worker.
        gc.collect()
        gc.freeze()
        control.sendall(RECORD.pack(b"r", 0, os.getpid()))
        _run(control, models)


def _run(control: socket.socket, models: Models) -> None:
    children: dict[int, int] = {}  # pid -> id
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _noted)
    try:
        while True:
            ready, _, _ = select.select([control, wake], [], [])
            if wake in ready:
                os.read(wake, 512)
                _reap(control, children)
            if control not in ready:
                continue
            data, fds, _, _ = socket.recv_fds(control, RECORD.size, 1)
            if len(data) < RECORD.size:
                return
            op, number, _ = RECORD.unpack(data)
            if op == b"f":
                try:
                    pid = os.fork()
                except OSError as error:  # no process or no memory left: that stream alone fails
                    os.close(fds[0])
                    control.sendall(RECORD.pack(b"x", number, error.errno or 1))
                    continue
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for other in (wake, woken):
                        os.close(other)
                    control.close()
                    _child(fds[0], models)
                os.close(fds[0])
                children[pid] = number
                control.sendall(RECORD.pack(b"f", number, pid))
            elif op == b"k":
                for pid, held in children.items():
                    if held == number:
                        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def _noted(number: int, frame: object) -> None:
    """A handler, so that SIGCHLD writes to the wake-up pipe."""


def _reap(control: socket.socket, children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        number = children.pop(pid)
        control.sendall(RECORD.pack(b"x", number, os.waitstatus_to_exitcode(status)))


def _child(fd: int, models: Models) -> None:
    """A worker. Never returns: the zygote's stack above it is not its own."""
    status = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _die_with_parent()
        with socket.socket(fileno=fd) as peer:
            serve(peer, models)
        status = 0
    except BaseException:  # noqa: BLE001  the exit status tells the nursery, stderr the operator
        traceback.print_exc()
    finally:
        os._exit(status)


def _settle_in() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    os.nice(_NICE)
    # A core file of a worker would be a recording of what somebody said.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        cores = os.sched_getaffinity(0)
        if len(cores) > 1:
            os.sched_setaffinity(0, cores - {min(cores)})  # one stays free for the event loop


def _die_with_parent() -> None:
    """Linux ends this process when its parent ends, even by SIGKILL. Elsewhere the end of the
    socket has to do, which a worker notices after the piece of audio in its hands."""
    if sys.platform == "linux":
        parent = os.getppid()
        pdeathsig = 1  # PR_SET_PDEATHSIG, prctl(2)
        ctypes.CDLL(None).prctl(pdeathsig, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)  # it ended before the request was in place


if __name__ == "__main__":
    main(int(sys.argv[1]))
