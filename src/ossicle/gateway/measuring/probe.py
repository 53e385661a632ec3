"""`/v1/probe`: echoes by which `ossicle probe` measures the way to this gateway.

    probes = Probes(house)
    websocket_protocol(probes.beside(router(house, "websocket")))
    Route(PATH, stream_endpoint(probes.accept), methods=["GET", "POST"])

Nothing here hears or speaks. Whoever asks is counted by its address before its key is looked at,
and bounded: connections at once, seconds and bytes of each, bytes a minute. Datagrams are
`gateway.datagrams`, QUIC is `gateway.quicecho`, gRPC and WebRTC are `gateway.probecalls`.
"""

import importlib.util
import logging
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from ossicle.core.errors import BadMessage, OssicleError, Overloaded, Refused
from ossicle.core.ports import Acceptor, Channel, Receiver, Timer
from ossicle.core.probing import (
    GRPC_METHODS,
    PATH,
    Came,
    Count,
    Counted,
    Echo,
    Echoed,
    Hushed,
    IceServer,
    Offer,
    Piece,
    ProbeAnswer,
    ProbeRequest,
    Quiet,
    Send,
    Sent,
    Total,
)
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Signal, Text
from ossicle.dialects.native.credentials import SUBPROTOCOL, credential_of, in_url, offered
from ossicle.dialects.native.errors import close_code, refusal

from ..configuration.settings import GatewaySettings
from ..doors.webrtc import ice_servers
from ..house import House
from ..keys.forwarded import address_of
from .datagrams import Datagrams, udp_socket
from .probecalls import RpcProbe

__all__ = ["Probes", "open_datagrams"]

log = logging.getLogger("ossicle.gateway.probe")

_BULK = bytes(16 * 1024)
"""One message of a measurement. Zeros: TLS is never compressed, and proxies have no type to
compress by."""
_AT_ONCE = 256 * 1024
"""Sent in one turn of the loop, so that the sessions beside it are heard."""
_MOST_LINES = 64
"""Pieces of a body that are told of one by one."""
_MOST_PIECES, _MOST_PIECE = 64, 16 * 1024
_MOST_TEXT = 1_024
_MINUTE_S = 60.0
_MOST_ADDRESSES = 10_000
_CALL_S = 30.0
"""Of a WebRTC call that measures."""
_TURN_S = 300.0
"""How long a credential for a relay lives, which the offer brings."""
_PATHS = {PATH, *GRPC_METHODS}
_Any: TypeAlias = "_Probe | RpcProbe"


