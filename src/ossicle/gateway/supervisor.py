"""One task per session: opens engines for it, one after another, and waits until it is over.

    attach the leg ─ open engine ─ wait ─ (engine lost: open another) ─ ended ─ linger ─ forget

The session itself is synchronous; this is the only place that awaits on its behalf. It never
raises, whatever an engine does.
"""

import asyncio
import logging

from ossicle.core.errors import EngineFailed, OssicleError, TimedOut
from ossicle.core.legs import Leg
from ossicle.core.ports import Stream
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
    loop = asyncio.get_running_loop()
    timers = session.host.timers
    patience = loop.call_later(patience_s, _attach, session, leg)
    try:
        while not session.over(timers.now()):
            woken.clear()
            if session.wants_engine and session.life.state != "ended":
                await _open_engine(session, woken)
                continue
            _attach(session, leg)  # not while another engine is to be tried: patience bounds it
            if session.over(timers.now()):
                break
            try:
                async with asyncio.timeout(_linger(session)):
                    await woken.wait()
            except TimeoutError:
                continue
        await _read_out(session, woken)
    finally:
        patience.cancel()
        if session.life.state != "ended":
            session.finish("shutdown")
        for other in tuple(session.legs):
            other.channel.abort()


def _attach(session: Session, leg: Leg) -> None:
    """Answer the held handshake, once: with the session, or with why there is none."""
    if session.owner is not None or leg.session is not None or leg.gone:
        if leg.gone and session.owner is None and session.life.state != "ended":
            if session.detached_until is None:
                session.finish("lost")
            session.read_out = session.read_out or session.detached_until is None
        return
    error = session.ended.error if session.ended is not None else None
    if error is not None:
        session.read_out = True
        leg.refuse(OssicleError.of(error))
        return
    session.attach(leg)


async def _read_out(session: Session, woken: asyncio.Event) -> None:
    """Observers may still be reading what the owner has read: an abort would take it away."""
    try:
        async with asyncio.timeout(session.settings.resume_window_s):
            while session.legs:
                woken.clear()
                await woken.wait()
    except TimeoutError:
        return


async def _open_engine(session: Session, woken: asyncio.Event) -> None:
    delay = session.retry_at - session.host.timers.now()
    if delay > 0 and await _ended_within(delay, session, woken):
        return
    engine = session.engine
    sink = session.new_sink()
    if engine is None:
        session.unopened(sink, EngineFailed("no engine was chosen", code="engine_unavailable"))
        return
    limit = session.settings.open_s
    opening = asyncio.create_task(engine.open(session.options, sink), name="opening")
    opening.add_done_callback(lambda _task: woken.set())
    try:
        ended = await _ended_within(limit, session, woken, unless=opening)
        if ended and not opening.done():
            return
        if not opening.done():
            raise TimedOut(f"engine {engine.capabilities.name} did not open within {limit:g} s")
        stream = opening.result()
    except Exception as error:  # noqa: BLE001  whatever it is, the session is told
        if not isinstance(error, OssicleError):
            report_fault(log, f"engine {engine.capabilities.name} open", error)
            error = EngineFailed(
                f"engine {engine.capabilities.name} could not open: {type(error).__name__}",
                code="engine_unavailable",
            )
        session.unopened(sink, error)
    else:
        session.opened(sink, stream)
    finally:
        await _let_go(opening)


async def _ended_within(
    seconds: float,
    session: Session,
    woken: asyncio.Event,
    *,
    unless: "asyncio.Task[Stream] | None" = None,
) -> bool:
    """Wait, but not for a session that ends meanwhile: its client has left, or the gateway
    stops. `unless`: what is waited for."""
    try:
        async with asyncio.timeout(seconds):
            while session.life.state != "ended":
                if unless is not None and unless.done():
                    return False
                woken.clear()
                await woken.wait()
    except TimeoutError:
        pass
    return session.life.state == "ended"


async def _let_go(opening: "asyncio.Task[Stream]") -> None:
    """End an opening that nobody waits for; a stream that came after all is aborted."""
    if not opening.done():
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            opening.result().abort()


def _linger(session: Session) -> float | None:
    """How long until an ended session is forgotten; None = not ended."""
    if session.life.state != "ended" or session.detached_until is None:
        return None
    return max(0.0, session.detached_until - session.host.timers.now()) + 0.001
