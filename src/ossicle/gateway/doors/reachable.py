"""Facts about how browsers can reach us: sockets are tried, STUN and TURN are asked.

facts = await facts_of(settings, secret)      for transports.webrtc.diagnosis
"""

import asyncio
import socket
from pathlib import Path

from ossicle.transports.webrtc.diagnosis import Facts
from ossicle.transports.webrtc.ports import bound_socket
from ossicle.transports.webrtc.turn import credentials

from ..configuration.settings import GatewaySettings
from ..fetching.loopback import loopback
from .webrtc import doorway

__all__ = ["facts_of"]

_WAIT_S = 5.0


async def facts_of(settings: GatewaySettings, secret: bytes | None, now: float) -> Facts:
    """Look at this machine, and ask outside.

    Args:
        settings: of the gateway. It need not run.
        secret: shared with the relay.
        now: seconds of the epoch.

    Raises:
        Refused: the settings cannot be used.
        MissingExtra: aiortc is not installed.
    """
    way = doorway(settings)
    bound: list[str] = []
    failed: list[str] = []
    for address in way.addresses:
        try:
            made = bound_socket(address, 0)
        except OSError as error:
            failed.append(f"{address}: {error.strerror}")
        else:
            bound.append(address)
            if made is not None:
                made.close()
    free = 0
    if way.ports is not None and bound:
        ports = range(way.ports[0], way.ports[1] + 1)
        free = sum(all(_free(each, port) for each in bound) for port in ports)
    given = settings.webrtc
    mapped, trouble = await _mapped(given.stun) if given.stun else ("", "")
    turn: list[tuple[str, str]] = []
    for url in given.turn:
        user, word = credentials(secret or b"", "doctor", now + 600)
        turn.append((url, await _relayed(url, user, word)))
    return Facts(
        tuple(bound),
        tuple(failed),
        way.announce,
        _own(),
        way.ports,
        free,
        given.calls,
        mapped,
        given.stun,
        trouble,
        tuple(turn),
        secret is not None,
        loopback(settings.host) or settings.tls_port is not None,
        _contained(),
    )


def _free(address: str, port: int) -> bool:
    made = bound_socket(address, port)
    if made is None:
        return False
    made.close()
    return True


def _contained() -> bool:
    """Docker and podman leave a file."""
    return any(Path(each).exists() for each in ("/.dockerenv", "/run/.containerenv"))


def _own() -> tuple[str, ...]:
    import ifaddr  # noqa: PLC0415  comes with the extra

    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        found += [each.ip if isinstance(each.ip, str) else each.ip[0] for each in adapter.ips]
    return tuple(found)


async def _mapped(url: str) -> tuple[str, str]:
    """How a STUN server sees us, or why it does not say."""
    from ossicle.transports.webrtc.asking import mapped_by  # noqa: PLC0415  an extra

    try:
        async with asyncio.timeout(_WAIT_S):
            return await mapped_by(url), ""
    except TimeoutError:
        return "", f"no answer within {_WAIT_S:g} s"
    except (OSError, ValueError, socket.gaierror) as error:
        return "", str(error)[:80]


async def _relayed(url: str, user: str, word: str) -> str:
    """What is wrong with a relay; "" = it gave us an address."""
    from ossicle.transports.webrtc.asking import relayed_by  # noqa: PLC0415  an extra

    try:
        async with asyncio.timeout(_WAIT_S):
            return await relayed_by(url, user, word)
    except TimeoutError:
        return f"no answer within {_WAIT_S:g} s: wrong address, or a firewall"
    except (OSError, ValueError) as error:
        return str(error)[:120]
