"""How well and how fast the embedded recogniser hears.

    OSSICLE_SPEECH=... OSSICLE_CLIPS=... python -m bench.recognition [--json FILE] [--only PART]

accuracy   word error rate and CPU per setting, clip by clip from a cold start, and with the mean
           carried from clip to clip of one speaker
latency    the whole engine at the pace of a live speaker, alone and with the pool full: from the
           end of a spoken word to the first partial that has it, from the audio that fires the
           end-pointer to the final, `open`, and the lag of the parent's loop
"""

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pocketsphinx import Decoder as Library
from rich.console import Console
from rich.table import Table

from ossicle.core.commands import End
from ossicle.core.events import Ended, SpeechEnded, Transcript
from ossicle.core.options import Hint, Options, RecognitionOptions
from ossicle.engines.pocketsphinx import PocketsphinxEngine
from ossicle.engines.pocketsphinx.decoder import PocketDecoder, Settings
from ossicle.engines.pocketsphinx.spelling import spoken

from .recordings import Recording, errors, recordings

LIBRARY = Settings(
    maxhmmpf=30_000, beam=1e-48, pbeam=1e-48, wbeam=7e-29, silprob=0.005, cmninit="40,3,-1"
)
NARROW = Settings(beam=1e-48, pbeam=1e-48, wbeam=7e-29, silprob=0.005, cmninit="40,3,-1")
WIDE = Settings(maxhmmpf=6_000)


DIGITS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Heard:
    """A decoder that is given a clip at a time."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.end_ms = 0.0  # CPU time of the end of the last utterance
        self.mean = self._library().get_cmn(False)

    def _library(self) -> Any:
        return self.decoder

    def cold(self) -> None:
        """As if nothing had been heard."""
        self._library().set_cmn(self.mean)

    def _end(self, finish: Callable[[], Any]) -> Any:
        began = time.thread_time()
        try:
            return finish()
        finally:
            self.end_ms = (time.thread_time() - began) * 1000

    def hear(self, pcm: bytes) -> str:
        raise NotImplementedError


class Live(Heard):
    """As the engine does it: frames of 32 ms, the mean corrected while it hears."""

    def _library(self) -> Any:
        return self.decoder._decoder

    def hear(self, pcm: bytes) -> str:
        self.decoder.begin()
        for at in range(0, len(pcm), 1024):
            self.decoder.feed(pcm[at : at + 1024])
        return " ".join(word.text for word in self._end(self.decoder.finish))


class Plain(Heard):
    """As the library does it by itself."""

    full = False

    def hear(self, pcm: bytes) -> str:
        self.decoder.start_utt()
        step = len(pcm) if self.full else 1024
        for at in range(0, len(pcm), step):
            self.decoder.process_raw(pcm[at : at + step], False, self.full)
        return self._end(self._finish)

    def _finish(self) -> str:
        self.decoder.end_utt()
        # The library does the last part of its search when it is asked for the words.
        return " ".join(filter(None, (spoken(part.word) for part in self.decoder.seg() or ())))


class SecondPass(Plain):
    """A whole utterance at once, the mean taken over all of it."""

    full = True


class Searching(PocketDecoder):
    """With the lattice search after the last word that the engine leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self._decoder = library(Settings(), bestpath=True)
        self._general = self._decoder.current_search()


def library(settings: Settings, **more: Any) -> Any:
    return Library(**{**settings.config(), **more})


SETTINGS: dict[str, Callable[[], Heard]] = {
    "library, its defaults": lambda: Plain(library(LIBRARY, fwdflat=True, bestpath=True)),
    "library, maxhmmpf 3000, one pass": lambda: Plain(library(NARROW)),
    "+ mean corrected live": lambda: Live(PocketDecoder(NARROW)),
    "+ mean to begin with": lambda: Live(
        PocketDecoder(Settings(beam=1e-48, pbeam=1e-48, wbeam=7e-29, silprob=0.005))
    ),
    "+ wide beams, bestpath on": lambda: Live(Searching()),
    "+ wide beams (shipped)": lambda: Live(PocketDecoder()),
    "shipped, maxhmmpf 6000": lambda: Live(PocketDecoder(WIDE)),
    "second pass, maxhmmpf 6000": lambda: SecondPass(library(WIDE)),
    "second pass, shipped settings": lambda: SecondPass(library(Settings())),
}


