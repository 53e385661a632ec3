"""The door of OpenAI's calls: an SDP offer in, a call over WebRTC out.

    Starlette(routes=[*realtime_call_routes(house, webrtc)])

It hands the offer to the WebRTC transport and the rest to the dialect bound to the path, and knows
neither of them closer. Sound goes on a track, events on the data channel.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ossicle.core.errors import MissingExtra, OssicleError
from ossicle.core.wire import Close, Opening
from ossicle.dialects.openai.calls import CALLS, call_asked, call_path, call_refused
from ossicle.transports.requested import body_of, opening_of

from ..house import House
from .bind import router
from .crossorigin import for_pages
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
        opening = opening_of(request, "webrtc")
        try:
            return await begin(request, opening)
        except OssicleError as error:
            return _closed(call_refused(error, opening.id))

    async def begin(request: Request, opening: Opening) -> Response:
        if door.calls is None:
            raise MissingExtra("WebRTC is not installed here: pip install 'ossicle[webrtc]'")
        body = await body_of(request, door.calls.settings.max_offer + _AROUND)
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


def _closed(close: Close) -> Response:
    response = Response(close.body, status_code=close.code or 500)
    for name, value in close.headers:
        response.headers[name] = value
    return response
