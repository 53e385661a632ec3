"""A gateway to be measured: what `ossicle serve` runs, which can also be asked for its own figures.

    python -m bench.gateway ENGINE [--lag]

Prints its address; answers every line on standard input with one line of JSON. With `--lag` it
notes how late its event loop is, 200 times a second (a cost that is left out elsewhere).
"""

import argparse
import asyncio
import json
import os

import uvloop

from ossicle.cli.serve import build_engine
from ossicle.cli.settling import settle
from ossicle.engines.lifecycle import is_warm
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.reports.logs import set_up
from ossicle.gateway.serve import Gateway, serving

from .lag import Lag

__all__: list[str] = []


def figures(gateway: Gateway, lag: Lag | None) -> str:
    """What only the process itself knows."""
    sessions = gateway.house.sessions.values()
    return json.dumps(
        {
            "sessions": len(sessions),
            "live": sum(1 for session in sessions if session.life.state == "live"),
            "waiting_ms": max((s.ms(s.journal.waiting) for s in sessions), default=0),
            "lag_ms": lag.take() if lag is not None else [],
        }
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("--lag", action="store_true")
    parser.add_argument("--grpc", action="store_true", help="print the address of its gRPC door")
    asked = parser.parse_args()
    settings = GatewaySettings(
        grpc_port=0 if asked.grpc else None,
        port=0,
        tls_port=None,
        engine=asked.engine,
        voice="off",
        drain_s=1.0,
        sessions=4_000,
    )
    set_up(level="warning")
    async with serving(settings, build_engine(settings)) as gateway:
        settle()
        while not is_warm(gateway.house.engine):
            await asyncio.sleep(0.02)
        lag = Lag() if asked.lag else None
        if lag is not None:
            lag.start()

        def line() -> None:
            if os.read(0, 256):
                print(figures(gateway, lag), flush=True)
            else:
                gateway.stop()

        asyncio.get_running_loop().add_reader(0, line)
        await gateway.ready()
        door = gateway.rpc.urls["grpc"] if gateway.rpc is not None else gateway.url
        print(door, flush=True)
        await gateway.wait()
        if lag is not None:
            lag.stop()


if __name__ == "__main__":
    uvloop.run(main())
