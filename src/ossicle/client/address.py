"""Where a gateway is, as people write it.

>>> address("localhost:8080", "websocket")
'ws://localhost:8080'
>>> address("https://speech.example/v1/stream", "websocket")
'wss://speech.example/v1/stream'
"""

from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from ossicle.core.errors import Refused

__all__ = ["DEFAULT_RPC_URL", "DEFAULT_URL", "Choice", "Wire", "address", "places", "wire_of"]

Wire: TypeAlias = Literal["websocket", "http", "http2", "grpc", "mux"]
Choice: TypeAlias = Literal["auto", "websocket", "http", "http2", "grpc", "mux"]
"""A wire, or the best that gets through."""

DEFAULT_URL = "http://localhost:8080"
"""Where `ossicle serve` listens unless told otherwise."""
DEFAULT_RPC_URL = "grpc://localhost:50051"
"""And where for gRPC."""

_SCHEMES: dict[Wire, tuple[str, str]] = {
    "websocket": ("ws", "wss"),
    "http": ("http", "https"),
    "http2": ("http", "https"),
    "grpc": ("grpc", "grpcs"),
    "mux": ("ws", "wss"),
}
_PORTS = {"http": 80, "ws": 80, "grpc": 50_051, "https": 443, "wss": 443, "grpcs": 50_052}
_SECURE = {"http": 0, "ws": 0, "grpc": 0, "https": 1, "wss": 1, "grpcs": 1}


def address(url: str, wire: Wire) -> str:
    """The URL for a wire, from one of any: http, https, ws, wss, grpc, grpcs, or none. gRPC takes
    several places, separated by commas.

    Raises:
        Refused: another scheme, no host, or a port that is none.
    """
    if "://" not in url:
        url = "http://" + url
    parts = urlsplit(url)
    secure = _SECURE.get(parts.scheme.lower())
    if secure is None or not all(_usable(place) for place in _places(parts.netloc, wire)):
        raise Refused(
            "the URL of a gateway is http(s)://host:port, ws(s)://host:port or "
            "grpc(s)://host:port, with or without /v1/stream",
            code="bad_request",
        )
    return urlunsplit((_SCHEMES[wire][secure], parts.netloc, parts.path, parts.query, ""))


def wire_of(url: str, wire: Choice) -> Choice:
    """The wire that a URL names by its scheme, where it is one that has only that: gRPC."""
    return "grpc" if url.partition("://")[0].lower() in {"grpc", "grpcs"} else wire


def places(url: str) -> list[tuple[str, str, int]]:
    """Scheme, host and port of each place in a URL that `address` made."""
    parts = urlsplit(url)
    wire: Wire = "grpc" if parts.scheme in _SCHEMES["grpc"] else "http"
    found: list[tuple[str, str, int]] = []
    for each in _places(parts.netloc, wire):
        place = urlsplit(f"//{each}")
        port = place.port or _PORTS[parts.scheme]
        found.append((parts.scheme, place.hostname or "", port))
    return found


def _places(netloc: str, wire: Wire) -> list[str]:
    return netloc.split(",") if wire == "grpc" else [netloc]


def _usable(place: str) -> bool:
    try:
        parts = urlsplit(f"//{place}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
