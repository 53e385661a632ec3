"""The bare server of `bench.grpc` once more, on connectrpc and uvicorn with zttp: what another way
to serve gRPC would cost. Nothing of it is a dependency of ours.

    pip install connectrpc==0.13.0 zttp==0.0.35
    python -m bench.connect             measured beside bare grpc.aio, and printed
    python -m bench.connect serve       the server alone

Messages are bytes on both sides: no protobuf is parsed here, as the gateway parses none for audio.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
import uvloop

from .machine import Process, calls, cores, rival
from .results import spread
from .rivals import EVERY, REPLY, told_to_stop

__all__ = ["main"]

PATH = "/bench.v1.Bench/Talk"


class Bytes:
    """A codec that leaves a message as it is."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: bytes) -> bytes:
        return message

    def decode(self, data: bytes | memoryview, message_class: object) -> bytes:
        return bytes(data)


async def talk(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    """Every fifth message is answered."""
    count, reply = 0, b"x" * REPLY
    async for _ in requests:
        count += 1
        if count % EVERY == 0:
            yield reply


def application() -> Any:
    """An ASGI application of connectrpc."""
    server: Any = importlib.import_module("connectrpc.server")
    method: Any = importlib.import_module("connectrpc.method")
    info = method.MethodInfo(
        name="Talk",
        service_name="bench.v1.Bench",
        input=bytes,
        output=bytes,
        idempotency_level=method.IdempotencyLevel.UNKNOWN,
        stream_type=method.StreamType.BIDI_STREAM,
    )
    endpoint = server.Endpoint.bidi_stream(method=info, function=talk)

    class Bench(server.ConnectASGIApplication):
        path = "/bench.v1.Bench"

    return Bench(
        service=object(), endpoints=lambda _service: {PATH: endpoint}, codecs=[Bytes()],
        compressions=[],
    )  # fmt: skip


async def serve() -> None:
    options: dict[str, Any] = {"http": "zttp", "http2": True}
    config = uvicorn.Config(
        application(), host="127.0.0.1", port=0, lifespan="off", log_config=None,
        access_log=False, **options,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await told_to_stop()
    server.should_exit = True
    server.force_exit = True
    await running


def main(rounds: int = 6, seconds: float = 3.0) -> None:
    """Both servers at once on one core, their generators on another."""
    for rate, body, sessions in ((50, 640, 60), (10, 3_200, 120)):
        own = Process([sys.executable, "-m", "bench.connect", "serve"], cores()[0])
        ratios, costs = [], []
        try:
            with (
                rival("grpc") as bare,
                calls(own, sessions, body, 1000 / rate, PATH) as to_own,
                calls(bare, sessions, body, 1000 / rate, PATH) as to_bare,
            ):
                time.sleep(2.0)
                for _ in range(rounds):
                    before = [(own.cpu_ns(), to_own.mark()), (bare.cpu_ns(), to_bare.mark())]
                    time.sleep(seconds)
                    after = [(own.cpu_ns(), to_own.mark()), (bare.cpu_ns(), to_bare.mark())]
                    ours, theirs = (
                        (now[0] - then[0]) / 1000 / (now[1].frames - then[1].frames)
                        for now, then in zip(after, before, strict=True)
                    )
                    costs.append((ours, theirs))
                    ratios.append(ours / theirs)
                answered = to_own.mark()
        finally:
            own.close()
        ours, theirs = (spread(each) for each in zip(*costs, strict=True))
        print(
            f"{rate}/s of {body} bytes: connectrpc on uvicorn/zttp {ours.text()} us, bare grpc.aio "
            f"{theirs.text()} us, {spread(ratios).text(2)}x; replies {answered.replies} of "
            f"{answered.frames // EVERY}"
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
    else:
        main()
