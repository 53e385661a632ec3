"""Says words by audio time: the same audio gives the same events, on any machine, at any speed.

For tests, for demonstrations, and as a stand-in for a provider in other people's CI.

    scripted:Hello there. How are you?     one word per 300 ms of audio; a sentence is a turn
    scripted:lines.txt                     the same from a file; a line end closes a turn too
    scripted:heard                         the words that marked audio names (`words.py`)

A query after the text sets faults: `scripted:Hello.?pace=0.5&fail_at=1500`

    pace=0.5         takes audio at half real time (credit); without it: without limit
    fail_at=1500     breaks after 1500 ms of a stream's audio, retryably
    fail=always      in every stream; default `once`: only in the first that gets so far
    open_ms=200      needs that long to open

What marked audio is stands in `words.py`; `ossicle.testing.marked` makes it.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from ..core.capabilities import PCM16K, Capabilities
from ..core.commands import Cancel, Command, End, Finalize, Speak
from ..core.errors import EngineFailed, Refused
from ..core.events import (
    Ended,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
    Word,
)
from ..core.options import Options
from ..core.ports import Sink, Timer, Timers
from .words import SAMPLES_PER_MS, WORD_MS, Found, MarkedWords, TimedWords, WordSource

__all__ = ["WORD_MS", "Script", "ScriptedEngine", "ScriptedStream", "parse_script"]

_WINDOW_MS = 1000
"""How far ahead of its own pace a paced engine takes audio."""
_TICK_MS = 100
"""How often a paced engine moves its credit."""
_MAX_FILE = 1 << 20
_QUERY = re.compile(r"\?((?:[a-z_]+=[^&=?\s]*)(?:&[a-z_]+=[^&=?\s]*)*)$")
_TURN_END = re.compile(r"[.!?…。！？][\"')\]”’]*$")


class Script(msgspec.Struct, frozen=True):
    """What a scripted engine does."""

    turns: tuple[tuple[str, ...], ...] | None = ()
    """Words of each turn; None = the words that marked audio names."""
    pace: float | None = None
    """Share of real time at which audio is taken; None = as it comes."""
    fail_at: int | None = None
    """Milliseconds of a stream's audio after which it breaks; None = never."""
    fail: Literal["once", "always"] = "once"
    open_ms: int = 0


def parse_script(argument: str) -> Script:
    """The part after `scripted:`.

    Raises:
        Refused: an unknown name in the query, a value out of range, or a file that is not there.
    """
    found = _QUERY.search(argument)
    text, query = (argument[: found.start()], found[1]) if found else (argument, "")
    values: dict[str, str] = dict(part.split("=", 1) for part in query.split("&") if part)
    known = {"pace": 0.01, "fail_at": 1, "open_ms": 0, "fail": None}
    for name in values:
        if name not in known:
            raise Refused(
                f"scripted: {name!r} is not known; use {', '.join(known)}", code="bad_option"
            )
    fail = values.get("fail", "once")
    if fail not in ("once", "always"):
        raise Refused(f"scripted: fail={fail!r} must be once or always", code="bad_option")
    fail_at = _number(values, "fail_at", 1, 3_600_000)
    return Script(
        turns=None if text == "heard" else _turns(_text(text)),
        pace=_number(values, "pace", 0.01, 100),
        fail_at=None if fail_at is None else int(fail_at),
        fail="always" if fail == "always" else "once",
        open_ms=int(_number(values, "open_ms", 0, 600_000) or 0),
    )


def _number(values: dict[str, str], name: str, low: float, high: float) -> float | None:
    if name not in values:
        return None
    try:
        number = float(values[name])
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise Refused(
            f"scripted: {name}={values[name]!r} must be a number in {low}-{high}",
            code="bad_option",
        )
    return number


