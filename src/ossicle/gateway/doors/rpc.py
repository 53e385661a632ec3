"""The gRPC doors: one grpc.aio server on a plaintext and a TLS port, with health and reflection.

    doors = rpc_doors(house, settings, tls)       # ports are bound
    doors.urls                                    # {"grpc": "grpc://localhost:50051", ...}
    await doors.start()
    await doors.run()                             # keeps health and certificate, until cancelled
    await doors.stop(grace_s=30)                  # GOAWAY; calls may finish

grpc is an extra: it is imported here, inside functions, and `rpc_doors` says in one line what is
missing. grpc keeps threads of its own; the gateway never forks by itself (engines start theirs
as programs), so its fork handlers stay off.
"""

import asyncio
import ipaddress
import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ossicle.core.errors import MissingExtra
from ossicle.core.ports import Acceptor
from ossicle.core.probing import GRPC_METHODS

from ..configuration.settings import GatewaySettings
from ..house import House
from .bind import BINDINGS, Binding, router
from .certificates import ReloadingContext

if TYPE_CHECKING:
    from ossicle.transports.grpc.server import Kind

__all__ = ["CORE", "RpcDoors", "methods_of", "rpc_doors", "services_of", "wants_tls"]

log = logging.getLogger("ossicle.gateway")

_LOOK_EVERY_S = 0.1
CORE = {
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "NONE",
    "GRPC_EXPERIMENTS": "-event_engine_listener",
}
"""What grpc's core reads when it starts, unless the environment says otherwise. Its fork handlers
stay off, and it does not write to stderr by itself (a taken port and a bad handshake are errors to
it; we say what matters). Connections are read by the thread that waits for calls instead of handed
to it by another: a message costs a sixth less (docs/explanation/grpc.md)."""
_USUAL = {name: getattr(GatewaySettings(), name) for name in ("grpc_port", "grpc_tls_port")}


def methods_of(bindings: Iterable[Binding] = BINDINGS) -> "dict[str, Kind]":
    """The table of the gRPC door: full paths, and whether a call streams or asks once."""
    return {
        each.path: "unary" if "unary" in each.methods else "stream"
        for each in bindings
        if each.transport == "grpc"
    }


def services_of(methods: Iterable[str]) -> list[str]:
    """Their services, as health and reflection name them."""
    return sorted({path.split("/")[1] for path in methods})


def wants_tls(settings: GatewaySettings) -> bool:
    """Whether a gRPC door needs the certificate."""
    number = settings.grpc_tls_port
    usual = number == _USUAL["grpc_tls_port"]
    return number is not None and (not usual or settings.tls_port is not None)


def rpc_doors(
    house: House,
    settings: GatewaySettings,
    tls: ReloadingContext | None,
    beside: Callable[[Acceptor], Acceptor] = lambda acceptor: acceptor,
) -> "RpcDoors | None":
    """Bind the ports that are wanted. None when none is, or the extra is not installed, which
    one line of the log says.

    Raises:
        OSError: a port that is not the usual one is taken.
    """
    wanted = {
        "grpc": settings.grpc_port,
        "grpcs": settings.grpc_tls_port if wants_tls(settings) else None,
    }
    if all(number is None for number in wanted.values()):
        return None
    try:
        doors = RpcDoors(house, settings, beside)
    except MissingExtra as error:
        log.warning("no gRPC door: %s", error)
        return None
    for scheme, number in wanted.items():
        if number is None:
            continue
        try:
            doors.listen(scheme, number, tls if scheme == "grpcs" else None)
        except OSError as error:
            if number not in _USUAL.values():
                raise
            log.warning("gRPC stays closed: %s (--grpc-port 0 takes any free one)", error)
    return doors if doors.urls else None


class RpcDoors:
    """One server and its ports."""

    def __init__(
        self,
        house: House,
        settings: GatewaySettings,
        beside: Callable[[Acceptor], Acceptor] = lambda acceptor: acceptor,
    ) -> None:
        for name, value in CORE.items():
            os.environ.setdefault(name, value)
        try:
            from ossicle.transports.grpc.server import GrpcServer  # noqa: PLC0415  an extra

            from .reflection import add_reflection  # noqa: PLC0415
            from .rpchealth import Health  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"{error.name} is not installed; pip install 'ossicle[grpc]'"
            ) from error
        self._house = house
        self._host = settings.host
        self._tls: ReloadingContext | None = None
        self._served: tuple[bytes, bytes] | None = None
        methods = methods_of() | GRPC_METHODS
        services = services_of(methods)
        self.urls: dict[str, str] = {}
        """Scheme -> `scheme://host:port` of the doors that are open."""
        self.ports: dict[str, int] = {}
        """The same, by the names of their settings."""
        self.server = GrpcServer(
            beside(router(house, "grpc")), methods, settings.grpc, shared_port=settings.take_over
        )
        self._health = Health(self.server.server, services)
        add_reflection(self.server.server, services)

    def listen(self, scheme: str, number: int, tls: ReloadingContext | None) -> None:
        """Open a port.

        Raises:
            OSError: it is taken.
        """
        credentials = None
        if tls is not None:
            self._tls = tls
            credentials = self._credentials(tls)
        port = self.server.listen(f"{_host(self._host)}:{number}", credentials)
        self.urls[scheme] = f"{scheme}://{_shown(self._host)}:{port}"
        self.ports["grpc_port" if tls is None else "grpc_tls_port"] = port

    def _credentials(self, tls: ReloadingContext) -> Any:
        import grpc  # noqa: PLC0415

        def configuration(pem: tuple[bytes, bytes]) -> Any:
            chain, key = pem
            return grpc.ssl_server_certificate_configuration([(key, chain)])

        def newer() -> Any:
            """Asked by grpc, on a thread of its own, at every handshake."""
            pem = tls.pem
            if pem is self._served:
                return None
            self._served = pem
            return configuration(pem)

        self._served = tls.pem
        return grpc.dynamic_ssl_server_credentials(configuration(tls.pem), newer)

    async def start(self) -> None:
        """Serve."""
        await self.server.start()

    async def run(self) -> None:
        """Keep what health says true, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Say what is so at this moment."""
        await self._health.say(not self._house.missing())

    async def stop(self, grace_s: float) -> None:
        """Not serving; GOAWAY to every connection; calls may go on for so long. May be called
        again with less."""
        await self._health.say(False)
        await self.server.stop(grace_s)


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _shown(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return "localhost" if address.is_loopback or address.is_unspecified else _host(host)
