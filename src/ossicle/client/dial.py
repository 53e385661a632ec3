"""How a stream gets a channel: the wires that fulfil `core.ports.Dial`.

A wire of your own is a function: `await dial(opening, receiver)` connects, makes the receiver of
the channel with `receiver(channel)`, and returns the channel. It raises an `OssicleError` when
nobody answers. Transports are imported where they are used.
"""

import ssl as tls
from collections.abc import Callable
from pathlib import Path

from ossicle.core.errors import MissingExtra, Refused
from ossicle.core.ports import Channel, Dial, Receiver
from ossicle.core.wire import Opening

from .address import Wire, address

__all__ = ["Dial", "dialer", "trust"]


def trust(ca: str | Path | None) -> tls.SSLContext | None:
    """Certificates to believe: the platform's, and those of `ca` (a PEM file). None = the
    platform's.

    Raises:
        Refused: the file cannot be read, or holds no certificate.
    """
    if ca is None:
        return None
    path = Path(ca).expanduser()
    try:
        context = tls.create_default_context()
        context.load_verify_locations(cafile=str(path))
    except (OSError, tls.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise Refused(
            f"no certificate can be read from {path}: {reason}; `ossicle certs` prints the path "
            "of the gateway's own CA"
        ) from error
    return context


def dialer(
    url: str,
    wire: Wire,
    *,
    ca: str | Path | None = None,
    timeout_s: float = 10.0,
    at: str = "",
) -> Dial:
    """The way to a gateway over a wire.

    Args:
        url: where it is.
        wire: how.
        ca: PEM file of a CA to believe besides the platform's.
        timeout_s: how long it may take.
        at: one address of the name in the URL (WebSocket only); empty = any.

    Raises:
        Refused: a URL that is none, a wire that is not known, or a CA that cannot be read.
    """
    if wire not in {"websocket", "http", "http2", "grpc"}:
        raise Refused(f"transport {wire!r} is not known; use websocket, http, http2 or grpc")
    where, context = address(url, wire), trust(ca)
    if wire == "http":
        return _http(where, context, timeout_s)
    if wire == "http2":
        return _http2(where, context, timeout_s)
    if wire == "grpc":
        return _grpc(where, context, timeout_s)
    return _websocket(where, context, timeout_s, at)


def _websocket(url: str, context: tls.SSLContext | None, timeout_s: float, at: str) -> Dial:
    from ossicle.transports.websocket.client import connect  # noqa: PLC0415  heavy, may be unused

    async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        return await connect(opening, receiver, url=url, ssl=context, timeout=timeout_s, address=at)

    return dial


def _http(url: str, context: tls.SSLContext | None, timeout_s: float) -> Dial:
    from ossicle.transports.http.client import connect  # noqa: PLC0415  heavy, may be unused

    async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        return await connect(opening, receiver, url=url, ssl=context, timeout=timeout_s)

    return dial


def _http2(url: str, context: tls.SSLContext | None, timeout_s: float) -> Dial:
    from ossicle.transports.http2.client import connect  # noqa: PLC0415  heavy, may be unused

    async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        return await connect(opening, receiver, url=url, ssl=context, timeout=timeout_s)

    return dial


def _grpc(url: str, context: tls.SSLContext | None, timeout_s: float) -> Dial:
    try:
        from ossicle.transports.grpc.client import connect  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise MissingExtra("gRPC is not installed; pip install 'ossicle[grpc]'") from error

    async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        return await connect(opening, receiver, url=url, ssl=context, timeout=timeout_s)

    return dial
