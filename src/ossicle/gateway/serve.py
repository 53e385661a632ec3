"""Run a gateway: open the doors, keep the house, stop gracefully.

async with serving(settings, engine) as gateway:
    print(gateway.url)
    await gateway.wait()
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime

import uvicorn

from ossicle.core.errors import Refused, TimedOut
from ossicle.core.ports import Engine
from ossicle.engines.lifecycle import aclose, start
from ossicle.transports.http.server import http_protocol
from ossicle.transports.websocket.server import websocket_protocol

from .access import loopback
from .app import make_app
from .bind import router
from .certificates import (
    CertificateFiles,
    ReloadingContext,
    local_certificates,
    own_certificates,
    reloading_context,
)
from .house import House
from .listening import listen
from .settings import GatewaySettings
from .snippets import Address
from .traces import spans_from_environment
from .troubles import Troubles
from .webrtc import WebRtcDoor, webrtc_door

__all__ = ["Gateway", "serving"]

log = logging.getLogger("ossicle.gateway")

_ANY = {"0.0.0.0", "::", "*"}  # noqa: S104  names that no certificate can carry
_CERTIFICATES_EVERY_S = 10.0


class Gateway:
    """A running gateway."""

    def __init__(self, house: House, doors: dict[str, "Door"], webrtc: WebRtcDoor) -> None:
        self.house = house
        self.doors = doors
        self.webrtc = webrtc
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

    def stop(self) -> None:
        """Ask for a graceful stop; `wait` returns."""
        self._stop.set()

    async def wait(self) -> None:
        """Until somebody asks for a stop."""
        await self._stop.wait()


class Door(uvicorn.Server):
    """One listening port. Signals belong to whoever runs the process."""

    def __init__(self, config: uvicorn.Config, bound: socket.socket, *, handshake_s: float) -> None:
        """`handshake_s`: how long TLS may take to begin."""
        super().__init__(config)
        self.bound = bound
        self._handshake_s = handshake_s
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, and say so."""
        await super().startup([])
        self.servers = [await listen(self, self.bound, handshake_s=self._handshake_s)]
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """uvicorn's own handlers are left out."""
        yield

    @property
    def port(self) -> int:
        """The port bound."""
        return int(self.bound.getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host = self.bound.getsockname()[0]
        if host in {"127.0.0.1", "::1", "0.0.0.0", "::"}:  # noqa: S104  shown, not bound
            host = "localhost"
        scheme = "https" if self.config.ssl is not None else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


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
    if settings.tls_port is not None:
        files = certificate_files(settings)
        tls = reloading_context(files, alpn=("http/1.1",))
    house = House(settings, engine)
    house.exits.spans = spans_from_environment()
    wanted: list[tuple[str, int | None, ssl.SSLContext | None]] = [("http", settings.port, None)]
    if tls is not None:
        wanted.append(("https", settings.tls_port, tls.context))
    doors: dict[str, Door] = {}
    webrtc = webrtc_door(house)
    app = make_app(house, webrtc)
    upgrade = websocket_protocol(router(house, "websocket"), settings.websocket)
    try:
        for name, port, context in wanted:
            if port is None:
                continue
            config = uvicorn.Config(
                app,
                http=http_protocol(settings.http),
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
            doors[name] = Door(
                config, _bind(settings.host, port), handshake_s=settings.http.head_timeout
            )
    except OSError:
        for door in doors.values():
            door.bound.close()
        raise
    gateway = Gateway(house, doors, webrtc)
    house.address = _address(doors, files)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(house.run(), name="house")
        watching = group.create_task(house.metrics.watch_loop(), name="loop lag")
        calling = group.create_task(webrtc.run(), name="webrtc")
        following = group.create_task(_follow(tls, settings, house.troubles), name="certificates")
        running = [
            group.create_task(door.serve(sockets=[door.bound]), name=name)
            for name, door in doors.items()
        ]
        try:
            await start(engine)
            await asyncio.gather(*(door.listening.wait() for door in doors.values()))
            house.doors_open = True
            yield gateway
            for door in doors.values():
                for server in door.servers:
                    server.close()
            await house.drain()
        finally:
            for door in doors.values():
                door.should_exit = True
            await asyncio.gather(*running, return_exceptions=True)
            for task in (keeping, watching, calling, following):
                task.cancel()
            await aclose(engine)
            if house.exits.spans is not None:
                await asyncio.to_thread(house.exits.spans.close)


def certificate_files(settings: GatewaySettings) -> CertificateFiles:
    """The certificate to serve: your own, or one of the local authority.

    Raises:
        Refused: your own does not fit its key, is over, or cannot be read.
    """
    if settings.certificate is not None:
        return own_certificates(settings.certificate, settings.key)
    names = (settings.host, *settings.allow_hosts)
    return local_certificates(
        settings.state_dir.expanduser(), [name for name in names if name not in _ANY]
    )


def _address(doors: dict[str, Door], files: CertificateFiles | None) -> Address:
    urls = {name: door.url for name, door in doors.items()}
    ca = files.authority if files is not None else None
    return Address(urls.get("http", ""), urls.get("https", ""), str(ca or ""))


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


def check_exposure(settings: GatewaySettings) -> None:
    """Refuse a public address without keys."""
    if loopback(settings.host) or settings.keys or settings.open_to_anyone:
        return
    if settings.keys_path.exists() or settings.access.judge or settings.access.jwks:
        return
    raise Refused(
        f"{settings.host} can be reached by others and no key is set: make "
        "one with `ossicle keys add NAME`, set OSSICLE_KEYS=name:secret, or say --open-to-anyone",
        code="forbidden",
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        address = ipaddress.ip_address(host)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        where: str = str(address)
    except ValueError:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        where = str(found[0])
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((where, port))
        bound.listen(2048)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(
            error.errno, f"port {port} of {host} cannot be opened: {error.strerror}"
        ) from error
    return bound
