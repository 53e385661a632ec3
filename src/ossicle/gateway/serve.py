"""Run a gateway: open the doors, keep the house, stop gracefully.

async with serving(settings, engine) as gateway:
    print(gateway.url)
    await gateway.wait()
"""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime

import uvicorn

from ossicle.core.errors import Refused, TimedOut
from ossicle.core.ports import Engine
from ossicle.engines.lifecycle import aclose, start
from ossicle.transports.http.server import http_protocol
from ossicle.transports.http2.protocol import http2_protocol
from ossicle.transports.websocket.server import websocket_protocol

from .app import make_app
from .configuration.settings import GatewaySettings
from .doors import handover
from .doors.activation import announce, inherited
from .doors.bind import router
from .doors.certificates import (
    CertificateFiles,
    ReloadingContext,
    local_certificates,
    own_certificates,
    reloading_context,
)
from .doors.door import Door, bind
from .doors.muxing import multiplexed
from .doors.rpc import RpcDoors, rpc_doors, wants_tls
from .doors.webrtc import WebRtcDoor, webrtc_door
from .house import House
from .keys.access import loopback
from .measuring.probe import Probes, open_datagrams
from .models.routing import cold
from .reports.traces import spans_from_environment
from .reports.troubles import Troubles
from .snippets import Address

__all__ = ["Gateway", "serving"]

log = logging.getLogger("ossicle.gateway")

_ANY = {"0.0.0.0", "::", "*"}  # noqa: S104  names that no certificate can carry
_CERTIFICATES_EVERY_S = 10.0
_LAST_WORDS_S = 1.0
"""For gRPC calls to end by themselves once their sessions have."""
_WARM_S = 300.0
"""How long an engine may take to load."""


