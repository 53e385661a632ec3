"""Where a Deepgram client puts its key, and which subprotocol the answer must name.

`Authorization: Token KEY` or `Bearer JWT`, the scheme in any case (the Python SDK sends lower-case
`bearer`); or, from a browser, the item after `token` or `bearer` in `Sec-WebSocket-Protocol`.
Reading it is the dialect's job, the verdict the gateway's.

    Accept(subprotocol=subprotocol_of(opening))
"""

from collections.abc import Iterable

from ossicle.core.wire import Opening

__all__ = ["credential_in", "credential_of", "headers_with", "offered", "subprotocol_of"]

_SCHEMES = frozenset({"token", "bearer"})


def credential_of(opening: Opening) -> str | None:
    """The key or token as it was sent; None = none."""
    return credential_in(opening.headers)


def credential_in(headers: Iterable[tuple[str, str]]) -> str | None:
    """The same for an HTTP request that is no session. Names in lower case."""
    held = tuple(headers)
    given = next((value for name, value in held if name == "authorization"), "").strip()
    scheme, _, value = given.partition(" ")
    if value.strip() and scheme.lower() in _SCHEMES:
        return value.strip()
    # the Python SDK's connect(authorization=...) sends any value as it is, a bare key too
    if given and not value and scheme.lower() not in _SCHEMES:
        return given
    protocols = _items(held)
    for place, item in enumerate(protocols[:-1]):
        if item.lower() in _SCHEMES:
            return protocols[place + 1]
    return None


def headers_with(credential: str | None) -> tuple[tuple[str, str], ...]:
    """The headers by which a client of ours gives its key."""
    return (("authorization", f"Token {credential}"),) if credential else ()


def offered(opening: Opening) -> tuple[str, ...]:
    """Subprotocols the client offers, in its order."""
    return _items(opening.headers)


def subprotocol_of(opening: Opening) -> str:
    """The one to select: a client that offered some fails its handshake when none is. Never the
    key, which stands behind `token` or `bearer`."""
    protocols = offered(opening)
    for item in protocols:
        if item.lower() in _SCHEMES:
            return item
    return protocols[0] if protocols else ""


def _items(headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    values = (value for name, value in headers if name == "sec-websocket-protocol")
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())
