"""`ossicle advise`: which protocol, why, what instead, and the lines to begin with."""

import sys
from typing import Annotated, get_args

import msgspec
import typer
from rich.console import Console

from ossicle.advisor import read_inputs
from ossicle.advisor.inputs import Client
from ossicle.core.errors import OssicleError
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.measuring.advice import answer
from ossicle.gateway.snippets import Address

from .advised import show
from .interview import interview
from .snippet import address

__all__ = ["advise"]


def advise(
    client: Annotated[str, typer.Option(help="Who sends: " + " ".join(get_args(Client)))] = "",
    latency: Annotated[
        str, typer.Option(help="Milliseconds, or interactive real-time seconds.")
    ] = "",
    provider: Annotated[
        str, typer.Option(help="own deepgram assemblyai google amazon openai riva")
    ] = "",
    conversation: Annotated[
        bool, typer.Option("--conversation", help="The client plays a voice while it listens.")
    ] = False,
    both_ends: Annotated[
        bool, typer.Option("--both-ends", help="Client and gateway are both yours.")
    ] = False,
    same_datacentre: Annotated[
        bool, typer.Option("--same-datacentre", help="The client is in the gateway's own network.")
    ] = False,
    udp_blocked: Annotated[
        bool, typer.Option("--udp-blocked", help="Their network blocks UDP.")
    ] = False,
    upgrades_blocked: Annotated[
        bool, typer.Option("--upgrades-blocked", help="Their network refuses or cuts WebSockets.")
    ] = False,
    audience: Annotated[
        bool, typer.Option("--audience", "--one-to-many", help="One speaks, many listen.")
    ] = False,
    grpc: Annotated[bool, typer.Option("--grpc", help="The team knows gRPC.")] = False,
    browser: Annotated[
        list[str] | None,
        typer.Option(
            "--browser", "--browsers", help='To support: NAME, or "NAME OLDEST"; repeatable.'
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A wire that is ruled out; repeatable.")
    ] = None,
    wire: Annotated[str, typer.Option(help="One you have in mind: what speaks against it?")] = "",
    url: Annotated[
        str, typer.Option(help="The gateway, for the client's lines.")
    ] = "http://localhost:8080",
    ask: Annotated[
        bool | None,
        typer.Option(help="Ask for each; by itself where nothing is given, at a terminal."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Say which protocol to use, with reasons, warnings, a configuration and a client.

    Every reason names the fact it rests on, with its source and date. Without any flag it asks.
    """
    given = [
        *((name, text) for name, text in (("client", client), ("latency_ms", latency),
                                          ("provider", provider), ("wire", wire)) if text),
        *((name, "yes") for name, true in (
            ("conversation", conversation), ("both_ends", both_ends),
            ("same_datacentre", same_datacentre), ("udp_blocked", udp_blocked),
            ("upgrades_blocked", upgrades_blocked), ("audience", audience), ("grpc", grpc),
        ) if true),
        *(("browsers", each) for each in browser or ()),
        *(("without", each) for each in without or ()),
    ]  # fmt: skip
    try:
        asked = read_inputs(given)
        if ask or (ask is None and not given and not as_json and _at_a_terminal()):
            asked = interview(Console(stderr=True), asked)
        found = answer(asked, _address(url))
    except OssicleError as error:
        Console(stderr=True).print(f"[bold red]error[/] {error}", soft_wrap=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(Console(), found)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _address(url: str) -> Address:
    secure = url.startswith("https:")
    return address(GatewaySettings(), "off" if secure else url, url if secure else "", "")
