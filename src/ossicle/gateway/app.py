"""The plain HTTP side of the door: health, metrics, lists, and the streaming endpoint."""

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ossicle.core.errors import OssicleError
from ossicle.core.wire import Opening
from ossicle.dialects.native.errors import status
from ossicle.dialects.native.messages import ErrorBody, encode
from ossicle.transports.http.server import stream_endpoint

from .bind import ENDPOINTS, router
from .desk import endpoint_route
from .house import House

__all__ = ["make_app"]


def make_app(house: House) -> Starlette:
    """Every path that is not an upgrade."""

    async def healthz(_request: Request) -> Response:
        return Response("alive\n", media_type="text/plain")

    async def readyz(_request: Request) -> Response:
        missing = house.missing()
        if not missing:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "missing": missing}, status_code=503)

    async def metrics(_request: Request) -> Response:
        return Response(house.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def sessions(request: Request) -> Response:
        try:
            house.access.check_page(Opening(headers=tuple(request.headers.items())))
            owner = house.access.owner(_credential(request))
        except OssicleError as error:
            fault = error.fault()
            return Response(
                encode(ErrorBody(fault)), status_code=status(fault), media_type="application/json"
            )
        return Response(
            msgspec.json.encode({"sessions": house.listing(owner)}), media_type="application/json"
        )

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/v1/sessions", sessions),
            Route("/v1/stream", stream_endpoint(router(house, "http")), methods=["POST"]),
            *(endpoint_route(house, method, path, make(house)) for method, path, make in ENDPOINTS),
        ]
    )


def _credential(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if value and scheme.lower() in {"bearer", "token"} else None
