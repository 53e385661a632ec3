"""An async generator as an engine: the short way for whatever is asyncio already.

    async def recognize(audio, options):
        async for item in audio:
            match item:
                case bytes():          # pcm in the format of the capabilities
                    yield Transcript(text=model.feed(item))
                case Finalize():       # decide now
                    yield Transcript(text=model.final(), final=True, ends_turn=True)
        yield Transcript(text=model.final(), final=True, ends_turn=True)     # the audio ended

    engine = from_generator(recognize, Capabilities(name="mine"))

The adapter keeps the laws: it bounds what waits by credit, stamps a `Finalize`'s ref on the next
final that ends a turn, supplies an empty one when the generator asks for more audio without
having answered, and tells `Ended` exactly once. It knows nothing of speech.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeAlias

import msgspec

from ..core.capabilities import Capabilities
from ..core.commands import Cancel, Command, End, Finalize, Played, Speak, Tell
from ..core.errors import EngineFailed, OssicleError, Overloaded
from ..core.events import AudioOut, Ended, Event, Transcript
from ..core.formats import AudioFormat
from ..core.options import Options
from ..core.ports import Sink
from .lifecycle import Children

__all__ = [
    "MAX_COMMANDS",
    "WINDOW_MS",
    "Answers",
    "GeneratorEngine",
    "Item",
    "Recognize",
    "failure",
    "from_generator",
]

Item: TypeAlias = bytes | Finalize | Cancel | Speak | Tell | Played
"""What the audio iterator yields, in order. Its end is the `End` of the stream."""

Recognize: TypeAlias = Callable[[AsyncIterator[Item], Options], AsyncGenerator[Event, None]]
"""`async def recognize(audio, options): yield event`; one call per stream."""

WINDOW_MS = 2000
"""Audio taken ahead of the generator; beyond it the session holds back (and its client)."""
MAX_COMMANDS = 1000
"""Commands waiting for one generator."""


def from_generator(
    recognize: Recognize,
    capabilities: Capabilities,
    *,
    window_ms: int = WINDOW_MS,
    max_streams: int = 0,
) -> "GeneratorEngine":
    """An engine made of an async generator function.

    Args:
        recognize: called once per stream with its audio and options.
        capabilities: what it can do; `hears[0]` is what it is fed unless the session says other.
        window_ms: how much audio may wait for it.
        max_streams: more streams at once are refused as `Overloaded`; 0 = no limit.
    """
    return GeneratorEngine(recognize, capabilities, window_ms=window_ms, max_streams=max_streams)


class GeneratorEngine:
    """One task per stream, all children of the engine and ended by `aclose`."""

    def __init__(
        self, recognize: Recognize, capabilities: Capabilities, *, window_ms: int, max_streams: int
    ) -> None:
        self.capabilities = capabilities
        self._recognize, self._window, self._most = recognize, window_ms, max_streams
        self._children = Children()

    @property
    def warm(self) -> bool:
        return True

    async def start(self) -> None:
        """Nothing to load."""

    async def aclose(self) -> None:
        await self._children.aclose()

    async def open(self, options: Options, sink: Sink) -> "_GeneratorStream":
        if self._most and len(self._children) >= self._most:
            raise Overloaded(
                f"engine {self.capabilities.name} runs {self._most} streams, its limit"
            )
        stream = _GeneratorStream(options, sink, self.capabilities, self._window)
        stream.task = self._children.spawn(
            stream.run(self._recognize), f"{self.capabilities.name} stream"
        )
        sink.credit(self._window)
        return stream


class Answers:
    """Which `Finalize` still waits for its final. Shared by both adapters."""

    def __init__(self) -> None:
        self._refs: deque[str] = deque()

    def asked(self, ref: str) -> None:
        """A Finalize was handed over."""
        self._refs.append(ref)

    def stamped(self, event: Event) -> Event:
        """The event, carrying the ref of the oldest Finalize if it answers it."""
        if isinstance(event, Transcript) and _answers(event) and self._refs:
            ref = self._refs.popleft()
            if event.ref != ref:
                return msgspec.structs.replace(event, ref=ref)
        return event

    def missing(self) -> list[Transcript]:
        """Empty finals for what was not answered in time."""
        owed = [Transcript(final=True, ends_turn=True, ref=ref) for ref in self._refs]
        self._refs.clear()
        return owed


def _answers(event: Transcript) -> bool:
    return event.side == "in" and event.final and event.ends_turn


def failure(error: Exception, name: str) -> OssicleError:
    """Ours as it is; a foreign one as `EngineFailed` by its type only, since its text may quote
    what was said."""
    if isinstance(error, OssicleError):
        return error
    return EngineFailed(f"engine {name} raised {type(error).__name__}")


class _GeneratorStream:
    task: asyncio.Task[None]

    def __init__(
        self, options: Options, sink: Sink, capabilities: Capabilities, window_ms: int
    ) -> None:
        self._options, self._sink, self._name = options, sink, capabilities.name
        self._format = options.hears or (capabilities.hears or (AudioFormat(),))[0]
        self._speaks = options.speaks or (capabilities.speaks or (AudioFormat(),))[0]
        self._window = window_ms
        self._queue: deque[Item] = deque()
        self._fed = self._taken = self._waiting_commands = 0
        self._spoken, self._limit = 0, None
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._ending = self._dead = False
        self._answers = Answers()

    _limit: int | None

    # the session's side

    def audio(self, data: bytes) -> None:
        if self._dead or self._ending:
            return
        self._fed += len(data)
        waiting = self._format.ms(self._fed - self._taken)
        # A session may be a few frames late in seeing credit; four windows means it ignores it.
        if waiting > 4 * self._window + self._format.ms(len(data)):
            raise Overloaded(
                f"{waiting} ms of audio wait for engine {self._name}; its limit is"
                f" {4 * self._window} ms and its credit was not heeded"
            )
        self._queue.append(data)
        self._wake.set()

    def ask(self, command: Command) -> None:
        if self._dead or self._ending:
            return
        match command:
            case End():
                self._ending = True
            case Finalize() | Cancel() | Speak() | Tell() | Played():
                if self._waiting_commands >= MAX_COMMANDS:
                    raise Overloaded(
                        f"{MAX_COMMANDS} commands wait for engine {self._name}, its limit"
                    )
                self._waiting_commands += 1
                self._queue.append(command)
            case _:
                return  # Configure: no live_changes; Audio comes by `audio`
        self._wake.set()

    def credit(self, until_ms: int) -> None:
        self._limit = max(self._limit or 0, self._speaks.bytes(until_ms))
        self._room.set()

    def abort(self) -> None:
        self._dead = True
        self._queue.clear()
        self.task.cancel()

    # the generator's side

    async def run(self, recognize: Recognize) -> None:
        ended = Ended()
        try:
            async with aclosing(recognize(self._items(), self._options)) as events:
                async for event in events:
                    if isinstance(event, Ended):
                        ended = event
                        break
                    if isinstance(event, AudioOut):
                        await self._speak(event)
                    else:
                        self._tell(self._answers.stamped(event))
        except asyncio.CancelledError:
            # `abort` asked for it, or the engine closes and the session should hear why.
            error = EngineFailed("the engine was closed", code="engine_unavailable")
            self._end(Ended(reason="failed", error=error.fault()))
            raise
        except Exception as error:  # noqa: BLE001  becomes Ended(error), which somebody sees
            self._end(Ended(reason="failed", error=failure(error, self._name).fault()))
            return
        for item in self._queue:
            if isinstance(item, Finalize):
                self._answers.asked(item.ref)
        for final in self._answers.missing():
            self._tell(final)
        self._end(ended)

    async def _items(self) -> AsyncIterator[Item]:
        while True:
            for final in self._answers.missing():
                self._tell(final)
            while not self._queue:
                if self._ending:
                    return
                self._wake.clear()
                await self._wake.wait()
            item = self._queue.popleft()
            if isinstance(item, bytes):
                self._taken += len(item)
                self._sink.credit(self._format.ms(self._taken) + self._window)
            else:
                self._waiting_commands -= 1
                if isinstance(item, Finalize):
                    self._answers.asked(item.ref)
            yield item

    async def _speak(self, event: AudioOut) -> None:
        """Tell sound as far as credit goes, and hold the generator for the rest."""
        data, start = event.data, self._speaks.units(event.start_ms)
        while data:
            room = len(data) if self._limit is None else self._limit - self._spoken
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            part, data = data[:room], data[room:]
            self._tell(
                msgspec.structs.replace(
                    event,
                    data=part,
                    start_ms=self._speaks.ms(start),
                    mark="" if data else event.mark,
                )
            )
            start += len(part)
            self._spoken += len(part)

    def _tell(self, event: Event) -> None:
        if not self._dead:
            self._sink.tell(event)

    def _end(self, ended: Ended) -> None:
        if not self._dead:
            self._dead = True
            self._sink.tell(ended)
