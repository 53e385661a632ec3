"""One call: a peer connection as a channel. Sound as Media, words as Text.

    track in  ─▶ Ear ─▶ Media(pcm)           Media(pcm) Mark Clear ─▶ Mouth ─▶ track out
    channel   ─▶ Text Binary                 Text ─▶ data channel

All sound is `pcm_s16le` at 16 kHz mono, in order and without holes. The data channel is whatever
the other end opens first; until it is open the channel is not writable, so a cursor waits. Without
one, or when it does not come, words have no place and are dropped. `pause` holds back messages of
the data channel, within bounds; live sound cannot be stopped and goes on.

A `Close` waits until the last words are read and the last sound is heard, `linger_s` at most.
"""

import asyncio
import enum
import logging
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, ClassVar

import msgspec

from ossicle.core.errors import ConnectionLost, OssicleError, Overloaded, Refused
from ossicle.core.ports import Receiver, Timer, Timers
from ossicle.core.wire import (
    Accept,
    ChannelTraits,
    Clear,
    Close,
    Mark,
    Media,
    Message,
    Signal,
    Text,
)
from ossicle.transports.faults import report_fault

from .coders import Coders
from .ear import Ear
from .figures import CallFigures
from .mouth import Mouth
from .rate import SendRate
from .rtp import Packet
from .sdp import Offer
from .seam import Link
from .settings import WebRtcSettings

__all__ = ["Call"]

log = logging.getLogger("ossicle.transports.webrtc")

_WRITE_HIGH, _WRITE_LOW = 64 * 1024, 16 * 1024
_MOST_HELD = 256
_MOST_VOICE_S = 60.0
"""Sound that may wait to be sent; sessions keep to a few seconds."""
_STALLED_S = 0.008
_MOST_EARS = 4
"""Sources of one track at a time: a sender changes its SSRC now and then."""


