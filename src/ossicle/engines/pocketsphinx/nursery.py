"""Keeps a zygote alive and workers ready: the supervisor in the gateway's process.

The gateway itself never forks: it starts the zygote as a program and passes it one end of a
socket pair per worker (SCM_RIGHTS). A zygote that dies is started again, at once the first time
and then ever more slowly; its workers died with it, and their streams were told.

Knows nothing of speech.
"""

import array
import asyncio
import contextlib
import logging
import os
import socket
import sys
from typing import Final

from ...core.errors import EngineFailed
from .stream import Link

__all__ = ["Nursery"]

_LOG = logging.getLogger(__name__)

_RECORD_BYTES: Final = 9
_BACKOFF_MAX: Final = 5.0
_YOUNG: Final = 10.0
_CLOSE_WITHIN: Final = 2.0
"""Seconds a zygote has to leave after its socket ended; it has nothing to tidy up."""


class Nursery:
    """Makes workers. `start` begins, `aclose` ends everything it began."""

    def __init__(self, *, spares: int, start_s: float) -> None:
        self._spares_wanted = spares
        self._start_s = start_s
        self.restarts = 0
        """Zygotes that were lost since `start`."""
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._attempt: asyncio.Future[None] | None = None
        self._control: socket.socket | None = None
        self._held = b""
        self._wake = asyncio.Event()
        self._number = 0
        self._spares: list[Link] = []
        self._links: dict[int, Link] = {}
        self._spare_died = False
        self.zygote_pid = 0
        """0 = none is running."""

    @property
    def warm(self) -> bool:
        """A worker can be had at once."""
        return self._control is not None and bool(self._attempt and self._attempt.done())

    @property
    def workers(self) -> dict[int, int]:
        """Process ids of the workers, spare ones included, by number."""
        return {number: link.pid for number, link in self._links.items()}

    def start(self) -> None:
        """Begin to load. Idempotent.

        Raises:
            EngineFailed: it was closed.
        """
        if self._closed:
            raise EngineFailed("the pocketsphinx engine is closed")
        if self._task is None:
            self._attempt = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._run(), name="pocketsphinx nursery")

    async def ready(self) -> None:
        """Wait until the models are loaded.

        Raises:
            EngineFailed: the last attempt failed, or loading takes longer than `start_s`.
        """
        self.start()
        attempt = self._attempt
        if attempt is None or (attempt.done() and self._control is not None):
            return
        try:
            async with asyncio.timeout(self._start_s):
                await asyncio.shield(attempt)
        except TimeoutError:
            raise EngineFailed(
                f"pocketsphinx did not load its models within {self._start_s:g} s (start_s)"
            ) from None

    async def take(self) -> Link:
        """A worker that nobody owns: a spare one at once, else a new one.

        Raises:
            EngineFailed: there is no zygote.
        """
        while self._spares:
            link = self._spares.pop()
            if link.transport is not None and not link.transport.is_closing():
                self._wake.set()
                return link
        await self.ready()
        link = await self._fork()
        self._wake.set()
        return link

    def release(self, link: Link) -> None:
        """The worker is not wanted any more, whatever it is doing."""
        link.drop()
        if self._links.pop(link.number, None) is not None:
            with contextlib.suppress(EngineFailed):  # no zygote: then no worker either
                self._send(b"k", link.number)
        self._wake.set()

    async def aclose(self) -> None:
        """End the zygote and every worker. Idempotent."""
        self._closed = True
        for link in tuple(self._links.values()):
            if link.owner is not None:
                link.owner.fail("the engine was closed")
            link.drop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._fail(EngineFailed("the pocketsphinx engine is closed"))  # whoever waits for it

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        delay = 0.0
        while True:
            began = loop.time()
            try:
                await self._one_zygote()
                why = "it ended"
                # One that dies young would die again: the second time, and after, it waits.
                delay = _slower(delay) if loop.time() - began < _YOUNG else 0.0
            except (EngineFailed, OSError) as error:
                why = str(error)
                delay = _slower(delay)
                self._fail(EngineFailed(f"pocketsphinx cannot start: {why}"))
            self.restarts += 1
            _LOG.warning("pocketsphinx zygote lost (%s); starting again in %.1f s", why, delay)
            await asyncio.sleep(delay)
            if self._attempt is None or self._attempt.done():
                self._attempt = loop.create_future()

    async def _one_zygote(self) -> None:
        """The life of one zygote; returns when it is gone after it was ready."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process: asyncio.subprocess.Process | None = None
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # the working directory is not a place to import from
                    "-m",
                    "ossicle.engines.pocketsphinx.zygote",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C in the terminal is for the gateway alone
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                )
            self._control, self._held = ours, b""
            loop.add_reader(ours, self._records)
            try:
                async with asyncio.timeout(self._start_s):
                    await self._until_loaded()
            except TimeoutError:
                raise EngineFailed(f"no answer within {self._start_s:g} s") from None
            await self._keep_spares()
        finally:
            self._lose()
            ours.close()
            if process is not None:
                await _reap(process)

    async def _until_loaded(self) -> None:
        while self._attempt is not None and not self._attempt.done():
            if self._control is None:
                raise EngineFailed("the zygote ended while it loaded its models")
            await self._wait()

    async def _keep_spares(self) -> None:
        while self._control is not None:
            if self._spare_died:
                # A worker that dies before it has heard anything would die again at once.
                self._spare_died = False
                await asyncio.sleep(1.0)
            elif len(self._spares) < self._spares_wanted:
                link = await self._fork()
                if link.transport is not None:
                    self._spares.append(link)
            else:
                await self._wait()

    async def _wait(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    async def _fork(self) -> Link:
        loop = asyncio.get_running_loop()
        self._number += 1
        link = Link(self._number, self._gone)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._send(b"f", link.number, theirs.fileno())
            except EngineFailed:
                ours.close()
                raise
        ours.setblocking(False)
        self._links[link.number] = link
        try:
            await loop.create_unix_connection(lambda: link, sock=ours)
        except BaseException:
            ours.close()
            self.release(link)
            raise
        return link

    def _send(self, op: bytes, number: int, fd: int | None = None) -> None:
        if self._control is None:
            raise EngineFailed("the pocketsphinx zygote is not running; it is being started again")
        record = op + number.to_bytes(4, sys.byteorder) + bytes(4)
        try:
            if fd is None:
                self._control.send(record)
            else:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
                self._control.sendmsg([record], [rights])
        except OSError as error:
            raise EngineFailed(
                f"the pocketsphinx zygote takes no orders: {error.strerror}"
            ) from error

    def _records(self) -> None:
        control = self._control
        if control is None:
            return
        try:
            data = control.recv(4096)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._lose()
            return
        self._held += data
        while len(self._held) >= _RECORD_BYTES:
            record, self._held = self._held[:_RECORD_BYTES], self._held[_RECORD_BYTES:]
            self._record(
                record[:1],
                int.from_bytes(record[1:5], sys.byteorder),
                int.from_bytes(record[5:], sys.byteorder, signed=True),
            )
        self._wake.set()

    def _record(self, op: bytes, number: int, value: int) -> None:
        if op == b"r":
            self.zygote_pid = value
            if self._attempt is not None and not self._attempt.done():
                self._attempt.set_result(None)
        elif op == b"f" and number in self._links:
            self._links[number].pid = value
        elif op == b"x" and value and number in self._links:
            # Only for the log: the stream is told by its socket, after what the worker still said.
            _LOG.warning("pocketsphinx worker %d ended with status %d", number, value)

    def _gone(self, link: Link) -> None:
        """A link's connection ended. Its owner, if any, was told."""
        if link in self._spares:
            self._spares.remove(link)
            self._spare_died = True
        if self._links.pop(link.number, None) is not None:
            with contextlib.suppress(EngineFailed):
                self._send(b"k", link.number)
        self._wake.set()

    def _lose(self) -> None:
        """The zygote is gone, or shall be. Idempotent."""
        control, self._control = self._control, None
        if control is None:
            return
        asyncio.get_running_loop().remove_reader(control)
        control.close()
        self.zygote_pid = 0
        if self._attempt is None or (self._attempt.done() and self._task is not None):
            self._attempt = asyncio.get_running_loop().create_future()
        # Workers end with it (where the system has no way to say so, they serve on to their end);
        # each tells its own stream.
        spares, self._spares = self._spares, []
        for link in spares:
            self._links.pop(link.number, None)
            link.drop()
        self._wake.set()

    def _fail(self, error: EngineFailed) -> None:
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_exception(error)
            self._attempt.exception()  # seen: nobody may be waiting, and that is no leak


def _slower(delay: float) -> float:
    return min(_BACKOFF_MAX, delay * 2 or 0.2)


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Wait for a zygote whose socket ended; one that will not leave is killed."""
    try:
        async with asyncio.timeout(_CLOSE_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
