"""`scripted:heard` in worker processes, so that one can be killed in the middle of a word:
`engine = "python:bench.marked_worker:engine"`."""

from collections.abc import Sequence

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import End, Finalize
from ossicle.core.events import Ended, Event
from ossicle.core.options import Options
from ossicle.engines.processes import BlockingEngine, from_blocking
from ossicle.engines.scripted import ScriptedStream, parse_script
from ossicle.testing.clock import ManualTimers

__all__ = ["Marked", "engine"]

PROCESSES = 6


class Marked:
    """See `ossicle.engines.worker.Blocking`."""

    def __init__(self, options: Options) -> None:
        self._told: list[Event] = []
        self._stream = ScriptedStream(
            parse_script("heard"), options, self, ManualTimers(), lambda: False
        )

    def accept(self, data: bytes) -> Sequence[Event]:
        self._stream.audio(data)
        return self._new()

    def finalize(self) -> Sequence[Event]:
        self._stream.ask(Finalize())
        return self._new()

    def finish(self) -> Sequence[Event]:
        self._stream.ask(End())
        return self._new()

    def _new(self) -> Sequence[Event]:
        told, self._told = self._told, []
        return [event for event in told if not isinstance(event, Ended)]

    # what the stream tells (`core.ports.Sink`)

    def tell(self, event: Event) -> None:
        self._told.append(event)

    def credit(self, until_ms: int) -> None:
        """It takes what comes."""

    def settled(self, until_ms: int) -> None:
        """A worker cannot say so: silence is settled by the final after it."""


def engine() -> BlockingEngine:
    """So many streams at once; the next engine has the others."""
    return from_blocking(
        Marked,
        Capabilities(name="marked", hears=(PCM16K,), word_times=True, punctuate=True),
        processes=PROCESSES,
    )
