"""Where a Google client puts its key: metadata `x-goog-api-key`, or a bearer token.

Reading it is the dialect's job, the verdict the gateway's. Other metadata of theirs (user project,
client versions, routing) says nothing a gateway needs.
"""

from ossicle.core.wire import Opening

__all__ = ["by_key", "credential_of"]


def credential_of(opening: Opening) -> str | None:
    """The key or token as it was sent; None = none."""
    if key := opening.header("x-goog-api-key").strip():
        return key
    scheme, _, value = opening.header("authorization").strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return None


def by_key(opening: Opening) -> bool:
    """It was an API key: a wrong one is answered differently from a wrong token."""
    return bool(opening.header("x-goog-api-key").strip())
