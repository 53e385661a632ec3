"""How a stream gets a channel: the wires that fulfil `core.ports.Dial`.

A wire of your own is a function: `await dial(opening, receiver)` connects, makes the receiver of
the channel with `receiver(channel)`, and returns the channel. It raises an `OssicleError` when
nobody answers. Transports are imported where they are used.
"""

import functools
import os
import ssl as tls
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ossicle.core.errors import MissingExtra, Refused
from ossicle.core.ports import Channel, Dial, Receiver
from ossicle.core.wire import Opening
from ossicle.transports.tunnel import Proxy

from .address import Wire, address, places
from .proxies import Through, through

__all__ = ["Dial", "dialer", "trust"]


def trust(ca: str | Path | None, *, shared: bool = True) -> tls.SSLContext | None:
    """Certificates to believe: the platform's, and those of `ca` (a PEM file). None = the
    platform's. `shared`: who trusts the same file gets the same context; not for a wire that
    changes it.

    Raises:
        Refused: the file cannot be read, or holds no certificate.
    """
    if ca is None:
        return None
    path = Path(ca).expanduser()
    try:
        make = _trust if shared else _trust.__wrapped__
        return make(str(path), path.stat().st_mtime_ns)
    except (OSError, tls.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise Refused(
            f"no certificate can be read from {path}: {reason}; `ossicle certs` prints the path "
            "of the gateway's own CA"
        ) from error


@functools.lru_cache(maxsize=16)
def _trust(path: str, _changed_ns: int) -> tls.SSLContext:
    """One context for a file as it is: what is shared is shared by who trusts the same."""
    context = tls.create_default_context()
    context.load_verify_locations(cafile=path)
    return context


def dialer(
    url: str,
    wire: Wire,
    *,
    ca: str | Path | None = None,
    proxy: Through = None,
    timeout_s: float = 10.0,
    at: str = "",
) -> Dial:
    """The way to a gateway over a wire.

    Args:
        url: where it is.
        wire: how to get there.
        ca: PEM file of a CA to believe besides the platform's.
        proxy: a proxy's URL; None = as the environment says, False = directly.
        timeout_s: until there has to be a connection.
        at: one address of the name in the URL (WebSocket only); empty = any.

    Raises:
        Refused: a URL that is none, a wire that is not known, a CA that cannot be read, or a proxy
            that is none.
    """
    connects = _CONNECTS.get(wire)
    if connects is None:
        raise Refused(f"transport {wire!r} is not known; use {', '.join(_CONNECTS)} or auto")
    where, context = address(url, wire), trust(ca, shared=wire != "http2")
    found = places(where)
    via = through(proxy, *found[0], os.environ)
    if via is not None and len(found) > 1:
        raise Refused(
            "a proxy and several addresses do not go together: name one host, or say proxy=False "
            "(NO_PROXY)",
            code="bad_option",
        )
    connect = connects()
    if at and wire == "websocket":
        connect = _at(at)

    async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        return await connect(
            opening, receiver, url=where, ssl=context, timeout=timeout_s, proxy=via
        )

    return dial


class _Connect(Protocol):
    """What the client side of every transport has."""

    async def __call__(
        self,
        opening: Opening,
        receiver_factory: Callable[[Channel], Receiver],
        *,
        url: str,
        ssl: tls.SSLContext | None,
        timeout: float,  # noqa: ASYNC109  the transports' own name
        proxy: Proxy | None,
    ) -> Channel: ...


def _at(address: str) -> _Connect:
    """A WebSocket to one address of a name."""
    from ossicle.transports.websocket.client import connect  # noqa: PLC0415  heavy, may be unused

    return functools.partial(connect, address=address)


def _websocket() -> _Connect:
    from ossicle.transports.websocket.client import connect  # noqa: PLC0415  heavy, may be unused

    return connect


def _http() -> _Connect:
    from ossicle.transports.http.client import connect  # noqa: PLC0415  heavy, may be unused

    return connect


def _http2() -> _Connect:
    from ossicle.transports.http2.client import connect  # noqa: PLC0415  heavy, may be unused

    return connect


def _grpc() -> _Connect:
    try:
        from ossicle.transports.grpc.client import connect  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise MissingExtra("gRPC is not installed; pip install 'ossicle[grpc]'") from error

    return connect


def _mux() -> _Connect:
    from .sharing import connect  # noqa: PLC0415  heavy, may be unused

    return connect


_CONNECTS: dict[str, Callable[[], _Connect]] = {
    "websocket": _websocket,
    "http": _http,
    "http2": _http2,
    "grpc": _grpc,
    "mux": _mux,
}