def accuracy(clips: list[Recording], console: Console) -> list[dict[str, Any]]:
    sets = {
        "speech": [c for c in clips if not _friendly(c)],
        "clips": [c for c in clips if _friendly(c)],
    }
    table = Table(title="Word errors per setting (cold = every clip from a cold start)")
    table.add_column("setting")
    for name, part in sets.items():
        table.add_column(f"{name}, cold ({len(part)})", justify="right")
    for column in ("all, cold", "clips, carried", "CPU s per s", "end p95 ms"):
        table.add_column(column, justify="right")
    rows: list[dict[str, Any]] = []
    for name, make in SETTINGS.items():
        row: dict[str, Any] = {"setting": name}
        heard = make()
        cpu = audio = 0.0
        ends: list[float] = []
        total = [0, 0]
        for part, held in sets.items():
            wrong = words = 0
            for clip in held:
                heard.cold()
                began = time.thread_time()
                text = heard.hear(clip.pcm)
                cpu += time.thread_time() - began
                audio += clip.seconds
                ends.append(heard.end_ms)
                errs, size = errors(clip.text, text)
                wrong, words = wrong + errs, words + size
            row[part] = [wrong, words]
            total = [total[0] + wrong, total[1] + words]
        row["all"] = total
        row["carried"] = _carried(sets["clips"], heard)
        row["cpu_share"] = cpu / audio
        row["end_p95_ms"] = quantile(ends, 0.95)
        rows.append(row)
        table.add_row(
            name,
            *(_share(row[part]) for part in sets),
            _share(total),
            _share(row["carried"]),
            f"{row['cpu_share']:.2f}",
            f"{row['end_p95_ms']:.0f}",
        )
    console.print(table)
    return rows


def _carried(clips: list[Recording], heard: Heard) -> list[int]:
    """The same clips, the mean kept from one to the next of the same speaker."""
    wrong = words = 0
    speaker = ""
    for clip in clips:
        if clip.speaker != speaker:
            speaker = clip.speaker
            heard.cold()
        errs, size = errors(clip.text, heard.hear(clip.pcm))
        wrong, words = wrong + errs, words + size
    return [wrong, words]


def _friendly(clip: Recording) -> bool:
    return bool(re.match(r"sense|cards|go-|something|digits-", clip.name))


def _share(count: Iterable[int]) -> str:
    wrong, words = count
    return f"{wrong}/{words} = {100 * wrong / words:.0f} %" if words else "-"


class Ear:
    """A sink that notes when each event came."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Any]] = []
        self.over = asyncio.Event()

    def tell(self, event: Any) -> None:
        self.events.append((time.perf_counter(), event))
        if isinstance(event, Ended):
            self.over.set()

    def credit(self, until_ms: int) -> None: ...

    def settled(self, until_ms: int) -> None: ...


class Take:
    """One clip heard live: its words and its delays."""

    PIECE = 20

    def __init__(self, clip: Recording, ear: Ear, began: float, open_ms: float) -> None:
        self.clip = clip
        self.open_ms = open_ms
        finals = [e for _, e in ear.events if isinstance(e, Transcript) and e.final]
        self.text = " ".join(final.text for final in finals if final.text)
        self.error = next((e.error for _, e in ear.events if isinstance(e, Ended)), None)
        self.partial_ms = [
            delay
            for final in finals
            for word in final.words or ()
            if (delay := self._first_seen(ear, began, word)) is not None
        ]
        self.final_ms: list[float] = []
        self.final_delay(ear, began)

    def _first_seen(self, ear: Ear, began: float, word: Any) -> float | None:
        for at, event in ear.events:
            if isinstance(event, Transcript):
                for seen in event.words or ():
                    if seen.text == word.text and abs(seen.start_ms - word.start_ms) <= 150:
                        return (at - began) * 1000 - word.end_ms
        return None

    def final_delay(self, ear: Ear, began: float) -> None:
        silence = Options().recognition.turns.silence_ms
        for at, event in ear.events:
            if isinstance(event, SpeechEnded) and event.reason == "silence":
                final = next(
                    t for t, e in ear.events if t >= at and isinstance(e, Transcript) and e.final
                )
                # Heard in whole frames of 32 ms and sent in whole pieces: when the last one went.
                fires = -(-(event.at_ms + silence) // 32) * 32
                sent = -(-fires // self.PIECE) * self.PIECE
                self.final_ms.append((final - began) * 1000 - sent)


async def listen(engine: PocketsphinxEngine, clip: Recording, options: Options) -> Take:
    """Speak a clip into the engine at its own pace, with a second of silence after it."""
    ear = Ear()
    asked = time.perf_counter()
    stream = await engine.open(options, ear)
    open_ms = (time.perf_counter() - asked) * 1000
    began = time.perf_counter()
    pcm = clip.pcm + bytes(32_000)
    step = Take.PIECE * 32
    for at in range(0, len(pcm), step):
        # A microphone hands a piece over when it is full.
        await asyncio.sleep(began + (at + step) / 32_000 - time.perf_counter())
        stream.audio(pcm[at : at + step])
    stream.ask(End())
    await ear.over.wait()
    return Take(clip, ear, began, open_ms)


async def lag(into: list[float], every: float = 0.005) -> None:
    """How late the loop is, again and again."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        into.append((loop.time() - due) * 1000)