class Phase(enum.Enum):
    """Where a call is in its life. It only moves down this list."""

    HELD = enum.auto()
    """No Accept yet."""
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Close was sent: the last words go out."""
    CLOSED = enum.auto()


_OPEN = Phase.OPEN
"""Looking a member up costs a call in Python 3.11, for every packet."""


class Call:
    """See the module, and `ossicle.core.ports.Channel`."""

    TRAITS: ClassVar[ChannelTraits] = ChannelTraits(
        flow_controlled=False, media=True, max_message=64 * 1024
    )

    def __init__(
        self,
        name: str,
        offer: Offer,
        link: Link,
        settings: WebRtcSettings,
        coders: Coders,
        timers: Timers,
        *,
        hears: bool = True,
    ) -> None:
        """`hears`: sound of the other end is taken; False: it only listens."""
        self.traits = msgspec.structs.replace(self.TRAITS, max_message=settings.max_message)
        self.name = name
        self.link = link
        self.offer = offer
        self._hears = hears
        self.decided: asyncio.Future[Accept | Close] = asyncio.get_running_loop().create_future()
        """What the acceptor's receiver said first."""
        self.state = "new"
        self._settings, self._coders, self._timers = settings, coders, timers
        self._phase = Phase.HELD
        self._receiver: Receiver | None = None
        self._error: OssicleError | None = None
        self._goodbye = False
        self._over = asyncio.Event()
        self._last_word = asyncio.Event()
        self._connected = asyncio.Event()
        self._ears: dict[int, Ear] = {}
        self._ear_timer: Timer | None = None
        self._ear_due = inf
        self._mouth: Mouth | None = None
        self._pace = SendRate(settings.bitrate, settings.least_bitrate)
        self._channel: Any = None
        self._words = offer.data
        """There is a place for words, or will be."""
        self._full = False
        self._unsent: deque[str] = deque()
        self._unsent_size = 0
        self._paused = False
        self._held: deque[str | bytes] = deque()
        self._held_size = 0
        self._past = CallFigures()

    # ── what a receiver may do ──

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self._phase in {Phase.CLOSING, Phase.CLOSED}:
            return
        match message:
            case Media(data=data) if self._mouth is not None:
                self._mouth.say(data)
                if self._mouth.waiting_s > _MOST_VOICE_S:
                    self.drop(Overloaded(f"more than {_MOST_VOICE_S:g} s of sound wait"))
            case Mark(name=name):
                self._mark(name)
            case Clear() if self._mouth is not None:
                self._mouth.hush()
            case Text(data=text):
                self._text(text)
            case Accept() if self._phase is Phase.HELD:
                self._phase = Phase.OPEN
                self._decide(message)
            case Close():
                self._phase = Phase.CLOSING
                self._decide(message)
                self._last_word.set()
                self._over.set()
            case _:
                return

    def pause(self) -> None:
        """Hold back what comes on the data channel. Sound goes on."""
        self._paused = True

    def resume(self) -> None:
        """What was held back, and what comes."""
        self._paused = False
        while self._held and not self._paused:
            message = self._held.popleft()
            self._held_size -= len(message)
            self._message(message)

    def abort(self) -> None:
        """Drop the call now."""
        self.drop(ConnectionLost("aborted from this side"))

    # ── life ──

    def attach(self, receiver: Receiver) -> None:
        """Who listens; called once, right after the acceptor returned."""
        self._receiver = receiver
        if self._words:
            self._tell(lambda to: to.writable(False))

    async def answer(self, direction: str) -> str:
        """Our SDP, with sockets behind it.

        Raises:
            OssicleError: the offer cannot be answered.
        """
        link = self.link
        link.rtp, link.reported, link.estimated = self._packet, self._report, self._estimate
        link.watch(self._state, self._opened)
        text = await link.answer(self.offer.text, direction)
        codec = link.codec
        if codec is not None and self.offer.direction in {"sendrecv", "recvonly"}:
            settings = self._settings
            encoder = self._coders.encoder(
                codec.name,
                bitrate=settings.bitrate,
                complexity=settings.complexity,
                fec=settings.fec,
                dtx=settings.dtx,
            )
            self._mouth = Mouth(
                encoder,
                codec.rate,
                self._timers,
                lambda payload, stamp, marker: link.send(payload, stamp, marker=marker),
                lambda name: self._tell(lambda to: to.received(Mark(name))),
                self._pace,
            )
        return text

    async def run(self) -> None:
        """From the answer to the end; everything is released when this returns."""
        try:
            if await self._connects():
                await self._talks()
                if self._error is None:
                    await self._linger()
        except asyncio.CancelledError:
            self._error = self._error or ConnectionLost("the gateway stopped")
            raise
        finally:
            await self.close()

    async def close(self) -> None:
        """Release everything and tell the receiver; once."""
        if self._phase is Phase.CLOSED:
            return
        self._phase = Phase.CLOSED
        if self._ear_timer is not None:
            self._ear_timer.cancel()
        if self._mouth is not None:
            self._mouth.stop()
        self._decide(Close(503, "gone"))
        try:
            await self.link.close()
        except Exception as fault:  # noqa: BLE001  a part of theirs that does not close is not ours to fix
            report_fault(log, "closing a peer connection", fault)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            try:
                receiver.closed(self._error)
            except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
                report_fault(log, "receiver.closed", fault)

    def hang_up(self) -> None:
        """The other end says goodbye; what it said is still finished."""
        if self._goodbye or self._phase in {Phase.CLOSING, Phase.CLOSED}:
            return
        self._goodbye = True
        for ear in self._ears.values():
            ear.flush()
        self._tell(lambda to: to.received(Close(1000)))
        self._over.set()

    def drop(self, error: OssicleError) -> None:
        """The call is over, and why."""
        if self._phase is Phase.CLOSED:
            return
        self._error = self._error or error
        self._last_word.set()
        self._over.set()

    @property
    def outcome(self) -> str:
        """Error code of its end; "" = polite, or not over."""
        return self._error.code if self._error is not None else ""

    @property
    def trouble(self) -> str:
        """The same in words."""
        return str(self._error) if self._error is not None else ""

    @property
    def figures(self) -> CallFigures:
        """What became of its packets."""
        ears = [(ear.network, ear.stats) for ear in self._ears.values()]
        past = self._past
        return CallFigures(
            received=past.received + sum(network.received for network, _ in ears),
            lost=past.lost + sum(network.lost for network, _ in ears),
            late=past.late + sum(network.late for network, _ in ears),
            recovered=past.recovered + sum(stats.recovered for _, stats in ears),
            concealed=past.concealed + sum(stats.concealed for _, stats in ears),
            damaged=past.damaged + sum(stats.damaged for _, stats in ears),
            forged=self.link.forged,
            sent=self._mouth.sent if self._mouth is not None else 0,
            depth_ms=round(max((ear.depth_s for ear in self._ears.values()), default=0.0) * 1000),
            bitrate=self._pace.bitrate,
        )

    # ── inside: the stages of its life ──

    async def _connects(self) -> bool:
        limit = self._settings.connect_s
        connected = asyncio.ensure_future(self._connected.wait())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait(
                {connected, over}, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for each in (connected, over):
                each.cancel()
        if self._connected.is_set():
            return not self._over.is_set() or self._phase is Phase.CLOSING or self._goodbye
        if not self._over.is_set():
            came = ", ".join(self.link.sources)
            self.drop(
                ConnectionLost(
                    f"no connection within {limit:g} s: "
                    + (f"checks came from {came}, and DTLS did not" if came else
                       "not one ICE check came; is the address in our answer reachable over UDP?")
                )
            )  # fmt: skip
        return False

    async def _talks(self) -> None:
        """Until somebody ends it, or nobody is there any more."""
        if self._mouth is not None:
            self._mouth.begin()
        settings = self._settings
        link = self.link
        since = time.monotonic()
        link.media_at = link.heard_at = since
        while not self._over.is_set():
            try:
                async with asyncio.timeout(1.0):
                    await self._over.wait()
                    break
            except TimeoutError:
                pass
            now = time.monotonic()
            if now - link.heard_at > settings.consent_s:
                self.drop(ConnectionLost(f"nothing came for {settings.consent_s:g} s"))
            silence = settings.rtp_silence_s
            if self._hears and silence and now - link.media_at > silence:
                self.drop(ConnectionLost(f"the microphone sent no packets for {silence:g} s"))
            if link.flooded:
                self.drop(Refused("the data channel sends beyond its window", code="too_large"))
            if self._words and self._channel is None and now - since > settings.channel_s:
                self._no_words()

    async def _linger(self) -> None:
        """Last words: the dialect's after a goodbye, then what is on its way to be heard."""
        voice = self._mouth.waiting_s if self._mouth is not None else 0.0
        try:
            async with asyncio.timeout(self._settings.linger_s + voice):
                await self._last_word.wait()
                # Nobody tells when a packet was played; the wait ends with the time-out above.
                while self._saying and self._error is None and self.state == "connected":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                await self._close_channel()
        except TimeoutError:
            return

    async def _close_channel(self) -> None:
        """Its own goodbye: SCTP is aborted with the connection, which a page sees as an error."""
        if self._channel is not None:
            self._channel.close()
        while self._channel_stands and self.state == "connected":  # noqa: ASYNC110  as above
            await asyncio.sleep(0.02)

    @property
    def _channel_stands(self) -> bool:
        return self._channel is not None and self._channel.readyState != "closed"

    @property
    def _saying(self) -> bool:
        if self._mouth is not None and self._mouth.busy:
            return True
        channel = self._channel
        return channel is not None and channel.readyState == "open" and channel.bufferedAmount > 0

    def _decide(self, message: Accept | Close) -> None:
        if not self.decided.done():
            self.decided.set_result(message)

    # ── inside: what the link tells ──

    def _state(self, state: str) -> None:
        self.state = state
        match state:
            case "connected":
                self._connected.set()
            case "failed":
                self.drop(ConnectionLost("the path to the other end is lost"))
            case "closed":
                # Closed over DTLS, which only the other end itself can do: a page that is left.
                self.hang_up()
            case _:
                pass

    def _packet(self, packet: Packet, now: float) -> None:
        if self._phase is not _OPEN or not self._hears:
            return
        ear = self._ears.get(packet.ssrc)
        if ear is None:
            ear = self._new_ear(packet)
            if ear is None:
                return
        due = ear.packet(packet.sequence_number, packet.timestamp, packet.payload, now)
        if due < self._ear_due:
            self._wait_for_ears()

    def _new_ear(self, packet: Packet) -> Ear | None:
        codec = self.link.codec_of(packet.payload_type)
        if codec is None:
            return None
        while len(self._ears) >= _MOST_EARS:
            old = self._ears.pop(next(iter(self._ears)))
            old.flush()
            self._past = _added(self._past, old)
        settings = self._settings
        ear = self._ears[packet.ssrc] = Ear(
            codec.name,
            codec.rate,
            self._coders,
            self._heard,
            least_s=settings.depth_least_ms / 1000,
            most_s=settings.depth_most_ms / 1000,
        )
        return ear

    def _heard(self, sound: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        try:
            receiver.received(Media(sound))
        except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
            self._broke(fault)

    def _wait_for_ears(self) -> None:
        if self._ear_timer is not None:
            self._ear_timer.cancel()
            self._ear_timer = None
        self._ear_due = min((ear.deadline for ear in self._ears.values()), default=inf)
        if self._ear_due < inf and self._phase is not Phase.CLOSED:
            # `monotonic` and the loop's clock are one on every platform we run on; if they were
            # not, a look too early costs one more look.
            delay = max(0.0, self._ear_due - time.monotonic())
            self._ear_timer = self._timers.call_at(self._timers.now() + delay, self._ears_expire)

    def _ears_expire(self) -> None:
        now = time.monotonic()
        if now - self._ear_due > _STALLED_S:
            # This process stood still, and what it waits for may stand in the socket: look there
            # first, which the loop does before it comes back here.
            self._ear_due = now + _STALLED_S
            self._ear_timer = self._timers.call_at(
                self._timers.now() + _STALLED_S, self._ears_expire
            )
            return
        self._ear_timer, self._ear_due = None, inf
        for ear in tuple(self._ears.values()):
            ear.expire(now)
        self._wait_for_ears()

    def _report(self, lost: float, rtt_s: float | None) -> None:
        if rtt_s is not None and rtt_s >= 0:
            self._tell(lambda to: to.received(Signal("rtt_ms", f"{rtt_s * 1000:.3f}")))
        if self._mouth is not None:
            self._mouth.rtt_s = rtt_s or 0.0
            if self._pace.report(lost, time.monotonic()):
                self._mouth.adapt()

    def _estimate(self, bits: int) -> None:
        if self._mouth is not None and self._pace.ceiling(bits):
            self._mouth.adapt()

    # ── inside: the data channel ──

    def _opened(self, channel: Any) -> None:
        """The other end opened a data channel. The first one is ours."""
        if self._channel is not None or self._phase in {Phase.CLOSING, Phase.CLOSED}:
            channel.close()
            return
        self._channel, self._words = channel, True
        channel.bufferedAmountLowThreshold = _WRITE_LOW
        channel.on("message", self._message)
        channel.on("bufferedamountlow", self._low)
        channel.on("close", self._no_words)
        while self._unsent:
            text = self._unsent.popleft()
            self._text(text)
        self._unsent_size = 0
        self._tell(lambda to: to.writable(True))

    def _no_words(self) -> None:
        """There is no place for words (any more): what is due is dropped, and nobody waits."""
        self._words = False
        self._unsent.clear()
        self._tell(lambda to: to.writable(True))

    def _low(self) -> None:
        if self._full:
            self._full = False
            self._tell(lambda to: to.writable(True))

    def _text(self, text: str) -> None:
        channel = self._channel
        if channel is None:
            if self._words:
                self._unsent.append(text)
                self._unsent_size += len(text)
                if self._unsent_size > self._settings.max_backlog:
                    self.drop(Overloaded("too much is to be said before the data channel is open"))
            return
        if channel.readyState != "open":
            return
        try:
            channel.send(text)
        except ValueError:
            self.drop(
                Refused(
                    f"a message of {len(text)} characters is larger than the other end's data "
                    "channel takes",
                    code="too_large",
                )
            )
            return
        waiting = channel.bufferedAmount
        if waiting > self._settings.max_backlog:
            self.drop(
                Overloaded(
                    f"more than {self._settings.max_backlog} bytes wait for a client that does not "
                    "read its data channel",
                    code="slow_reader",
                )
            )
        elif waiting > _WRITE_HIGH and not self._full:
            self._full = True
            self._tell(lambda to: to.writable(False))

    def _message(self, data: str | bytes) -> None:
        if self._phase is not Phase.OPEN or self._goodbye:
            return
        if len(data) > self._settings.max_message:
            self.drop(
                Refused(
                    f"a message of {len(data)} on the data channel; the limit is "
                    f"{self._settings.max_message}",
                    code="too_large",
                )
            )
            return
        if self._paused:
            self._held.append(data)
            self._held_size += len(data)
            if len(self._held) > _MOST_HELD or self._held_size > self._settings.max_backlog:
                self.drop(Overloaded("the data channel does not wait while it is held back"))
            return
        if isinstance(data, str):
            self._tell(lambda to: to.received(Text(data)))
        else:
            self._tell(lambda to: to.binary(data))

    # ── inside: telling ──

    def _mark(self, name: str) -> None:
        if self._mouth is not None:
            self._mouth.mark(name)
        else:  # nobody hears anything: reached at once
            self._timers.call_soon(lambda: self._tell(lambda to: to.received(Mark(name))))

    def _tell(self, call: Callable[[Receiver], None]) -> None:
        if self._receiver is None:
            return
        try:
            call(self._receiver)
        except Exception as fault:  # noqa: BLE001  ends this call, told by closed(error)
            self._broke(fault)

    def _broke(self, fault: Exception) -> None:
        report_fault(log, "receiver", fault)
        self.drop(OssicleError.wrap(fault))


def _added(past: CallFigures, ear: Ear) -> CallFigures:
    network, stats = ear.network, ear.stats
    return msgspec.structs.replace(
        past,
        received=past.received + network.received,
        lost=past.lost + network.lost,
        late=past.late + network.late,
        recovered=past.recovered + stats.recovered,
        concealed=past.concealed + stats.concealed,
        damaged=past.damaged + stats.damaged,
    )
