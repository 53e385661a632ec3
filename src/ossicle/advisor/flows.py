"""Bodies both ways: does a piece arrive when it is sent, and how many bytes a second go through?

    await pieces_down(place, context, headers, seen)      # seen.down_pieces
    await upload(place, context, headers, size, seen)     # seen.up

A proxy that buffers shows itself by pieces that leave apart and come together. Whoever calls sets
the limit of time.
"""

import asyncio
import contextlib
import ssl as tls
import time
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeAlias

import h11
import msgspec

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError
from ossicle.core.probing import PATH, Came, Piece, Total

from .line import Line, Place
from .measured import Measured

__all__ = ["download", "pieces_down", "pieces_up", "upload"]

Headers: TypeAlias = tuple[tuple[str, str], ...]

_PIECES, _EVERY_S, _SIZE = 8, 0.1, 200
_MOST_S = 2.0
_CHUNK = bytes(16 * 1024)
_MOST_ANSWER = 64 * 1024
_lines = msgspec.json.Decoder(Piece | Came | Total)


async def pieces_down(
    place: Place, context: tls.SSLContext | None, headers: Headers, seen: Measured
) -> None:
    """
    Raises:
        OssicleError: there is no such answer.
    """
    async with await Line.open(place, context) as line:
        every = round(_EVERY_S * 1000)
        await line.begin("GET", f"{PATH}?pieces={_PIECES}&every_ms={every}&size={_SIZE}", headers)
        await line.send(h11.EndOfMessage())
        _good(await line.head())
        rest, first = b"", time.perf_counter()
        async for data in line.body(_MOST_ANSWER):
            *whole, rest = (rest + data).split(b"\n")
            for each in whole:
                piece = _line(each)
                if isinstance(piece, Piece):
                    seen.down_pieces.append((piece.at_ms, (time.perf_counter() - first) * 1000))
    if len(seen.down_pieces) < _PIECES:
        raise ConnectionLost(f"{len(seen.down_pieces)} of {_PIECES} pieces came")


async def pieces_up(
    place: Place, context: tls.SSLContext | None, headers: Headers, seen: Measured
) -> None:
    """
    Raises:
        OssicleError: it does not take a body in pieces.
    """
    async with await Line.open(place, context) as line:
        await line.begin("POST", PATH, (*headers, *_STREAM))
        left: list[float] = []
        done = asyncio.Event()

        async def send() -> None:
            for n in range(_PIECES):
                if n:
                    await asyncio.sleep(_EVERY_S)
                left.append(time.perf_counter())
                await line.send(h11.Data(data=bytes(_SIZE)))
            done.set()
            await line.send(h11.EndOfMessage())

        came: list[Came] = []
        async with _beside(send()):
            _good(await line.head())
            rest = b""
            async for data in line.body(_MOST_ANSWER):
                *whole, rest = (rest + data).split(b"\n")
                for each in whole:
                    answer = _line(each)
                    if isinstance(answer, Came):
                        came.append(answer)
                        if seen.early_answer is None:
                            seen.early_answer = not done.is_set()
    if sum(each.bytes for each in came) != _PIECES * _SIZE:
        raise BadMessage("it tells of other bytes than were sent")
    begun = left[0]
    # Several pieces may come as one: each byte's piece is found by counting.
    got = 0
    for each in came:
        got += each.bytes
        while len(seen.up_pieces) < len(left) and (len(seen.up_pieces) + 1) * _SIZE <= got:
            at = (left[len(seen.up_pieces)] - begun) * 1000
            seen.up_pieces.append((at, each.at_ms))


async def download(
    place: Place, context: tls.SSLContext | None, headers: Headers, size: int, seen: Measured
) -> None:
    """At most `size` bytes or 2 s.

    Raises:
        OssicleError: there is no such answer.
    """
    flow = seen.down
    async with await Line.open(place, context) as line:
        await line.begin("GET", f"{PATH}?bytes={size}", headers)
        await line.send(h11.EndOfMessage())
        _good(await line.head())
        began: float | None = None
        async for data in line.body(size):
            now = time.perf_counter()
            if began is None:
                began = now  # the first piece only starts the watch
                continue
            flow.bytes += len(data)
            flow.ms = (now - began) * 1000
            if flow.ms > _MOST_S * 1000:
                break


async def upload(
    place: Place, context: tls.SSLContext | None, headers: Headers, size: int, seen: Measured
) -> None:
    """At most `size` bytes or 2 s.

    Raises:
        OssicleError: it does not take the body, or tells nonsense about it.
    """
    flow = seen.up
    async with await Line.open(place, context) as line:
        await line.begin("POST", PATH, (*headers, *_STREAM))
        began, sent = time.perf_counter(), 0

        async def send() -> None:
            nonlocal sent
            while sent < size and time.perf_counter() - began < _MOST_S:
                data = _CHUNK[: size - sent]
                await line.send(h11.Data(data=data))
                sent += len(data)
                await asyncio.sleep(0)
            await line.send(h11.EndOfMessage())

        total: Total | None = None
        async with _beside(send()):
            _good(await line.head())
            rest = b""
            async for data in line.body(_MOST_ANSWER):
                *whole, rest = (rest + data).split(b"\n")
                for each in whole:
                    answer = _line(each)
                    total = answer if isinstance(answer, Total) else total
    if total is None:
        raise ConnectionLost("it did not say how much came")
    if total.bytes > sent:
        seen.lies.append(f"it says that {total.bytes} bytes came where {sent} were sent")
        return
    # Where a proxy takes the body whole, the gateway sees it come fast: the slower of both counts.
    flow.bytes = total.bytes
    flow.ms = max(total.ms, 0.0, (time.perf_counter() - began) * 1000 if total.ms < 1 else 0.0)


@contextlib.asynccontextmanager
async def _beside(sending: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Send while the block reads. What breaks the sending breaks the reading, too, which says it
    better: a server that does not want a body answers before it has it."""
    task = asyncio.create_task(sending)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        fault = None if task.cancelled() else task.exception()
    if fault is not None and not isinstance(fault, OssicleError | h11.LocalProtocolError):
        raise fault


_STREAM = (("transfer-encoding", "chunked"), ("content-type", "application/octet-stream"))


def _good(head: h11.Response) -> None:
    if head.status_code != 200:
        raise ConnectionLost(f"it answers with status {head.status_code}")


def _line(data: bytes) -> Piece | Came | Total:
    try:
        return _lines.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadMessage("what it says about the pieces cannot be read") from error
