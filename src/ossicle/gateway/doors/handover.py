"""Giving the listening sockets to the next process, so that no connection is refused meanwhile.

    new                                   old
     │── connects to handover-PORT.sock ──▶│
     │◀── names and sockets ───────────────│   both may take connections now
     │    (the engine warms up)            │
     │── "ready" ─────────────────────────▶│
     │◀── "leaving" ───────────────────────│   takes no more, drains, ends

Both processes hold the *same* socket, with one queue of connections: what waits in it when the old
one leaves is taken by the new one. Two sockets on one port (SO_REUSEPORT) have a queue each, and
closing one resets what waits there. When the new process dies before it is ready, the old one just
goes on. Who may connect is decided by the file: it is this user's alone.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final

from ossicle.core.errors import Refused, TimedOut

__all__ = ["Handover", "offer", "take"]

log = logging.getLogger("ossicle.gateway")

_MOST: Final = 8
"""Sockets in one message."""
_ANSWER_S: Final = 10.0
_LONGEST_PATH: Final = 100
"""sun_path has 104 bytes or 108."""


class Handover:
    """Sockets taken from a process that still runs."""

    def __init__(self, wire: socket.socket, sockets: dict[str, socket.socket]) -> None:
        self.sockets = sockets
        """By the name of their door."""
        self._wire = wire

    async def ready(self) -> None:
        """This process serves: the other may leave. Returns when it has begun to.

        Raises:
            TimedOut: it did not say so. It may be gone, or may go on beside this one.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await loop.sock_sendall(self._wire, b"ready\n")
                answer = await loop.sock_recv(self._wire, 64)
        except (TimeoutError, OSError):
            answer = b""
        finally:
            self._wire.close()
        if answer != b"leaving\n":
            raise TimedOut("the gateway whose ports were taken over did not say that it leaves")

    def close(self) -> None:
        """This process will not serve after all: the other goes on."""
        self._wire.close()


async def take(state_dir: Path, port: int, names: tuple[str, ...]) -> Handover | None:
    """The sockets of the process that has `port` now; None = there is none.

    Raises:
        Refused: it answers, and hands no socket over; or this system cannot.
    """
    if not hasattr(socket, "recv_fds"):
        raise Refused("take_over is not possible on this system: it cannot hand sockets over")
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    wire.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        with _reachable(state_dir, port) as path:
            await loop.sock_connect(wire, path)
    except (FileNotFoundError, ConnectionRefusedError):  # never was, or was killed
        wire.close()
        return None
    try:
        async with asyncio.timeout(_ANSWER_S):
            given, sockets = await _receive(wire)
    except (TimeoutError, OSError, ValueError) as error:
        wire.close()
        raise Refused(
            f"the gateway on port {port} does not hand over its ports: {error or 'no answer'}"
        ) from error
    found = dict(zip(given, sockets, strict=True))
    for name in [name for name in found if name not in names]:
        found.pop(name).close()
    return Handover(wire, found)


async def _receive(wire: socket.socket) -> tuple[list[str], list[socket.socket]]:
    arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    loop.add_reader(wire, lambda: arrived.done() or arrived.set_result(None))
    try:
        await arrived
    finally:
        loop.remove_reader(wire)
    data, numbers, _, _ = socket.recv_fds(wire, 4_096, _MOST)
    sockets = [socket.socket(fileno=number) for number in numbers]
    names = data.decode("latin-1").split(",")
    if len(names) != len(sockets):
        for sock in sockets:
            sock.close()
        raise ValueError("its answer names no sockets")
    for sock in sockets:
        sock.setblocking(False)
    return names, sockets


async def offer(
    state_dir: Path, port: int, doors: Mapping[str, socket.socket], leave: Callable[[], None]
) -> None:
    """Hand `doors` to a process that asks for them, and call `leave` when it is ready. Returns
    then; waits for one otherwise, until cancelled. One at a time.

    Raises:
        OSError: the file of the socket cannot be made.
    """
    loop = asyncio.get_running_loop()
    path = _path(state_dir, port)
    with _listening(state_dir, port) as listening:
        try:
            while True:
                wire, _ = await loop.sock_accept(listening)
                with wire:
                    wire.setblocking(False)
                    log.info("another process takes the ports")
                    if await _handed(wire, doors):
                        path.unlink(missing_ok=True)  # before the answer: the next makes its own
                        leave()
                        with contextlib.suppress(OSError):  # it is ready, whatever it hears
                            await loop.sock_sendall(wire, b"leaving\n")
                        return
                log.warning("the process that took the ports ended before it was ready")
        except asyncio.CancelledError:
            path.unlink(missing_ok=True)
            raise


async def _handed(wire: socket.socket, doors: Mapping[str, socket.socket]) -> bool:
    """Whether who asked became ready."""
    names = ",".join(doors).encode()
    try:
        socket.send_fds(wire, [names], [sock.fileno() for sock in doors.values()])
        return await asyncio.get_running_loop().sock_recv(wire, 64) == b"ready\n"
    except OSError as error:
        log.warning("the ports were not handed over: %s", error.strerror)
        return False


@contextlib.contextmanager
def _listening(state_dir: Path, port: int) -> Generator[socket.socket]:
    state_dir.mkdir(parents=True, exist_ok=True)
    _path(state_dir, port).unlink(missing_ok=True)  # of one that was killed: nobody answers there
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening,
        _reachable(state_dir, port) as name,
    ):
        old = os.umask(0o177)
        try:
            listening.bind(name)
        finally:
            os.umask(old)
        listening.listen(_MOST)
        listening.setblocking(False)
        yield listening


def _path(state_dir: Path, port: int) -> Path:
    return state_dir / f"handover-{port}.sock"


@contextlib.contextmanager
def _reachable(state_dir: Path, port: int) -> Generator[str]:
    """A name of the file that is short enough for a socket address."""
    path = _path(state_dir, port)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    if sys.platform != "linux":
        raise Refused(f"take_over: {path} is longer than {_LONGEST_PATH} bytes; move state_dir")
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
