"""Server reflection: grpcurl and the like ask which services there are and what their messages
look like, without a .proto at hand.

    add_reflection(server, ["ossicle.v1.Speech"])

Both names of the protocol are answered, v1 and v1alpha: their messages are the same on the wire.
"""

from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from ossicle.dialects.protobuf import descriptor_pool

__all__ = ["add_reflection"]

_NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_HEALTH = "grpc.health.v1.Health"


def add_reflection(server: Any, services: Iterable[str]) -> None:
    """Answer for these services, health and reflection itself."""
    names = (*services, _HEALTH, _NAMES[1])
    servicer: Any = ReflectionServicer(names, pool=_pool())
    messages: Any = reflection_pb2
    make: Any = grpc.stream_stream_rpc_method_handler
    method = make(
        servicer.ServerReflectionInfo,
        request_deserializer=messages.ServerReflectionRequest.FromString,
        response_serializer=messages.ServerReflectionResponse.SerializeToString,
    )
    generic: Any = grpc.method_handlers_generic_handler
    for name in _NAMES:
        server.add_generic_rpc_handlers((generic(name, {"ServerReflectionInfo": method}),))


def _pool() -> Any:
    """The descriptions of all services: ours, health, and reflection itself."""
    pool = descriptor_pool()
    for module in (health_pb2, reflection_pb2):
        described: Any = module
        pool.AddSerializedFile(described.DESCRIPTOR.serialized_pb)
    return pool
