"""A gateway with the `scripted:heard` engine on a port; prints the port when it listens."""

import asyncio
import signal
import sys

from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.serve import serving
from ossicle.gateway.settings import GatewaySettings


async def main(port: int) -> None:
    settings = GatewaySettings(port=port, tls_port=None, drain_s=0.8)
    async with serving(settings, ScriptedEngine("heard")) as gateway:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, gateway.stop)
        print(gateway.doors["http"].port, flush=True)
        await gateway.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
