"""Two ends of a call in one process, without a browser: a caller, our server, and a stock one.

    async with asyncio.TaskGroup() as group, ours(group) as server:
        caller = await Caller.call(server, packets)
        impair(server.sockets(0), loss=0.05, jitter_ms=30, seed=1)

The stock server is aiortc as it comes: its jitter buffer, its decoder thread, its track. Both get
the same packets, and the same ones are lost on the way, so that what differs is the receiver.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from fractions import Fraction
from typing import Any, Protocol

import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ossicle.audio.libopus import OpusEncoder
from ossicle.audio.mediacodecs import MediaCodecs
from ossicle.core.errors import OssicleError
from ossicle.core.ports import Channel, Receiver
from ossicle.core.timers import LoopTimers
from ossicle.core.wire import Accept, Media, Message, Opening, Text
from ossicle.transports.webrtc.ports import Doorway
from ossicle.transports.webrtc.server import Calls
from ossicle.transports.webrtc.settings import WebRtcSettings
from stalls import Stalls

__all__ = [
    "Caller",
    "Heard",
    "Ours",
    "Server",
    "Stock",
    "an_offer",
    "encoded",
    "impair",
    "loopback",
    "ours",
]


@contextlib.contextmanager
def loopback() -> Any:
    """aioice leaves 127.0.0.1 out; stock peers in a test need it."""
    from aioice import ice

    before = ice.get_host_addresses
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    try:
        yield
    finally:
        ice.get_host_addresses = before


async def an_offer(*, audio: bool = True) -> str:
    """An SDP that nobody stands behind any more."""
    with loopback():
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if audio:
            pc.addTransceiver("audio")
        pc.createDataChannel("x")
        await pc.setLocalDescription(await pc.createOffer())
        text = pc.localDescription.sdp
        await pc.close()
    return text


def encoded(sound: bytes, *, loss_percent: int = 0, bitrate: int = 24_000) -> list[bytes]:
    """Opus packets of 20 ms."""
    encoder = OpusEncoder(bitrate=bitrate)
    encoder.adapt(bitrate, loss_percent)
    return [
        encoder.encode(sound[at : at + 640].ljust(640, b"\0")) for at in range(0, len(sound), 640)
    ]


class Packets(MediaStreamTrack):
    """Packets at the pace of speech, as aiortc sends them."""

    kind = "audio"

    def __init__(self, packets: Sequence[bytes]) -> None:
        super().__init__()
        self._packets, self._next = packets, 0
        self._begun = 0.0
        self.over = asyncio.Event()
        self.sent_at: list[float] = []

    async def recv(self) -> Any:
        if self._next >= len(self._packets):
            self.over.set()
            await asyncio.Event().wait()
        if not self._next:
            self._begun = time.monotonic()
        delay = self._begun + self._next * 0.02 - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        packet = av.Packet(self._packets[self._next])
        packet.pts = self._next * 960
        packet.time_base = Fraction(1, 48_000)
        self._next += 1
        self.sent_at.append(time.monotonic())
        return packet


class Server(Protocol):
    """Either of the two."""

    async def answer(self, offer: str) -> str: ...
    def heard(self, number: int) -> "Heard": ...
    def sockets(self, number: int) -> list[Any]: ...


class Caller:
    """A stock peer that sends given packets and hears what comes."""

    def __init__(self, pc: RTCPeerConnection, track: Packets | None) -> None:
        self.pc, self.track = pc, track
        self.messages: list[str] = []
        self.channel: Any = None
        self.remote: Any = None

    @classmethod
    @contextlib.asynccontextmanager
    async def call(
        cls,
        answer: Callable[[str], Awaitable[str]],
        packets: Sequence[bytes] | None,
        *,
        data: bool = False,
        change: Callable[[str], str] = lambda offer: offer,
        direction: str = "sendrecv",
    ) -> AsyncIterator["Caller"]:
        """Connected."""
        with loopback():
            pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            track = Packets(packets) if packets is not None else None
            caller = cls(pc, track)
            pc.addTransceiver(track or "audio", direction=direction)
            if data:
                caller.channel = pc.createDataChannel("ossicle.v1")
                caller.channel.on("message", caller.messages.append)

            @pc.on("track")
            def heard(remote: Any) -> None:
                caller.remote = remote

            connected = asyncio.Event()

            @pc.on("connectionstatechange")
            def state() -> None:
                if pc.connectionState == "connected":
                    connected.set()

            try:
                await pc.setLocalDescription(await pc.createOffer())
                text = await answer(change(pc.localDescription.sdp))
                await pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
                async with asyncio.timeout(10):
                    await connected.wait()
                yield caller
            finally:
                await pc.close()


class Heard:
    """What a server made of one call's sound."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, bytes]] = []

    def add(self, data: bytes) -> None:
        """Sound came out."""
        self.pieces.append((time.monotonic(), data))

    @property
    def sound(self) -> bytes:
        """All of it."""
        return b"".join(data for _, data in self.pieces)

    @property
    def frames(self) -> float:
        """20 ms each, at 16 kHz mono."""
        return len(self.sound) / 640

    def worst_gap_ms(self, stalls: Stalls | None = None) -> float:
        """The longest time without any sound, once it had begun; without what the machine took."""
        times = [at for at, _ in self.pieces]
        return max(
            (
                1000 * (after - before - (stalls.between(before, after) if stalls else 0.0))
                for before, after in itertools.pairwise(times)
            ),
            default=0.0,
        )


