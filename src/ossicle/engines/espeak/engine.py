"""The espeak-ng voice as an engine. One helper process for all streams, one piece at a time.

At about a thousand times real time nobody waits for another's sentence. A helper that dies is
replaced, and the piece it was saying is said again from where it broke off (synthesis repeats
exactly); a piece that kills two helpers ends its stream with a retryable `EngineFailed`.

    async with running(EspeakEngine()) as engine:
        stream = await engine.open(options, sink)
        stream.ask(Speak(text="Hello."))
"""

import asyncio
import contextlib
import json
import sys
import weakref
from asyncio.subprocess import PIPE, Process
from collections import deque
from dataclasses import dataclass
from typing import Any, cast

from ...core.capabilities import Capabilities
from ...core.errors import EngineFailed, MissingExtra, OssicleError, Refused
from ...core.formats import AudioFormat
from ...core.options import Options
from ...core.ports import Sink
from ..generators import failure
from ..lifecycle import Children
from ..speaking import Piece, Rendering
from ..voice import VoiceStream, speaks
from .library import available
from .pipe import (
    DONE,
    FAILED,
    READY,
    REFUSED,
    SAY,
    SOUND,
    STOP,
    WORD,
    WORD_MARK,
    Unpacker,
    pack,
)

__all__ = ["MISSING", "EspeakEngine"]

MISSING = (
    "the espeak voice is not installed; install it with `pip install ossicle[voice]`, or"
    " `apt install libespeak-ng1`"
)
_FORMAT = AudioFormat("pcm_s16le", 22_050)
_WORDS_PER_MINUTE, _SLOWEST, _FASTEST = 175, 80, 450
"""espeak's own normal pace, and its limits."""
_READY_SECONDS = 15.0
"""How long the helper may take to load; 0.1 s is usual."""
_LEAVE_SECONDS = 2.0
_TRIES = 2
_EARLY_SECONDS = 1.0
"""A helper that dies sooner than this, again and again, is replaced only that often."""
_DEFAULT_VOICE = "en-us"


@dataclass(eq=False, slots=True)
class _Job:
    number: int
    piece: Piece
    rendering: Rendering
    tries: int = 0
    made: int = 0
    """Bytes of sound handed on."""
    skip: int = 0
    """Bytes that a helper before this one made already."""
    word: tuple[int, str] | None = None
    """The word begun; its end is the next one's start."""
    after: int = 0
    """Where in the text it ends."""
    words: int = 0