def _text(text: str) -> str:
    looks_like_file = text.endswith(".txt")
    try:
        path = Path(text)
        if looks_like_file or path.is_file():
            if (size := path.stat().st_size) > _MAX_FILE:
                raise Refused(f"scripted: {size} bytes of script; the limit is {_MAX_FILE}")
            return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        # A long text is not a usable file name; that alone is no mistake.
        if looks_like_file:
            raise Refused(
                f"scripted: file {text!r} cannot be read: {type(error).__name__}",
                code="bad_option",
            ) from error
    return text


def _turns(text: str) -> tuple[tuple[str, ...], ...]:
    turns: list[tuple[str, ...]] = []
    for line in text.splitlines():
        turn: list[str] = []
        for word in line.split():
            turn.append(word)
            if _TURN_END.search(word):
                turns.append(tuple(turn))
                turn = []
        if turn:
            turns.append(tuple(turn))
    return tuple(turns)


class ScriptedEngine:
    """Opens as many streams as are wanted; each begins the script at its first word."""

    def __init__(self, script: Script | str = "", *, timers: Timers | None = None) -> None:
        self._script = parse_script(script) if isinstance(script, str) else script
        self._timers = timers
        self._failed = False
        self.capabilities = Capabilities(
            name="scripted",
            hears=(PCM16K,),
            word_times=True,
            punctuate=True,
            note="Says given words by audio time; for tests.",
        )

    async def open(self, options: Options, sink: Sink) -> "ScriptedStream":
        if options.hears not in (None, PCM16K):
            raise Refused(f"scripted hears {PCM16K} only", code="unsupported_audio")
        timers = self._timers or _LoopTimers()
        if self._script.open_ms:
            await _sleep(timers, self._script.open_ms / 1000)
        return ScriptedStream(self._script, options, sink, timers, self._may_fail)

    def _may_fail(self) -> bool:
        """Whether a stream that reached `fail_at` breaks; asked once by each."""
        first, self._failed = not self._failed, True
        return first or self._script.fail == "always"


