"""A blocking recogniser as an engine: plain methods, run in worker processes.

    class Mine:
        def __init__(self, options): ...
        def accept(self, data): return [Transcript(text=...)]     # pcm; partials, finals
        def finalize(self): return [Transcript(..., final=True, ends_turn=True)]
        def finish(self): return [...]                            # no more audio

    engine = from_blocking(Mine, Capabilities(name="mine"), processes=2)

One process serves one stream at a time, so a long computation delays nobody else; a stream more
than there are processes is refused as `Overloaded`. Processes are spawned (not forked: threads
and CUDA survive it), ignore SIGINT (the parent decides when to stop), and die with the parent,
whose end of the pipe closes. A process that dies ends its stream with a retryable `EngineFailed`
and is replaced at the next `open`. A model should be loaded once per process: keep it behind
`functools.cache` in your module. Voices are not served this way.
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

from ..core.capabilities import Capabilities
from ..core.commands import Cancel, Command, End, Finalize, Speak
from ..core.errors import EngineFailed, Fault, OssicleError, Overloaded
from ..core.events import Ended, Event, Notice
from ..core.formats import AudioFormat
from ..core.options import Options
from ..core.ports import Sink
from .generators import MAX_COMMANDS, WINDOW_MS, Answers, failure

__all__ = ["Blocking", "BlockingEngine", "from_blocking"]

_MERGED_MS = 200
"""Most audio handed over in one request, so that an abort is seen soon."""
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


class _Request(msgspec.Struct, frozen=True):
    kind: Literal["ping", "open", "audio", "finalize", "forget", "finish", "drop"]
    data: bytes = b""
    options: Options | None = None
    ref: str = ""


class _Reply(msgspec.Struct, frozen=True):
    events: tuple[Event, ...] = ()
    fault: Fault | None = None


def from_blocking(
    factory: Factory,
    capabilities: Capabilities,
    *,
    processes: int = 1,
    window_ms: int = WINDOW_MS,
) -> "BlockingEngine":
    """An engine made of a class with `accept`, `finalize` and `finish`.

    Args:
        factory: called with the options in a worker process, once per stream.
        capabilities: what it can do; it must not claim a voice.
        processes: how many streams run at once.
        window_ms: how much audio may wait for one stream.
    """
    if capabilities.speaks:
        raise ValueError("a blocking engine has no voice; combine it with one")
    if processes < 1:
        raise ValueError(f"{processes} processes cannot serve a stream; use at least 1")
    return BlockingEngine(factory, capabilities, processes, window_ms)


class BlockingEngine:
    """A bounded pool of worker processes; `start` warms it, `aclose` ends it."""

    def __init__(
        self, factory: Factory, capabilities: Capabilities, processes: int, window_ms: int
    ) -> None:
        self.capabilities = capabilities
        self._window = window_ms
        name = capabilities.name
        self._workers = [_Worker(factory, f"{name} worker {n + 1}") for n in range(processes)]
        self._closed = False

    @property
    def warm(self) -> bool:
        return all(worker.alive for worker in self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that run now; for a list, and for tests that kill one."""
        return tuple(worker.pid for worker in self._workers if worker.pid)

    async def start(self) -> None:
        self._check_open()
        for worker in self._workers:
            worker.run(asyncio.get_running_loop())
        waiting = [_ping(worker) for worker in self._workers if worker.stream is None]
        for fault in await asyncio.gather(*waiting):
            if fault is not None:
                raise OssicleError.of(fault)

    async def aclose(self) -> None:
        self._closed = True
        for worker in self._workers:
            if worker.stream is not None:
                worker.stream.closed()
            worker.close()
        await asyncio.gather(*(asyncio.to_thread(worker.join) for worker in self._workers))

    async def open(self, options: Options, sink: Sink) -> "_BlockingStream":
        self._check_open()
        worker = next((each for each in self._workers if each.stream is None), None)
        if worker is None:
            raise Overloaded(
                f"engine {self.capabilities.name} runs {len(self._workers)} streams, one for"
                " each of its processes; try again later or give it more"
            )
        worker.run(asyncio.get_running_loop())
        stream = _BlockingStream(options, sink, self.capabilities, self._window, worker)
        try:
            await stream.opened
        except BaseException:
            stream.abort()
            raise
        sink.credit(self._window)
        return stream

    def _check_open(self) -> None:
        if self._closed:
            raise EngineFailed(
                f"engine {self.capabilities.name} is closed", code="engine_unavailable"
            )


class _Client(Protocol):
    """Who waits for the replies of a worker. Called on the event loop."""

    def replied(self, request: _Request, reply: _Reply) -> None: ...

    def broke(self, fault: Fault) -> None: ...


async def _ping(worker: "_Worker") -> Fault | None:
    """Wait until the process is up and has loaded the factory's module."""

    class Ping:
        answer: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def replied(self, request: _Request, reply: _Reply) -> None:
            self.broke(reply.fault)

        def broke(self, fault: Fault | None) -> None:
            if not self.answer.done():
                self.answer.set_result(fault)

        def closed(self) -> None:
            self.broke(Fault("engine_unavailable", "the engine was closed", "us", True))

    ping = Ping()
    worker.stream = ping
    try:
        worker.put(ping, _Request("ping"))
        return await ping.answer
    finally:
        if worker.stream is ping:
            worker.stream = None