class Ours:
    """Our calls, and a receiver that only listens."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.all: list[Heard] = []
        self.channels: list[Channel] = []
        self.messages: list[Message] = []
        self.closed: list[OssicleError | None] = []
        self.writable: list[bool] = []
        self.reply: Callable[[Message, Channel], None] = lambda _message, _channel: None

    def accept(self, opening: Opening, channel: Channel) -> Receiver:
        """The acceptor."""
        heard = Heard()
        self.all.append(heard)
        self.channels.append(channel)
        channel.send(Accept())
        return _Listener(self, heard, channel)

    async def answer(self, offer: str) -> str:
        """The SDP of a new call."""
        return (await self.calls.offer(Opening(), offer, self.accept)).sdp

    def heard(self, number: int) -> Heard:
        """Of one call."""
        return self.all[number]

    def sockets(self, number: int) -> list[Any]:
        """Of one call."""
        return self.calls.calls[number].link.sockets


class _Listener:
    def __init__(self, server: Ours, heard: Heard, channel: Channel) -> None:
        self._server, self._heard, self._channel = server, heard, channel

    def received(self, message: Message) -> None:
        if isinstance(message, Media):
            self._heard.add(message.data)
        else:
            self._server.messages.append(message)
        self._server.reply(message, self._channel)

    def binary(self, data: bytes) -> None:
        self._server.messages.append(Text(repr(data)))

    def writable(self, yes: bool) -> None:
        self._server.writable.append(yes)

    def closed(self, error: OssicleError | None) -> None:
        self._server.closed.append(error)


@contextlib.asynccontextmanager
async def ours(settings: WebRtcSettings | None = None) -> AsyncIterator[Ours]:
    """Our server, its calls closed at the end."""
    calls = Calls(
        settings or WebRtcSettings(), MediaCodecs(), LoopTimers(), Doorway(("127.0.0.1",))
    )
    running = asyncio.create_task(calls.run())
    await asyncio.sleep(0)
    try:
        yield Ours(calls)
    finally:
        running.cancel()
        await asyncio.wait([running])


class Stock:
    """aiortc as it comes, resampled to what an engine hears."""

    def __init__(self) -> None:
        self.all: list[Heard] = []
        self._pcs: list[RTCPeerConnection] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.voice: Callable[[], MediaStreamTrack] | None = None
        """Makes what it says; None = it only hears."""

    async def answer(self, offer: str) -> str:
        """The SDP of a new call."""
        with loopback():
            pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            self._pcs.append(pc)
            heard = Heard()
            self.all.append(heard)

            @pc.on("track")
            def listen(track: Any) -> None:
                self._tasks.append(asyncio.create_task(self._listen(track, heard)))

            await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            if self.voice is not None:
                pc.addTrack(self.voice())
            await pc.setLocalDescription(await pc.createAnswer())
            return pc.localDescription.sdp

    async def _listen(self, track: Any, heard: Heard) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        with contextlib.suppress(MediaStreamError):
            while True:
                for frame in resampler.resample(await track.recv()):
                    heard.add(bytes(frame.planes[0])[: frame.samples * 2])

    def heard(self, number: int) -> Heard:
        """Of one call."""
        return self.all[number]

    def sockets(self, number: int) -> list[Any]:
        """Of one call."""
        (transceiver,) = self._pcs[number].getTransceivers()
        return transceiver.receiver.transport.transport._connection._protocols

    async def close(self) -> None:
        """All of it."""
        for pc in self._pcs:
            await pc.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def impair(sockets: list[Any], *, loss: float, jitter_ms: float, seed: int) -> list[int]:
    """Lose and delay RTP on its way into these sockets. Which packets are lost depends on the seed
    and their order only. Returns the numbers of the lost ones, growing."""
    chance = random.Random(seed)
    lost: list[int] = []
    count = 0
    loop = asyncio.get_running_loop()

    def through(port: Any) -> None:
        take = port.datagram_received

        def datagram_received(data: bytes, addr: Any) -> None:
            nonlocal count
            if not (127 < data[0] < 192 and len(data) > 1 and not 192 <= data[1] <= 223):
                take(data, addr)
                return
            count += 1
            gone, late = chance.random() < loss, chance.uniform(0, jitter_ms) / 1000
            if gone:
                lost.append(count)
            elif late:
                loop.call_later(late, take, data, addr)
            else:
                take(data, addr)

        port.datagram_received = datagram_received

    for port in sockets:
        through(port)
    return lost