class Probes:
    """Who measures, and how much of it is let in."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.settings = house.settings.probe
        self.datagrams = Datagrams(self.settings.datagrams_per_s)
        self.doors: dict[str, int] = {}
        """Ports that a client may measure besides this one, by their names in `Offer`."""
        self.ice = False
        """WebRTC is offered."""
        self._open: Counter[str] = Counter()
        self._calls = 0
        self._spent: OrderedDict[str, tuple[float, int]] = OrderedDict()

    # ── who comes in ──

    def beside(self, acceptor: Acceptor) -> Acceptor:
        """`acceptor` for every other path."""

        def accept(opening: Opening, channel: Channel) -> Receiver:
            if opening.path in _PATHS:
                return self.accept(opening, channel)
            return acceptor(opening, channel)

        return accept

    def accept(self, opening: Opening, channel: Channel) -> Receiver:
        """Somebody asks for `/v1/probe`."""
        house = self.house
        opening = house.forwarding.seen(opening)
        make = RpcProbe if opening.path in GRPC_METHODS else _Probe
        probe = make(self, opening, channel)
        try:
            house.knock(opening)
            house.access.check_page(opening)
            self.allowed()
            self._enter(probe)
            credential = credential_of(opening)
            if not in_url(opening) and credential is not None and house.access.judged(credential):
                channel.pause()
                house.spawn(self._judge(probe, credential), "probe judgement")
                return probe
            house.access.verdict(credential, in_query=in_url(opening))
            probe.begin()
        except OssicleError as error:
            self.refuse(probe, error)
        return probe

    def allowed(self) -> None:
        """
        Raises:
            Refused: nobody may measure here.
        """
        if not self.settings.on:
            raise Refused("this gateway is not to be measured (probe.on)", code="not_found")

    async def _judge(self, probe: "_Any", credential: str) -> None:
        try:
            await self.house.access.judgement(credential)
            probe.channel.resume()
            probe.begin()
        except OssicleError as error:
            self.refuse(probe, error)

    def refuse(self, probe: "_Any", error: OssicleError) -> None:
        """Before it began."""
        self.house.metrics.refused(error.code)
        probe.refuse(error)

    def _enter(self, probe: "_Any") -> None:
        most, mine = self.settings.at_once, self.settings.per_address
        if self._open.total() >= most:
            raise Overloaded(f"{most} connections measure already (probe.at_once); try again")
        if self._open[probe.address] >= mine:
            raise Overloaded(
                f"{mine} connections of your address measure already (probe.per_address)",
                code="rate_limited",
            )
        if probe.transport == "webrtc":
            if self._calls >= self.settings.calls:
                raise Overloaded(
                    f"{self._calls} WebRTC calls measure already (probe.calls); try again"
                )
            self._calls += 1
        self._open[probe.address] += 1
        probe.counted = True

    def left(self, probe: "_Any") -> None:
        """Its connection is gone."""
        if probe.counted:
            probe.counted = False
            self._calls -= probe.transport == "webrtc"
            self._open[probe.address] -= 1
            self._open += Counter()  # drops those that are at zero

    # ── what it may use ──

    def spend(self, address: str, size: int) -> None:
        """So many bytes more, either way.

        Raises:
            Overloaded: more than the address may have in a minute.
        """
        now = self.house.timers.now()
        since, spent = self._spent.pop(address, (now, 0))
        if now - since >= _MINUTE_S:
            since, spent = now, 0
        self._spent[address] = since, spent + size
        while len(self._spent) > _MOST_ADDRESSES:
            self._spent.popitem(last=False)
        most = self.settings.bytes_per_minute
        if spent + size > most:
            raise Overloaded(
                f"your address has measured with {most} bytes within a minute "
                "(probe.bytes_per_minute); wait a moment",
                code="rate_limited",
                retry_after_s=since + _MINUTE_S - now,
            )
        self.house.metrics.probed(size)

    def offer(self, opening: Opening) -> Offer:
        """What there is, for that client."""
        ice = self.ice and self.settings.calls > 0
        return Offer(
            _epoch_ms(),
            peer=address_of(opening.peer),
            secure=opening.secure,
            ticket=self.datagrams.ticket().hex() if "udp_port" in self.doors else "",
            most_bytes=self.settings.most_bytes,
            most_s=self.settings.most_s,
            ledger=self.house.metrics.means(),
            udp_port=self.doors.get("udp_port"),
            grpc_port=self.doors.get("grpc_port"),
            grpc_tls_port=self.doors.get("grpc_tls_port"),
            quic_port=self.doors.get("udp_port") if self.datagrams.quic is not None else None,
            quic_certificate=self.datagrams.quic.certificate if self.datagrams.quic else "",
            ice=ice,
            ice_servers=self._ice_servers() if ice else (),
        )

    def _ice_servers(self) -> tuple[IceServer, ...]:
        told = ice_servers(self.house, _TURN_S)
        return tuple(IceServer(each.url, each.username, each.credential) for each in told)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """On the gateway's timers."""
        timers = self.house.timers
        return timers.call_at(timers.now() + seconds, callback)

    def now(self) -> float:
        """Monotonic seconds."""
        return self.house.timers.now()

    def began(self, transport: str) -> None:
        """Counted."""
        self.house.metrics.probe(transport)


