"""Metadata of a call as headers, and back.

    headers_of((("x-goog-api-key", "K"), ("trace-bin", b"\\x01")))
    -> (("x-goog-api-key", "K"), ("trace-bin", "AQ"))

Values of names that end in `-bin` are bytes; as headers they stand as on the wire, in base64
without padding (gRPC over HTTP/2, "Custom-Metadata").
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["headers_of", "metadata_of", "peer_of", "timeout_header"]

_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_MOST_DIGITS = 99_999_999


def headers_of(metadata: Iterable[Any] | None) -> tuple[tuple[str, str], ...]:
    """What came, as pairs of strings."""
    return tuple((str(name), _text(value)) for name, value in metadata or ())


def metadata_of(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str | bytes], ...]:
    """What may go out. grpc ends a call whose metadata it cannot spell, so names and values that
    are no metadata are left out, and so are grpc's own."""
    out: list[tuple[str, str | bytes]] = []
    for given, value in headers:
        name = given.lower()
        if not _NAME.fullmatch(name) or name.startswith("grpc-"):
            continue
        if name.endswith("-bin"):
            try:
                out.append((name, base64.b64decode(value + "=" * (-len(value) % 4), validate=True)))
            except (ValueError, binascii.Error):
                continue
        elif _VALUE.fullmatch(value):
            out.append((name, value))
    return tuple(out)


def timeout_header(seconds: float | None) -> tuple[tuple[str, str], ...]:
    """`grpc-timeout` as the client sent it, give or take a millisecond; grpc keeps it to itself."""
    if seconds is None:
        return ()
    ms = max(0, round(seconds * 1000))
    return (
        ("grpc-timeout", f"{ms}m" if ms <= _MOST_DIGITS else f"{min(ms // 1000, _MOST_DIGITS)}S"),
    )


def peer_of(target: str) -> str:
    """`address:port` from grpc's `ipv4:…`, `ipv6:%5B::1%5D:…` or `unix:…`."""
    kind, _, rest = target.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return target
    return rest.replace("%5B", "[").replace("%5D", "]").replace("%25", "%")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode().rstrip("=")
    return str(value)
