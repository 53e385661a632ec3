"""One stream of an engine under examination: fed, asked and watched, and stopped at a broken law.

    bench = Bench(engine, Options(), piece_ms=100, patience=10.0)
    run = await bench.open("hearing all of the audio")
    await run.feed(audio)
    await run.end()

What is asked for in which order is the business of `engine`.
"""

import asyncio
from collections.abc import Callable

from ..core.commands import Command, End, Finalize
from ..core.errors import OssicleError, Overloaded
from ..core.events import AudioOut, Event, SpeechEnded, SpeechStarted, Transcript
from ..core.formats import AudioFormat
from ..core.options import AnswerOptions, Options
from ..core.ports import Engine, Stream
from .order import check_order
from .sink import HeldSink

__all__ = ["Bench", "Run"]


class Bench:
    """Opens streams of one engine."""

    def __init__(self, engine: Engine, options: Options, piece_ms: int, patience: float) -> None:
        capabilities = engine.capabilities
        self.engine, self.patience = engine, patience
        self.hears = (capabilities.hears or (AudioFormat(),))[0]
        self.speaks = capabilities.speaks[0] if capabilities.speaks else None
        self.options = Options(
            recognition=options.recognition,
            synthesis=options.synthesis,
            hears=self.hears,
            speaks=self.speaks,
            # One that answers is to say what it is asked here, and nothing in between.
            answers=AnswerOptions(auto=False),
        )
        self._piece_ms = piece_ms

    def piece(self, fmt: AudioFormat) -> int:
        return fmt.bytes(self._piece_ms)

    async def open(self, what: str) -> "Run":
        run = Run(self, what)
        # A stream just ended may take a moment to give its place back.
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    run.stream = await self.engine.open(self.options, run.sink)
                except Overloaded:
                    await asyncio.sleep(0.01)
                else:
                    return run

    async def fence(self) -> None:
        """A whole stream from open to Ended: time enough for something wrongly told."""
        run = await self.open("a stream after another")
        await run.end()