class _BlockingStream:
    """The parent's end of one stream. Everything here runs on the event loop."""

    def __init__(
        self,
        options: Options,
        sink: Sink,
        capabilities: Capabilities,
        window_ms: int,
        worker: "_Worker",
    ) -> None:
        self._sink, self._worker, self._name = sink, worker, capabilities.name
        self._format = options.hears or (capabilities.hears or (AudioFormat(),))[0]
        self._window = window_ms
        self._fed = self._taken = self._commands = 0
        self._answers = Answers()
        self._ending = self._dead = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        worker.stream = self
        worker.merge = self._format.bytes(_MERGED_MS)
        worker.put(self, _Request("open", options=options))

    def audio(self, data: bytes) -> None:
        if self._dead or self._ending:
            return
        self._fed += len(data)
        waiting = self._format.ms(self._fed - self._taken)
        if waiting > 4 * self._window + self._format.ms(len(data)):
            raise Overloaded(
                f"{waiting} ms of audio wait for engine {self._name}; its limit is"
                f" {4 * self._window} ms and its credit was not heeded"
            )
        self._worker.put(self, _Request("audio", data))

    def ask(self, command: Command) -> None:
        if self._dead or self._ending:
            return
        match command:
            case Finalize():
                self._command(_Request("finalize", ref=command.ref))
            case Cancel(side="in"):
                self._command(_Request("forget"))
            case End():
                self._ending = True
                self._worker.put(self, _Request("finish"))
            case Speak():
                self._sink.tell(
                    Notice(
                        level="error",
                        code="bad_request",
                        text=f"engine {self._name} has no voice; combine it with one",
                        ref=command.ref,
                    )
                )
            case _:
                pass  # Configure, Tell, Played, Cancel(out): nothing here depends on them

    def credit(self, until_ms: int) -> None:
        """It never speaks."""

    def abort(self) -> None:
        if not self._dead:
            self._dead = True
            self._worker.drop(self)

    def closed(self) -> None:
        self.broke(EngineFailed("the engine was closed", code="engine_unavailable").fault())

    # the worker's side

    def replied(self, request: _Request, reply: _Reply) -> None:
        if request.kind == "drop":
            self._worker.release(self)
            return
        if request.kind in ("finalize", "forget"):
            self._commands -= 1
        if self._dead:
            return
        if reply.fault is not None:
            self._fail(reply.fault)
            self._worker.drop(self)
            return
        match request.kind:
            case "open":
                if not self.opened.done():
                    self.opened.set_result(None)
            case "audio":
                self._taken += len(request.data)
                self._sink.credit(self._format.ms(self._taken) + self._window)
                self._tell(reply.events)
            case "finalize":
                self._answers.asked(request.ref)
                self._tell(reply.events)
                self._tell(self._answers.missing())
            case "finish":
                self._tell(reply.events)
                self._worker.release(self)
                if not self._dead:
                    self._dead = True
                    self._sink.tell(Ended())
            case _:
                pass

    def broke(self, fault: Fault) -> None:
        self._worker.release(self)
        if not self._dead:
            self._fail(fault)

    def _fail(self, fault: Fault) -> None:
        self._dead = True
        if not self.opened.done():
            self.opened.set_exception(OssicleError.of(fault))
        else:
            self._sink.tell(Ended(reason="failed", error=fault))

    def _command(self, request: _Request) -> None:
        self._commands += 1
        if self._commands > MAX_COMMANDS:
            raise Overloaded(f"{MAX_COMMANDS} commands wait for engine {self._name}, its limit")
        self._worker.put(self, request)

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if not self._dead:
                self._sink.tell(self._answers.stamped(event))


class _Stream(_Client, Protocol):
    def closed(self) -> None: ...


class _Pipe(Protocol):
    """A multiprocessing connection, whichever class the platform makes."""

    def send(self, obj: object, /) -> None: ...

    def recv(self) -> object: ...

    def close(self) -> None: ...


class _Worker:
    """A process, and the thread that talks to it: one request, one reply."""

    def __init__(self, factory: Factory, name: str) -> None:
        self._factory, self._name = factory, name
        self._changed = threading.Condition()
        self._requests: deque[tuple[_Client, _Request]] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._process: BaseProcess | None = None
        self._pipe: _Pipe | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False
        """A request is with the process."""
        self.alive = False
        """The process answered, and has not been found dead since."""
        self.pid: int | None = None
        self.stream: _Stream | None = None
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

    def put(self, client: _Client, request: _Request) -> None:
        with self._changed:
            self._requests.append((client, request))
            self._changed.notify()

    def drop(self, client: _Client) -> None:
        """Nothing of this client is wanted; it hears of a reply to "drop" when that is sure."""
        with self._changed:
            self._requests = deque(each for each in self._requests if each[0] is not client)
            self._requests.append((client, _Request("drop")))
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

    def _next(self) -> tuple[_Client, _Request] | None:
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
        return client, request if len(parts) == 1 else _Request("audio", b"".join(parts))

    def _exchange(self, request: _Request) -> _Reply:
        pipe, process = self._pipe, self._process
        if pipe is None or process is None or not process.is_alive():
            self._bury()
            if request.kind == "drop":
                return _Reply()
            pipe = self._spawn()
        with self._changed:
            self._busy = not self._closed
        if not self._busy:
            raise EOFError
        try:
            pipe.send(request)
            return cast("_Reply", pipe.recv())
        finally:
            with self._changed:
                self._busy = False

    def _spawn(self) -> "_Pipe":
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


def _serve(pipe: _Pipe, factory: Factory, name: str) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    recogniser: Blocking | None = None
    while True:
        try:
            request = cast("_Request", pipe.recv())
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
            pipe.send(_Reply(tuple(events), fault))
        except OSError:
            return
