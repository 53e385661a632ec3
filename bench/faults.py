"""What survives when everything around sessions breaks, for as long as is asked:
`python -m bench faults --minutes 60 [--json FILE]`.

Two storms at once: marked audio, whose words can be counted, and human speech, whose word error
rate is compared with that of the same recordings while nothing is broken. Ctrl-C ends it with what
was counted until then.
"""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

from .breaking import KINDS, Kind
from .progress import Progress
from .results import Section, Verdict, Written
from .speech import prepared
from .speech_storm import SpeechReport, Talk, speech_storm, talks
from .storm import Report, storm

__all__ = ["measure"]

SESSIONS = 12
SPEAKERS = 2
MINUTES = 10.0
QUICK_MINUTES = 1.0
QUICK_TALKS = 1
MOST_PAUSE_S = 15.0
MOST_GROWTH_MB = 20.0
MOST_WORSE = 2.0
"""Points of word error rate."""


def measure(progress: Progress, *, quick: bool, minutes: float | None = None) -> Section:
    asked = minutes or (QUICK_MINUTES if quick else MINUTES)
    said = talks(prepared())
    began = time.monotonic()
    words, speech, stopped = asyncio.run(
        _both(progress, asked * 60, said[:QUICK_TALKS] if quick else said)
    )
    return _section(words, speech, asked, stopped, (time.monotonic() - began) / 60)


async def _both(
    progress: Progress, seconds: float, said: list[Talk]
) -> tuple[Report, SpeechReport, bool]:
    # Both write into these from the beginning, so that what a stop leaves is known.
    words, speech = Report(), SpeechReport()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        async def storms() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    storm(
                        seconds=seconds, sessions=SESSIONS, seed=1, folder=folder / "words",
                        report=words,
                    )
                )  # fmt: skip
                group.create_task(
                    speech_storm(
                        seconds=seconds, sessions=SPEAKERS, seed=2, folder=folder / "speech",
                        said=said, report=speech,
                    )
                )  # fmt: skip

        showing = asyncio.create_task(_show(progress, seconds, words, speech))
        running = asyncio.create_task(storms())
        try:
            with _ending(running):
                await running
        except asyncio.CancelledError:
            if not running.cancelled():
                raise
        finally:
            showing.cancel()
            running.cancel()
            await asyncio.gather(showing, running, return_exceptions=True)
    return words, speech, running.cancelled()


