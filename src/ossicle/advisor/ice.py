"""WebRTC from here to a gateway: a call with a data channel and no sound, direct and by each relay.

    await calls(place, context, headers, offer, seen, 5.0)

The gateway's answer comes over HTTP (`/v1/probe/ice`), everything else by ICE, DTLS and SCTP: a
wire that passes has been through all three, and echoes have come back. Direct means without a
relay; by TURN means through one and in no other way, with the credentials that the gateway handed
out. A relay is asked for an address first, so that what is wrong with it is said in its own words,
as `ossicle doctor webrtc` says it at the gateway.
"""

import asyncio
import contextlib
import importlib
import logging
import ssl as tls
import time
from collections.abc import Generator
from typing import Any

import msgspec

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError
from ossicle.core.probing import ICE_PATH, Echo, Echoed, IceServer, Offer, ProbeAnswer

from .line import Line, Place
from .measured import Measured, Relayed, Tried

__all__ = ["calls"]

_ECHOES, _APART_S = 10, 0.02
_MOST_RELAYS = 4
_decode = msgspec.json.Decoder(ProbeAnswer)


class _Way:
    """How to the gateway, to ask for an answer."""

    def __init__(
        self, place: Place, context: tls.SSLContext | None, headers: tuple[tuple[str, str], ...]
    ) -> None:
        self._place, self._context, self._headers = place, context, headers

    async def answer(self, sdp: str) -> str:
        """
        Raises:
            OssicleError: there is none.
        """
        async with await Line.open(self._place, self._context) as line:
            answer = await line.send_whole(
                "POST", ICE_PATH, (*self._headers, ("content-type", "application/sdp")),
                sdp.encode(),
            )  # fmt: skip
        if answer.status != 201:
            raise ConnectionLost(f"the gateway answers the call with status {answer.status}")
        return answer.body.decode(errors="replace")


async def calls(
    place: Place, context: tls.SSLContext | None, headers: tuple[tuple[str, str], ...],
    offer: Offer, seen: Measured, limit_s: float,
) -> None:  # fmt: skip
    """Fill in `ice` and `turn`, and what came of each relay."""
    direct, relayed = seen.wires["ice"], seen.wires["turn"]
    try:
        await asyncio.to_thread(importlib.import_module, "aiortc")  # before the clock runs
    except ModuleNotFoundError:
        for each in (direct, relayed):
            each.state, each.why = "not_tried", "pip install 'ossicle[webrtc]' here to try it"
        return
    way = _Way(place, context, headers)
    stun = [each for each in offer.ice_servers if each.url.startswith("stun:")][:1]
    relays = [each for each in offer.ice_servers if each.url.startswith("turn")][:_MOST_RELAYS]
    if not relays:
        relayed.state = "not_offered"
        relayed.why = "the gateway names no relay (webrtc.turn)"
    with _hushed():
        async with asyncio.TaskGroup() as group:
            group.create_task(_tried(way, stun, direct, limit_s, seen))
            for each in relays:
                group.create_task(_by_relay(way, each, seen, limit_s))
    _best(relayed, seen.relays)


def _best(relayed: Tried, relays: list[Relayed]) -> None:
    """The wire is as good as the best of its relays, and tells of all."""
    if not relays:
        return
    relayed.state = "passes" if any(each.passes for each in relays) else "blocked"
    relayed.cold_ms = min((each.ms for each in relays if each.passes), default=None)
    relayed.why = "; ".join(
        f"{each.url} {'passes' if each.passes else each.why}" for each in relays
    )


async def _by_relay(way: _Way, server: IceServer, seen: Measured, limit_s: float) -> None:
    from ossicle.transports.webrtc.asking import relayed_by  # noqa: PLC0415  an extra

    result = Relayed(server.url[:100])
    seen.relays.append(result)
    try:
        async with asyncio.timeout(limit_s / 2):
            result.why = await relayed_by(server.url, server.username, server.credential)
    except TimeoutError:
        result.why = f"gives no answer within {limit_s / 2:g} s: wrong address, or a firewall"
    except (OSError, ValueError) as error:
        result.why = f"cannot be asked: {str(error)[:120]}"
    if result.why:
        return
    tried = Tried()
    await _tried(way, [server], tried, limit_s / 2, None)
    result.passes, result.ms = tried.state == "passes", tried.cold_ms or 0.0
    if not result.passes:
        result.why = f"gives an address, and from there: {tried.why}"


