"""`grpc.health.v1.Health`: what `/readyz` says, to load balancers that speak gRPC.

health = Health(server, ["ossicle.v1.Speech"])
await health.say(True)          # SERVING, for the whole and for each service
"""

from collections.abc import Iterable
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

__all__ = ["Health"]


class Health:
    """Added to a grpc.aio server. Not serving until told otherwise."""

    def __init__(self, server: Any, services: Iterable[str]) -> None:
        self._names = ("", *services)
        self._servicer: Any = HealthServicer()
        generated: Any = health_pb2_grpc
        generated.add_HealthServicer_to_server(self._servicer, server)
        self._said: bool | None = None

    async def say(self, serving: bool) -> None:
        """Tell those who watch, and those who ask."""
        if serving is self._said:
            return
        self._said = serving
        status: Any = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)
