"""Keeps what an engine is fed, one file for each of its streams, where somebody asked for that.

    recorder = Recorder(Path("/srv/recordings"), most_bytes=10 << 30, keep_s=7 * 86_400)
    engine = Recorded(engine, recorder)

The folder is the owner's alone (0700), each file too (0600). A name says when, which session and
its label, and never a word that was said. Old files go when there are too many bytes, or when they
are too old. A disk that fails or is too slow ends the recording, which is told, and nothing else.

Nothing here waits on a disk but one thread, and what waits for it is bounded.
"""

import asyncio
import contextlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal

from ossicle.audio.speechfile import SpeechFile, speech_file
from ossicle.audio.wav import wav_header

from ...core.capabilities import Capabilities
from ...core.commands import Command
from ...core.errors import BadAudio
from ...core.events import Ended, Event, Notice
from ...core.formats import AudioFormat
from ...core.options import Options
from ...core.ports import Engine, Sink, Stream
from ...core.sink import StreamSink
from ..lifecycle import aclose, is_warm, start

__all__ = ["Recorded", "Recorder", "Tape"]

_WAITING: Final = 16 << 20
"""Bytes that may wait for the disk, of all sessions together."""
_TIDY_S: Final = 60.0
_SUFFIXES: Final = (".wav", ".ogg")
_SAFE = re.compile(r"[^A-Za-z0-9.-]+")


