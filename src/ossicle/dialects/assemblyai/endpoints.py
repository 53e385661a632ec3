"""Temporary tokens: `GET /v3/token` and `POST /v2/realtime/token`.

A browser gets one from its own server and opens the socket with `?token=`; the key never leaves
the server. The gateway makes and checks the tokens; what is AssemblyAI's here is the shape.

A v3 token opens one session, as the vendor's does, and `max_session_duration_seconds` bounds it. A
legacy token may be used again while it lives.
"""

from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec

from ossicle.core.endpoint import Desk, Request, Response
from ossicle.core.errors import Denied, OssicleError, Overloaded, Refused

from .credentials import credential_in

__all__ = [
    "LegacyTokenAsked",
    "LegacyTokenGiven",
    "TokenAsked",
    "TokenGiven",
    "TokenRefused",
    "legacy_token",
    "v3_token",
]


class TokenAsked(msgspec.Struct, frozen=True):
    """What `/v3/token` is asked."""

    expires_in_seconds: Annotated[int, msgspec.Meta(ge=1, le=600)]
    max_session_duration_seconds: Annotated[int, msgspec.Meta(ge=60, le=10_800)] | None = None


class TokenGiven(msgspec.Struct, frozen=True):
    """What `/v3/token` answers."""

    token: str
    expires_in_seconds: int


class LegacyTokenAsked(msgspec.Struct, frozen=True):
    """What `/v2/realtime/token` is asked."""

    expires_in: Annotated[int, msgspec.Meta(ge=60, le=360_000)]


class LegacyTokenGiven(msgspec.Struct, frozen=True):
    """What `/v2/realtime/token` answers."""

    token: str


class TokenRefused(msgspec.Struct, frozen=True):
    """Why there is none."""

    error: str


async def v3_token(request: Request, desk: Desk) -> Response:
    """`?expires_in_seconds=` 1-600, `max_session_duration_seconds=` 60-10800."""
    try:
        asked = _read(lambda: msgspec.convert(dict(request.query), TokenAsked, strict=False))
        credential = credential_in(request.header, lambda _: "")
        most = asked.max_session_duration_seconds
        limits = {} if most is None else {"session_s": most}
        minted = await desk.mint(credential, asked.expires_in_seconds, limits, once=True)
    except OssicleError as error:
        return _refusal(error)
    return _json(200, TokenGiven(minted.token, asked.expires_in_seconds))


async def legacy_token(request: Request, desk: Desk) -> Response:
    """A JSON body with `expires_in`, 60-360000 seconds."""
    try:
        asked = _read(lambda: msgspec.json.decode(request.body, type=LegacyTokenAsked))
        credential = credential_in(request.header, lambda _: "")
        minted = await desk.mint(credential, asked.expires_in)
    except OssicleError as error:
        return _refusal(error)
    return _json(200, LegacyTokenGiven(minted.token))


_Read = TypeVar("_Read")


def _read(read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise Refused(f"{str(error)[:160]}", code="bad_option") from error


def _refusal(error: OssicleError) -> Response:
    fault = error.fault()
    again = (("retry-after", str(fault.wait_s)),) if fault.retryable else ()
    return _json(_status(error), TokenRefused(fault.text), again)


def _status(error: OssicleError) -> int:
    match error:
        case Denied():
            return 403 if error.code == "forbidden" else 401
        case Refused():
            return 400
        case Overloaded():
            return 429
        case _:
            return 500


def _json(status: int, body: msgspec.Struct, more: tuple[tuple[str, str], ...] = ()) -> Response:
    headers = (("content-type", "application/json"), ("cache-control", "no-store"), *more)
    return Response(status, headers, msgspec.json.encode(body))
