"""Where a Riva client puts its key: metadata `authorization: Bearer KEY`. Over TLS the SDK sends
each pair twice; the first counts. `function-id` and the like say nothing a gateway needs."""

from ossicle.core.wire import Opening

__all__ = ["credential_of"]


def credential_of(opening: Opening) -> str | None:
    """The key or token as it was sent; None = none."""
    scheme, _, value = opening.header("authorization").strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None
