"""The other doors of a gateway, one after another: HTTP/2, gRPC, gRPC-Web, QUIC, WebRTC.

    await Doors(place, context, ca, headers, 5.0).try_all(offer, seen, told)

Each has its limit of time and its own sentence when nothing comes. Nothing else runs beside the
clock of a set-up but the silences, which are silent.
"""

import asyncio
import ssl as tls
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from ossicle.client.dial import trust
from ossicle.core.errors import OssicleError
from ossicle.core.probing import Offer

from .http2 import asks_http2
from .ice import calls
from .line import Place
from .measured import Measured, Tried
from .quic import handshakes
from .rpc import asks_over_web, streams

__all__ = ["Doors"]


class Doors:
    """See the module."""

    def __init__(
        self, place: Place, context: tls.SSLContext | None, ca: Path | None,
        headers: tuple[tuple[str, str], ...], step_s: float,
    ) -> None:  # fmt: skip
        self._place, self._context, self._ca = place, context, ca
        self._headers, self._step_s = headers, step_s

    async def try_all(self, offer: Offer, seen: Measured, told: Callable[[float], None]) -> None:
        """Every wire's line of `seen` is filled in."""
        place, wires = self._place, seen.wires
        wires["http2"] = await self._within(
            place.port, asks_http2(place, self._offering_h2(place.secure), self._headers)
        )
        if wires["http2"].state != "passes" and not place.secure:
            # Without TLS nobody promised it: a proxy speaks HTTP/1.1 there.
            wires["http2"] = Tried("not_offered", "only over TLS, where something is in between")
        told(0.2)
        wires["grpc"] = await self._grpc(offer)
        told(0.4)
        wires["grpcweb"] = await self._within(
            place.port, asks_over_web(place, self._context, self._headers)
        )
        told(0.5)
        if offer.quic_port is None:
            wires["quic"].state = "not_offered"
        else:
            await handshakes(place, offer, wires["quic"], self._step_s / 2)
        told(0.6)
        if offer.ice:
            await calls(place, self._context, self._headers, offer, seen, self._step_s)
        else:
            wires["ice"].state = wires["turn"].state = "not_offered"

    async def _grpc(self, offer: Offer) -> Tried:
        place = self._place
        port = offer.grpc_tls_port if place.secure else offer.grpc_port
        port = port or offer.grpc_port or offer.grpc_tls_port
        if port is None:
            return Tried("not_offered")
        there = msgspec.structs.replace(place, port=port & 0xFFFF)
        context = self._offering_h2(port == offer.grpc_tls_port)
        return await self._within(there.port, streams(there, context, self._headers))

    def _offering_h2(self, secure: bool) -> tls.SSLContext | None:
        if not secure:
            return None
        context = trust(self._ca, shared=False) or tls.create_default_context()
        context.set_alpn_protocols(["h2"])
        return context

    async def _within(self, port: int, work: Awaitable[Tried]) -> Tried:
        limit_s = self._step_s / 2
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except TimeoutError:
            return Tried("blocked", f"no answer from port {port} within {limit_s:g} s")
        except OssicleError as error:
            return Tried("blocked", str(error))
