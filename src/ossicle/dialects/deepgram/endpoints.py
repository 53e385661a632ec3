"""`POST /v1/auth/grant`: an API key becomes a token that ends by itself.

The token is checked when a connection opens; a stream that is open outlives it.
"""

from typing import Annotated
from uuid import uuid4

import msgspec

from ossicle.core.endpoint import Desk, Request, Response
from ossicle.core.errors import BadMessage, Fault, OssicleError

from .credentials import credential_in
from .errors import error_body, error_headers, status

__all__ = ["GrantAsked", "Granted", "grant"]


class GrantAsked(msgspec.Struct):
    """The body of a request."""

    ttl_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] | None = None


class Granted(msgspec.Struct):
    """The answer."""

    access_token: str
    expires_in: int


_DEFAULT_S = 30.0


async def grant(request: Request, desk: Desk) -> Response:
    """A token for the owner of the key; a token itself mints none."""
    request_id = str(uuid4())
    try:
        minted = await desk.mint(credential_in(request.headers), _asked(request.body))
    except OssicleError as error:
        return _refused(error.fault(), request_id)
    body = msgspec.json.encode(Granted(minted.token, round(minted.expires_in_s)))
    return Response(
        200, (("content-type", "application/json"), ("cache-control", "no-store")), body
    )


def _asked(body: bytes) -> float:
    if not body.strip():
        return _DEFAULT_S
    try:
        asked = msgspec.json.decode(body, type=GrantAsked).ttl_seconds
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage('the body must be {} or {"ttl_seconds": N}, N in 1-3600') from error
    return _DEFAULT_S if asked is None else asked


def _refused(fault: Fault, request_id: str) -> Response:
    return Response(status(fault), error_headers(fault, request_id), error_body(fault, request_id))