def open_datagrams(
    probes: Probes, settings: GatewaySettings, ports: Sequence[int]
) -> socket.socket | None:
    """The socket of `probe.udp_port`; None = it is off, or cannot be had, which the log says: a
    gateway serves as well without.

    Args:
        ports: of the doors, the first of them first.
    """
    wanted = settings.probe.udp_port
    if wanted is None or not settings.probe.on:
        return None
    try:
        bound = udp_socket(settings.host, wanted or next(iter(ports), 0))
    except OSError as error:
        log.warning("no datagrams are echoed: %s", error.strerror or type(error).__name__)
        return None
    probes.doors["udp_port"] = int(bound.getsockname()[1])
    if settings.probe.quic and importlib.util.find_spec("aioquic") is not None:
        from .quicecho import QuicEchoes  # noqa: PLC0415  an extra

        probes.datagrams.quic = QuicEchoes(settings.probe.at_once)
    return bound


class _Probe:
    """One connection that measures. The receiver of its channel."""

    def __init__(self, probes: Probes, opening: Opening, channel: Channel) -> None:
        self.channel = channel
        self.address = address_of(opening.peer)
        self.transport = opening.transport
        self.counted = False
        self._probes, self._opening = probes, opening
        self._framed = channel.traits.framed
        self._limit: Timer | None = None
        self._next: Timer | None = None
        """What is sent next."""
        self._writable, self._live = True, False
        self._left = self._asked = 0
        """Bytes still to send, and how many were asked for."""
        self._sent = self._got = 0
        self._first = self._last = self._start = 0.0
        self._lines = 0

    def begin(self) -> None:
        """It may.

        Raises:
            Refused: what it asks for is out of bounds.
        """
        self._live, self._start = True, self._probes.now()
        opening = self._opening
        if self._framed:
            chosen = SUBPROTOCOL if SUBPROTOCOL in offered(opening) else ""
            self._open()
            self.channel.send(Accept(subprotocol=chosen))
        elif opening.method == "POST":
            self._open()
            self.channel.send(_LINES)
        elif opening.param("pieces"):
            self._pieces()
        elif opening.param("bytes"):
            size = self._bounded(_whole(opening, "bytes", self._probes.settings.most_bytes))
            self._open()
            self.channel.send(Accept(headers=(("content-type", "application/octet-stream"), *_OWN)))
            self._left = size
            self._pour()
        else:
            self._open()
            body = msgspec.json.encode(self._probes.offer(opening))
            headers = (("content-type", "application/json"), *_OWN)
            self.channel.send(Close(200, headers=headers, body=body))

    def _open(self) -> None:
        most_s = self._probes.settings.most_s
        if self.transport == "webrtc":
            most_s = min(most_s, _CALL_S)
            self._probes.began("webrtc")
        else:
            self._probes.began("websocket" if self._framed else "http")
        self._limit = self._probes.call_later(most_s, self._overdue)

    def refuse(self, error: OssicleError) -> None:
        """Before it began."""
        self.channel.send(refusal(error.fault()))

    def _overdue(self) -> None:
        most = self._probes.settings.most_s
        if self._framed:
            text = f"a measurement takes at most {most:g} s (probe.most_s)"
            self.channel.send(Close(4408, text))
        else:
            self.channel.abort()  # so that nobody takes what came for the whole

    # ── Receiver ──

    def received(self, message: Message) -> None:
        """A request, on a WebSocket; the end of a body."""
        if not self._live:
            return
        try:
            match message:
                case Text(data) if self._framed:
                    self._probes.spend(self.address, len(data))
                    self._asked_for(_request(data))
                case Fin() if self._opening.method == "POST":
                    self._tell(Total(self._got, (self._last - self._first) * 1000))
                    self.channel.send(Close())
                case _:
                    return
        except OssicleError as error:
            self._break(error)

    def binary(self, data: bytes) -> None:
        """Bytes of a measurement upwards."""
        if not self._live or (not self._framed and self._opening.method != "POST"):
            return
        now = self._probes.now()
        try:
            self._probes.spend(self.address, len(data))
            self._got += len(data)
            self._bounded(self._got)
        except OssicleError as error:
            self._break(error)
            return
        self._first = self._first or now
        self._last = now
        if not self._framed and self._lines < _MOST_LINES:
            self._lines += 1
            self._tell(Came(len(data), (now - self._start) * 1000))

    def writable(self, yes: bool) -> None:
        """The send buffer has room again, or no more."""
        self._writable = yes
        if yes and self._left:
            self._next = self._probes.call_later(0, self._pour)

    def closed(self, error: OssicleError | None) -> None:
        """It is over."""
        del error
        self._live, self._left = False, 0
        for timer in (self._limit, self._next):
            if timer is not None:
                timer.cancel()
        self._probes.left(self)

    # ── answers ──

    def _asked_for(self, asked: ProbeRequest) -> None:
        match asked:
            case Echo(n):
                self._tell(Echoed(n, _epoch_ms()))
            case Quiet(s):
                s = min(max(s, 0.0), self._probes.settings.most_s)
                self.channel.send(Signal("quiet_s", f"{s:.3f}"))
                self._tell(Hushed(s))
            case Send(size):
                self._asked = self._left = self._bounded(min(size, 1 << 40))
                self._pour()
            case Count():
                self._tell(Counted(self._got, (self._last - self._first) * 1000))
                self._got, self._first = 0, 0.0

    def _pour(self) -> None:
        """Bulk, as much as is taken now."""
        turn = _AT_ONCE
        while self._live and self._left and self._writable and turn > 0:
            data = _BULK[: self._left]
            try:
                self._probes.spend(self.address, len(data))
            except OssicleError as error:
                self._break(error)
                return
            self._left -= len(data)
            turn -= len(data)
            self.channel.send(Binary(data))
        if not self._live:
            return
        if not self._left:
            if self._framed:
                self._tell(Sent(self._asked))
            else:
                self.channel.send(Close())
        elif self._writable:
            self._next = self._probes.call_later(0, self._pour)

    def _pieces(self) -> None:
        """A body in pieces."""
        opening, settings = self._opening, self._probes.settings
        count = _whole(opening, "pieces", _MOST_PIECES)
        size = _whole(opening, "size", _MOST_PIECE, 200)
        every_s = _whole(opening, "every_ms", int(settings.most_s * 1000), 100) / 1000
        if count * every_s > settings.most_s:
            raise Refused(
                f"{count} pieces every {every_s:g} s take longer than {settings.most_s:g} s "
                "(probe.most_s)",
                code="bad_option",
            )
        self._open()
        self.channel.send(_LINES)
        begun = self._probes.now()

        def send(n: int) -> None:
            at_ms = (self._probes.now() - begun) * 1000
            line = msgspec.json.encode(Piece(n, at_ms)).ljust(size - 1) + b"\n"
            try:
                self._probes.spend(self.address, len(line))
            except OssicleError as error:
                self._break(error)
                return
            self.channel.send(Binary(line))
            if n + 1 == count:
                self.channel.send(Close())
            else:
                self._next = self._probes.call_later(every_s, lambda: send(n + 1))

        send(0)

    def _bounded(self, size: int) -> int:
        most = self._probes.settings.most_bytes
        if not 0 <= size <= most:
            raise Refused(
                f"{size} bytes are more than the {most} of one measurement (probe.most_bytes)",
                code="too_large",
            )
        return size

    def _tell(self, answer: ProbeAnswer | Came | Total) -> None:
        text = msgspec.json.encode(answer).decode()
        self.channel.send(Text(text if self._framed else text + "\n"))

    def _break(self, error: OssicleError) -> None:
        """After it began."""
        self._live = False
        if self._framed:
            self.channel.send(Close(close_code(error.fault()), str(error)))
        else:
            self.channel.abort()


_OWN = (("cache-control", "no-store, no-transform"),)
_LINES = Accept(headers=(("content-type", "application/x-ndjson"), *_OWN), flush=True)
_decode = msgspec.json.Decoder(ProbeRequest)


def _request(text: str) -> ProbeRequest:
    if len(text) > _MOST_TEXT:
        raise BadMessage(f"a request is at most {_MOST_TEXT} characters")
    try:
        return _decode.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadMessage("that is none of echo, quiet, send, count") from error


def _whole(opening: Opening, name: str, most: int, default: int = 0) -> int:
    text = opening.param(name) or str(default)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:12]) <= most):
        raise Refused(f"{name}={text[:20]}: a number from 1 to {most}", code="bad_option")
    return int(text)


def _epoch_ms() -> float:
    return time.time() * 1000