class Gateway:
    """A running gateway."""

    def __init__(
        self,
        house: House,
        doors: dict[str, Door],
        webrtc: WebRtcDoor,
        rpc: RpcDoors | None = None,
    ) -> None:
        self.house = house
        self.doors = doors
        self.webrtc = webrtc
        self.rpc = rpc
        """gRPC, where it is open."""
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Where clients go: the first open door."""
        return next(door.url for door in self.doors.values())

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Until a session opened now would be heard at once. Engines do not announce that they
        are warm, so it is asked for, as `/readyz` does.

        Raises:
            TimedOut: something is still missing; the text names it.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while missing := self.house.missing():
            if loop.time() > deadline:
                raise TimedOut(f"not ready after {timeout_s:g} s: {', '.join(missing)}")
            await asyncio.sleep(0.02)
        if self.rpc is not None:
            await self.rpc.look()

    def stop(self) -> None:
        """Ask for a graceful stop; `wait` returns."""
        self._stop.set()

    async def wait(self) -> None:
        """Until somebody asks for a stop."""
        await self._stop.wait()


@contextlib.asynccontextmanager
async def serving(settings: GatewaySettings, engine: Engine) -> AsyncGenerator[Gateway, None]:
    """A gateway, listening when entered, drained and closed when left.

    Raises:
        Refused: a public address without keys, and nobody said that this is meant.
        OSError: a port is taken; the text names it.
    """
    check_exposure(settings)
    # onnxruntime, wherever an engine imports it, would call home (and does so from a thread)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    tls, files = None, None
    if settings.tls_port is not None or wants_tls(settings):
        files = certificate_files(settings)
        tls = reloading_context(files, alpn=("h2", "http/1.1"))
    house = House(settings, engine)
    house.exits.spans = spans_from_environment()
    wanted: list[tuple[str, int | None, ssl.SSLContext | None]] = [("http", settings.port, None)]
    if tls is not None:
        wanted.append(("https", settings.tls_port, tls.context))
    wanted = [each for each in wanted if each[1] is not None]
    probes = Probes(house)
    webrtc = webrtc_door(house)
    app = make_app(house, probes, webrtc)
    upgrade = websocket_protocol(
        probes.beside(multiplexed(house, router(house, "websocket"))), settings.websocket
    )

    def door(name: str, bound: socket.socket, context: ssl.SSLContext | None) -> Door:
        config = uvicorn.Config(
            app,
            http=http_protocol(settings.http, http2_protocol(settings.http2)),
            ws=upgrade,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        config.load()
        if context is not None:
            config.ssl = context
        return Door(config, bound, proxies, handshake_s=settings.http.head_timeout)

    proxies = house.forwarding.trusted if settings.access.proxy_protocol else None
    taken, sockets = await _sockets(settings, wanted)
    doors = {name: door(name, sockets[name], context) for name, _, context in wanted}
    try:
        rpc = rpc_doors(house, settings, tls, probes.beside)
    except OSError:
        for each in doors.values():
            each.bound.close()
        if taken is not None:
            taken.close()
        raise
    datagrams = open_datagrams(probes, settings, [each.port for each in doors.values()])
    probes.ice = webrtc.calls is not None
    if rpc is not None:
        probes.doors |= rpc.ports
    gateway = Gateway(house, doors, webrtc, rpc)
    house.address = _address(doors, files, rpc)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(house.run(), name="house")
        watching = group.create_task(house.metrics.watch_loop(), name="loop lag")
        following = group.create_task(_follow(tls, settings, house.troubles), name="certificates")
        helping = [keeping, watching, following]
        helping.append(group.create_task(webrtc.run(), name="webrtc"))
        if datagrams is not None:
            echoing = probes.datagrams.run(datagrams)
            helping.append(group.create_task(echoing, name="datagrams"))
        running: list[asyncio.Task[None]] = []
        try:
            if taken is not None:  # somebody else answers until this engine is warm
                await start(engine)
                await _warm(engine)
            running += [
                group.create_task(each.serve(sockets=[each.bound]), name=name)
                for name, each in doors.items()
            ]
            if taken is None:
                await start(engine)
            if rpc is not None:
                await rpc.start()
                helping.append(group.create_task(rpc.run(), name="grpc"))
            await asyncio.gather(*(each.listening.wait() for each in doors.values()))
            helping += [
                group.create_task(each.take(), name=f"{name}, PROXY headers")
                for name, each in doors.items()
            ]
            house.doors_open = True
            if taken is not None:
                await _relieve(taken)
            if settings.take_over:
                helping.append(group.create_task(_offer(settings, gateway), name="handover"))
            helping.append(group.create_task(_announce(gateway), name="announcement"))
            yield gateway
            announce("STOPPING=1")
            leaving = group.create_task(_leave(rpc, settings.drain_s), name="grpc leaves")
            await asyncio.gather(*(each.leave() for each in doors.values()))
            await house.drain()
            if rpc is not None:
                await rpc.stop(_LAST_WORDS_S)
            await leaving
        finally:
            if rpc is not None:
                await rpc.stop(0)
            for each in doors.values():
                each.should_exit = True
            await asyncio.gather(*running, return_exceptions=True)
            for task in helping:
                task.cancel()
            if taken is not None:
                taken.close()
            for each in doors.values():
                each.bound.close()
            await aclose(engine)
            if house.recorder is not None:
                await asyncio.to_thread(house.recorder.close)
            if house.exits.spans is not None:
                await asyncio.to_thread(house.exits.spans.close)


async def _leave(rpc: RpcDoors | None, drain_s: float) -> None:
    """GOAWAY at once, so that clients dial another gateway for what comes next."""
    if rpc is not None:
        await rpc.stop(drain_s)


async def _sockets(
    settings: GatewaySettings, wanted: Iterable[tuple[str, int | None, ssl.SSLContext | None]]
) -> tuple[handover.Handover | None, dict[str, socket.socket]]:
    """A listening socket for each door: from a service manager, from the gateway that runs, or
    a new one.

    Raises:
        Refused: what was handed over does not fit, or is public and there are no keys.
        OSError: a port is taken; the text names it.
    """
    ports = {name: port for name, port, _ in wanted if port is not None}
    found, taken = inherited(tuple(ports)), None
    if settings.take_over:
        if 0 in ports.values():
            raise Refused("take_over needs ports with a number: 0 is another one each time")
        if not found:
            state = settings.state_dir.expanduser()
            taken = await handover.take(state, _first(settings), tuple(ports))
    if taken is not None:
        found = taken.sockets
    try:
        for sock in found.values():  # whoever opened it did not ask for our keys
            check_exposure(settings, str(sock.getsockname()[0]))
        for name, port in ports.items():
            if name not in found:
                found[name] = bind(settings.host, port)
    except (OSError, Refused):
        if taken is not None:
            taken.close()
        for sock in found.values():
            sock.close()
        raise
    return taken, found


def _first(settings: GatewaySettings) -> int:
    return settings.port or settings.tls_port or 0


async def _warm(engine: Engine) -> None:
    """Until an engine hears at once; not for ever, since some say so only with the first sound."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_WARM_S):
            while cold(engine):  # noqa: ASYNC110  engines do not announce it
                await asyncio.sleep(0.02)


