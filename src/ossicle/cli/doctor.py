"""`ossicle doctor`: why something does not work, in words."""

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ossicle.core.errors import OssicleError
from ossicle.gateway.configuration.sources import Misconfigured, configure
from ossicle.gateway.doors.reachable import facts_of
from ossicle.gateway.keys.secrets import Secrets
from ossicle.transports.webrtc.diagnosis import diagnose

from .config import stop

__all__ = ["doctor"]

doctor = typer.Typer(no_args_is_help=True, help="Why something does not work, in words.")
console = Console()

_SIGNS = {"ok": "[green]ok[/]   ", "note": "[yellow]note[/] ", "wrong": "[bold red]wrong[/]"}


@doctor.callback()
def every() -> None:
    """Why something does not work, in words."""


@doctor.command()
def webrtc(
    config: Annotated[Path | None, typer.Option(help="TOML file.", envvar="OSSICLE_CONFIG")] = None,
    host: Annotated[str, typer.Option(help="As given to `ossicle serve`.")] = "",
    ice_ports: Annotated[str, typer.Option(help="As given to `ossicle serve`.")] = "",
    announce: Annotated[str, typer.Option(help="As given to `ossicle serve`.")] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: any other setting; repeatable."),
    ] = None,
) -> None:
    """Why a browser cannot connect: sockets are tried, STUN and TURN servers are asked.

    Reads the settings that `ossicle serve` would use. Ends with 1 if something is wrong.
    """
    flags = {
        name: value
        for name, value in (("host", host), ("ice_ports", ice_ports), ("announce", announce))
        if value
    }
    try:
        settings = configure(config, os.environ, flags, set_ or ()).settings
    except Misconfigured as error:
        stop(error)
    try:
        secret = Secrets(settings.state_dir)("turn_secret")
        facts = asyncio.run(facts_of(settings, secret, time.time()))
    except OssicleError as error:
        console.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    except ModuleNotFoundError:
        console.print("WebRTC is not installed here: pip install 'ossicle\\[webrtc]'")
        raise typer.Exit(2) from None
    findings = diagnose(facts)
    for each in findings:
        console.print(f"{_SIGNS[each.level]} {escape(each.text)}", soft_wrap=True)
    if any(each.level == "wrong" for each in findings):
        raise typer.Exit(1)