class ScriptedStream:
    """Turns what a `WordSource` finds into events, and keeps the turn law."""

    def __init__(
        self,
        script: Script,
        options: Options,
        sink: Sink,
        timers: Timers,
        may_fail: Callable[[], bool],
    ) -> None:
        recognition = options.recognition
        self._sink, self._interim = sink, recognition.interim_results
        self._detect, self._max_ms = recognition.turns.detect, recognition.turns.max_ms
        self._source: WordSource = (
            MarkedWords(recognition.turns) if script.turns is None else TimedWords(script.turns)
        )
        self._fed = 0
        """Samples."""
        self._words: list[Word] = []
        self._started: int | None = None
        self._from = 0
        """Where the time that belongs to no turn yet begins, in ms."""
        self._settled = 0
        self._dead = False
        self._fail_at, self._may_fail = script.fail_at, may_fail
        self._pace = _Pace(script.pace, sink, timers) if script.pace else None

    def audio(self, data: bytes) -> None:
        if self._dead:
            return
        fails = False
        if self._fail_at is not None:
            room = self._fail_at * SAMPLES_PER_MS - self._fed
            if len(data) // 2 >= room:
                fails = self._may_fail()
                data = data[: 2 * room] if fails else data
                self._fail_at = None
        self._fed += len(data) // 2
        fed_ms = self._fed // SAMPLES_PER_MS
        for found in self._source.feed(data):
            self._happened(found)
            if self._dead:  # the session may abort from inside `tell`
                return
        if fails:
            error = EngineFailed(f"scripted to fail after {fed_ms} ms of audio")
            self._end(Ended(reason="failed", error=error.fault()))
            return
        self._settle(fed_ms)
        if self._pace is not None:
            self._pace.fed(fed_ms)

    def ask(self, command: Command) -> None:
        if self._dead:
            return
        match command:
            case Finalize():
                self._close("asked", self._fed // SAMPLES_PER_MS, command.ref)
            case Cancel(side="in"):
                # What was heard is forgotten, a word half heard included; the script goes on.
                self._source.forget()
                # A turn that was told of is still closed: started ≤ ended ≤ one final.
                self._words, self._from = [], self._fed // SAMPLES_PER_MS
                if self._started is not None:
                    self._close("cancelled", self._from, command.ref)
            case Speak():
                self._sink.tell(
                    Notice(
                        level="error",
                        code="bad_request",
                        text="engine scripted has no voice; combine it with one",
                        ref=command.ref,
                    )
                )
            case End():
                for found in self._source.finish():
                    self._happened(found)
                if self._started is not None:
                    self._close("end", self._fed // SAMPLES_PER_MS)
                self._end(Ended())
            case _:
                pass  # Configure, Tell, Played, Cancel(out): nothing here depends on them

    def credit(self, until_ms: int) -> None:
        """It never speaks."""

    def abort(self) -> None:
        self._dead = True
        if self._pace is not None:
            self._pace.stop()

    def _happened(self, found: Found) -> None:
        match found:
            case ("started", at_ms):
                if self._started is None:
                    self._started = at_ms
                    self._sink.tell(SpeechStarted(at_ms=at_ms))
            case ("word", word):
                if self._started is None:
                    self._started = word.start_ms
                    self._sink.tell(SpeechStarted(at_ms=word.start_ms))
                self._words.append(word)
                if self._max_ms and word.end_ms - self._started >= self._max_ms:
                    self._close("limit", word.end_ms)
                elif self._interim:
                    self._sink.tell(self._transcript())
            case ("turn", at_ms):
                if self._words and self._detect:
                    self._close("silence", at_ms)

    def _transcript(self, ref: str = "", *, final: bool = False) -> Transcript:
        words = tuple(self._words)
        text = " ".join(word.text for word in words)
        place = words[0].start_ms if words else self._from
        return Transcript(
            text=text,
            start_ms=place,
            end_ms=words[-1].end_ms if words else max(place, self._from),
            final=final,
            ends_turn=final,
            stable=len(text),
            words=words,
            ref=ref,
        )

    def _close(self, reason: TurnReason, at_ms: int, ref: str = "") -> None:
        if self._started is not None:
            self._sink.tell(SpeechEnded(at_ms=at_ms, reason=reason, ref=ref))
        final = self._transcript(ref, final=True)
        self._words, self._started = [], None
        self._from = max(self._from, final.end_ms or 0)
        self._sink.tell(final)

    def _settle(self, fed_ms: int) -> None:
        """Silence is never reported again, so nobody needs to keep it for a replay."""
        quiet = self._source.quiet_ms
        if self._started is None and quiet >= self._settled + 1000 and quiet <= fed_ms:
            self._settled = quiet
            self._sink.settled(quiet)

    def _end(self, ended: Ended) -> None:
        self.abort()
        self._sink.tell(ended)


class _Pace:
    """Credit for an engine that works at a share of real time, by a clock that can be moved."""

    def __init__(self, pace: float, sink: Sink, timers: Timers) -> None:
        self._pace, self._sink, self._timers = pace, sink, timers
        self._fed = self._taken = 0.0
        self._at = timers.now()
        self._timer: Timer | None = None
        sink.credit(_WINDOW_MS)

    def fed(self, until_ms: int) -> None:
        if self._timer is None:
            self._at = self._timers.now()
            self._timer = self._timers.call_at(self._at + _TICK_MS / 1000, self._tick)
        self._fed = until_ms

    def _tick(self) -> None:
        now = self._timers.now()
        self._taken = min(self._fed, self._taken + (now - self._at) * 1000 * self._pace)
        self._at, self._timer = now, None
        if self._taken < self._fed:
            self._timer = self._timers.call_at(now + _TICK_MS / 1000, self._tick)
        self._sink.credit(_WINDOW_MS + round(self._taken))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _LoopTimers:
    """The running event loop as `Timers`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return self._loop.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_at(when, callback)

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        return self._loop.call_soon(callback)


async def _sleep(timers: Timers, seconds: float) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def over() -> None:
        if not done.done():
            done.set_result(None)

    timer = timers.call_at(timers.now() + seconds, over)
    try:
        await done
    finally:
        timer.cancel()