class EspeakEngine:
    """`start` loads the helper, `aclose` ends it; `open` does the former if nobody did."""

    capabilities = Capabilities(
        name="espeak",
        hears=(),
        speaks=(_FORMAT,),
        turns=False,
        interim_results=False,
        word_times=True,
        note="espeak-ng in a helper process: many languages, robotic, very fast.",
    )

    def __init__(self, command: tuple[str, ...] = ()) -> None:
        self._command = command or (sys.executable, "-m", "ossicle.engines.espeak.synthesizer")
        self._checks = not command
        self._children = Children()
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._ready: asyncio.Future[None] | None = None
        self._waiting: deque[_Job] = deque()
        """At most one piece of each stream."""
        self._now: _Job | None = None
        self._count = 0
        self._streams: weakref.WeakSet[VoiceStream] = weakref.WeakSet()
        self._closed = False

    @property
    def warm(self) -> bool:
        return self._is_ready()

    @property
    def pid(self) -> int | None:
        """The helper that runs now."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        if self._closed:
            raise EngineFailed("engine espeak is closed", code="engine_unavailable")
        if self._is_ready():
            return
        if self._checks and not await asyncio.to_thread(available):
            raise MissingExtra(MISSING)
        ready = self._run()
        # Shielded: the helper belongs to every stream, not to the one that waits first.
        await asyncio.shield(ready)

    async def aclose(self) -> None:
        self._closed = True
        error = EngineFailed("the engine was closed", code="engine_unavailable")
        self._waiting.clear()
        self._now = None
        for stream in tuple(self._streams):
            stream.fail(error)
        await self._children.aclose()

    async def open(self, options: Options, sink: Sink) -> VoiceStream:
        fmt = speaks(self.capabilities, options)
        await self.start()
        stream = VoiceStream("espeak", self, fmt, options, sink)
        self._streams.add(stream)
        return stream

    # the voice: called by Speaking

    def begin(self, piece: Piece, rendering: Rendering) -> None:
        if self._closed:
            rendering.failed(EngineFailed("the engine was closed", code="engine_unavailable"))
            return
        self._count += 1
        self._waiting.append(_Job(self._count, piece, rendering))
        self._next()

    def stop(self, rendering: Rendering) -> None:
        self._waiting = deque(job for job in self._waiting if job.rendering is not rendering)
        if self._now is not None and self._now.rendering is rendering:
            # Its DONE still comes and makes room for the next.
            self._write(pack(STOP, self._now.number))

    def _next(self) -> None:
        if self._now is not None or not self._waiting:
            return
        if not self._is_ready():
            self._run()
            return
        job = self._now = self._waiting.popleft()
        job.tries += 1
        options = job.piece.options
        rate = min(_FASTEST, max(_SLOWEST, round(_WORDS_PER_MINUTE * options.speed)))
        said = {
            # Control characters would be commands to espeak; word offsets must stay.
            "text": "".join(c if c.isprintable() else " " for c in job.piece.text),
            "voice": (options.voice or options.language or _DEFAULT_VOICE).lower(),
            "rate": rate,
        }
        self._write(pack(SAY, job.number, json.dumps(said).encode()))

    def _write(self, message: bytes) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.write(message)

    # the helper

    def _is_ready(self) -> bool:
        ready = self._ready
        return (
            ready is not None
            and ready.done()
            and not ready.cancelled()
            and (ready.exception() is None)
        )

    def _run(self) -> "asyncio.Future[None]":
        """A helper runs or is being started; the answer is when it is ready."""
        if self._task is None or self._task.done():
            self._ready = asyncio.get_running_loop().create_future()
            self._task = self._children.spawn(self._life(), "espeak helper")
        assert self._ready is not None
        return self._ready

    async def _life(self) -> None:
        """One helper after another, until one does not even begin. A helper that dies while
        nothing is said is replaced too, so that the engine stays warm."""
        clock, early = asyncio.get_running_loop().time, 0
        while True:
            began = clock()
            try:
                await self._one_helper()
                error: OssicleError = EngineFailed("the espeak helper died")
            except OssicleError as problem:
                error = problem
            except OSError as problem:
                error = EngineFailed(f"the espeak helper cannot run: {type(problem).__name__}")
            except Exception as problem:  # noqa: BLE001  reported, and no stream waits for ever
                error = failure(problem, "espeak")
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "the espeak engine failed", "exception": problem}
                )
            assert self._ready is not None
            if not self._is_ready():
                if not self._ready.done():
                    self._ready.set_exception(error)
                    self._ready.exception()  # somebody may have asked for sound, not for this
                self._fail_all(error)
                return
            # From here on a new piece waits for the next helper.
            self._ready = asyncio.get_running_loop().create_future()
            self._again(self._now)
            early = early + 1 if clock() - began < _EARLY_SECONDS else 0
            if early > _TRIES:
                await asyncio.sleep(_EARLY_SECONDS)  # a helper that keeps dying is not spun

    def _again(self, job: _Job | None) -> None:
        """The helper died of this job, perhaps: it gets a second chance."""
        self._now = None
        if job is None or job.rendering.complete:
            return
        job.skip, job.made = max(job.skip, job.made), 0
        job.words, job.word, job.after = 0, None, 0
        if job.tries < _TRIES:
            self._waiting.appendleft(job)
        else:
            job.rendering.failed(EngineFailed("the espeak helper died twice of one piece"))

    def _fail_all(self, error: OssicleError) -> None:
        jobs = [*([self._now] if self._now else []), *self._waiting]
        self._now = None
        self._waiting.clear()
        for job in jobs:
            job.rendering.failed(error)

    async def _one_helper(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # a Ctrl-C is the gateway's to handle
        )
        self._process = process
        assert process.stdout is not None
        unpacker = Unpacker()
        try:
            async with asyncio.timeout(_READY_SECONDS) as limit:
                while data := await process.stdout.read(1 << 16):
                    for kind, number, payload in unpacker.feed(data):
                        if kind == READY:
                            limit.reschedule(None)
                        self._message(kind, number, payload)
        except TimeoutError:
            raise EngineFailed(f"the espeak helper was not ready in {_READY_SECONDS} s") from None
        except ValueError as error:
            raise EngineFailed("the espeak helper broke its protocol") from error
        finally:
            self._process = None
            await _leave(process)

    def _message(self, kind: int, number: int, payload: bytes) -> None:
        if kind == READY:
            if self._ready is not None and not self._ready.done():
                self._check_rate(payload)
                self._ready.set_result(None)
            self._next()
            return
        job = self._now
        if number == 0 and kind == FAILED:
            raise EngineFailed(payload.decode("utf-8", "replace"), code="engine_unavailable")
        if job is None or job.number != number:
            return
        if kind == SOUND:
            self._sound(job, payload)
        elif kind == WORD:
            self._word(job, payload)
        elif kind in (DONE, FAILED, REFUSED):
            self._now = None
            self._finished(job, kind, payload.decode("utf-8", "replace"))
            self._next()

    def _check_rate(self, payload: bytes) -> None:
        rate = cast("dict[str, Any]", json.loads(payload)).get("sample_rate")
        if rate != _FORMAT.sample_rate:
            raise EngineFailed(
                f"libespeak-ng speaks at {rate} Hz; {_FORMAT.sample_rate} Hz is what is expected"
            )

    def _sound(self, job: _Job, data: bytes) -> None:
        job.made += len(data)
        fresh = job.made - job.skip
        if fresh > 0:
            job.rendering.sound(data[-fresh:] if fresh < len(data) else data)

    def _word(self, job: _Job, payload: bytes) -> None:
        at_ms, offset, length = WORD_MARK.unpack(payload)
        text = job.piece.text[offset : offset + length]
        # A number is several words to espeak ("1999"), with places inside the one that is written.
        # And it reads past its table of words now and then, so that one event more may say any
        # place and length: https://github.com/espeak-ng/espeak-ng/issues/1073
        if offset < job.after or len(text) < length or not text.strip():
            return
        self._word_over(job, at_ms)
        job.after, job.word = offset + length, (at_ms, text)

    def _word_over(self, job: _Job, at_ms: int) -> None:
        if job.word is None:
            return
        start_ms, text = job.word
        job.words += 1
        if job.words > len(job.rendering.words):
            job.rendering.word(text, start_ms, max(start_ms, at_ms))

    def _finished(self, job: _Job, kind: int, text: str) -> None:
        if kind == DONE:
            self._word_over(job, _FORMAT.ms(job.made))
            job.rendering.done()
        elif kind == REFUSED:
            job.rendering.failed(Refused(text, code="bad_option"))
        else:
            job.rendering.failed(EngineFailed(text))


async def _leave(process: Process) -> None:
    """End of input asks it to go; what does not go is killed, and waited for either way."""
    if process.stdin is not None:
        process.stdin.close()
        with contextlib.suppress(OSError):
            await process.stdin.wait_closed()
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
