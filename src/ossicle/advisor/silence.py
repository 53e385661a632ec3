"""How long nobody may speak: connections side by side, each silent for another while.

    await silences(place, context, headers, 30.0, seen, told, over_websocket=True)

The gateway is asked to be quiet, this end is, and afterwards an echo shows whether the connection
is still one. Two more are kept busy all the time, one by pings alone and one by data alone: what
keeps a connection open is what a client has to send. A proxy that hangs up is seen at that moment,
one that forgets in silence only by the missing echo.
"""

import asyncio
import ssl as tls
from collections.abc import Callable

import h11

from ossicle.core.errors import OssicleError
from ossicle.core.probing import PATH, Echo, Echoed, Hushed, Quiet

from .line import Line, Place
from .measured import Measured, Silence
from .talk import Talk

__all__ = ["lengths", "silences"]

_STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0)
_BUSY_S = 1.0
"""Between two signs of life of the busy ones."""
_ANSWER_S = 3.0
_CONNECT_S = 5.0


def lengths(idle_s: float) -> tuple[float, ...]:
    """How long each of the silent ones is silent."""
    return (*(each for each in _STEPS if each < idle_s * 0.95), idle_s)


async def silences(
    place: Place,
    context: tls.SSLContext | None,
    headers: tuple[tuple[str, str], ...],
    idle_s: float,
    seen: Measured,
    told: Callable[[float], None],
    *,
    over_websocket: bool,
) -> None:
    """Takes a little longer than `idle_s`."""

    async def clock() -> None:
        for n in range(1, 101):
            await asyncio.sleep(idle_s / 100)
            told(n / 100)

    async def one(silence: Silence) -> None:
        try:
            if silence.over == "http":
                await _body(place, context, headers, silence)
            else:
                await _talk(place, context, headers, silence)
        except (OssicleError, TimeoutError):
            return  # `lived` is false, which is what was to be found out
        finally:
            seen.silences.append(silence)

    over = "websocket" if over_websocket else "http"
    wanted = [Silence("nothing", s, over=over) for s in lengths(idle_s)]
    if over_websocket:
        wanted += [Silence("pings", idle_s), Silence("data", idle_s)]
    told(0.0)
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(clock())
        async with asyncio.TaskGroup() as silent:
            for each in wanted:
                silent.create_task(one(each))
        ticking.cancel()
    told(1.0)


async def _talk(
    place: Place,
    context: tls.SSLContext | None,
    headers: tuple[tuple[str, str], ...],
    silence: Silence,
) -> None:
    loop = asyncio.get_running_loop()
    async with await Talk.open(place, context, headers, _CONNECT_S) as talk:
        await talk.ask(Quiet(silence.s + _ANSWER_S), Hushed, _ANSWER_S)
        began = loop.time()
        until = began + silence.s
        while (left := until - loop.time()) > 0:
            wait = left if silence.kept_by == "nothing" else min(left, _BUSY_S)
            try:
                async with asyncio.timeout(wait):
                    await talk.over.wait()
            except TimeoutError:
                if silence.kept_by == "pings":
                    talk.ping()
                elif silence.kept_by == "data":
                    await talk.ask(Echo(0), Echoed, _ANSWER_S)
                continue
            silence.cut_s = talk.over_at - began
            return
        await talk.ask(Echo(1), Echoed, _ANSWER_S)
        silence.lived = True


async def _body(
    place: Place,
    context: tls.SSLContext | None,
    headers: tuple[tuple[str, str], ...],
    silence: Silence,
) -> None:
    """An answer whose second piece comes late."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(silence.s + _CONNECT_S + _ANSWER_S):
        async with await Line.open(place, context) as line:
            every = round(silence.s * 1000)
            await line.begin("GET", f"{PATH}?pieces=2&every_ms={every}", headers)
            await line.send(h11.EndOfMessage())
            began, got = loop.time(), b""
            try:
                await line.head()
                began = loop.time()
                async for data in line.body(4_096):
                    got += data
            except OssicleError:
                silence.cut_s = loop.time() - began
                raise
            silence.lived = got.count(b"\n") == 2