async def _tried(
    way: _Way, servers: list[IceServer], tried: Tried, limit_s: float, seen: Measured | None
) -> None:
    """One call. `seen` gets its round trips; None = it goes by a relay and in no other way."""
    from aiortc import (  # noqa: PLC0415  an extra
        RTCConfiguration,
        RTCIceServer,
        RTCIceTransportPolicy,
        RTCPeerConnection,
        RTCSessionDescription,
    )

    policy = RTCIceTransportPolicy.ALL if seen is not None else RTCIceTransportPolicy.RELAY
    pc = RTCPeerConnection(
        RTCConfiguration(
            iceServers=[
                RTCIceServer(each.url, each.username or None, each.credential or None)
                for each in servers
            ],
            iceTransportPolicy=policy,
        )
    )
    step = "gathers no addresses"
    try:
        async with asyncio.timeout(limit_s):
            channel: Any = pc.createDataChannel("probe", ordered=False, maxRetransmits=0)
            talk = _Channel(channel)
            pc.addTransceiver("audio", direction="recvonly")  # what a call to a gateway has
            began = time.perf_counter()
            await pc.setLocalDescription(await pc.createOffer())
            if "a=candidate:" not in pc.localDescription.sdp:
                tried.why = "this machine has no address but loopback, and ICE uses no loopback"
                if seen is None:
                    tried.state, tried.why = "blocked", "no address to call from"
                return
            step = "the gateway does not answer the call over HTTP"
            text = await way.answer(pc.localDescription.sdp)
            step = "no ICE check is answered: UDP between here and its address does not pass"
            connected = asyncio.Event()

            def changed() -> None:
                if pc.iceConnectionState in {"completed", "failed", "closed"}:
                    connected.set()

            pc.on("iceconnectionstatechange", changed)
            await pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
            await connected.wait()
            if pc.iceConnectionState != "completed":
                raise ConnectionLost(step)
            step = "ICE connects, and the DTLS handshake behind it does not end"
            await talk.opened.wait()
            tried.state, tried.cold_ms = "passes", (time.perf_counter() - began) * 1000
            step = "the data channel opens, and nothing comes back on it"
            rounds = await talk.rounds()
            if seen is not None:
                seen.ice_rtt_ms = rounds
    except TimeoutError:
        if tried.state != "passes":
            tried.state = "blocked"
        tried.why = step
    except OssicleError as error:
        tried.state, tried.why = "blocked", str(error)
    except (ValueError, KeyError, StopIteration) as error:  # what aiortc makes of a strange answer
        tried.state, tried.why = "broken", f"its answer is none: {str(error)[:100]}"
    finally:
        await pc.close()


class _Channel:
    """A data channel that asks and is answered."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.opened = asyncio.Event()
        self._news = asyncio.Event()
        self._came: dict[int, float] = {}
        channel.on("open", self.opened.set)
        channel.on("message", self._heard)

    def _heard(self, data: str | bytes) -> None:
        try:
            answer = _decode.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return  # a stranger's; what is missing shows
        if isinstance(answer, Echoed) and 0 <= answer.n < _ECHOES:
            self._came.setdefault(answer.n, time.perf_counter())
            self._news.set()

    async def rounds(self) -> list[float]:
        """Round trips of those that came back.

        Raises:
            BadMessage: none did.
        """
        left: dict[int, float] = {}
        for n in range(_ECHOES):
            left[n] = time.perf_counter()
            self._channel.send(msgspec.json.encode(Echo(n)).decode())
            await asyncio.sleep(_APART_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while len(self._came) < _ECHOES:
                    self._news.clear()
                    await self._news.wait()
        if not self._came:
            raise BadMessage("the data channel opens, and nothing comes back on it")
        return [(at - left[n]) * 1000 for n, at in sorted(self._came.items())]


@contextlib.contextmanager
def _hushed() -> Generator[None]:
    """aioice and aiortc tell of each check that failed; here it is told once, in `why`."""
    loggers = [logging.getLogger(name) for name in ("aioice", "aiortc")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)
