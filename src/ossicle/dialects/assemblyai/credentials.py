"""Where an AssemblyAI client puts its key: bare in `Authorization`, or a token in the query.

Reading it is the dialect's job, the verdict the gateway's.
"""

from collections.abc import Callable

from ossicle.core.wire import Opening

__all__ = ["credential_in", "credential_of", "in_url"]


def credential_of(opening: Opening) -> str | None:
    """The key or token of an opening; None = none."""
    return credential_in(opening.header, opening.param)


def in_url(opening: Opening) -> bool:
    """Whether that stands in the URL, where the vendor takes temporary tokens only."""
    apart = credential_in(opening.header, lambda _name: "")
    return apart is None and bool(opening.param("token"))


def credential_in(header: Callable[[str], str], param: Callable[[str], str]) -> str | None:
    """The same of anything with headers and a query. The vendor takes the bare key; some clients
    put a scheme before it out of habit."""
    value = header("authorization").strip()
    scheme, _, rest = value.partition(" ")
    if rest and scheme.lower() == "bearer":
        value = rest.strip()
    return value or param("token") or None
