"""Where a native client may put its key: a header, a subprotocol (browsers can set no header on a
WebSocket), or the query (tokens that end soon; the gateway refuses a key from there). Reading it
is the dialect's job, the verdict the gateway's."""

from ossicle.core.wire import Opening

__all__ = ["SUBPROTOCOL", "credential_of", "in_url", "key_of", "offered"]

SUBPROTOCOL = "ossicle.v1"


def offered(opening: Opening) -> tuple[str, ...]:
    """Subprotocols the client offers, in its order."""
    values = (value for name, value in opening.headers if name == "sec-websocket-protocol")
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())


def key_of(opening: Opening) -> str | None:
    """The key or token in the metadata of a call; `x-goog-api-key` for clients that know Google's
    services. None = none."""
    scheme, _, value = opening.header("authorization").partition(" ")
    if value and scheme.lower() in {"bearer", "token"}:
        return value.strip()
    return opening.header("x-api-key") or opening.header("x-goog-api-key") or None


def credential_of(opening: Opening) -> str | None:
    """The key or token as it was sent; None = none."""
    return _apart(opening) or opening.param("token") or None


def in_url(opening: Opening) -> bool:
    """Whether that stands in the URL."""
    return _apart(opening) is None and bool(opening.param("token"))


def _apart(opening: Opening) -> str | None:
    scheme, _, value = opening.header("authorization").partition(" ")
    if value and scheme.lower() in {"bearer", "token"}:
        return value.strip()
    protocols = offered(opening)
    for place, item in enumerate(protocols[:-1]):
        if item == "token":
            return protocols[place + 1]
    return None