@contextlib.contextmanager
def _ending(running: asyncio.Task[None]) -> Generator[None]:
    """Ctrl-C, and what a service manager sends, end the storms; a second one ends the program."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        running.cancel()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _show(progress: Progress, seconds: float, words: Report, speech: SpeechReport) -> None:
    began = time.monotonic()
    while True:
        spent = time.monotonic() - began
        faults = words.faults.total() + speech.faults.total()
        progress.step(
            f"{spent / 60:.1f} of about {seconds / 60:g} min, {faults:,} faults; {words.words:,} "
            f"words, {words.words_lost} lost; speech: {speech.words:,} words, "
            f"{speech.disturbed:.1f}% wrong, undisturbed {speech.undisturbed:.1f}%; "
            f"{len(words.failures) + len(speech.failures)} sessions failed",
            every_s=60.0,
        )
        await asyncio.sleep(1.0)


def _section(
    words: Report, speech: SpeechReport, asked: float, stopped: bool, minutes: float
) -> Section:
    counted = Written(("marked words", "counted"))
    counted.rows += [
        ("sessions", f"{words.sessions:,}"),
        ("audio", f"{words.audio_ms / 60_000:,.1f} min"),
        ("words", f"{words.words:,}"),
        ("audio lost", f"{words.audio_lost_ms} ms"),
        ("words lost", f"{words.words_lost}"),
        ("words doubled", f"{words.words_doubled}"),
        ("words out of order", f"{words.words_disordered}"),
        ("words at another millisecond", f"{words.words_misplaced}"),
        ("sessions that failed", f"{len(words.failures)}"),
        ("sessions opened again before they began", f"{words.openings:,}"),
        ("client connections made again", f"{words.reconnects:,}"),
        ("longest that a word took", f"{words.longest_pause_s:.1f} s"),
        ("memory of the gateway, start and end", _memory(words.memory)),
    ]
    heard = Written(("human speech", "undisturbed", "disturbed"))
    heard.rows += [
        ("sessions", f"{speech.undisturbed_sessions:,}", f"{speech.sessions:,}"),
        ("words said", "", f"{speech.words:,}"),
        ("audio", "", f"{speech.audio_ms / 60_000:,.1f} min"),
        ("audio lost", "", f"{speech.audio_lost_ms} ms"),
        ("word error rate", f"{speech.undisturbed:.1f}%", f"{speech.disturbed:.1f}%"),
        ("sessions that failed", "0", f"{len(speech.failures)}"),
        ("client connections made again", "0", f"{speech.reconnects:,}"),
        ("longest without a new word (recordings pause for 1 s themselves)",
         f"{speech.undisturbed_pause_s:.1f} s", f"{speech.longest_pause_s:.1f} s"),
        ("memory of the gateway, start and end", "", _memory(speech.memory)),
    ]  # fmt: skip
    growths = {
        "of marked words": _growth(words.memory),
        "of speech": _growth(speech.memory),
    }
    worse = speech.disturbed - speech.undisturbed
    most = max(growths.values())
    return Section(
        name="faults",
        title="Faults",
        text=f"{SESSIONS} sessions of marked words and {SPEAKERS} of human speech at a time, in "
        f"real time, for {asked:g} minutes"
        + (f", stopped after {minutes:.1f}" if stopped else "")
        + ". The audio of marked words names its words (`scripted:heard`), so that each can be "
        "counted; they go through a gateway with worker processes of its own and three upstreams "
        "by three protocols (ossicle.v1 directly, Deepgram behind nginx, AssemblyAI behind "
        "HAProxy), "
        "its own clients through HAProxy. Speech is heard by pocketsphinx, in workers of its "
        "gateway or of another behind HAProxy, and comes through nginx; each session is compared "
        "with the same recordings heard by the same client while nothing was broken. The proxies "
        "cut what is idle for 5 s, and a third of the speakers of marked words pause for longer. A "
        "quarter of the sessions of marked words and half of those of speech speak Deepgram's "
        "protocol, most of them by Deepgram's own SDK, and nothing is broken between them and the "
        "gateway. Every bound of a session is the default.",
        tables=[counted, heard, _faults(words.faults, speech.faults)],
        notes=[
            "Half closed: one direction of a connection; the socket of a worker to its gateway.",
            (
                "A gateway half closed drains and ends (SIGTERM); a proxy listens no more, and "
                "ends when its last connection has."
            ),
            "Slowed: a connection takes half of real time, a process runs a fifth of the time.",
            f"Of the workers killed, {speech.mothers} held the models and made the other workers.",
            *words.failures[:5],
            *speech.failures[:5],
        ],
        verdicts=[
            Verdict(
                "faults: audio and words lost, doubled or moved",
                "none" if words.whole else "some",
                "none",
                words.whole and words.words > 0,
            ),
            Verdict(
                "faults: word error rate of speech", f"{worse:+.1f} points",
                f"at most +{MOST_WORSE:.0f} points, and no session fails",
                worse <= MOST_WORSE and not speech.failures and speech.words > 0,
            ),
            Verdict(
                "faults: longest that a word took", f"{words.longest_pause_s:.1f} s",
                f"at most {MOST_PAUSE_S:.0f} s", words.longest_pause_s <= MOST_PAUSE_S,
            ),
            Verdict(
                "faults: growth of a gateway", f"{most:.1f} MB", f"at most {MOST_GROWTH_MB:.0f} MB",
                most <= MOST_GROWTH_MB,
            ),
        ],
        figures={
            "minutes": asked,
            "stopped": stopped,
            "words": _plain(words),
            "speech": _plain(speech) | {"wer": speech.disturbed, "usual": speech.undisturbed},
        },
    )  # fmt: skip


def _faults(*counted: Counter[tuple[str, Kind]]) -> Written:
    every = sum(counted, Counter[tuple[str, Kind]]())
    written = Written(("what was broken", *KINDS))
    for name in sorted({name for name, _ in every}):
        written.rows.append((name, *(f"{every[name, kind]:,}" for kind in KINDS)))
    return written


def _memory(held: tuple[int, int]) -> str:
    return " to ".join(f"{each / 2**20:.0f} MB" for each in held)


def _growth(held: tuple[int, int]) -> float:
    return (held[1] - held[0]) / 2**20


def _plain(report: Report | SpeechReport) -> dict[str, Any]:
    """For JSON, whose keys are strings."""
    return {
        name: {" ".join(key) if isinstance(key, tuple) else key: n for key, n in value.items()}
        if isinstance(value, Counter)
        else value
        for name, value in vars(report).items()
    }
