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
from collections.abc import Sequence

from ..core.capabilities import Capabilities
from ..core.commands import Cancel, Command, End, Finalize, Speak
from ..core.errors import EngineFailed, Fault, OssicleError, Overloaded
from ..core.events import Ended, Event, Notice, SpeechStarted, Transcript
from ..core.formats import AudioFormat
from ..core.options import Options
from ..core.ports import Sink
from .generators import MAX_COMMANDS, WINDOW_MS, Answers
from .worker import Blocking, Factory, Reply, Request, Worker

__all__ = ["Blocking", "BlockingEngine", "from_blocking"]

_MERGED_MS = 200
"""Most audio handed over in one request, so that an abort is seen soon."""


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
        self._workers = [Worker(factory, f"{name} worker {n + 1}") for n in range(processes)]
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


async def _ping(worker: Worker) -> Fault | None:
    """Wait until the process is up and has loaded the factory's module."""

    class Ping:
        answer: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def replied(self, request: Request, reply: Reply) -> None:
            self.broke(reply.fault)

        def broke(self, fault: Fault | None) -> None:
            if not self.answer.done():
                self.answer.set_result(fault)

        def closed(self) -> None:
            self.broke(Fault("engine_unavailable", "the engine was closed", "us", True))

    ping = Ping()
    worker.stream = ping
    try:
        worker.put(ping, Request("ping"))
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
        worker: Worker,
    ) -> None:
        self._sink, self._worker, self._name = sink, worker, capabilities.name
        self._format = options.hears or (capabilities.hears or (AudioFormat(),))[0]
        self._window = window_ms
        self._fed = self._taken = self._commands = 0
        self._answers = Answers()
        self._ending = self._dead = False
        self._open = False
        """A turn was told of and not closed."""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        worker.stream = self
        worker.merge = self._format.bytes(_MERGED_MS)
        worker.put(self, Request("open", options=options))

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
        self._worker.put(self, Request("audio", data))

    def ask(self, command: Command) -> None:
        if self._dead or self._ending:
            return
        match command:
            case Finalize():
                self._command(Request("finalize", ref=command.ref))
            case Cancel(side="in"):
                self._command(Request("forget", ref=command.ref))
            case End():
                self._ending = True
                self._worker.put(self, Request("finish"))
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

    def replied(self, request: Request, reply: Reply) -> None:
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
            case "forget":
                if self._open:  # a turn that was told of is still closed
                    self._tell([Transcript(final=True, ends_turn=True, ref=request.ref)])
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

    def _command(self, request: Request) -> None:
        self._commands += 1
        if self._commands > MAX_COMMANDS:
            raise Overloaded(f"{MAX_COMMANDS} commands wait for engine {self._name}, its limit")
        self._worker.put(self, request)

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if not self._dead:
                if isinstance(event, Transcript | SpeechStarted) and event.side == "in":
                    self._open = not (isinstance(event, Transcript) and event.ends_turn)
                self._sink.tell(self._answers.stamped(event))
