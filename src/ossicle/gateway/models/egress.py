"""How engines that ask over HTTP get out of here: through the proxy that the environment names for
their server (`client.proxies`), or directly.

    open_engine("openai_http:https://speech.example/v1", way=egress)

The environment is read for each connection, as keys are.
"""

import asyncio
import os
from typing import cast

from ossicle.client.proxies import through
from ossicle.engines.request import Streams, directly
from ossicle.transports.trust import platform_trust
from ossicle.transports.tunnel import connection

__all__ = ["egress"]


async def egress(scheme: str, host: str, port: int) -> Streams:
    """See `engines.request.Way`."""
    proxy = through(None, scheme, host, port, os.environ)
    if proxy is None:
        return await directly(scheme, host, port)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = _Ends(reader)
    context = platform_trust() if scheme == "https" else None
    await connection(loop.create_connection, lambda: protocol, host, port, ssl=context, proxy=proxy)
    return reader, asyncio.StreamWriter(protocol.wire, protocol, reader, loop)


class _Ends(asyncio.StreamReaderProtocol):
    """The protocol of asyncio's streams, with the transport that it was given."""

    wire: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)