class Tape:
    """One file. Its methods are called on the event loop; the thread does the work."""

    def __init__(
        self, recorder: "Recorder", stem: str, source: AudioFormat, failed: Callable[[str], None]
    ) -> None:
        self.stem = stem
        self.source = source
        self.path: Path | None = None
        """Where it is; known once it is there."""
        self.file: BinaryIO | None = None
        self.encoder: SpeechFile | None = None
        self.written = 0
        self.over = False
        """Closed, or given up."""
        self._recorder = recorder
        self._failed = failed
        self._loop = asyncio.get_running_loop()

    def add(self, data: bytes) -> None:
        """Keep this."""
        if not self.over and not self._recorder.put(self, data):
            self.over = True
            self._recorder.put(self, None)
            self._failed("the disk is too slow")

    def close(self) -> None:
        """It is whole. Idempotent."""
        if not self.over:
            self.over = True
            self._recorder.put(self, None)

    def broke(self, why: str) -> None:
        """For the thread: the disk failed."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nobody to tell
            self._loop.call_soon_threadsafe(self._give_up, why)

    def _give_up(self, why: str) -> None:
        if not self.over:
            self.over = True
            self._failed(why)


class Recorder:
    """A folder of recordings, and the thread that writes them."""

    def __init__(
        self,
        folder: Path,
        *,
        form: Literal["wav", "opus"] = "wav",
        most_bytes: int = 10 << 30,
        keep_s: float = 7 * 86_400.0,
    ) -> None:
        """
        Args:
            folder: made when it is first needed, for its owner alone.
            form: `opus` (Ogg) where the sound can be that: 16 bit, mono; else WAV.
            most_bytes: of all files; beyond it the oldest go.
            keep_s: how long a file is kept; 0 = until there are too many bytes.
        """
        self.folder = folder.expanduser()
        self._form = form
        self._most_bytes, self._keep_s = most_bytes, keep_s
        self._queue: queue.SimpleQueue[tuple[Tape, bytes | None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._open: set[Tape] = set()

    def begin(
        self, session: str, label: str, source: AudioFormat, failed: Callable[[str], None]
    ) -> Tape:
        """A new file.

        Args:
            session: its id.
            label: the client's own name for it.
            source: what will be added.
            failed: told once, why nothing more is kept.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="recordings", daemon=True)
            self._thread.start()
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        names = (_SAFE.sub("-", name).strip("-.")[:60] for name in (session, label))
        return Tape(self, "_".join(filter(None, (at, *names))), source, failed)

    def put(self, tape: Tape, data: bytes | None) -> bool:
        """For a tape: hand over to the thread. False: too much waits already."""
        size = len(data) if data is not None else 0
        with self._lock:
            if size and self._waiting + size > _WAITING:
                return False
            self._waiting += size
        self._queue.put((tape, data))
        return True

    def close(self) -> None:
        """Write what waits and stop. Waits for the disk: not for the event loop."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    # ── in the thread ──

    def _work(self) -> None:
        tidied = 0.0
        while True:
            if time.monotonic() - tidied >= _TIDY_S:
                self._tidy()
                tidied = time.monotonic()
            try:
                item = self._queue.get(timeout=_TIDY_S)
            except queue.Empty:
                continue
            if item is None:
                break
            tape, data = item
            if data is not None:
                with self._lock:
                    self._waiting -= len(data)
            self._do(tape, data)
        for tape in tuple(self._open):
            self._do(tape, None)

    def _do(self, tape: Tape, data: bytes | None) -> None:
        try:
            if data is None:
                self._finish(tape)
            else:
                self._write(tape, data)
        except (OSError, BadAudio) as error:
            self._open.discard(tape)
            file, tape.file = tape.file, None
            with contextlib.suppress(OSError):
                if file is not None:
                    file.close()
            tape.broke(getattr(error, "strerror", None) or type(error).__name__)

    def _write(self, tape: Tape, data: bytes) -> None:
        if tape.file is None:
            if tape.path is not None:
                return  # given up
            self._create(tape)
        assert tape.file is not None
        out = data if tape.encoder is None else tape.encoder.encode(data)
        tape.file.write(out)
        tape.written += len(out)

    def _create(self, tape: Tape) -> None:
        self._tidy()
        source = tape.source
        if self._form == "opus" and source.encoding == "pcm_s16le" and source.channels == 1:
            with contextlib.suppress(BadAudio):  # a rate that Opus has not: WAV then
                tape.encoder = speech_file(source, "opus")
        header = b"" if tape.encoder is not None else wav_header(source, 0)
        suffix = ".wav" if tape.encoder is None else ".ogg"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1_000):
            more = f"_{number + 1}" if number else ""
            tape.path = self.folder / f"{tape.stem}{more}{suffix}"
            try:
                handle = os.open(
                    tape.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600
                )
            except FileExistsError:
                continue
            tape.file = os.fdopen(handle, "wb")
            break
        else:
            raise FileExistsError(f"{tape.stem}: a thousand files have that name")
        self._open.add(tape)
        tape.file.write(header)

    def _finish(self, tape: Tape) -> None:
        self._open.discard(tape)
        file, tape.file = tape.file, None
        if file is None:
            return
        with file:
            if tape.encoder is not None:
                file.write(tape.encoder.finish())
            else:
                file.seek(0)
                file.write(wav_header(tape.source, tape.written))

    def _tidy(self) -> None:
        """Files that are too old, and the oldest while there are too many bytes."""
        busy = {tape.path for tape in self._open}
        found: list[tuple[float, int, Path]] = []
        try:
            for path in self.folder.iterdir():
                if path.suffix in _SUFFIXES and path not in busy:
                    status = path.lstat()
                    found.append((status.st_mtime, status.st_size, path))
        except OSError:
            return  # there is no folder yet, or it cannot be read: writing will say so
        total = sum(size for _, size, _ in found) + sum(tape.written for tape in self._open)
        oldest = time.time() - self._keep_s if self._keep_s else 0.0
        for at, size, path in sorted(found):
            if at >= oldest and total <= self._most_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


class Recorded:
    """An engine around another one. It starts and closes what it holds, not the recorder."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        """`recorder`: shared by as many engines as there are."""
        self._engine = engine
        self._recorder = recorder

    @property
    def capabilities(self) -> Capabilities:
        """Of what it holds."""
        return self._engine.capabilities

    @property
    def warm(self) -> bool:
        return is_warm(self._engine)

    async def start(self) -> None:
        await start(self._engine)

    async def aclose(self) -> None:
        await aclose(self._engine)

    async def open(self, options: Options, sink: Sink) -> Stream:
        """Open a stream, and a file for it once it is fed."""
        if options.hears is None:
            return await self._engine.open(options, sink)
        session = sink.listener.id if isinstance(sink, StreamSink) else ""

        def failed(why: str) -> None:
            text = f"this session is not recorded any more: {why}"
            sink.tell(Notice(level="warning", code="record_failed", text=text))

        tape = self._recorder.begin(session, options.label, options.hears, failed)
        stream = await self._engine.open(options, _TapedSink(sink, tape))
        return _TapedStream(stream, tape)


class _TapedStream:
    def __init__(self, stream: Stream, tape: Tape) -> None:
        self._stream = stream
        self._tape = tape
        self._add, self._feed = tape.add, stream.audio
        self.credit = stream.credit

    def audio(self, data: bytes) -> None:
        self._add(data)
        self._feed(data)

    def ask(self, command: Command) -> None:
        self._stream.ask(command)

    def abort(self) -> None:
        self._tape.close()
        self._stream.abort()


class _TapedSink:
    def __init__(self, sink: Sink, tape: Tape) -> None:
        self._sink = sink
        self._tape = tape
        self.credit, self.settled = sink.credit, sink.settled

    def tell(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._tape.close()
        self._sink.tell(event)
