"""`ossicle serve`: open the doors and stay until told to stop."""

import asyncio
import contextlib
import importlib.util
import os
import signal
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ossicle.core.errors import OssicleError
from ossicle.core.ports import Engine
from ossicle.engines.agents import open_agent
from ossicle.engines.compose import Combined
from ossicle.engines.open import default_voice, open_engine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.configuration.sources import Misconfigured, configure
from ossicle.gateway.keys.access import keys_from_environment
from ossicle.gateway.models.choices import open_choice
from ossicle.gateway.models.egress import egress
from ossicle.gateway.models.routing import Routed, route
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.reports.logs import set_up
from ossicle.gateway.serve import Gateway, certificate_files, serving

from .config import stop
from .doors import LATER, port
from .settling import settle

__all__ = ["STATE_DIR", "build_engine", "run", "serve", "stop_signals", "welcome"]

T = TypeVar("T")

console = Console(stderr=True)

STATE_DIR = Path("~/.local/state/ossicle")


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port_: Annotated[str, typer.Option("--port", help="HTTP and WebSocket.")] = "8080",
    tls_port: Annotated[str, typer.Option(help="The same over TLS.")] = "8443",
    grpc_port: Annotated[str, typer.Option(help="gRPC.")] = "50051",
    grpc_tls_port: Annotated[str, typer.Option(help="gRPC over TLS.")] = "50052",
    quic_port: Annotated[str, typer.Option(help="WebTransport and MoQ.")] = "",
    sip_port: Annotated[str, typer.Option(help="SIP, UDP and TCP.")] = "",
    sip_tls_port: Annotated[str, typer.Option(help="SIP over TLS.")] = "",
    rtp_ports: Annotated[str, typer.Option(help="Range A-B for RTP.")] = "",
    ice_ports: Annotated[str, typer.Option(help="Range A-B for WebRTC.")] = "",
    announce: Annotated[str, typer.Option(help="Address to announce behind NAT.")] = "",
    engine: Annotated[
        str, typer.Option(help="NAME[:ARG]; see `ossicle engines`.")
    ] = "pocketsphinx",
    voice: Annotated[str, typer.Option(help="NAME of the voice, or off.")] = "",
    config: Annotated[Path | None, typer.Option(help="TOML file.", envvar="OSSICLE_CONFIG")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: any other setting; repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ENGINE: who hears for a model name; patterns; repeatable."),
    ] = None,
    state_dir: Annotated[Path, typer.Option(help="Where the local CA is kept.")] = STATE_DIR,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A host or origin taken besides loopback; repeatable.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", "--cert", help="Your own certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", "--key", help="Its private key, PEM.")
    ] = None,
    drain_s: Annotated[
        float, typer.Option("--drain-s", "--drain", help="Seconds from SIGTERM to the end.")
    ] = 30.0,
    take_over: Annotated[
        bool,
        typer.Option(help="Take the ports from the gateway that has them, and let it drain."),
    ] = False,
    public_url: Annotated[
        str, typer.Option(help="https://HOST that the world reaches this gateway by.")
    ] = "",
    open_to_anyone: Annotated[
        bool, typer.Option(help="Listen on a public address without any key.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug info warning error")] = "info",
) -> None:
    """Start a gateway: live speech in, words out.

    Keys come from OSSICLE_KEYS="name:secret,name:secret"; without any, only this machine may use
    it. A port of 0 is any free one, `off` closes that door.
    """
    given = {name: value for name, value in locals().items() if name in LATER and value}
    flags = {
        name: value
        for name, value in (
            ("host", host),
            ("port", port(port_)),
            ("tls_port", port(tls_port)),
            ("grpc_port", port(grpc_port)),
            ("grpc_tls_port", port(grpc_tls_port)),
            ("engine", engine),
            ("voice", voice),
            ("models", dict(_route(each) for each in model or ())),
            ("state_dir", str(state_dir)),
            ("allow_host", allow_host),
            ("tls_cert", str(tls_cert)),
            ("tls_key", str(tls_key)),
            ("drain_s", drain_s),
            ("take_over", take_over),
            ("public_url", public_url),
            ("ice_ports", ice_ports),
            ("announce", announce),
            ("open_to_anyone", open_to_anyone),
            ("log_level", log_level),
        )
        if _given(ctx, name)
    }
    flags = {name: "off" if value is None else value for name, value in flags.items()}
    try:
        found = configure(config, os.environ, flags, set_ or ())
    except Misconfigured as error:
        stop(error)
    settings = msgspec.structs.replace(found.settings, keys=keys_from_environment())
    set_up(level=settings.log_level)
    for note in found.notes:
        console.print(f"[yellow]note[/] {escape(note)}", soft_wrap=True)
    for name, value in given.items():
        if value != "off":
            flag = "--" + name.replace("_", "-")
            console.print(f"[yellow]{flag} {value}[/]: {LATER[name]} is not in this version")
    try:
        run(_serve(settings))
    except (OssicleError, OSError) as error:
        _stop(str(error))


