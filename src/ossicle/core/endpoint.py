"""Plain HTTP beside sessions: token grants, call control, whatever is one question and one answer.

    async def grant(request: Request, desk: Desk) -> Response:
        minted = await desk.mint(bearer(request), ttl_s=30)
        return Response(body=encode(minted))

A dialect writes its endpoints against these values; the gateway binds them to a path. Audio never
comes this way: what carries audio is a session, unary calls included (contracts M24).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

__all__ = ["Desk", "Endpoint", "Minted", "Request", "Response"]


class Request(msgspec.Struct, frozen=True):
    """An HTTP request whose body has been read whole (bounded by the gateway)."""

    method: str = "GET"
    path: str = "/"
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, in the client's order."""
    body: bytes = b""
    peer: str = ""
    """`address:port` of the client."""
    secure: bool = False
    """It came over TLS."""

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), default)

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)


class Response(msgspec.Struct, frozen=True):
    """The whole answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Minted(msgspec.Struct, frozen=True):
    """A token that ends by itself."""

    token: str
    """Letters, digits, `.`, `-` and `_` only: legal as a WebSocket subprotocol."""
    expires_in_s: float
    """Seconds from now."""
    expires_at: float
    """The same moment, in seconds of the epoch."""


class Desk(Protocol):
    """What an endpoint may ask of the gateway."""

    async def owner(self, credential: str | None) -> str:
        """Whose key or token this is; "" while keys are off.

        Raises:
            Denied: none was given, it is not known, or it is over.
        """
        ...

    async def mint(
        self,
        credential: str | None,
        ttl_s: float,
        limits: Mapping[str, Any] | None = None,
        *,
        once: bool = False,
    ) -> Minted:
        """A token for the owner of a key, good wherever a key is.

        Args:
            credential: the key.
            ttl_s: how long it lives.
            limits: of the token, by the gateway's names for them; none above the key's.
            once: it opens one session.

        Raises:
            Denied: as `owner`, or the credential is a token itself: tokens mint no tokens.
            Refused: the time or a limit is out of bounds.
        """
        ...

    async def find(self, credential: str | None, session: str) -> str:
        """The id of a session of the credential's owner, by one of its names.

        Raises:
            Denied: as `owner`, or it is somebody else's.
            Refused: there is none.
        """
        ...

    async def end(self, credential: str | None, session: str) -> None:
        """End a session of the credential's owner, by its id or one of its names.

        Raises:
            Denied: as `owner`, or it is somebody else's.
            Refused: there is none.
        """
        ...

    def secret(self, name: str) -> bytes | None:
        """A secret that verifies a signature, by name; None = none is configured."""
        ...


Endpoint: TypeAlias = Callable[[Request, Desk], Awaitable[Response]]
