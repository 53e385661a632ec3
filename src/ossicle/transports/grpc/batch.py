"""What `context.read()` of grpc.aio does for one message, without the coroutines around it.

    batch = Batch.of(context)
    received = batch.operation(0)
    await batch.execute(batch.record, (received,), loop)    # fails when the call is over
    received.message()                                      # None: the client sends no more

`context.read()` checks, awaits a coroutine that awaits this, and checks again; what it checks a
channel knows by itself. A batch needs the call's own record, which the context holds and does not
show: it is in the collector's list of what it holds. Where grpc has changed, the same is done by
`context.read()`.
"""

import gc
from typing import Any, NamedTuple

from grpc._cython import cygrpc

__all__ = ["Batch", "Failed"]

Failed: type[Exception] = cygrpc.ExecuteBatchError
"""The call was cancelled, or is over."""


class Batch(NamedTuple):
    """How one call is read."""

    record: Any
    operation: Any
    execute: Any

    @classmethod
    def of(cls, context: Any) -> "Batch":
        """Of a call's context."""
        kind = getattr(cygrpc, "RPCState", None)
        operation = getattr(cygrpc, "ReceiveMessageOperation", None)
        execute = getattr(cygrpc, "execute_batch", None)
        if kind is not None and operation is not None and execute is not None:
            for held in gc.get_referents(context):
                if type(held) is kind:
                    return cls(held, operation, execute)
        return cls(context, _Received, _read)


class _Received:
    """In place of grpc's operation."""

    def __init__(self, _flags: int) -> None:
        self.data: bytes | None = None

    def message(self) -> bytes | None:
        return self.data


async def _read(context: Any, operations: tuple[_Received], _loop: object) -> None:
    data = await context.read()
    operations[0].data = None if data is cygrpc.EOF else data
