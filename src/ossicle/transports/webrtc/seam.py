"""Every touch of the private parts of aiortc 1.16 and aioice 0.13, and nothing else.

Theirs stay ICE, DTLS, SRTP, SCTP, SDP and RTCP reports. Replaced is what carries sound:

    socket ─▶ _Port.datagram_received ─▶ SRTP ─▶ rtp(packet)        no task, no thread, no queue
    send(payload) ─▶ SRTP ─▶ socket                                 no task, no track

and added what they lack: ports from a range, an address to announce, ICE restart, estimates to the
sender. The names used here move between versions: the pins are exact, and a canary test
(`tests/unit/transports/webrtc/test_seam.py`) fails when one of them is gone.
"""

import asyncio
import contextlib
import logging
import re
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

from aioice import Candidate
from aioice import ice as aioice_ice
from aioice.candidate import candidate_foundation, candidate_priority
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    pack_remb_fci,
    unpack_remb_fci,
)
from aiortc.sdp import candidate_from_sdp

from ossicle.core.errors import Refused

from .ports import Doorway
from .reception import Reception
from .rtp import Packet, header, read
from .srtp import LONGEST, Opener
from .uplink import Arrivals, number_in

__all__ = ["AIOICE", "AIORTC", "PYLIBSRTP", "Codec", "Link"]

AIORTC, AIOICE, PYLIBSRTP = "1.16.0", "0.13.0", "1.0.0"
"""The versions whose private names are used."""

log = logging.getLogger("ossicle.transports.webrtc")

_TAKEN = (
    RTCRtpCodecCapability(mimeType="audio/opus", clockRate=48_000, channels=2),
    RTCRtpCodecCapability(mimeType="audio/PCMU", clockRate=8_000, channels=1),
    RTCRtpCodecCapability(mimeType="audio/PCMA", clockRate=8_000, channels=1),
)
"""Opus first; G.722 is left to telephones."""

_NUMBERED = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

