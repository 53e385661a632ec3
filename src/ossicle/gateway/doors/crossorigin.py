"""Pages of other origins: which of them may read an answer, and what they ask before (CORS).

    Route(path, preflight(house, "POST"), methods=["OPTIONS"])
    return readable(house, request, response)

Which pages may ask anything at all is decided where it always is (`access.check_page`); this only
lets those read the answer. Without `allow-credentials`: the key is in the page's own hands, no
cookie is asked for. The headers that a page wants to send are echoed, since each SDK has some of
its own (wire note openai-realtime, section 6).
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ossicle.core.errors import OssicleError
from ossicle.core.wire import Opening

from ..house import House

__all__ = ["for_pages", "preflight", "readable"]

_SHOWN = "location, x-request-id, retry-after"
_REMEMBERED_S = 600
_MOST_ASKED = 1_000
"""Characters of names of headers."""


def readable(house: House, request: Request, response: Response) -> Response:
    """The same answer; the page that asked may read it, if it may ask."""
    origin = request.headers.get("origin")
    if origin and _may(house, request):
        response.headers["access-control-allow-origin"] = origin
        response.headers["access-control-expose-headers"] = _SHOWN
        response.headers["vary"] = "origin"
    return response


def preflight(house: House, methods: str) -> Callable[[Request], Awaitable[Response]]:
    """What answers OPTIONS."""

    async def answer(request: Request) -> Response:
        if not _may(house, request):
            return Response(status_code=403)
        response = Response(status_code=204)
        response.headers["access-control-allow-methods"] = methods
        response.headers["access-control-max-age"] = str(_REMEMBERED_S)
        asked = request.headers.get("access-control-request-headers", "")[:_MOST_ASKED]
        if asked:
            response.headers["access-control-allow-headers"] = asked
        return readable(house, request, response)

    return answer


def for_pages(house: House, route: Route) -> tuple[Route, Route]:
    """A route as pages of other origins need it: itself, and what they ask first."""
    inner: Callable[[Request], Awaitable[Response]] = route.endpoint
    methods = sorted(route.methods or ())

    async def answer(request: Request) -> Response:
        return readable(house, request, await inner(request))

    return (
        Route(route.path, answer, methods=methods),
        Route(route.path, preflight(house, ", ".join(methods)), methods=["OPTIONS"]),
    )


def _may(house: House, request: Request) -> bool:
    headers = tuple(request.headers.items())
    peer = f"{request.client.host}:{request.client.port}" if request.client else ""
    try:
        house.access.check_page(house.forwarding.seen(Opening(headers=headers, peer=peer)))
    except OssicleError:
        return False
    return True
