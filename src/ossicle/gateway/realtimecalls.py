"""The door of OpenAI's calls: an SDP offer in, a call over WebRTC out.

    Starlette(routes=[*realtime_call_routes(house, webrtc)])

It hands the offer to the WebRTC transport and the rest to the dialect bound to the path, and knows
neither of them closer. Sound goes on a track, events on the data channel.
"""

import time
import uuid

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ossicle.core.errors import MissingExtra, OssicleError, Refused
from ossicle.core.wire import Close, Opening
from ossicle.dialects.openai.calls import CALLS, call_asked, call_path, call_refused

from .bind import router
from .crossorigin import for_pages
from .house import House
from .webrtc import WebRtcDoor

__all__ = ["realtime_call_routes"]

_BEFORE = "/v1/realtime"
"""Where the beta has its calls."""
_AROUND = 96 << 10
"""Bytes of a body that are no SDP: a session, and the form around both."""


def realtime_call_routes(house: House, door: WebRtcDoor) -> list[Route]:
    """What answers offers."""
    acceptor = router(house, "webrtc")

    async def offer(request: Request) -> Response:
        opening = _opening(request)
        try:
            return await begin(request, opening)
        except OssicleError as error:
            return _closed(call_refused(error, opening.id))

    async def begin(request: Request, opening: Opening) -> Response:
        if door.calls is None:
            raise MissingExtra("WebRTC is not installed here: pip install 'ossicle[webrtc]'")
        body = await _body(request, door.calls.settings.max_offer + _AROUND)
        asked = call_asked(opening.header("content-type"), body)
        opening = msgspec.structs.replace(opening, parts=asked.parts)
        from ossicle.transports.webrtc.server import Declined  # noqa: PLC0415  an extra

        try:
            made = await door.calls.offer(opening, asked.sdp, acceptor)
        except Declined as declined:
            return _closed(declined.close)
        response = Response(made.sdp, status_code=201, media_type="application/sdp")
        for name, value in made.accept.headers:
            response.headers[name] = value
        response.headers["location"] = call_path(opening)
        response.headers["cache-control"] = "no-store"
        return response

    return [
        each
        for path in (CALLS, _BEFORE)
        for each in for_pages(house, Route(path, offer, methods=["POST"]))
    ]


def _opening(request: Request) -> Opening:
    client = request.client
    return Opening(
        id=str(uuid.uuid4()),
        at=time.time(),
        transport="webrtc",
        method=request.method,
        path=request.url.path,
        query=tuple(request.query_params.multi_items()),
        headers=tuple((name.lower(), value) for name, value in request.headers.items()),
        peer=f"{client.host}:{client.port}" if client is not None else "",
        secure=request.url.scheme == "https",
    )


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise Refused(f"the body is larger than {most} bytes", code="too_large")
    except ClientDisconnect as error:
        raise Refused("the client left before its offer was whole") from error
    return bytes(body)


def _closed(close: Close) -> Response:
    response = Response(close.body, status_code=close.code or 500)
    for name, value in close.headers:
        response.headers[name] = value
    return response