class Run:
    """One stream, and everything it told, checked as it comes."""

    stream: Stream

    def __init__(self, bench: Bench, what: str) -> None:
        self.hears, self.speaks = bench.hears, bench.speaks
        self._bench, self._what = bench, what
        self._changed = asyncio.Event()
        self.sink = _WatchedSink(self, self._told)
        self.fed = 0
        self.cancelled = self._spoken = 0
        self._granted: int | None = None
        self._broken = ""
        self._at_abort: int | None = None

    def law(self, kept: bool, sentence: str, where: str) -> None:
        """A broken law fails; inside a callback it is kept until the check may fail."""
        if not kept and not self._broken:
            self._broken = f"{self._what}: {sentence} ({where})"
        if self._broken:
            raise AssertionError(self._broken)

    def check(self) -> None:
        """Every law that can be seen in what was told so far."""
        self.law(True, "", "")
        check_order(self.sink.events, what=self._what)

    @property
    def spoken_ms(self) -> int:
        return self.speaks.ms(self._spoken) if self.speaks else 0

    def answered(self, ref: str) -> bool:
        return self.count(ref) > 0

    def count(self, ref: str) -> int:
        """How many ends of output carry the ref."""
        return sum(
            isinstance(event, SpeechEnded) and event.side == "out" and event.ref == ref
            for event in self.sink.events
        )

    def ask(self, command: Command) -> None:
        self.stream.ask(command)

    def grant(self, until_ms: int) -> None:
        self._granted = until_ms
        self.stream.credit(until_ms)

    async def feed(self, audio: bytes) -> None:
        size = self._bench.piece(self.hears)
        for at in range(0, len(audio), size):
            piece = audio[at : at + size]
            await self.wait(
                lambda piece=piece: (
                    self.sink.credit_ms is None
                    or self.hears.ms(self.fed + len(piece)) <= self.sink.credit_ms
                ),
                "credit for more audio",
            )
            self.fed += len(piece)
            self.stream.audio(piece)
        self.law(True, "", "")

    async def something_heard(self, audio: bytes) -> None:
        """What a voice that depends on hearing (an echo, an agent) may need."""
        if self._bench.engine.capabilities.hears:
            await self.feed(audio)
            self.ask(Finalize(ref="heard"))
            await self.wait(
                lambda: any(final.ref == "heard" for final in self.sink.finals),
                "the final that answers a Finalize",
            )

    async def end(self) -> None:
        self.ask(End())
        await self.wait(lambda: self.sink.ended is not None, "Ended after End")
        ended = self.sink.ended
        assert ended is not None
        self.law(
            ended.error is None,
            f"a stream that was fed well ends without an error, not {ended.error}",
            "events.Ended",
        )
        self.check()

    def after_the_end(self, audio: bytes) -> None:
        """Things that come too late: ignored, or refused in our own words."""
        for late in (
            lambda: self.stream.audio(audio) if audio else None,
            lambda: self.stream.ask(Finalize(ref="too late")),
            lambda: self.stream.ask(End()),
            lambda: self.stream.credit(5000),
        ):
            try:
                late()
            except OssicleError:
                pass
            except Exception as error:
                raise AssertionError(
                    f"{self._what}: what comes after the end is ignored or refused, not"
                    f" {type(error).__name__} (ports.Stream)"
                ) from error

    def abort_twice(self) -> None:
        self._at_abort = len(self.sink.events)
        self.stream.abort()
        self.stream.abort()

    def stayed_deaf(self) -> None:
        later = [type(event).__name__ for event in self.sink.events[self._at_abort :]]
        self.law(not later, f"nothing is told after abort, not {later}", "ports.Stream.abort")

    async def wait(self, met: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self._bench.patience):
                while not met() and not self._broken:
                    self._changed.clear()
                    self._over(met, what)
                    await self._changed.wait()
        except TimeoutError:
            self._broken = self._broken or (
                f"{self._what}: no {what} within {self._bench.patience} s (ports.Stream)"
            )
        self.law(True, "", "")

    def _over(self, met: Callable[[], bool], what: str) -> None:
        ended = self.sink.ended
        self.law(
            ended is None or met(),
            f"the stream ended ({ended and ended.error}) without {what}",
            "ports.Stream.ask",
        )

    def changed(self) -> None:
        self._changed.set()

    def note(self, kept: bool, sentence: str, where: str) -> None:
        """A law looked at inside a callback of the engine, which must not be broken into."""
        if not kept and not self._broken:
            self._broken = f"{self._what}: {sentence} ({where})"
            self._changed.set()

    def _told(self, event: Event) -> None:
        if isinstance(event, Transcript | SpeechStarted | SpeechEnded) and event.side == "in":
            self._within_fed(event)
        elif isinstance(event, AudioOut) and self.speaks is not None:
            self._spoken += len(event.data)
            self.note(
                len(event.data) % self.speaks.frame_bytes == 0 and bool(event.data),
                f"AudioOut holds whole sample frames, not {len(event.data)} bytes",
                "events.AudioOut",
            )
            self.note(
                self._granted is None or self.spoken_ms <= self._granted,
                f"spoke up to {self.spoken_ms} ms with credit until {self._granted} ms",
                "ports.Stream.credit",
            )
        if isinstance(event, SpeechEnded) and event.side == "out":
            self.cancelled += event.reason == "cancelled"
        self._changed.set()

    def _within_fed(self, event: Transcript | SpeechStarted | SpeechEnded) -> None:
        fed = self.hears.ms(self.fed)
        times = (
            (event.start_ms, event.end_ms, *(word.end_ms for word in event.words or ()))
            if isinstance(event, Transcript)
            else (event.at_ms,)
        )
        for at in times:
            self.note(
                at is None or 0 <= at <= fed,
                f"{type(event).__name__} speaks of {at} ms when {fed} ms were fed",
                "ports.Sink: times are the stream's own",
            )


class _WatchedSink(HeldSink):
    def __init__(self, run: Run, told: Callable[[Event], None]) -> None:
        super().__init__(told)
        self._run = run

    def credit(self, until_ms: int) -> None:
        self._run.note(
            self.credit_ms is None or until_ms >= self.credit_ms,
            f"credit was lowered from {self.credit_ms} to {until_ms} ms",
            "ports.Sink.credit",
        )
        super().credit(until_ms)
        self._run.changed()

    def settled(self, until_ms: int) -> None:
        fed = self._run.hears.ms(self._run.fed)
        self._run.note(
            self.settled_ms <= until_ms <= fed,
            f"settled moved from {self.settled_ms} to {until_ms} ms with {fed} ms fed",
            "ports.Sink.settled",
        )
        super().settled(until_ms)
