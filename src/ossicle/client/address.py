"""Where a gateway is, as people write it.

>>> address("localhost:8080", "websocket")
'ws://localhost:8080'
>>> address("https://speech.example/v1/stream", "websocket")
'wss://speech.example/v1/stream'
"""

from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from ossicle.core.errors import Refused

__all__ = ["DEFAULT_URL", "Wire", "address"]

Wire: TypeAlias = Literal["websocket", "http"]

DEFAULT_URL = "http://localhost:8080"
"""Where `ossicle serve` listens unless told otherwise."""

_SCHEMES: dict[Wire, tuple[str, str]] = {"websocket": ("ws", "wss"), "http": ("http", "https")}


def address(url: str, wire: Wire) -> str:
    """The URL for a wire, from one of any: http, https, ws, wss, or none.

    Raises:
        Refused: another scheme, no host, or a port that is none.
    """
    if "://" not in url:
        url = "http://" + url
    parts = urlsplit(url)
    secure = {"http": 0, "ws": 0, "https": 1, "wss": 1}.get(parts.scheme.lower())
    try:
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if secure is None or not usable:
        raise Refused(
            "the URL of a gateway is http(s)://host:port or ws(s)://host:port, with or without "
            "/v1/stream",
            code="bad_request",
        )
    return urlunsplit((_SCHEMES[wire][secure], parts.netloc, parts.path, parts.query, ""))