async def _relieve(taken: handover.Handover) -> None:
    """The other gateway may leave. One that is gone already changes nothing for this one."""
    try:
        await taken.ready()
    except TimedOut as error:
        log.warning("%s; this one serves", error)


async def _offer(settings: GatewaySettings, gateway: Gateway) -> None:
    """Let another process have the ports. Without that, a restart refuses for a moment."""
    doors = {name: door.bound for name, door in gateway.doors.items()}
    state = settings.state_dir.expanduser()
    try:
        await handover.offer(state, _first(settings), doors, gateway.stop)
    except OSError as error:
        log.warning("the ports cannot be handed over (take_over): %s", error)


async def _announce(gateway: Gateway) -> None:
    """Tell a service manager when sessions would be heard."""
    if "NOTIFY_SOCKET" not in os.environ:
        return
    try:
        await gateway.ready(timeout_s=_WARM_S)
    except TimedOut as error:
        log.warning("the service manager was not told that this gateway is ready: %s", error)
        return
    announce("READY=1")


def certificate_files(settings: GatewaySettings) -> CertificateFiles:
    """The certificate to serve: your own, or one of the local authority.

    Raises:
        Refused: your own does not fit its key, is over, or cannot be read.
    """
    if settings.certificate is not None:
        return own_certificates(settings.certificate, settings.key)
    names = (settings.host, *settings.allow_hosts)
    return local_certificates(
        settings.state_dir.expanduser(),
        [name for name in names if name not in _ANY and "/" not in name],
    )


def _address(
    doors: dict[str, Door], files: CertificateFiles | None, rpc: RpcDoors | None
) -> Address:
    urls = {name: door.url for name, door in doors.items()}
    ca = files.authority if files is not None else None
    calls = rpc.urls if rpc is not None else {}
    return Address(
        urls.get("http", ""),
        urls.get("https", ""),
        str(ca or ""),
        calls.get("grpc", ""),
        calls.get("grpcs", ""),
    )


async def _follow(
    tls: ReloadingContext | None, settings: GatewaySettings, troubles: Troubles
) -> None:
    """Reload certificates that change, renew the local one in time, and say when the one that is
    served has expired, until cancelled."""
    if tls is None:
        return
    trouble = ""
    while True:
        await asyncio.sleep(_CERTIFICATES_EVERY_S)
        try:
            if settings.certificate is None:
                certificate_files(settings)
            if tls.check():
                log.info("certificates were reloaded")
                trouble = ""
        except Refused as error:
            log.warning("the new certificates do not work, the old ones stay: %s", error)
            trouble = "the new certificate cannot be used, and the log says why: the old one stays"
        if tls.ends <= datetime.now(UTC):
            over = (
                f"the certificate expired at {tls.ends:%Y-%m-%d %H:%M} UTC: put a new one in its "
                "place, and it is taken while this runs"
            )
            if trouble != over:
                log.warning("%s", over)
            trouble = over
        troubles.set("certificate", trouble)


def check_exposure(settings: GatewaySettings, host: str = "") -> None:
    """Refuse a public address without keys.

    Args:
        settings: of this gateway.
        host: what a socket that was handed over listens on; "" = what the settings say.
    """
    host = host or settings.host
    if loopback(host) or settings.keys or settings.open_to_anyone:
        return
    if settings.keys_path.exists() or settings.access.judge or settings.access.jwks:
        return
    raise Refused(
        f"{host} can be reached by others and no key is set: make "
        "one with `ossicle keys add NAME`, set OSSICLE_KEYS=name:secret, or say --open-to-anyone",
        code="forbidden",
    )
