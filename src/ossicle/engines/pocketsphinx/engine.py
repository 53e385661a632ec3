"""The engine as a gateway sees it: options in, streams out, and no more streams than fit.

async with PocketsphinxEngine() as engine:
    stream = await engine.open(Options(), sink)
    stream.audio(pcm)
    stream.ask(End())
"""

import os
import sys
from importlib.util import find_spec
from typing import Any, Final, Self

from ...core.capabilities import PCM16K, Capabilities
from ...core.errors import EngineFailed, MissingExtra, Overloaded, Refused
from ...core.options import Options
from ...core.ports import Sink
from .nursery import Nursery
from .stream import Link, PocketStream

__all__ = ["STREAMS_PER_CORE", "PocketsphinxEngine", "default_pool"]

STREAMS_PER_CORE: Final = 4
"""Streams in which somebody speaks that one core carries. Each takes 0.15 of it on average and
0.4 in its worst second; what is left keeps partials prompt (`bench/recognition.py`)."""

_LIVE: Final = frozenset(
    f"recognition.{name}"
    for name in (
        "interim_results",
        "word_times",
        "hints",
        "only_hints",
        "turns",
        "turns.silence_ms",
        "turns.max_ms",
        "turns.threshold",
        "turns.eager",
        "turns.detect",
    )
)


def default_pool() -> int:
    """Streams for this machine: one core is left to the event loop."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return STREAMS_PER_CORE * max(1, cores - 1)


class PocketsphinxEngine:
    """See `core.ports.Engine`. Linux and macOS: it lives on fork."""

    def __init__(
        self,
        *,
        pool: int | None = None,
        spares: int = 2,
        window_ms: int = 4_000,
        start_s: float = 30.0,
    ) -> None:
        """
        Args:
            pool: streams at once; None = `default_pool`.
            spares: workers forked ahead, so that `open` does not wait for a fork; 3 MB each.
            window_ms: audio taken beyond what was decoded; more only hides a slow machine.
            start_s: longest time to load the models.

        Raises:
            MissingExtra: on Windows, or without the pocketsphinx package.
        """
        if sys.platform == "win32":
            raise MissingExtra(
                "the pocketsphinx engine forks its workers, which Windows cannot; choose another "
                "with --engine, or run the gateway under WSL"
            )
        if find_spec("pocketsphinx") is None:
            raise MissingExtra(
                "the pocketsphinx package is not installed: pip install pocketsphinx==5.1.1"
            )
        self.pool = default_pool() if pool is None else pool
        if self.pool < 1:
            raise Refused(f"pool is {pool}; it must be at least 1", code="bad_option")
        self._window_ms = window_ms
        self._nursery = Nursery(spares=min(spares, self.pool), start_s=start_s)
        self._active: set[Link | object] = set()
        self._capabilities = Capabilities(
            name="pocketsphinx",
            hears=(PCM16K,),
            languages=("en-US",),
            word_times=True,
            hints=True,
            live_changes=_LIVE,
            note="Works offline with no download. Good for commands, digits and wake phrases "
            "(best with only_hints); not for dictation.",
        )

    @property
    def capabilities(self) -> Capabilities:
        """See `core.ports.Engine`."""
        return self._capabilities

    @property
    def warm(self) -> bool:
        """Models are loaded: `open` takes under 2 ms. For readiness checks."""
        return self._nursery.warm

    @property
    def busy(self) -> int:
        """Streams open now."""
        return len(self._active)

    @property
    def restarts(self) -> int:
        """How often the process that holds the models was lost."""
        return self._nursery.restarts

    async def start(self) -> None:
        """Begin to load the models and return; `warm` tells when they are. `open` waits for it."""
        self._nursery.start()

    async def aclose(self) -> None:
        """End every stream (each is told) and every process. Idempotent."""
        await self._nursery.aclose()

    async def __aenter__(self) -> Self:
        await self._nursery.ready()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()

    async def open(self, options: Options, sink: Sink) -> PocketStream:
        """See `core.ports.Engine`.

        Raises:
            Overloaded: as many streams as `pool` are open.
            Refused: a language other than English, or a format other than the one it hears.
            EngineFailed: the models cannot be loaded.
        """
        self._check(options)
        if len(self._active) >= self.pool:
            raise Overloaded(
                f"all {self.pool} pocketsphinx workers are busy; retry later, or raise the "
                f"engine's pool (now {self.pool})"
            )
        place = object()  # held while the worker is made, so that nobody else takes it
        self._active.add(place)
        try:
            link = await self._nursery.take()
            if link.transport is None:
                raise EngineFailed("the pocketsphinx worker ended before it was used")
            self._active.add(link)
        finally:
            self._active.discard(place)
        try:
            return PocketStream(link, options, sink, self._window_ms, self._release)
        except BaseException:
            self._release(link)  # nobody will hear from it again
            raise

    def _release(self, link: Link) -> None:
        self._active.discard(link)
        self._nursery.release(link)

    def _check(self, options: Options) -> None:
        language = options.recognition.language
        # "multi", "auto" and "" leave the choice to the engine.
        if language.lower().partition("-")[0] not in ("en", "multi", "auto", "und", ""):
            raise Refused(
                f"language {language!r} is not known to pocketsphinx, which hears en-US",
                code="bad_option",
            )
        if options.hears not in (None, PCM16K):
            raise Refused(
                f"pocketsphinx hears {PCM16K.encoding} at {PCM16K.sample_rate} Hz, mono, not "
                f"{options.hears}",
                code="bad_option",
            )