def build_engine(settings: GatewaySettings) -> Engine:
    """The engines that hear, each with a voice beside it.

    Raises:
        Refused: an unknown name; the text suggests one.
        MissingExtra: it is not installed.
    """

    entries = dict(settings.upstreams)

    def opened(spec: str) -> Engine:
        name, _, argument = spec.partition(":")
        match name:
            case "upstream":
                return open_upstream(argument, entries)
            case "agent":
                return open_agent(argument, opened, settings.voice or default_voice(), egress)
            case _:
                return open_engine(spec, egress)

    def with_voice(spec: str) -> Engine:
        recogniser = open_choice(spec, opened)
        able = recogniser.capabilities
        if settings.voice == "off" or able.speaks or able.answers:
            return recogniser
        return Combined(recogniser, opened(settings.voice or default_voice()))

    return route(settings, with_voice)


def _given(ctx: typer.Context, name: str) -> bool:
    """Whether a flag was on the command line; its default gives way to file and environment."""
    parameter = {"port": "port_", "models": "model"}.get(name, name)
    source = ctx.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _route(text: str) -> tuple[str, str]:
    name, equals, spec = text.partition("=")
    if not (name.strip() and equals and spec.strip()):
        raise typer.BadParameter(f"{text[:60]!r} is no route: use --model NAME=ENGINE")
    return name.strip(), spec.strip()


async def _serve(settings: GatewaySettings) -> None:
    async with serving(settings, build_engine(settings)) as gateway:
        settle()
        welcome(gateway, settings)
        with stop_signals(gateway):
            await gateway.wait()
        open_now = sum(1 for s in gateway.house.sessions.values() if s.owner is not None)
        console.print(
            f"\nstopping: {open_now} sessions may finish, {settings.drain_s:g} s at most"
            if open_now
            else "\nstopping"
        )
    console.print("stopped")


def welcome(gateway: Gateway, settings: GatewaySettings, console: Console = console) -> None:
    """What a person needs to know, in a few lines."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for door in gateway.doors.values():
        table.add_row("listening", f"[bold green]{door.url}[/]")
    for url in gateway.rpc.urls.values() if gateway.rpc is not None else ():
        table.add_row("", f"[bold green]{url}[/]")
    secure = "https" in gateway.doors or (gateway.rpc is not None and "grpcs" in gateway.rpc.urls)
    if secure and settings.certificate is None:
        authority = certificate_files(settings).authority
        table.add_row("trust", f"{authority}  [dim](ossicle certs)[/]")
    able = gateway.house.engine.capabilities
    table.add_row("engine", f"{able.name}  [dim]{able.note}[/]")
    if isinstance(gateway.house.engine, Routed):
        for name, spec in settings.models:
            table.add_row("model", f"{escape(name)}  [dim]{escape(spec)}[/]")
    table.add_row("keys", "on" if gateway.house.access.on else "off: this machine only")
    table.add_row("open", f"{gateway.url}/  [dim]in a browser: talk, and read the words[/]")
    table.add_row("try", f"curl --data-binary @speech.wav {gateway.url}/v1/stream")
    console.print(table)


@contextlib.contextmanager
def stop_signals(gateway: Gateway) -> Generator[None, None, None]:
    """SIGTERM and SIGINT ask for a graceful stop; the second one is the usual interrupt."""
    loop = asyncio.get_running_loop()
    names = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        gateway.stop()
        for name in names:
            loop.remove_signal_handler(name)

    try:
        for name in names:
            loop.add_signal_handler(name, stop)
    except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
        pass
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for name in names:
                loop.remove_signal_handler(name)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed (it is not on Windows)."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415

    return uvloop.run(main)


def _stop(text: str) -> NoReturn:
    console.print(f"[bold red]error[/] {text}")
    raise typer.Exit(2)
