"""`POST /v1/tokens`: an API key becomes a token that ends by itself, for a browser to hold.

curl -X POST -H "Authorization: Bearer $KEY" -d '{"ttl_s": 60}' http://localhost:8080/v1/tokens

A token may have limits of its own, below its key's, and may be for one session only:
`{"limits": {"sessions": 1, "session_s": 300}, "single_use": true}`.
"""

from typing import Annotated

import msgspec

from ossicle.core.endpoint import Desk, Request, Response
from ossicle.core.errors import BadMessage
from ossicle.core.wire import Opening

from .credentials import credential_of

__all__ = ["TokenAsked", "TokenGiven", "new_token"]

_DEFAULT_S = 60.0


class TokenAsked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request."""

    ttl_s: Annotated[float, msgspec.Meta(ge=1)] = _DEFAULT_S
    """How long it lives, in seconds: 1 to 360000."""
    limits: dict[str, float] = {}
    """Of its own, none above its key's: `sessions`, `session_s`, `handshakes_per_s`,
    `audio_s_per_day`, `audio_s_per_month`, `max_message`."""
    single_use: bool = False
    """It opens one session."""


class TokenGiven(msgspec.Struct):
    """The answer."""

    token: str
    expires_in_s: float
    expires_at: float


async def new_token(request: Request, desk: Desk) -> Response:
    """A token for the owner of the key in the header.

    Raises:
        Denied: no key, an unknown one, or a token, which makes no tokens.
        BadMessage: the body is not what is asked for.
        Refused: a limit that is not known, or above the key's.
    """
    try:
        asked = msgspec.json.decode(request.body or b"{}", type=TokenAsked)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(
            'the body is {} or {"ttl_s": SECONDS, "limits": {"sessions": 1}, "single_use": true}, '
            "each of them optional, ttl_s at least 1"
        ) from error
    minted = await desk.mint(
        credential_of(Opening(headers=request.headers)),
        asked.ttl_s,
        # whole numbers as such: a limit that counts things takes no fractions
        {name: int(v) if v.is_integer() else v for name, v in asked.limits.items()},
        once=asked.single_use,
    )
    return Response(
        headers=(("content-type", "application/json"), ("cache-control", "no-store")),
        body=msgspec.json.encode(TokenGiven(minted.token, minted.expires_in_s, minted.expires_at)),
    )