_ROUGH = (
    AssertionError,
    AttributeError,
    IndexError,
    InvalidAccessError,
    InvalidStateError,
    KeyError,
    OperationError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What aiortc raises over an SDP that it did not expect."""


class Codec:
    """What was negotiated."""

    def __init__(self, name: str, rate: int, payload_type: int) -> None:
        self.name, self.rate, self.payload_type = name, rate, payload_type


class _Port(aioice_ice.StunProtocol):
    """A socket. Media goes past aioice: its parser raises an exception for every packet that is
    no STUN, and its queue costs a task switch each."""

    media: Callable[[bytes], bool] | None = None

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        media = self.media
        if media is not None and isinstance(data, bytes) and media(data):
            return
        super().datagram_received(data, addr)


class Link:
    """One peer connection, without its audio path."""

    def __init__(self, doorway: Doorway, servers: Iterable[tuple[str, str, str]] = ()) -> None:
        """
        Args:
            doorway: sockets.
            servers: (url, user, password) of STUN and TURN, asked by us.
        """
        config = RTCConfiguration(
            iceServers=[
                RTCIceServer(urls=url, username=user or None, credential=password or None)
                for url, user, password in servers
            ],
            bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
        )
        self._pc = RTCPeerConnection(config)
        self._doorway = doorway
        self.codec: Codec | None = None
        self.heard_at = time.monotonic()
        """When anything at all came."""
        self.media_at = self.heard_at
        """When RTP came."""
        self.rtp: Callable[[Packet, float], None] = lambda _packet, _now: None
        """Gets every packet that is genuine."""
        self.reported: Callable[[float, float | None], None] = lambda _lost, _rtt: None
        """Gets the share lost of what we sent, and the round trip in seconds."""
        self.estimated: Callable[[int], None] = lambda _bits: None
        """Gets the bits per second that the other end thinks it can take."""
        self.forged = 0
        """Packets that were not genuine, or replayed."""
        self.senseless = 0
        """SCTP packets of the other end that could not be read."""
        self.sources: list[str] = []
        """Addresses from which ICE checks came, at most eight: for the doctor."""
        self._sequence = 0
        self._stamp = 0
        self._payload_types: frozenset[int] = frozenset()
        self._closed = False
        self._extension = 0
        self._arrivals = Arrivals()
        self._streams: dict[int, Reception] = {}
        self._opener: Opener | None = None

    # ── negotiation ──

    async def answer(self, offer: str, direction: str) -> str:
        """Take an offer and answer it.

        Args:
            offer: SDP, checked.
            direction: of the audio, as we see it.

        Raises:
            Refused: it cannot be answered.
        """
        pc = self._pc
        try:
            await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            audio: Any = next(each for each in pc.getTransceivers() if each.kind == "audio")
            audio.setCodecPreferences(list(_TAKEN))
            taken = {codec.mimeType.lower() for codec in _TAKEN}
            audio._codecs = [each for each in audio._codecs if each.mimeType.lower() in taken]
            for each in pc.getTransceivers():
                each.direction = direction if each is audio else "inactive"
            first = audio._codecs[0]
            self.codec = Codec(
                first.mimeType.partition("/")[2].lower(), first.clockRate, first.payloadType
            )
            self._payload_types = frozenset(each.payloadType for each in audio._codecs)
            self._codecs = {
                each.payloadType: Codec(
                    each.mimeType.partition("/")[2].lower(), each.clockRate, each.payloadType
                )
                for each in audio._codecs
            }
            self._number_transport(audio, offer)
            self._audio: Any = audio
            self._dtls: Any = audio.receiver.transport
            self._ice: Any = self._dtls.transport
            self._prepare(self._ice._connection)
            self._replace_receiver(audio.receiver)
            self._replace_sender(audio.sender)
            self._guard_words(pc.sctp)
            await pc.setLocalDescription(await pc.createAnswer())
        except _ROUGH as error:
            raise Refused(f"the offer cannot be answered: {_words(error)}") from error
        text = pc.localDescription.sdp
        if "a=candidate:" not in text:
            raise Refused(
                f"no UDP port could be opened on {', '.join(self._doorway.addresses) or 'any'}",
                code="at_capacity",
            )
        return text

    def _number_transport(self, audio: Any, offer: str) -> None:
        """Packets are numbered for the whole transport, if the other end can (aiortc does not
        negotiate that for audio)."""
        found = re.search(rf"a=extmap:(\d+)\S* {re.escape(_NUMBERED)}", offer)
        if found is None:
            return
        self._extension = int(found[1])
        if not any(each.uri == _NUMBERED for each in audio._headerExtensions):
            audio._headerExtensions.append(
                RTCRtpHeaderExtensionParameters(id=self._extension, uri=_NUMBERED)
            )

    @property
    def numbered(self) -> bool:
        """Feedback about the transport is given."""
        return self._extension > 0

    def codec_of(self, payload_type: int) -> Codec | None:
        """What a packet is."""
        return self._codecs.get(payload_type)

    async def add(self, candidates: Iterable[str]) -> None:
        """Addresses that the other end trickles.

        Raises:
            Refused: they cannot be read.
        """
        for text in candidates:
            try:
                found = candidate_from_sdp(text)
                found.sdpMLineIndex = 0
                await self._ice.addRemoteCandidate(found)
            except _ROUGH as error:
                raise Refused(f"a candidate cannot be used: {_words(error)}") from error

    async def restart(self, ufrag: str, password: str) -> tuple[str, str, list[str]]:
        """New ICE credentials and sockets under the same DTLS and SRTP (RFC 8445 section 9).

        aioice has no word for this: a second connection is made, takes over the queue that DTLS
        reads from, and the old one is closed once the new one stands.

        Returns:
            Our new user fragment, password and candidates.
        """
        old = self._ice._connection
        new: Any = aioice_ice.Connection(ice_controlling=False, stun_server=old.stun_server)
        self._prepare(new)
        await new.gather_candidates()
        new.remote_username, new.remote_password = ufrag, password
        self._restarting = asyncio.ensure_future(self._exchange(old, new))
        lines = [f"candidate:{_line(each)}" for each in new.local_candidates]
        return new.local_username, new.local_password, lines

    _restarting: "asyncio.Future[None] | None" = None

    async def _exchange(self, old: Any, new: Any) -> None:
        try:
            await new.connect()
        except ConnectionError:
            await new.close()  # the old path stays; the consent check decides about it
            return
        ice = self._ice
        waiter, old._event_waiter = old._event_waiter, None
        new._event_waiter = waiter
        new._queue, old._queue = old._queue, asyncio.Queue()
        ice._connection, ice._recv, ice._send = new, new.recv, new.send
        ice.iceGatherer._connection = new
        await old.close()

    # ── state ──

    def watch(self, changed: Callable[[str], None], channel: Callable[[Any], None]) -> None:
        """Be told of `connecting`, `connected`, `failed`, `closed`, and of data channels."""
        pc = self._pc

        def state() -> None:
            changed(pc.connectionState)

        pc.on("connectionstatechange", state)
        pc.on("datachannel", channel)

    @property
    def pair(self) -> str:
        """The addresses in use; empty = none."""
        nominated = self._ice._connection._nominated.get(1)
        if nominated is None:
            return ""
        local, remote = nominated.local_candidate, nominated.remote_candidate
        return f"{local.type} {local.host}:{local.port} - {remote.type} {remote.host}:{remote.port}"

    @property
    def sockets(self) -> list[Any]:
        """Ours, with what aioice knows about each."""
        return list(self._ice._connection._protocols)

    @property
    def secure(self) -> bool:
        """DTLS stands: media can flow."""
        return self._dtls._tx_srtp is not None

    @property
    def flooded(self) -> bool:
        """The peer sends beyond the window it was given (RFC 9260 section 6.1)."""
        sctp: Any = self._pc.sctp
        return sctp is not None and sctp._advertised_rwnd < 0

    async def close(self) -> None:
        """Everything is released."""
        self._closed = True
        if self._restarting is not None:
            self._restarting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restarting
        await self._pc.close()
        # aiortc's own task over a lost connection may be on its way to the same
        audio = getattr(self, "_audio", None)
        if audio is not None:
            audio.receiver._handle_disconnect = lambda: None

    # ── media ──

    def send(self, payload: bytes, stamp: int, *, marker: bool) -> None:
        """One packet out, at once. Dropped while there is no path."""
        pair = self._ice._connection._nominated.get(1)
        srtp = self._dtls._tx_srtp
        codec = self.codec
        if pair is None or srtp is None or codec is None:
            return
        sender = self._audio.sender
        stamp = (self._stamp + stamp) & 0xFFFFFFFF
        head = header(codec.payload_type, int(marker), self._sequence, stamp, sender._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        # What its sender reports are made of.
        sender._RTCRtpSender__ntp_timestamp = _ntp(time.time())
        sender._RTCRtpSender__rtp_timestamp = stamp
        sender._RTCRtpSender__packet_count += 1
        sender._RTCRtpSender__octet_count += len(payload)
        pair.protocol.transport.sendto(srtp.protect(head + payload), pair.remote_addr)

    def estimate(self, bits: int) -> None:
        """Tell the sender what its path takes (REMB, draft-alvestrand-rmcat-remb)."""
        sources = list(self._streams)
        if not sources:
            return
        packet = RtcpPsfbPacket(
            fmt=RTCP_PSFB_APP,
            ssrc=self._audio.sender._ssrc,
            media_ssrc=0,
            fci=pack_remb_fci(bits, sources),
        )
        self._send_rtcp(bytes(packet))

    def _send_rtcp(self, packet: bytes) -> None:
        """Feedback. Alone it would be no compound packet (RFC 3550 6.1); RFC 5506 lets it be."""
        pair = self._ice._connection._nominated.get(1)
        srtp = self._dtls._tx_srtp
        if pair is not None and srtp is not None:
            pair.protocol.transport.sendto(srtp.protect_rtcp(packet), pair.remote_addr)

    def _media(self, data: bytes) -> bool:
        """A datagram, if it is RTP: unlocked, counted and told."""
        if len(data) < 12 or not 127 < data[0] < 192:
            return False
        if len(data) > LONGEST:
            # Anybody can send one, and pylibsrtp raises what would end aiortc's DTLS task.
            self.forged += 1
            return True
        if 191 < data[1] < 209:  # RTCP, as aiortc tells it apart (RFC 5761 section 4)
            return False
        opener = self._opener
        if opener is None:
            srtp = self._dtls._rx_srtp
            if srtp is None:
                return False
            opener = self._opener = Opener(srtp)
        plain = opener.open(data)
        if plain is None:
            self.forged += 1
        else:
            packet = read(plain)
            if packet is not None:
                self._take(packet)
        return True

    def _take(self, packet: Packet) -> None:
        """A genuine packet: counted and told."""
        if packet.payload_type not in self._payload_types:
            return
        streams = self._streams
        found = streams.get(packet.ssrc)
        if found is None:
            if len(streams) >= 8:  # a sender that changes its SSRC all the time
                return
            found = streams[packet.ssrc] = Reception(self._codecs[packet.payload_type].rate)
        now = time.monotonic()
        found.add(packet.sequence_number, packet.timestamp, now)
        self.heard_at = self.media_at = now
        if self._extension and packet.extension:
            number = number_in(packet.extension, self._extension)
            if number is not None:
                self._arrivals.arrived(number, now)
                if self._arrivals.due(now):
                    self._send_rtcp(
                        self._arrivals.report(now, self._audio.sender._ssrc, packet.ssrc)
                    )
        self.rtp(packet, now)

    # ── inside ──

    def _prepare(self, connection: Any) -> None:
        """Its sockets are ours, and what comes is noticed."""
        checked, received = connection.request_received, connection.data_received

        async def candidates(
            component: int,
            addresses: list[str],
            timeout: int = 5,  # noqa: ASYNC109  as theirs
        ) -> list[Any]:
            return await self._gather(connection, component, timeout)

        def request(message: Any, addr: tuple[str, int], protocol: Any) -> None:
            self.heard_at = time.monotonic()
            source = str(addr[0])
            if source not in self.sources and len(self.sources) < 8:
                self.sources.append(source)
            checked(message, addr, protocol)

        def data(datagram: bytes, component: int) -> None:
            # Through a relay, too, media goes past the queue.
            self.heard_at = time.monotonic()
            if not self._media(datagram):
                received(datagram, component)

        connection.get_component_candidates = candidates
        connection.request_received = request
        connection.data_received = data

    async def _gather(self, connection: Any, component: int, limit_s: int) -> list[Any]:
        """As aioice does, but with our ports, and under the addresses to be announced."""
        told: list[Any] = []
        ports: list[Any] = []

        def make() -> _Port:
            port = _Port(connection)
            port.media = self._media
            return port

        for address in self._doorway.addresses:
            try:
                transport, port = await self._doorway.bind(address, make)
            except OSError as error:
                log.info("no WebRTC port on %s: %s", address, error.strerror)
                continue
            ports.append(port)
            number = transport.get_extra_info("sockname")[1]
            for place, name in enumerate(self._doorway.told(address)):
                candidate = Candidate(
                    foundation=candidate_foundation("host", "udp", name),
                    component=component,
                    transport="udp",
                    priority=candidate_priority(component, "host", 65_535 - len(told)),
                    host=name,
                    port=number,
                    type="host",
                )
                if place == 0:
                    port.local_candidate = candidate
                told.append(candidate)
        connection._protocols += ports
        if connection.stun_server is not None:
            asked = [
                aioice_ice.server_reflexive_candidate(port, connection.stun_server)
                for port in ports
                if ":" not in port.local_candidate.host
            ]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    answers = await asyncio.gather(*asked, return_exceptions=True)
                    told += [each[0] for each in answers if not isinstance(each, BaseException)]
        if connection.turn_server is not None:
            # No addresses of its own: only the relay.
            told += await aioice_ice.Connection.get_component_candidates(
                connection, component, [], limit_s
            )
        return told

    def _replace_receiver(self, receiver: Any) -> None:
        """RTCP reports go on; there is no decoder thread, no jitter buffer and no track."""

        async def receive(parameters: Any) -> None:
            # aiortc starts both once DTLS stands, even if the connection was closed meanwhile:
            # their tasks would then run for ever.
            if receiver._RTCRtpReceiver__started or self._closed:
                return
            receiver._RTCRtpReceiver__transport._register_rtp_receiver(receiver, parameters)
            receiver._RTCRtpReceiver__rtcp_task = asyncio.ensure_future(receiver._run_rtcp())
            receiver._RTCRtpReceiver__started = True

        async def packet(packet: Any, arrival_time_ms: int) -> None:
            """One that came before the keys did, and waited in aioice's queue."""
            self._take(
                Packet(
                    packet.payload_type,
                    packet.marker,
                    packet.sequence_number,
                    packet.timestamp,
                    packet.ssrc,
                    packet.payload,
                    b"",
                )
            )

        receiver.receive = receive
        receiver._handle_rtp_packet = packet
        receiver._RTCRtpReceiver__remote_streams = self._streams

    def _guard_words(self, sctp: Any) -> None:
        """What aiortc stumbles over would end its DTLS task and with it the sound. RFC 9260 section
        8.5: a packet that makes no sense is dropped."""
        if sctp is None:
            return
        take = sctp._handle_data

        async def data(packet: bytes) -> None:
            try:
                await take(packet)
            except (*_ROUGH, struct.error) as error:
                self.senseless += 1
                log.debug("an SCTP packet was dropped: %s", type(error).__name__)

        sctp._handle_data = data

    def _replace_sender(self, sender: Any) -> None:
        """RTCP reports go on; packets are sent by `send`."""
        told = sender._handle_rtcp_packet

        async def send(parameters: Any) -> None:
            if sender._RTCRtpSender__started or self._closed:
                return
            sender._RTCRtpSender__cname = parameters.rtcp.cname
            sender._RTCRtpSender__transport._register_rtp_sender(sender, parameters)
            nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            sender._RTCRtpSender__rtp_task = nothing
            sender._RTCRtpSender__rtp_started.set()
            sender._RTCRtpSender__rtp_exited.set()
            sender._RTCRtpSender__rtcp_task = asyncio.ensure_future(sender._run_rtcp())
            sender._RTCRtpSender__started = True

        async def reported(packet: Any) -> None:
            await told(packet)
            match packet:
                case RtcpRrPacket() | RtcpSrPacket():
                    for report in packet.reports:
                        if report.ssrc == sender._ssrc:
                            rtt = sender._RTCRtpSender__rtt
                            self.reported(report.fraction_lost / 256, rtt)
                case RtcpPsfbPacket(fmt=fmt, fci=fci) if fmt == RTCP_PSFB_APP:
                    with contextlib.suppress(ValueError):
                        self.estimated(unpack_remb_fci(fci)[0])
                case _:
                    pass

        sender.send = send
        sender._handle_rtcp_packet = reported


def _ntp(at: float) -> int:
    """A time as in sender reports: seconds since 1900 and their fraction (RFC 3550 section 4)."""
    return int((at + 2_208_988_800) * 4_294_967_296)


def _words(error: BaseException) -> str:
    """Of an error of theirs, bounded: it may quote the offer."""
    return f"{type(error).__name__} {error}".strip()[:120]


def _line(candidate: Any) -> str:
    return str(candidate.to_sdp())