async def round_of(
    clips: list[Recording], engine: PocketsphinxEngine, width: int, options: Options
) -> tuple[list[Take], list[float]]:
    """All clips, `width` speakers at once, and the lag meanwhile."""
    waiting = list(reversed(clips))
    takes: list[Take] = []
    lags: list[float] = []

    async def speaker() -> None:
        while waiting:
            takes.append(await listen(engine, waiting.pop(), options))

    watch = asyncio.create_task(lag(lags))
    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(speaker())
    watch.cancel()
    return takes, lags


async def latency(
    clips: list[Recording], console: Console, pool: int | None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    empty: list[float] = []
    watch = asyncio.create_task(lag(empty))
    await asyncio.sleep(2)
    watch.cancel()
    table = Table(title="The engine at the pace of speech (ms)")
    for column in ("speakers", "word errors", "partial p50", "p95", "final p50", "p95", "open p50"):
        table.add_column(column, justify="right")
    table.add_column("loop lag p99 (empty loop)", justify="right")
    async with PocketsphinxEngine(pool=pool) as engine:
        for width in sorted({1, engine.pool}):
            takes, lags = await round_of(clips, engine, width, Options())
            assert not any(take.error for take in takes), [take.error for take in takes]
            counts = [errors(take.clip.text, take.text) for take in takes]
            partial = [ms for take in takes for ms in take.partial_ms]
            final = [ms for take in takes for ms in take.final_ms]
            row = {
                "speakers": width,
                "errors": [sum(c[0] for c in counts), sum(c[1] for c in counts)],
                "partial_p50": statistics.median(partial),
                "partial_p95": quantile(partial, 0.95),
                "final_p50": statistics.median(final),
                "final_p95": quantile(final, 0.95),
                "open_p50": statistics.median(take.open_ms for take in takes),
                "lag_p99": quantile(lags, 0.99),
                "lag_empty_p99": quantile(empty, 0.99),
            }
            rows.append(row)
            table.add_row(
                str(width),
                _share(row["errors"]),
                *(f"{row[k]:.0f}" for k in ("partial_p50", "partial_p95")),
                *(f"{row[k]:.0f}" for k in ("final_p50", "final_p95")),
                f"{row['open_p50']:.2f}",
                f"{row['lag_p99']:.2f} ({row['lag_empty_p99']:.2f})",
            )
        digits = [clip for clip in clips if clip.name.startswith("digits")]
        words = [
            "zero",
            "oh",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
        ]
        only = Options(
            recognition=RecognitionOptions(hints=tuple(map(Hint, words)), only_hints=True)
        )
        takes, _ = await round_of(digits, engine, len(digits) or 1, only)
        counts = [errors(take.clip.text, take.text) for take in takes]
        if counts:
            heard = [sum(c[0] for c in counts), sum(c[1] for c in counts)]
            rows.append({"digits_only_hints": heard})
            console.print(f"Digits with only_hints: {_share(heard)} word errors")
    console.print(table)
    return rows


async def steady(clips: list[Recording], console: Console, runs: int) -> list[dict[str, Any]]:
    """Each clip several times: which are safe to show?"""
    rows: list[dict[str, Any]] = []
    table = Table(title=f"Words right in {runs} live runs, default options")
    for column in ("clip", "seconds", "worst", "heard"):
        table.add_column(column)
    async with PocketsphinxEngine() as engine:
        for clip in clips:
            takes, _ = await round_of([clip] * runs, engine, min(runs, 2), Options())
            right = [1 - (e := errors(clip.text, take.text))[0] / e[1] for take in takes]
            rows.append({"clip": clip.name, "right": right})
            table.add_row(
                clip.name,
                f"{clip.seconds:.1f}",
                f"{min(right):.0%}",
                " / ".join({t.text for t in takes}),
            )
    console.print(table)
    return rows


def quantile(values: list[float], share: float) -> float:
    held = sorted(values)
    return held[min(len(held) - 1, int(share * len(held)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--only", choices=("accuracy", "latency", "steady"))
    parser.add_argument("--pool", type=int)
    parser.add_argument("--clips", default="", help="only names that match this expression")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    clips = [clip for clip in recordings() if re.search(asked.clips, clip.name)]
    console = Console(width=150 if not sys.stdout.isatty() else None)
    figures: dict[str, Any] = {}
    if asked.only in (None, "accuracy"):
        figures["accuracy"] = accuracy(clips, console)
    if asked.only in (None, "latency"):
        figures["latency"] = asyncio.run(latency(clips, console, asked.pool))
    if asked.only == "steady":
        figures["steady"] = asyncio.run(steady(clips, console, asked.runs))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
