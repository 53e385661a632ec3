"""The gRPC door: bytes in, bytes out, one call = one channel.

    server = GrpcServer(acceptor, {"/ossicle.v1.Speech/Stream": "stream"})
    port = server.listen("127.0.0.1:50051")
    await server.start()
    ...
    await server.stop(grace_s=30)

Paths that are not in the table answer UNIMPLEMENTED. It knows no protobuf: a message is its
bytes (contracts M18), `Binary` both ways; half close is `Fin`; `Accept` sends the initial
metadata, `Close` the status and the trailing metadata.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import grpc
import grpc.aio

from ossicle.core.ports import Acceptor

from .channel import GrpcCall
from .settings import GrpcSettings, server_options

__all__ = ["GrpcServer", "Kind", "Methods"]

Kind: TypeAlias = Literal["stream", "unary"]
Methods: TypeAlias = Mapping[str, Kind]
"""Full path of a method -> whether its client streams or asks once."""


class GrpcServer:
    """One grpc.aio server. Made and run inside the event loop."""

    def __init__(
        self,
        acceptor: Acceptor,
        methods: Methods,
        settings: GrpcSettings | None = None,
        *,
        shared_port: bool = False,
    ) -> None:
        """`shared_port`: another process may listen at the same place (SO_REUSEPORT)."""
        self.settings = settings or GrpcSettings()
        self.server: Any = grpc.aio.server(
            options=server_options(self.settings, shared_port=shared_port)
        )
        """grpc's own, for services that speak its language: health and reflection."""
        self.server.add_generic_rpc_handlers((_Handlers(acceptor, methods, self.settings),))

    def listen(self, address: str, credentials: Any = None) -> int:
        """Open a port.

        Args:
            address: `host:port`; port 0 is any free one.
            credentials: of TLS (`grpc.ssl_server_credentials` and the like); None = plaintext.

        Returns:
            The port.

        Raises:
            OSError: it cannot be opened.
        """
        try:
            if credentials is None:
                port = self.server.add_insecure_port(address)
            else:
                port = self.server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"{address} cannot be opened for gRPC: is it taken?") from error
        return int(port)

    async def start(self) -> None:
        """Serve."""
        await self.server.start()

    async def stop(self, grace_s: float) -> None:
        """GOAWAY at once, new calls are refused; calls that live may go on for `grace_s`."""
        await self.server.stop(grace_s)


class _Handlers(grpc.GenericRpcHandler):
    """The table as grpc asks for it. Unary calls are streams of one message on the wire, and are
    served as such: the dialect counts."""

    def __init__(self, acceptor: Acceptor, methods: Methods, settings: GrpcSettings) -> None:
        self._handlers = {
            path: _handler(acceptor, path, kind, settings) for path, kind in methods.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        """Who serves this path; None = UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)


def _handler(acceptor: Acceptor, path: str, kind: Kind, settings: GrpcSettings) -> Any:
    async def serve(_requests: object, context: Any) -> None:
        await GrpcCall(settings, context).run(acceptor, path, kind)

    made: Any = grpc.stream_stream_rpc_method_handler
    return made(serve)
