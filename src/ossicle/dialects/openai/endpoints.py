"""Plain HTTP beside `/v1/realtime`: keys for browsers.

    POST /v1/realtime/client_secrets                 a key that ends by itself
    POST /v1/realtime/sessions                       the same in the beta's shape
    POST /v1/realtime/transcription_sessions         likewise

A secret opens any number of sessions until it ends; a session that runs outlives it.
"""

from typing import Annotated, Any, Literal, TypeAlias
from uuid import uuid4

import msgspec

from ossicle.core.endpoint import Desk, Minted, Request, Response
from ossicle.core.errors import BadMessage, OssicleError, Refused

from .beta import beta_session, ga_session
from .credentials import credential_in, ephemeral, token_in
from .errors import error_body, headers_of, request_headers, status
from .settings import Settings, shown, updated

__all__ = [
    "ClientSecret",
    "ExpiresAfter",
    "SecretAsked",
    "beta_secret",
    "client_secret",
]

Json: TypeAlias = dict[str, Any]

DEFAULT_S = 600
_MOST_SESSION = 6_000
"""Bytes of a session that a key can carry: keys travel in headers."""


class ExpiresAfter(msgspec.Struct, frozen=True):
    """How long a secret lives."""

    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] = DEFAULT_S
    anchor: Literal["created_at"] = "created_at"


class SecretAsked(msgspec.Struct, frozen=True):
    """The body of a request."""

    expires_after: ExpiresAfter | None = None
    session: Json | None = None


class ClientSecret(msgspec.Struct, frozen=True):
    """The answer."""

    value: str
    """`ek_…`; good wherever a key is."""
    expires_at: int
    """Seconds of the epoch."""
    session: Json
    """What it opens, whole."""


async def client_secret(request: Request, desk: Desk) -> Response:
    """A key for a browser, with the session it opens."""
    try:
        asked = _decoded(request.body)
        life = asked.expires_after or ExpiresAfter()
        given = asked.session or {}
        settings = _settings(given)
        minted = await _minted(request, desk, life.seconds)
        secret = ephemeral(minted.token, _carried(given))
    except OssicleError as error:
        return _refused(error)
    expires = int(minted.expires_at)
    session = shown(settings, f"sess_{uuid4().hex}", 0)
    return _answer(ClientSecret(secret, expires, session))


async def beta_secret(request: Request, desk: Desk) -> Response:
    """The same in the beta's shape: the session, with its secret inside."""
    transcribes = request.path.endswith("/transcription_sessions")
    kind: Literal["realtime", "transcription"] = "transcription" if transcribes else "realtime"
    try:
        body = _json(request.body)
        given = ga_session(body, Settings(type=kind))
        settings = _settings(given)
        minted = await _minted(request, desk, 60)
        secret = ephemeral(minted.token, _carried(given))
    except OssicleError as error:
        return _refused(error)
    expires = int(minted.expires_at)
    session = beta_session(shown(settings, f"sess_{uuid4().hex}", 0))
    return _answer({**session, "client_secret": {"value": secret, "expires_at": expires}})


async def _minted(request: Request, desk: Desk, seconds: int) -> Minted:
    credential = credential_in(request.headers)
    return await desk.mint(None if credential is None else token_in(credential), seconds)


def _settings(given: Json) -> Settings:
    kind = given.get("type", "realtime")
    settings = Settings(type="transcription" if kind == "transcription" else "realtime")
    return updated(settings, given)


def _carried(given: Json) -> Json:
    size = len(msgspec.json.encode(given))
    if size > _MOST_SESSION:
        raise Refused(
            f"the session is {size} bytes as JSON; a key carries {_MOST_SESSION}: send the rest in "
            "a session.update",
            code="too_large",
        )
    return given


def _decoded(body: bytes) -> SecretAsked:
    try:
        return msgspec.json.decode(body or b"{}", type=SecretAsked)
    except msgspec.ValidationError as error:
        raise BadMessage(str(error)) from error
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage("the body is not a JSON object") from error


def _json(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage("the body is not a JSON object") from error


def _answer(body: object) -> Response:
    headers = (
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        *request_headers(str(uuid4())),
    )
    return Response(200, headers, msgspec.json.encode(body))


def _refused(error: OssicleError) -> Response:
    fault = error.fault()
    return Response(status(fault), headers_of(fault, str(uuid4())), error_body(fault))
