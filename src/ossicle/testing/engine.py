"""The conformance kit for engines: run it on yours, and it names the law that is broken.

    async def test_my_engine():
        await check_engine(MyEngine(), audio=speech)

It opens the engine several times, feeds it, asks it and aborts it, and checks what it tells
against `core/ports.py` (Engine, Stream, Sink) and the order law at the top of `core/events.py`.
It does not judge whether the words are right.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from ..core.commands import Cancel, Command, End, Finalize, Speak
from ..core.errors import OssicleError, Overloaded
from ..core.events import (
    Asked,
    AudioOut,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ..core.formats import AudioFormat
from ..core.options import AnswerOptions, Options
from ..core.ports import Engine, Sink, Stream
from .marked import marked_audio

__all__ = ["HeldSink", "check_engine", "check_order"]

_SPOKEN_FIRST_MS = 300
"""How far the kit lets a voice speak before it looks whether credit is kept."""


class HeldSink(Sink):
    """A sink that keeps everything it was told."""

    def __init__(self, told: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self.credit_ms: int | None = None
        """The last credit; None = unlimited."""
        self.settled_ms = 0
        self._told = told

    def tell(self, event: Event) -> None:
        self.events.append(event)
        if self._told is not None:
            self._told(event)

    def credit(self, until_ms: int) -> None:
        self.credit_ms = until_ms

    def settled(self, until_ms: int) -> None:
        self.settled_ms = until_ms

    @property
    def finals(self) -> list[Transcript]:
        """Finals heard, in order."""
        return [
            event
            for event in self.events
            if isinstance(event, Transcript) and event.final and event.side == "in"
        ]

    @property
    def ended(self) -> Ended | None:
        """The end, once told."""
        return next((event for event in self.events if isinstance(event, Ended)), None)


async def check_engine(
    engine: Engine,
    *,
    audio: bytes = b"",
    text: str = "One short sentence. And here comes another one.",
    options: Options | None = None,
    streams: int = 2,
    piece_ms: int = 100,
    patience: float = 10.0,
) -> None:
    """Check an engine against the contract; it must be started if it needs that.

    Args:
        engine: one that hears, speaks, or both, by its capabilities.
        audio: in `capabilities.hears[0]`; without it, some seconds of artificial sound.
        text: what a voice is given to say; at least a second of it.
        options: how to open it; formats are filled in.
        streams: how many streams are used at once; 1 for an engine with room for one.
        piece_ms: length of the pieces of audio.
        patience: seconds to wait for an answer before it counts as missing.

    Raises:
        AssertionError: the first law broken, in a sentence, and where it is written.
    """
    bench = _Bench(engine, options or Options(), piece_ms, patience)
    if engine.capabilities.hears:
        audio = audio or _some_audio(engine.capabilities.hears[0])
        await _whole_run(bench, audio)
        await _nothing_heard(bench)
        await _finalize(bench, audio)
        await _forget(bench, audio)
        await _after_the_end(bench, audio)
    if engine.capabilities.speaks:
        await _says(bench, audio, text)
        await _falls_silent(bench, audio, text)
    await _aborts(bench, audio, text)
    if streams > 1:
        await _side_by_side(bench, audio, text, streams)


def _some_audio(fmt: AudioFormat) -> bytes:
    words = marked_audio([1, 2, 3, 0, 4, 5, 0])
    return words[: len(words) - len(words) % fmt.frame_bytes]


# the checks


async def _whole_run(bench: "_Bench", audio: bytes) -> None:
    run = await bench.open("hearing all of the audio")
    await run.feed(audio)
    await run.end()


async def _nothing_heard(bench: "_Bench") -> None:
    run = await bench.open("End without audio")
    await run.end()


async def _finalize(bench: "_Bench", audio: bytes) -> None:
    run = await bench.open("Finalize")
    run.ask(Finalize(ref="at once"))
    half = run.hears.bytes(run.hears.ms(len(audio)) // 2)
    await run.feed(audio[:half])
    run.ask(Finalize(ref="in the middle"))
    await run.feed(audio[half:])
    run.ask(Finalize(ref="late"))
    run.ask(Finalize(ref="again"))
    await run.end()
    refs = [final.ref for final in run.sink.finals if final.ref]
    run.law(
        Counter(refs) == Counter(("at once", "in the middle", "late", "again")),
        f"every Finalize is answered by exactly one final with its ref, not {refs}",
        "ports.Stream.ask; contracts M11",
    )
    run.law(
        refs == ["at once", "in the middle", "late", "again"],
        f"answers come in the order of the commands, not {refs}",
        "ports.Stream.ask",
    )
    run.law(
        all(final.ends_turn for final in run.sink.finals if final.ref),
        "the final that answers a Finalize ends the turn",
        "contracts M11",
    )


async def _forget(bench: "_Bench", audio: bytes) -> None:
    run = await bench.open("Cancel(in)")
    # Up to a partial, if the engine has any: then there is something to forget.
    for at in range(0, len(audio), bench.piece(run.hears)):
        await run.feed(audio[at : at + bench.piece(run.hears)])
        last = run.sink.events[-1] if run.sink.events else None
        if isinstance(last, Transcript) and not last.final:
            break
    run.ask(Cancel(side="in"))
    run.ask(Finalize(ref="after"))
    await run.end()
    answers = [final for final in run.sink.finals if final.ref == "after"]
    run.law(len(answers) == 1, "a Finalize after Cancel(in) is answered once", "contracts M13")
    run.law(
        not answers[0].words,
        "nothing heard before Cancel(in) is reported after it",
        "commands.Cancel",
    )


async def _after_the_end(bench: "_Bench", audio: bytes) -> None:
    run = await bench.open("audio and commands after End")
    await run.feed(audio)
    if run.speaks:
        run.ask(Speak(text="Still being said when End comes."))
    run.ask(End())
    run.after_the_end(audio[: run.hears.bytes(100)])
    await run.wait(lambda: run.sink.ended is not None, "Ended")
    run.after_the_end(audio[: run.hears.bytes(100)])
    await bench.fence()
    run.check()


async def _says(bench: "_Bench", audio: bytes, text: str) -> None:
    run = await bench.open("Speak under credit")
    await run.something_heard(audio)
    run.grant(_SPOKEN_FIRST_MS)
    run.ask(Speak(text=text, ref="said"))
    await run.wait(lambda: run.spoken_ms >= _SPOKEN_FIRST_MS, "sound up to the credit given")
    run.law(not run.answered("said"), "text for more than 300 ms was said whole", "check_engine")
    run.grant(3_600_000)
    await run.wait(lambda: run.answered("said"), "SpeechEnded(out) of a Speak")
    run.ask(Speak(text="More of it. And the ", more=True))
    run.ask(Speak(text="rest.", ref="pieces"))
    run.ask(Speak(text=text, ref="next"))
    await run.end()
    for ref in ("said", "pieces", "next"):
        run.law(
            run.count("said" if ref == "said" else ref) == 1,
            f"a Speak is answered by exactly one SpeechEnded(out) with its ref {ref!r}",
            "contracts M11, M13",
        )


async def _falls_silent(bench: "_Bench", audio: bytes, text: str) -> None:
    run = await bench.open("Cancel(out)")
    await run.something_heard(audio)
    run.grant(_SPOKEN_FIRST_MS)
    run.ask(Speak(text=text, ref="cut"))
    await run.wait(lambda: run.spoken_ms >= _SPOKEN_FIRST_MS, "sound up to the credit given")
    run.ask(Cancel(side="out"))
    await run.wait(lambda: run.cancelled == 1, "SpeechEnded(out, cancelled) after Cancel(out)")
    told = run.spoken_ms
    run.grant(3_600_000)
    run.ask(Cancel(side="out"))
    await run.end()
    run.law(run.spoken_ms == told, "no sound follows a Cancel(out)", "commands.Cancel")
    run.law(run.cancelled == 1, "cancelling nothing tells nothing", "commands.Cancel")


async def _aborts(bench: "_Bench", audio: bytes, text: str) -> None:
    run = await bench.open("abort right after open")
    run.abort_twice()
    await bench.fence()
    run.stayed_deaf()
    run = await bench.open("abort in the middle")
    await run.feed(audio[: len(audio) // run.hears.frame_bytes // 2 * run.hears.frame_bytes])
    if run.speaks:
        run.ask(Speak(text=text))
    run.ask(Finalize(ref="never answered"))
    run.abort_twice()
    run.after_the_end(audio[: run.hears.bytes(100)])
    await bench.fence()
    run.stayed_deaf()
    run = await bench.open("abort after the end")
    await run.end()
    run.abort_twice()
    await bench.fence()
    run.stayed_deaf()


async def _side_by_side(bench: "_Bench", audio: bytes, text: str, streams: int) -> None:
    runs = [await bench.open(f"stream {n + 1} of {streams} at once") for n in range(streams)]
    for at in range(0, len(audio), bench.piece(runs[0].hears)):
        for run in runs:
            await run.feed(audio[at : at + bench.piece(run.hears)])
    if runs[0].speaks:
        for run in runs:
            run.ask(Speak(text=text, ref="both"))
        for run in runs:
            await run.wait(lambda run=run: run.answered("both"), "SpeechEnded(out) in each")
    for run in runs:
        await run.end()
    shapes = [[(f.text, f.start_ms, f.end_ms) for f in run.sink.finals] for run in runs]
    runs[0].law(
        all(shape == shapes[0] for shape in shapes),
        "streams fed the same audio at once hear the same; they must share nothing",
        "ports.Engine.open",
    )


# what the checks stand on


class _Bench:
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

    async def open(self, what: str) -> "_Run":
        run = _Run(self, what)
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


class _Run:
    """One stream, and everything it told, checked as it comes."""

    stream: Stream

    def __init__(self, bench: _Bench, what: str) -> None:
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
    def __init__(self, run: _Run, told: Callable[[Event], None]) -> None:
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


# the order law


def check_order(events: list[Event], *, what: str = "order") -> None:
    """The order law over all that one stream told, `Ended` included.

    Raises:
        AssertionError: the first law broken.
    """
    inner: dict[int, _Turn] = {}
    outer: dict[str, _Utterance] = {}
    for place, event in enumerate(events):
        match event:
            case Ended():
                _law(place == len(events) - 1, what, "Ended is the last event", "events.Ended")
            case SpeechStarted() | Transcript() | SpeechEnded() if event.side == "in":
                inner.setdefault(event.channel, _Turn(what)).told(event)
            case SpeechStarted() | Transcript() | SpeechEnded() | AudioOut():
                outer.setdefault(event.utterance, _Utterance(what)).told(event)
            case Asked() | Notice():
                pass
            case _:
                _law(
                    False,
                    what,
                    f"{type(event).__name__} is the session's to tell, not the engine's",
                    "ports.Sink.tell",
                )
    _law(
        isinstance(events[-1] if events else None, Ended),
        what,
        "a stream tells Ended",
        "ports.Sink.tell",
    )
    ended = events[-1]
    if isinstance(ended, Ended) and ended.error is None:
        for turn in inner.values():
            _law(not turn.open, what, "an open turn is closed by a final before Ended", "events")
        for name, utterance in outer.items():
            _law(
                utterance.ended or not name,
                what,
                f"utterance {name!r} is closed by SpeechEnded before Ended",
                "events.SpeechEnded",
            )


def _law(kept: bool, what: str, sentence: str, where: str) -> None:
    if not kept:
        raise AssertionError(f"{what}: {sentence} ({where})")


class _Turn:
    """started ≤ partials ≤ ended ≤ one final with ends_turn (core/events.py, contracts M10).

    Started and ended may be missing: the session supplies them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.open = self._started = self._ended = False
        self._provisional = False
        self._until = 0

    def told(self, event: SpeechStarted | Transcript | SpeechEnded) -> None:
        where = "events: SpeechStarted Transcript* SpeechEnded Transcript(final, ends_turn)"
        match event:
            case SpeechStarted():
                again = self._started and not self._provisional
                _law(not again, self._what, "SpeechStarted came twice in one turn", where)
                late = self._ended
                _law(
                    not late, self._what, "SpeechStarted came between SpeechEnded and final", where
                )
                self.open = self._started = True
                self._provisional = False
            case SpeechEnded():
                _law(not self._ended, self._what, "SpeechEnded came twice in one turn", where)
                self.open = True
                self._provisional = event.provisional
                self._ended = not event.provisional
            case Transcript():
                self._transcript(event, where)

    def _transcript(self, event: Transcript, where: str) -> None:
        what = self._what
        _law(event.final or not event.ends_turn, what, "only a final can end a turn", "events")
        _law(
            0 <= event.stable <= len(event.text),
            what,
            f"stable={event.stable} is beyond the {len(event.text)} characters of text",
            "events.Transcript.stable",
        )
        _law(
            not self._ended or (event.final and event.ends_turn),
            what,
            "after SpeechEnded comes the final that ends the turn, nothing before it",
            where,
        )
        if event.start_ms is not None and event.end_ms is not None:
            _law(
                event.start_ms <= event.end_ms,
                what,
                f"a transcript ends at {event.end_ms} ms, before it starts at {event.start_ms}",
                "events.Transcript",
            )
        at = self._until
        for word in event.words or ():
            _law(
                at <= word.start_ms <= word.end_ms,
                what,
                f"word times rise and do not go back behind a final: {word.start_ms}-"
                f"{word.end_ms} ms after {at} ms",
                "events.Word",
            )
            at = word.start_ms
        if event.final and event.words:
            self._until = event.words[-1].end_ms
        self.open = not event.final or (not event.ends_turn and self._started)
        if event.ends_turn:
            self._started = self._ended = self._provisional = False


class _Utterance:
    """SpeechStarted(out) AudioOut* with Transcripts, SpeechEnded(out); sound without holes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self.ended = False
        self._heard = 0
        self._last: tuple[int, int] | None = None

    def told(self, event: SpeechStarted | Transcript | SpeechEnded | AudioOut) -> None:
        where = "events: side=out"
        named = bool(event.utterance)
        _law(not (self.ended and named), self._what, "something came after SpeechEnded(out)", where)
        match event:
            case SpeechStarted():
                _law(not self._started, self._what, "SpeechStarted(out) came twice", where)
                self._started = True
            case AudioOut():
                _law(self._started, self._what, "sound came before SpeechStarted(out)", where)
                _law(
                    event.start_ms >= self._heard,
                    self._what,
                    f"sound at {event.start_ms} ms came after that of {self._heard} ms",
                    "events.AudioOut.start_ms",
                )
                self._heard = event.start_ms
            case SpeechEnded():
                self.ended = True
            case Transcript():
                _law(self._started, self._what, "words came before SpeechStarted(out)", where)
