"""One worker process, and the thread that talks to it: one request, one reply.

The thread is the only one that waits for the process, so the event loop never does: it puts
requests and hears of replies by `call_soon_threadsafe`. Knows nothing of sinks and the order law;
`processes.py` does.
"""

import asyncio
import contextlib
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Literal, Protocol, TypeAlias, cast

import msgspec

from ..core.errors import EngineFailed, Fault
from ..core.events import Event
from ..core.options import Options
from .generators import failure

__all__ = ["Blocking", "Client", "Factory", "Reply", "Request", "Worker"]

_JOIN_SECONDS = 2.0
"""How long a process may take to leave after its pipe was closed, before it is killed."""


class Blocking(Protocol):
    """What you write. Called in one process, one call at a time; may take as long as it needs."""

    def accept(self, data: bytes) -> Sequence[Event]:
        """Audio, in `hears[0]` or as the session chose (`options.hears`)."""
        ...

    def finalize(self) -> Sequence[Event]:
        """Decide now. One final with `ends_turn`; an empty one is added if there is none."""
        ...

    def finish(self) -> Sequence[Event]:
        """The audio is over: what is left."""
        ...


Factory: TypeAlias = Callable[[Options], Blocking]
"""A class or function at the top of a module: it is sent to the process by its name."""


class Request(msgspec.Struct, frozen=True):
    """What the engine asks of its worker, one at a time and in order."""

    kind: Literal["ping", "open", "audio", "finalize", "forget", "finish", "drop"]
    data: bytes = b""
    options: Options | None = None
    ref: str = ""


class Reply(msgspec.Struct, frozen=True):
    """What the worker answers: events, or why it cannot go on."""

    events: tuple[Event, ...] = ()
    fault: Fault | None = None


class Client(Protocol):
    """Who waits for the replies of a worker. Called on the event loop."""

    def replied(self, request: Request, reply: Reply) -> None: ...

    def broke(self, fault: Fault) -> None: ...

    def closed(self) -> None: ...


class Pipe(Protocol):
    """A multiprocessing connection, whichever class the platform makes."""

    def send(self, obj: object, /) -> None: ...

    def recv(self) -> object: ...

    def close(self) -> None: ...


class Worker:
    """A process, and the thread that talks to it: one request, one reply."""

    def __init__(self, factory: Factory, name: str) -> None:
        self._factory, self._name = factory, name
        self._changed = threading.Condition()
        self._requests: deque[tuple[Client, Request]] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._process: BaseProcess | None = None
        self._pipe: Pipe | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False
        """A request is with the process."""
        self.alive = False
        """The process answered, and has not been found dead since."""
        self.pid: int | None = None
        self.stream: Client | None = None
        """Who it works for; None = free. Touched on the event loop only."""
        self.merge = 0
        """Most bytes of audio in one request."""

    # on the event loop

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be ready for requests; the process itself is started with the first of them."""
        self._loop = loop
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def put(self, client: Client, request: Request) -> None:
        with self._changed:
            self._requests.append((client, request))
            self._changed.notify()

    def drop(self, client: Client) -> None:
        """Nothing of this client is wanted; it hears of a reply to "drop" when that is sure."""
        with self._changed:
            self._requests = deque(each for each in self._requests if each[0] is not client)
            self._requests.append((client, Request("drop")))
            self._changed.notify()

    def release(self, stream: object) -> None:
        if self.stream is stream:
            self.stream = None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._requests.clear()
            self._changed.notify()
            if self._busy and self._process is not None:
                self._process.terminate()  # it may compute for long, and the thread waits for it

    def join(self) -> None:
        """Wait for the thread and its process; not on the event loop."""
        if self._thread is not None:
            self._thread.join()

    # on the thread

    def _work(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Inherited by the process: a Ctrl-C while it still imports must not break it.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while (job := self._next()) is not None:
                client, request = job
                try:
                    reply = self._exchange(request)
                    self.alive = self.pid is not None
                except (EOFError, OSError) as error:
                    self._bury()
                    fault = EngineFailed(
                        f"{self._name} died ({type(error).__name__}) in {request.kind!r}"
                    ).fault()
                    self._report(client.broke, fault)
                else:
                    self._report(client.replied, request, reply)
        finally:
            self._bury()

    def _next(self) -> tuple[Client, Request] | None:
        with self._changed:
            while not self._requests and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            client, request = self._requests.popleft()
            parts = [request.data]
            while (
                request.kind == "audio"
                and self._requests
                and self._requests[0][1].kind == "audio"
                and sum(map(len, parts)) + len(self._requests[0][1].data) <= self.merge
            ):
                parts.append(self._requests.popleft()[1].data)
        return client, request if len(parts) == 1 else Request("audio", b"".join(parts))

    def _exchange(self, request: Request) -> Reply:
        pipe, process = self._pipe, self._process
        if pipe is None or process is None or not process.is_alive():
            self._bury()
            if request.kind == "drop":
                return Reply()
            pipe = self._spawn()
        with self._changed:
            self._busy = not self._closed
        if not self._busy:
            raise EOFError
        try:
            pipe.send(request)
            return cast("Reply", pipe.recv())
        finally:
            with self._changed:
                self._busy = False

    def _spawn(self) -> "Pipe":
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._factory, self._name), name=self._name, daemon=True
        )
        try:
            process.start()
        finally:
            theirs.close()
        with self._changed:
            self._process = process
        self._pipe, self.pid = ours, process.pid
        return ours

    def _bury(self) -> None:
        """Nothing of the process stays: pipe closed, then waited for, then killed."""
        pipe, self._pipe = self._pipe, None
        with self._changed:
            process, self._process = self._process, None
        self.alive, self.pid = False, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return
        process.join(_JOIN_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()

    def _report(self, call: Callable[..., None], *values: object) -> None:
        assert self._loop is not None
        # A loop that closed without `aclose` has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *values)


def _serve(pipe: Pipe, factory: Factory, name: str) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    recogniser: Blocking | None = None
    while True:
        try:
            request = cast("Request", pipe.recv())
        except (EOFError, OSError):
            return  # the parent closed its end, or died
        events: Sequence[Event] = ()
        fault: Fault | None = None
        try:
            match request.kind:
                case "open":
                    recogniser = factory(request.options or Options())
                case "drop":
                    recogniser = None
                case "ping":
                    pass
                case _ if recogniser is None:
                    raise EngineFailed(f"{name} has no stream for {request.kind!r}")
                case "audio":
                    events = recogniser.accept(request.data)
                case "finalize":
                    events = recogniser.finalize()
                case "forget":
                    recogniser.finalize()
                case "finish":
                    events = recogniser.finish()
                    recogniser = None
        except Exception as error:  # noqa: BLE001  becomes a Fault, which ends the stream
            fault = failure(error, name).fault()
        try:
            pipe.send(Reply(tuple(events), fault))
        except OSError:
            return
