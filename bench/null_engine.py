"""An engine that hears nothing: it counts, and answers every fifth frame with words.

    ossicle serve --engine python:bench.null_engine:NullEngine

A partial of 97 characters and three figures is about 200 bytes on the wire of `ossicle.v1`; the
generator counts what it really was, and the results page says it.
"""

from ossicle.core.capabilities import Capabilities
from ossicle.core.commands import Command, End, Finalize
from ossicle.core.events import Ended, Transcript
from ossicle.core.options import Options
from ossicle.core.ports import Sink

__all__ = ["NullEngine", "PromptEngine", "SilentEngine"]

EVERY = 5
FRAME_MS = 20
FRAME_BYTES = 640
TEXT = (
    "this is what a partial of a live transcript looks like when somebody has spoken for some "
    "seconds"
)


class NullEngine:
    """Opens at once, as often as it is asked."""

    capabilities = Capabilities(name="null", note="Counts frames; for measuring the gateway.")
    every = EVERY

    async def open(self, options: Options, sink: Sink) -> "NullStream":
        return NullStream(sink, self.every)


class SilentEngine(NullEngine):
    """Counts only: what is left is the way in."""

    every = 0


class PromptEngine(NullEngine):
    """Answers every frame, by its number: `piece 7`."""

    async def open(self, options: Options, sink: Sink) -> "NullStream":
        return PromptStream(sink, 1)


class NullStream:
    """Counts down to its next reply."""

    __slots__ = ("every", "frames", "left", "sink")

    def __init__(self, sink: Sink, every: int) -> None:
        self.sink = sink
        self.every = self.left = every
        self.frames = 0

    def audio(self, data: bytes) -> None:
        self.frames += 1
        self.left -= 1
        if self.left == 0:
            self.left = self.every
            at = self.frames * FRAME_MS
            self.sink.tell(Transcript(text=TEXT, start_ms=0, end_ms=at, stable=60))

    def ask(self, command: Command) -> None:
        match command:
            case Finalize():
                self.sink.tell(Transcript(text="", final=True, ends_turn=True, ref=command.ref))
            case End():
                self.sink.tell(Ended(reason="done"))
            case _:
                pass

    def credit(self, until_ms: int) -> None: ...

    def abort(self) -> None: ...


class PromptStream(NullStream):
    """Frames are those of 20 ms: however they were cut on their way."""

    __slots__ = ("taken",)

    def __init__(self, sink: Sink, every: int) -> None:
        super().__init__(sink, every)
        self.taken = 0

    def audio(self, data: bytes) -> None:
        self.taken += len(data)
        number = self.taken // FRAME_BYTES
        if number > self.frames:
            self.frames = number
            at = number * FRAME_MS
            self.sink.tell(Transcript(text=f"piece {number}", start_ms=0, end_ms=at, stable=5))
