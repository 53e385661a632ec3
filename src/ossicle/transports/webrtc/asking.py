"""Ask a STUN server how it sees us, and a TURN relay for an address. Needs the extra."""

import asyncio
import socket
from typing import Any

from aioice import stun, turn
from aioice.ice import StunProtocol
from aiortc.rtcicetransport import parse_stun_turn_uri

__all__ = ["mapped_by", "relayed_by"]


async def mapped_by(url: str) -> str:
    """Our address as `stun:HOST:PORT` sees it.

    Raises:
        OSError: it does not answer, or its name is not known.
        ValueError: it is no STUN address.
    """
    parsed: dict[str, Any] = parse_stun_turn_uri(url)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parsed["host"], parsed["port"], type=socket.SOCK_DGRAM)
    # NAT is IPv4's, so that is asked for where a server has both.
    family, *_, server = min(found, key=lambda each: each[0] != socket.AF_INET)
    nobody: Any = None
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: StunProtocol(nobody),
        family=family,
        local_addr=("0.0.0.0" if family == socket.AF_INET else "::", 0),  # noqa: S104  whichever
    )
    protocol.receiver = _Nobody()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    try:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        response, _ = await protocol.request(request, (str(server[0]), int(server[1])))
    except stun.TransactionError as error:
        raise OSError(str(error)) from error
    finally:
        transport.close()
    return str(response.attributes["XOR-MAPPED-ADDRESS"][0])


async def relayed_by(url: str, user: str, word: str) -> str:
    """What is wrong with a relay; "" = it gave an address.

    Raises:
        OSError: it does not answer.
        ValueError: it is no TURN address.
    """
    parsed: dict[str, Any] = parse_stun_turn_uri(url)
    if "transport" not in parsed:
        raise ValueError(f"{url[:60]} is no TURN address")
    try:
        transport, _ = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol,
            (parsed["host"], parsed["port"]),
            user,
            word,
            ssl=parsed["scheme"] == "turns",
            transport=parsed["transport"],
        )
    except stun.TransactionError as error:
        text = str(error)
        if "(401" in text:
            return "it refuses our credentials: is OSSICLE_TURN_SECRET its static-auth-secret?"
        return text
    transport.close()
    return ""


class _Nobody:
    """Who a socket tells that it is closed."""

    def protocol_lost(self, _protocol: object) -> None: ...
