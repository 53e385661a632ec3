"""The helper process: loads libespeak-ng and says one piece of text at a time.

    python -m ossicle.engines.espeak.synthesizer        speaks the protocol of `pipe.py`

espeak-ng is GPL-3.0-or-later and keeps global state, so it gets a process of its own: nothing of
it is loaded into the gateway, and its crash ends nothing but this process. It leaves when its
standard input ends, that is, also when the parent dies.
"""

import ctypes
import json
import os
import queue
import signal
import sys
import threading
from typing import Any, cast

from .library import found
from .pipe import DONE, FAILED, READY, REFUSED, SAY, SOUND, STOP, WORD, WORD_MARK, Unpacker, pack

__all__ = ["main"]

# espeak-ng/speak_lib.h
_SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: the callback runs inside espeak_Synth, on our own thread."""
_NO_EXIT = 0x8000
"""espeakINITIALIZE_DONT_EXIT: a missing voice file is an error and not the end of the process."""
_CHUNK_MS = 60
_UTF8, _BY_CHARACTER, _RATE = 1, 1, 1
_EVENT_END, _EVENT_WORD = 0, 1
_MAX_JOBS = 256
"""Pieces waiting; the engine sends one at a time, so more is a broken peer."""


class _EventId(ctypes.Union):
    _fields_ = (  # pyright: ignore[reportAssignmentType]  a tuple is what ctypes takes
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (  # pyright: ignore[reportAssignmentType]
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Espeak:
    """The library, initialised; `say` calls back with sound and words."""

    def __init__(self, path: str, data: str | None) -> None:
        # Typed as Any: ctypes learns the functions of a library only when it is loaded.
        self._library: Any = ctypes.CDLL(path)
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.sample_rate = int(
            self._library.espeak_Initialize(
                _SYNCHRONOUS, _CHUNK_MS, data.encode() if data else None, _NO_EXIT
            )
        )
        if self.sample_rate <= 0:
            raise OSError(f"espeak_Initialize answered {self.sample_rate}")
        self.version = cast("bytes", self._library.espeak_Info(None)).decode("ascii", "replace")
        self._callback = _Callback(self._made)  # kept: the library holds only its address
        self._library.espeak_SetSynthCallback(self._callback)
        self._job = 0
        self.stopped: set[int] = set()
        self.lock = threading.Lock()

    def say(self, job: int, text: str, voice: str, rate: int) -> bytes:
        """Say it; the answer is the last message about the job."""
        self._job = job
        if self._library.espeak_SetVoiceByName(voice.encode()):
            return pack(REFUSED, job, f"voice {voice!r} is not known to espeak-ng".encode())
        self._library.espeak_SetParameter(_RATE, rate, 0)
        data = text.encode() + b"\0"
        status = self._library.espeak_Synth(data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        if status:
            return pack(FAILED, job, f"espeak_Synth answered {status}".encode())
        return pack(DONE, job)

    def is_stopped(self) -> bool:
        with self.lock:
            return self._job in self.stopped

    def _made(self, samples: Any, count: int, events: Any) -> int:
        """1 stops the synthesis at once: a cancel waits for one chunk at most."""
        if self.is_stopped():
            return 1
        place = 0
        while events[place].type != _EVENT_END:
            event = events[place]
            # A word that espeak made up (a pause between sentences) stands nowhere in the text.
            if event.type == _EVENT_WORD and event.text_position > 0 and event.length > 0:
                _write(
                    pack(
                        WORD,
                        self._job,
                        WORD_MARK.pack(
                            max(0, event.audio_position),
                            event.text_position - 1,
                            event.length,
                        ),
                    )
                )
            place += 1
        if samples and count > 0:
            _write(pack(SOUND, self._job, ctypes.string_at(samples, 2 * count)))
        return 0


def _write(message: bytes) -> None:
    sys.stdout.buffer.write(message)
    sys.stdout.buffer.flush()


def _listen(espeak: _Espeak, jobs: "queue.Queue[tuple[int, bytes] | None]") -> None:
    """Reads beside the synthesis, so that a STOP is seen while something is said."""
    unpacker = Unpacker()
    try:
        while data := os.read(0, 1 << 16):
            for kind, job, payload in unpacker.feed(data):
                if kind == SAY:
                    jobs.put_nowait((job, payload))
                elif kind == STOP:
                    with espeak.lock:
                        espeak.stopped.add(job)
    finally:
        jobs.put(None)


def main() -> int:
    """Until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    library = found()
    if library is None:
        _write(pack(FAILED, 0, b"libespeak-ng is not installed"))
        return 1
    try:
        espeak = _Espeak(*library)
    except (OSError, AttributeError) as error:
        _write(pack(FAILED, 0, f"libespeak-ng cannot be used: {type(error).__name__}".encode()))
        return 1
    ready = {"version": espeak.version, "sample_rate": espeak.sample_rate}
    _write(pack(READY, 0, json.dumps(ready).encode()))
    jobs: queue.Queue[tuple[int, bytes] | None] = queue.Queue(_MAX_JOBS)
    threading.Thread(target=_listen, args=(espeak, jobs), daemon=True).start()
    try:
        while (job := jobs.get()) is not None:
            number, payload = job
            said = cast("dict[str, Any]", json.loads(payload))
            last = espeak.say(number, str(said["text"]), str(said["voice"]), int(said["rate"]))
            with espeak.lock:
                espeak.stopped = {later for later in espeak.stopped if later > number}
            _write(last)
    except BrokenPipeError:
        return 0  # the parent is gone
    return 0


if __name__ == "__main__":
    sys.exit(main())
