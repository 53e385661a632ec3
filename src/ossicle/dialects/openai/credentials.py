"""Where an OpenAI client puts its key, which subprotocol the answer must name, and what a secret
made here carries.

`Authorization: Bearer KEY`, or from a browser `Sec-WebSocket-Protocol: realtime,
openai-insecure-api-key.KEY`: then `realtime` has to be selected, and never the key (wire note,
section 1).

An ephemeral key is `ek_TOKEN`, or `ek_TOKEN.SESSION` where the session that was asked for goes
along in base64url. It is no secret to its bearer, who may change the session anyway.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from ossicle.core.wire import Opening

__all__ = [
    "credential_in",
    "credential_of",
    "ephemeral",
    "is_beta",
    "session_in",
    "subprotocol_of",
    "token_in",
]

_KEY = "openai-insecure-api-key."
_BETA = "openai-beta.realtime-v1"
_EPHEMERAL = "ek_"
_PARTS = 3
"""Parts of a minted token, by dots."""


def credential_of(opening: Opening) -> str | None:
    """The key or token as it was sent, an ephemeral key without its session; None = none."""
    given = credential_in(opening.headers)
    return None if given is None else token_in(given)


def credential_in(headers: Iterable[tuple[str, str]]) -> str | None:
    """The same as it was sent. Names in lower case."""
    held = tuple(headers)
    given = next((value for name, value in held if name == "authorization"), "").strip()
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    for item in _items(held):
        if item.startswith(_KEY) and len(item) > len(_KEY):
            return item[len(_KEY) :]
    return None


def is_beta(opening: Opening) -> bool:
    """The client asks for the shapes of the beta. A call over WebRTC asks by its path: a browser's
    offer has no such header there (wire note, section 12)."""
    if opening.traits.media and opening.path == "/v1/realtime":
        return True
    if "realtime=v1" in opening.header("openai-beta").replace(" ", ""):
        return True
    return _BETA in _items(opening.headers)


def subprotocol_of(opening: Opening) -> str:
    """The one to select: browsers and Node's own WebSocket drop a connection without."""
    offered = _items(opening.headers)
    return "realtime" if "realtime" in offered else ""


def ephemeral(token: str, session: dict[str, Any] | None) -> str:
    """A key for a browser."""
    if not session:
        return _EPHEMERAL + token
    packed = base64.urlsafe_b64encode(msgspec.json.encode(session)).rstrip(b"=").decode()
    return f"{_EPHEMERAL}{token}.{packed}"


def token_in(credential: str) -> str:
    """What the gateway judges of a credential."""
    if not credential.startswith(_EPHEMERAL):
        return credential
    return ".".join(credential[len(_EPHEMERAL) :].split(".")[:_PARTS])


def session_in(credential: str | None) -> dict[str, Any]:
    """The session that an ephemeral key carries; empty = none, or nothing that can be read."""
    if credential is None or not credential.startswith(_EPHEMERAL):
        return {}
    parts = credential[len(_EPHEMERAL) :].split(".")[_PARTS:]
    if len(parts) != 1:
        return {}
    try:
        packed = parts[0].encode("ascii")
        data = base64.b64decode(packed + b"=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        held: Any = msgspec.json.decode(data)
    except (UnicodeError, binascii.Error, msgspec.MsgspecError, RecursionError):
        return {}
    return cast("dict[str, Any]", held) if isinstance(held, dict) else {}


def _items(headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    values = (value for name, value in headers if name == "sec-websocket-protocol")
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())
