"""One request of an HTTP door, for routes that are no stream: who asks, as dialects and access know
it, and a body that is bounded.

    opening = opening_of(request, "webrtc")
    body = await body_of(request, most=65_536)
"""

import time
import uuid

from starlette.requests import ClientDisconnect, Request

from ossicle.core.errors import Refused
from ossicle.core.wire import Opening

__all__ = ["body_of", "opening_of"]


def opening_of(request: Request, transport: str) -> Opening:
    """What was asked for; `transport` is the wire that it is about."""
    client = request.client
    return Opening(
        id=str(uuid.uuid4()),
        at=time.time(),
        transport=transport,
        method=request.method,
        path=request.url.path,
        query=tuple(request.query_params.multi_items()),
        headers=tuple((name.lower(), value) for name, value in request.headers.items()),
        peer=f"{client.host}:{client.port}" if client is not None else "",
        secure=request.url.scheme == "https",
    )


async def body_of(request: Request, most: int) -> bytes:
    """All of it.

    Raises:
        Refused: it is larger than `most` bytes, or the client left.
    """
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise Refused(f"the body is larger than {most} bytes", code="too_large")
    except ClientDisconnect as error:
        raise Refused("the client left before its body was whole") from error
    return bytes(body)
