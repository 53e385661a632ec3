"""The gateway as plain HTTP endpoints see it, and how they become routes.

An endpoint is a dialect's: values in, values out. What is refused here is refused before it runs:
pages and host names that are not ours, and bodies that are too large.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request as WireRequest
from starlette.responses import Response as WireResponse
from starlette.routing import Route

from ossicle.core.endpoint import Desk, Endpoint, Minted, Request, Response
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.wire import Opening
from ossicle.dialects.native.errors import status
from ossicle.dialects.native.messages import ErrorBody, encode

from ..house import House

__all__ = ["FrontDesk", "endpoint_route"]

_MOST_BODY = 64 * 1024
"""Bytes of a body: a form or a small JSON document. Audio does not come this way."""


class FrontDesk:
    """Implements `core.endpoint.Desk`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def owner(self, credential: str | None) -> str:
        """Whose key this is."""
        return await self._house.access.owner_of(credential)

    async def mint(
        self,
        credential: str | None,
        ttl_s: float,
        limits: Mapping[str, Any] | None = None,
        *,
        once: bool = False,
    ) -> Minted:
        """A token for the owner of a key."""
        return self._house.access.mint(credential, ttl_s, limits, once=once)

    async def find(self, credential: str | None, session: str) -> str:
        """The id of a session of the credential's owner."""
        return self._house.owned(session, await self.owner(credential)).id

    async def end(self, credential: str | None, session: str) -> None:
        """End a session of the credential's owner."""
        self._house.end(session, await self.owner(credential))

    def secret(self, name: str) -> bytes | None:
        """A secret that verifies a signature."""
        return self._house.secrets(name)


def endpoint_route(house: House, method: str, path: str, endpoint: Endpoint) -> Route:
    """The route of one endpoint."""
    desk: Desk = FrontDesk(house)

    async def answer(request: WireRequest) -> WireResponse:
        try:
            headers = tuple(request.headers.items())
            peer = f"{request.client.host}:{request.client.port}" if request.client else ""
            opening = house.forwarding.seen(Opening(headers=headers, peer=peer))
            house.knock(opening)
            house.access.check_page(opening)
            response = await endpoint(
                Request(
                    method=request.method,
                    path=request.url.path,
                    query=tuple(request.query_params.multi_items()),
                    headers=headers,
                    body=await _body(request),
                    peer=opening.peer,
                    secure=request.url.scheme == "https",
                ),
                desk,
            )
        except OssicleError as error:
            fault = error.fault()
            again = (("retry-after", str(fault.wait_s)),) if fault.retryable else ()
            response = Response(
                status(fault),
                (("content-type", "application/json"), *again),
                encode(ErrorBody(fault)).encode(),
            )
        wire = WireResponse(response.body, status_code=response.status)
        for name, value in response.headers:
            wire.headers[name] = value
        return wire

    return Route(path, answer, methods=[method])


async def _body(request: WireRequest) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY:
            raise Refused(f"the body is larger than {_MOST_BODY} bytes", code="too_large")
    return bytes(body)
