"""One task per session: opens engines for it, one after another, and waits until it is over.

    attach the leg ─ open engine ─ wait ─ (engine lost: open another) ─ ended ─ linger ─ forget

The session itself is synchronous; this is the only place that awaits on its behalf. It never
raises, whatever an engine does.
"""

import asyncio
import logging

from ossicle.core.errors import EngineFailed, OssicleError, Overloaded
from ossicle.core.feed import abort
from ossicle.core.legs import Leg
from ossicle.core.ports import Engine, Stream
from ossicle.core.session import Session
from ossicle.transports.faults import report_fault

__all__ = ["supervise"]

log = logging.getLogger("ossicle.gateway")


async def supervise(session: Session, leg: Leg, woken: asyncio.Event, patience_s: float) -> None:
    """Run a session to its end.

    Args:
        session: just made; not attached to its owner yet.
        leg: its owner, whose handshake is held.
        woken: set whenever the session changed.
        patience_s: how long the handshake waits for an engine before it is accepted anyway.
    """
    timers = session.host.timers
    patience = timers.call_at(timers.now() + patience_s, lambda: _attach(session, leg))
    try:
        while not session.over(timers.now()):
            woken.clear()
            if session.life.state == "ended" or session.stream is not None:
                _attach(session, leg)
            elif session.wants_engine:
                await _open_engine(session, woken)
                continue
            else:  # its audio is not recognised yet
                _attach(session, leg)
            await _woken(woken, _linger(session))
    finally:
        patience.cancel()
        if session.life.state != "ended":
            session.finish("shutdown")
        if leg.session is None and not leg.gone:  # its handshake is held still
            leg.refuse(Overloaded("the gateway is stopping; go on elsewhere", code="draining"))
        for other in tuple(session.legs):
            other.channel.abort()


def _attach(session: Session, leg: Leg) -> None:
    """Answer the held handshake, once: with the session, or with why there is none."""
    if session.owner is not None or leg.session is not None or leg.gone:
        never_came = leg.gone and session.owner is None and session.detached_until is None
        if never_came and session.life.state != "ended":
            session.read_out = True  # it has no token to come back with
            session.finish("lost")
        return
    error = session.ended.error if session.ended is not None else None
    if error is not None:
        session.read_out = True
        leg.refuse(OssicleError.of(error))
        session.host.wake(session)  # nothing is left to wait for
        return
    session.attach(leg)


async def _open_engine(session: Session, woken: asyncio.Event) -> None:
    """One attempt, given up when the session ends meanwhile or the engine takes too long."""
    delay = session.retry_at - session.host.timers.now()
    while delay > 0 and _lives(session):
        woken.clear()
        await _woken(woken, delay)
        delay = session.retry_at - session.host.timers.now()
    engine = session.engine
    if engine is None or not _lives(session):
        return
    sink = session.new_sink()
    limit = session.settings.open_s
    opening = asyncio.ensure_future(engine.open(session.engine_options, sink))
    opening.add_done_callback(lambda _: woken.set())
    handed = False
    try:
        async with asyncio.timeout(limit):
            while not opening.done() and _lives(session):
                woken.clear()
                await woken.wait()
        if not opening.done():
            return
        stream, handed = opening.result(), True
    except TimeoutError:
        session.unopened(
            sink,
            EngineFailed(
                f"engine {engine.capabilities.name} did not open within {limit:g} s (open_s)",
                code="engine_unavailable",
            ),
        )
    except Exception as error:  # noqa: BLE001  becomes Ended(error), which the client sees
        handed = True
        session.unopened(sink, _in_words(engine, error))
    else:
        session.opened(sink, stream)
    finally:
        if not handed:
            await _give_up(opening)


async def _give_up(opening: asyncio.Future[Stream]) -> None:
    """Nobody wants it: cancelled, or aborted if it opened at the same moment."""
    if not opening.done():
        opening.cancel()
        await asyncio.wait({opening}, timeout=1.0)
    if opening.done() and not opening.cancelled() and opening.exception() is None:
        abort(opening.result())


def _lives(session: Session) -> bool:
    return session.life.state != "ended"


def _in_words(engine: Engine, error: Exception) -> OssicleError:
    """A foreign exception's text may quote what somebody said: the log gets type and place."""
    if isinstance(error, OssicleError):
        return error
    name = engine.capabilities.name
    report_fault(log, f"engine {name}, opening a stream,", error)
    return EngineFailed(
        f"engine {name} could not open: {type(error).__name__}", code="engine_unavailable"
    )


async def _woken(woken: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return


def _linger(session: Session) -> float | None:
    """How long until an ended session is forgotten; None = not ended."""
    if session.life.state != "ended" or session.detached_until is None:
        return None
    return max(0.0, session.detached_until - session.host.timers.now()) + 0.001
