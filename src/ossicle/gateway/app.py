"""The plain HTTP side of the door: health, metrics, lists, and the streaming endpoint."""

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ossicle.core import probing
from ossicle.core.errors import Denied, OssicleError, Refused
from ossicle.core.wire import Opening
from ossicle.dialects.native.errors import status
from ossicle.dialects.native.messages import ErrorBody, encode
from ossicle.transports.http.server import stream_endpoint

from .doors.bind import BINDINGS, ENDPOINTS, OPENAI_CALLS, router
from .doors.crossorigin import for_pages
from .doors.desk import endpoint_route
from .doors.pages import page_routes
from .doors.realtimecalls import realtime_call_routes
from .doors.webcalls import WebCalls
from .doors.webrtc import WebRtcDoor, webrtc_door
from .house import House
from .measuring.advice import advice_route
from .measuring.probe import Probes
from .measuring.probecalls import probe_routes
from .snippets import snippets

__all__ = ["make_app"]


def make_app(
    house: House, probes: Probes | None = None, webrtc: WebRtcDoor | None = None
) -> Starlette:
    """Every path that is not an upgrade."""
    probes = probes or Probes(house)
    webrtc = webrtc or webrtc_door(house)

    async def healthz(_request: Request) -> Response:
        return Response("alive\n", media_type="text/plain")

    async def readyz(_request: Request) -> Response:
        missing = house.missing()
        notes = {"notes": house.troubles.notes} if house.troubles.notes else {}
        if not missing:
            return JSONResponse({"ready": True, **notes})
        return JSONResponse({"ready": False, "missing": missing, **notes}, status_code=503)

    async def metrics(request: Request) -> Response:
        try:
            await _may_see_figures(house, request)
        except OssicleError as error:
            return _refused(error)
        return Response(house.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def sessions(request: Request) -> Response:
        try:
            owner = await _owner(house, request)
        except OssicleError as error:
            return _refused(error)
        label = request.query_params.get("label")
        return Response(
            msgspec.json.encode({"sessions": house.listing(owner, label)}),
            media_type="application/json",
        )

    async def session(request: Request) -> Response:
        try:
            owner = await _owner(house, request)
            record = house.exits.records.find(request.path_params["name"], owner)
            if record is None:
                raise Refused("there is no such session, or its record is gone", code="not_found")
        except OssicleError as error:
            return _refused(error)
        return Response(msgspec.json.encode(record), media_type="application/json")

    async def lines_to_change(request: Request) -> Response:
        try:
            await _owner(house, request)
        except OssicleError as error:
            return _refused(error)
        here = house.address.seen_from(request.headers.get("host", ""))
        return Response(
            msgspec.json.encode({"snippets": snippets(here, answered)}),
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    stream = stream_endpoint(router(house, "http"), house.settings.http)
    app = Starlette(
        routes=[
            *page_routes(house, webrtc=webrtc.calls is not None),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/v1/sessions", sessions),
            Route("/v1/sessions/{name}", session),
            *(
                Route(binding.path, stream, methods=list(binding.methods))
                for binding in BINDINGS
                if binding.transport == "http"
            ),
            *webrtc.routes,
            *realtime_call_routes(house, webrtc),
            Route(
                probing.PATH,
                stream_endpoint(probes.accept, house.settings.http),
                methods=["GET", "POST"],
            ),
            *probe_routes(probes, webrtc),
            Route("/v1/snippets", lines_to_change),
            advice_route(house),
            WebCalls(house, probes.beside, probing.GRPC_METHODS),
            *(
                route
                for method, path, make in ENDPOINTS
                for route in _routes(house, endpoint_route(house, method, path, make(house)))
            ),
        ]
    )
    answered = {binding.path for binding in BINDINGS}
    answered |= {route.path for route in app.routes if isinstance(route, Route)}
    return app


def _routes(house: House, route: Route) -> tuple[Route, ...]:
    """What a page of another origin may control, too, as far as it has a key."""
    return for_pages(house, route) if route.path.startswith(f"{OPENAI_CALLS}/") else (route,)


def _refused(error: OssicleError) -> Response:
    fault = error.fault()
    return Response(
        encode(ErrorBody(fault)),
        status_code=status(fault),
        headers={"retry-after": str(fault.wait_s)} if fault.retryable else None,
        media_type="application/json",
    )


async def _may_see_figures(house: House, request: Request) -> None:
    """The figures name every owner of a key and what each used: not for the world.

    Raises:
        OssicleError: keys are on, and this is none of those who may.
    """
    allowed = house.settings.access.metrics_for
    if not house.access.on or "*" in allowed:
        return
    owner = await _owner(house, request)
    if owner not in allowed:
        raise Denied(
            f"{owner} may not see the figures: name it in access.metrics_for", code="forbidden"
        )


async def _owner(house: House, request: Request) -> str:
    """Whose request it is.

    Raises:
        OssicleError: too many from there, a page that is not ours, or no key or token of ours.
    """
    peer = f"{request.client.host}:{request.client.port}" if request.client else ""
    opening = house.forwarding.seen(Opening(headers=tuple(request.headers.items()), peer=peer))
    house.knock(opening)
    house.access.check_page(opening)
    scheme, _, value = opening.header("authorization").partition(" ")
    if value and scheme.lower() in {"bearer", "token"}:
        return await house.access.owner_of(value.strip())
    # where a page can set no header
    return await house.access.owner_of(request.query_params.get("token") or None, in_query=True)
