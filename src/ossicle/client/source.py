"""Audio from wherever it is, as pieces: a file, bytes, an iterator, plain or asynchronous.

    async for piece in pieces("talk.wav"):
        await stream.send(piece)

What blocks (a disk, a microphone's iterator) runs in a thread, one step at a time.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat

__all__ = ["PIECE", "Source", "format_of", "pieces"]

PIECE = 16 * 1024

Source: TypeAlias = (
    str | Path | bytes | bytearray | memoryview | Iterable[bytes] | AsyncIterable[bytes]
)
"""A path, the audio itself, or something that gives it piece by piece."""


def format_of(source: Source) -> AudioFormat:
    """What the audio is, where nobody said: files and bytes are containers and recognised by
    their first bytes; what comes piece by piece is 16 kHz, 16 bit, mono."""
    whole = isinstance(source, str | Path | bytes | bytearray | memoryview)
    return AudioFormat("auto") if whole else AudioFormat()


async def pieces(source: Source) -> AsyncIterator[bytes]:
    """The audio of a source.

    Raises:
        Refused: a file that cannot be read; the text says why.
    """
    if isinstance(source, str | Path):
        async for piece in _file(Path(source)):
            yield piece
    elif isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source).cast("B")
        for start in range(0, len(view), PIECE):
            yield bytes(view[start : start + PIECE])
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    else:
        async for piece in _steps(iter(source)):
            yield piece


async def _file(path: Path) -> AsyncIterator[bytes]:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", code="not_found") from error
    try:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    finally:
        file.close()


async def _steps(source: Iterator[bytes]) -> AsyncIterator[bytes]:
    def step() -> bytes | None:
        return next(source, None)

    while (piece := await asyncio.to_thread(step)) is not None:
        yield piece
