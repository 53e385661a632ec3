"""A gateway with the `scripted:heard` engine on a port; prints its ports (HTTP,
gRPC or 0) when it listens."""

import asyncio
import signal
import sys

from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.serve import serving


async def main(port: int, rpc: int | None) -> None:
    settings = GatewaySettings(port=port, tls_port=None, grpc_port=rpc, drain_s=0.8)
    async with serving(settings, ScriptedEngine("heard")) as gateway:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, gateway.stop)
        if gateway.rpc is not None:
            await gateway.ready()
        grpc = gateway.rpc.urls["grpc"].rpartition(":")[2] if gateway.rpc else "0"
        print(gateway.doors["http"].port, grpc, flush=True)
        await gateway.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), None if sys.argv[2] == "off" else int(sys.argv[2])))
