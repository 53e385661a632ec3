"""The WebRTC door: `/whip` and `/whep/{session}`, or one sentence where its extra is not installed.

    door = webrtc_door(house)      in the gateway's task group: door.run()
    Starlette(routes=[*door.routes])

Another dialect that is given an SDP offer hands it to `door.calls.offer(opening, sdp, acceptor)`.
"""

import asyncio
import importlib.util
import ipaddress
import time
from collections.abc import Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ossicle.audio.mediacodecs import MediaCodecs
from ossicle.core.errors import MissingExtra, OssicleError, Refused
from ossicle.core.wire import Opening
from ossicle.dialects.native.credentials import credential_of, in_url
from ossicle.dialects.native.errors import status
from ossicle.dialects.native.messages import ErrorBody, encode
from ossicle.transports.webrtc.ports import Doorway, port_range
from ossicle.transports.webrtc.turn import IceServer, credentials

from ..configuration.settings import GatewaySettings
from ..house import House
from .bind import router

if TYPE_CHECKING:
    from ossicle.transports.webrtc.server import Calls

__all__ = ["WebRtcDoor", "doorway", "ice_servers", "webrtc_door"]

_PATHS = (
    ("/whip", ["POST", "OPTIONS"]),
    ("/whip/{call}", ["PATCH", "DELETE", "OPTIONS"]),
    ("/whep/{session}", ["POST", "OPTIONS"]),
    ("/whep/{session}/{call}", ["PATCH", "DELETE", "OPTIONS"]),
)
_ANY = {"0.0.0.0", "::", "*"}  # noqa: S104  recognised, not bound


class WebRtcDoor:
    """What answers, and who keeps the calls."""

    def __init__(self, routes: Iterable[Route], calls: "Calls | None" = None) -> None:
        self.routes = tuple(routes)
        self.calls = calls
        """None: the extra is not installed."""

    async def run(self) -> None:
        """Keep the calls until cancelled."""
        if self.calls is not None:
            await self.calls.run()
        else:
            await asyncio.Event().wait()


def webrtc_door(house: House) -> WebRtcDoor:
    """The door of a gateway.

    Raises:
        Refused: its settings cannot be used.
    """
    settings = house.settings
    way = doorway(settings)
    if importlib.util.find_spec("aiortc") is None:
        return WebRtcDoor(Route(path, _missing, methods=methods) for path, methods in _PATHS)
    from ossicle.transports.webrtc.server import Calls  # noqa: PLC0415  an extra
    from ossicle.transports.webrtc.whip import Front, whip_routes  # noqa: PLC0415

    stun = ((settings.webrtc.stun, "", ""),) if settings.webrtc.stun else ()
    calls = Calls(
        settings.webrtc,
        MediaCodecs(),
        house.timers,
        way,
        servers=lambda: stun,
        ended=house.metrics.called,
    )

    async def known(opening: Opening) -> None:
        await house.access.owner_of(credential_of(opening), in_query=in_url(opening))

    front = Front(
        router(house, "webrtc"),
        refused=_refused,
        check=house.access.check_page,
        known=known,
        servers=lambda: ice_servers(house),
    )
    return WebRtcDoor(whip_routes(calls, front), calls)


def ice_servers(house: House, ttl_s: float = inf) -> tuple[IceServer, ...]:
    """What a client is told: the STUN server, and relays with credentials that end after
    `ttl_s`, or `webrtc.turn_ttl_s` where that is sooner."""
    settings = house.settings.webrtc
    told = [IceServer(settings.stun)] if settings.stun else []
    if settings.turn:
        secret = house.secrets("turn_secret")
        for url in settings.turn:
            if secret is None:
                told.append(IceServer(url))
                continue
            ends = time.time() + min(ttl_s, settings.turn_ttl_s)
            name, word = credentials(secret, house.node, ends)
            told.append(IceServer(url, name, word))
    return tuple(told)


def doorway(settings: GatewaySettings) -> Doorway:
    """Which addresses and ports calls use.

    Raises:
        Refused: a range that is none, or an address that is none.
    """
    given = settings.webrtc.addresses or _addresses(settings.host, ipv6=settings.webrtc.ipv6)
    announce = tuple(each.strip() for each in settings.announce.split(",") if each.strip())
    for each in (*given, *announce):
        try:
            ipaddress.ip_address(each)
        except ValueError:
            raise Refused(
                f"{each[:60]!r} is no IP address: announce and webrtc.addresses take numbers, "
                "since browsers are told numbers"
            ) from None
    return Doorway(given, port_range(settings.ice_ports), announce)


def _addresses(host: str, *, ipv6: bool) -> tuple[str, ...]:
    if host in _ANY:
        import ifaddr  # noqa: PLC0415  comes with the extra

        found: list[str] = []
        for adapter in ifaddr.get_adapters():
            for each in adapter.ips:
                text = each.ip if isinstance(each.ip, str) else each.ip[0]
                address = ipaddress.ip_address(text)
                # Whichever family HTTP listens on: a browser's own network may have one only.
                fits = address.version == 4 or ipv6
                if fits and not address.is_loopback and not address.is_link_local:
                    found.append(text)
        return tuple(found) or ("127.0.0.1",)
    if host == "localhost":
        return ("127.0.0.1",)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        import socket  # noqa: PLC0415

        return (str(socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0][4][0]),)
    return (host,)


def _refused(error: OssicleError) -> tuple[int, Mapping[str, str], bytes]:
    fault = error.fault()
    headers = {"content-type": "application/json"}
    if fault.retryable:
        headers["retry-after"] = str(fault.wait_s)
    if fault.code == "unauthorized":
        headers["www-authenticate"] = 'Bearer realm="ossicle"'
    return status(fault), headers, (encode(ErrorBody(fault)) + "\n").encode()


async def _missing(_request: Request) -> Response:
    code, headers, body = _refused(
        MissingExtra("WebRTC is not installed here: pip install 'ossicle[webrtc]'")
    )
    return Response(body, status_code=code, headers=dict(headers))
