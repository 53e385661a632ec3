"""Measuring over gRPC, over WebRTC, and what a page has measured.

    RpcProbe(probes, opening, channel)                 a call of `/ossicle.v1.Probe/Echo` or `/Ask`
    Starlette(routes=[*probe_routes(probes, webrtc)])  `/v1/probe/ice`, `/v1/probe/findings`

What all of them have in common (who comes in, what it may use) is in `probe`. A page sends what it
saw, and gets what `ossicle probe` would make of it: the judgement is one piece of code.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ossicle.advisor.findings import Findings, asked, findings
from ossicle.advisor.inputs import Inputs
from ossicle.advisor.measured import Measured
from ossicle.core.errors import MissingExtra, OssicleError, Refused
from ossicle.core.ports import Channel, Receiver, Timer
from ossicle.core.probing import FINDINGS_PATH, GRPC_ASK, ICE_PATH
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening
from ossicle.dialects.native.errors import status
from ossicle.dialects.native.messages import ErrorBody, encode
from ossicle.dialects.native.rpc_errors import end
from ossicle.dialects.protobuf import Codec
from ossicle.transports.requested import body_of, opening_of

from ..configuration.settings import ProbeSettings
from ..doors.webrtc import WebRtcDoor
from ..house import House
from ..keys.forwarded import address_of
from .advice import AdviceGiven, answer

__all__ = [
    "EchoRequest",
    "EchoResponse",
    "RpcProbe",
    "Understood",
    "answers",
    "probe_routes",
    "questions",
]

_MOST_BODY = 256 * 1024
_MOST_SAMPLES = 1_000
_Work: TypeAlias = Callable[[Request], Awaitable[Response]]


class Measuring(Protocol):
    """What is needed of `probe.Probes`, which knows this module."""

    house: House
    settings: ProbeSettings

    def accept(self, opening: Opening, channel: Channel, /) -> Receiver: ...
    def allowed(self) -> None: ...
    def spend(self, address: str, size: int) -> None: ...
    def began(self, transport: str) -> None: ...
    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer: ...
    def left(self, probe: Any) -> None: ...


class EchoRequest(msgspec.Struct, frozen=True):
    """`ossicle.v1.EchoRequest`."""

    n: int = 0


class EchoResponse(msgspec.Struct, frozen=True):
    """`ossicle.v1.EchoResponse`."""

    n: int = 0
    at_ms: float = 0.0


questions = Codec(EchoRequest, "ossicle.v1.EchoRequest")
answers = Codec(EchoResponse, "ossicle.v1.EchoResponse")


class RpcProbe:
    """One gRPC call that measures; gRPC-Web's are the same. The receiver of its channel."""

    def __init__(self, probes: Measuring, opening: Opening, channel: Channel) -> None:
        self.channel = channel
        self.address = address_of(opening.peer)
        self.transport = "grpc"
        self.counted = False
        self._probes, self._once = probes, opening.path == GRPC_ASK
        self._limit: Timer | None = None
        self._live = False

    def begin(self) -> None:
        """It may."""
        self._live = True
        self._probes.began("grpc")
        most_s = self._probes.settings.most_s
        self._limit = self._probes.call_later(
            most_s, lambda: self._end(Close(4, f"a measurement takes at most {most_s:g} s"))
        )
        self.channel.send(Accept())

    def refuse(self, error: OssicleError) -> None:
        """It may not, or no longer."""
        self._end(end(error.fault()))

    def received(self, message: Message) -> None:
        """Only its end is of interest."""
        if isinstance(message, Fin):
            self._end(Close())

    def binary(self, data: bytes) -> None:
        """An echo is asked for."""
        if not self._live:
            return
        try:
            self._probes.spend(self.address, len(data))
            asked_for = questions.parse(data)
        except OssicleError as error:
            self.refuse(error)
            return
        self.channel.send(Binary(answers.write(EchoResponse(asked_for.n, time.time() * 1000))))
        if self._once:
            self._end(Close())

    def writable(self, yes: bool) -> None:
        """One answer for each question: a client that does not read is the channel's matter."""

    def closed(self, error: OssicleError | None) -> None:
        """It is over."""
        del error
        self._live = False
        if self._limit is not None:
            self._limit.cancel()
        self._probes.left(self)

    def _end(self, close: Close) -> None:
        self._live = False
        self.channel.send(close)


class Understood(msgspec.Struct, frozen=True):
    """What was measured means this."""

    findings: Findings
    advice: AdviceGiven | None
    """For a browser on this network; null = there is no way to the gateway."""


def probe_routes(probes: Measuring, webrtc: WebRtcDoor) -> list[Route]:
    """Both routes."""

    async def ice(request: Request) -> Response:
        """An SDP offer of a data channel, answered. Nothing is heard or spoken."""
        if webrtc.calls is None:
            raise MissingExtra("WebRTC is not installed here: pip install 'ossicle[webrtc]'")
        from ossicle.transports.webrtc.server import Declined  # noqa: PLC0415  an extra

        text = (await body_of(request, webrtc.calls.settings.max_offer)).decode(errors="replace")
        try:
            made = await webrtc.calls.offer(
                opening_of(request, "http"), text, probes.accept, listens=True
            )
        except Declined as declined:
            close = declined.close
            return Response(close.body, status_code=close.code or 500, headers=dict(close.headers))
        headers = {"cache-control": "no-store"}
        return Response(made.sdp, status_code=201, media_type="application/sdp", headers=headers)

    async def judge(request: Request) -> Response:
        """Samples of a page in, what they mean out."""
        house = probes.house
        opening = house.forwarding.seen(opening_of(request, "http"))
        house.knock(opening)
        house.access.check_page(opening)
        body = await body_of(request, _MOST_BODY)
        probes.allowed()
        probes.spend(address_of(opening.peer), len(body))
        seen = _read(body)
        found = findings(seen)
        address = house.address.seen_from(opening.header("host"))
        usable = found.exit_code != 1
        inputs = Inputs(client="browser")
        judged = Understood(found, answer(asked(found, inputs), address) if usable else None)
        return Response(
            msgspec.json.encode(judged),
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    return [
        Route(ICE_PATH, _said(ice), methods=["POST"]),
        Route(FINDINGS_PATH, _said(judge), methods=["POST"]),
    ]


def _said(
    work: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """With refusals in words."""

    async def answered(request: Request) -> Response:
        try:
            return await work(request)
        except OssicleError as error:
            fault = error.fault()
            headers = {"retry-after": str(fault.wait_s)} if fault.retryable else {}
            return Response(
                encode(ErrorBody(fault)),
                status_code=status(fault),
                media_type="application/json",
                headers=headers,
            )

    return answered


def _read(body: bytes) -> Measured:
    """Samples, as a page has them: a stranger's.

    Raises:
        Refused: they are none.
    """
    try:
        seen = msgspec.json.decode(body, type=Measured)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(f"these are no samples: {str(error)[:200]}", code="bad_message") from error
    for name in seen.__struct_fields__:
        value = getattr(seen, name)
        if isinstance(value, list | dict) and len(value) > _MOST_SAMPLES:  # pyright: ignore[reportUnknownArgumentType]
            raise Refused(f"{name}: at most {_MOST_SAMPLES} samples", code="too_large")
    return seen
