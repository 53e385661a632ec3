"""Where the command line's audio comes from: a file, standard input, a microphone.

Each is an asynchronous iterator of bytes. What blocks without end (a pipe, a device) is read by a
daemon thread, so that Ctrl-C never waits for it.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from ossicle.core.errors import MissingExtra, OssicleError, Overloaded, Refused
from ossicle.core.formats import AudioFormat

__all__ = ["duration_ms", "microphone", "paced", "standard_input", "until"]

_PIECE_S = 0.1


def duration_ms(path: Path, declared: AudioFormat | None) -> int | None:
    """Length of a file's audio; None = not known. Blocks."""
    if declared is not None and declared.width:
        return declared.ms(path.stat().st_size)
    import av  # noqa: PLC0415  heavy, and only for files
    from av.error import FFmpegError  # noqa: PLC0415

    try:
        with av.open(str(path)) as container:
            # By its name alone a file may be taken for a picture.
            known = container.duration is not None and len(container.streams.audio) > 0
            return (container.duration or 0) // 1000 if known else None
    except (FFmpegError, ValueError):
        return None  # the gateway will say what it is


async def paced(source: AsyncIterator[bytes], bytes_per_s: float) -> AsyncIterator[bytes]:
    """At the pace of speech, in pieces of a tenth of a second."""
    loop = asyncio.get_running_loop()
    size = max(1, int(bytes_per_s * _PIECE_S))
    due = loop.time()
    async for data in source:
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            yield piece
            due += len(piece) / bytes_per_s
            await asyncio.sleep(due - loop.time())


async def until(stop: asyncio.Event, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A source that ends early when somebody says stop."""
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            step = asyncio.ensure_future(anext(source, None))
            try:
                await asyncio.wait({step, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not step.done():
                    step.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await step
            if step.cancelled():
                return
            piece = step.result()
            if piece is None:
                return
            yield piece
    finally:
        stopping.cancel()


async def standard_input() -> AsyncIterator[bytes]:
    """Whatever is piped in, as it comes."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and so is whoever wanted this
            while True:
                data = os.read(number, 16_384)
                asyncio.run_coroutine_threadsafe(queue.put(data), loop).result()
                if not data:
                    return

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while data := await queue.get():
        yield data


async def microphone(source: AudioFormat) -> AsyncIterator[bytes]:
    """The default input device.

    Raises:
        MissingExtra: the `mic` extra, or the PortAudio library, is not installed.
        Refused: there is no device, or it does not do this format.
    """
    device = _device()
    queue: asyncio.Queue[bytes | OssicleError] = asyncio.Queue(maxsize=600)
    loop = asyncio.get_running_loop()

    def put(data: bytes) -> None:
        if queue.full():  # a minute is waiting: say so rather than lose sound in silence
            queue.get_nowait()
            queue.put_nowait(Overloaded("a minute of sound waits for the gateway"))
        else:
            queue.put_nowait(data)

    def heard(data: Any, frames: int, time: Any, status: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(put, bytes(data))

    try:
        stream = device.RawInputStream(
            samplerate=source.sample_rate,
            channels=source.channels,
            dtype="int16",
            blocksize=int(source.sample_rate * _PIECE_S),
            callback=heard,
        )
    except Exception as error:
        raise Refused(f"the microphone cannot be opened: {error}") from error
    with stream:
        while True:
            item = await queue.get()
            if isinstance(item, OssicleError):
                raise item
            yield item


def _device(load: Callable[[], Any] | None = None) -> Any:
    try:
        return (load or _sounddevice)()
    except ImportError as error:
        raise MissingExtra(
            "the microphone needs the extra `mic`: pip install 'ossicle[mic]'"
        ) from error
    except OSError as error:
        raise MissingExtra(
            "the microphone needs the PortAudio library: apt install libportaudio2"
        ) from error


def _sounddevice() -> Any:
    import sounddevice  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    return sounddevice  # pyright: ignore[reportUnknownVariableType]
