"""A gateway with the `scripted:heard` engine on a port; prints the port when it listens."""

import asyncio
import sys

from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.serve import serving
from ossicle.gateway.settings import GatewaySettings


async def main(port: int) -> None:
    settings = GatewaySettings(port=port, tls_port=None)
    async with serving(settings, ScriptedEngine("heard")) as gateway:
        print(gateway.doors["http"].port, flush=True)
        await gateway.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
