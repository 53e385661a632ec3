"""Reading below `context.read()`: with the grpc that is installed, and with one that changed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc._cython import cygrpc

from ossicle.gateway.doors.rpc import CORE
from ossicle.transports.grpc.batch import Batch, Failed


@asynccontextmanager
async def called(handler: Any) -> AsyncGenerator[Any, None]:
    """A call that is answered by `handler`."""

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details: object) -> Any:
            make: Any = grpc.stream_stream_rpc_method_handler
            return make(handler)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    try:
        yield channel.stream_stream("/a/b")()
    finally:
        await channel.close()
        await server.stop(0)


@pytest.mark.parametrize("changed", [False, True])
async def test_messages_and_the_half_close(changed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if changed:
        monkeypatch.delattr(cygrpc, "RPCState")
    told: list[bytes | None] = []
    direct: list[bool] = []

    async def serve(_requests: object, context: Any) -> None:
        record, operation, execute = Batch.of(context)
        direct.append(record is not context)
        while told[-1:] != [None]:
            received = operation(0)
            await execute(record, (received,), asyncio.get_running_loop())
            told.append(received.message())

    async with asyncio.timeout(10), called(serve) as call:
        for message in (b"one", b"", b"x" * 70_000):
            await call.write(message)
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
    assert told == [b"one", b"", b"x" * 70_000, None]
    assert direct == [not changed], "grpc has changed: see what a message costs now"


async def test_a_call_that_is_cancelled_has_no_message_more() -> None:
    begun = asyncio.Event()
    ended: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    async def serve(_requests: object, context: Any) -> None:
        record, operation, execute = Batch.of(context)
        received = operation(0)
        begun.set()
        try:
            await execute(record, (received,), asyncio.get_running_loop())
        except Failed:
            pass
        finally:
            ended.set_result(received.message())

    async with asyncio.timeout(10), called(serve) as call:
        await begun.wait()
        call.cancel()
        assert await ended is None


def test_the_core_knows_what_it_is_told() -> None:
    """A name that it does not know is no error there: it would only be without effect."""
    script = "import asyncio, grpc.aio\nasync def main(): grpc.aio.server()\nasyncio.run(main())"
    for more, known in (("", True), (",-no_such_thing", False)):
        environment = {
            **os.environ, "GRPC_VERBOSITY": "ERROR",
            "GRPC_EXPERIMENTS": CORE["GRPC_EXPERIMENTS"] + more,
        }  # fmt: skip
        said = subprocess.run(
            [sys.executable, "-c", script],
            env=environment, capture_output=True, text=True, check=True, timeout=30,
        ).stderr  # fmt: skip
        assert ("Unknown experiment" in said) != known, said
