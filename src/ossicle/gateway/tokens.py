"""Resume tokens: `NODE.SESSION.SECRET`. The node is there so that a load balancer can route."""

import hmac
import secrets
from typing import NamedTuple

from ossicle.core.errors import ResumeFailed

__all__ = ["Token", "mint", "parse", "same"]


class Token(NamedTuple):
    """A token taken apart."""

    node: str
    session: str
    secret: str


def mint(node: str, session: str) -> str:
    """A new token for a session."""
    return f"{node}.{session}.{secrets.token_urlsafe(18)}"


def parse(text: str) -> Token:
    """Take a token apart.

    Raises:
        ResumeFailed: it has not the form of one.
    """
    parts = text.rsplit(".", 2)  # a node may be named with dots, the others never are
    if len(parts) != 3 or not all(parts) or len(text) > 200:
        raise ResumeFailed("this is not a resume token; use the one from `began`")
    return Token(*parts)


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a client may send anything
