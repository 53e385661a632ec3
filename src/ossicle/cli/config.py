"""`ossicle config`: check a file, show what is in force and why, print the schema."""

import os
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ossicle.gateway.configuration.naming import SETTINGS, plain, schema
from ossicle.gateway.configuration.sources import SECRETS, Configuration, Misconfigured, configure

__all__ = ["FILE", "config", "load", "stop"]

FILE = typer.Option(help="TOML file.", envvar="OSSICLE_CONFIG")

config = typer.Typer(
    help="Check, show and describe the configuration.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


@config.command()
def check(
    file: Annotated[Path | None, typer.Argument(envvar="OSSICLE_CONFIG")] = None,
) -> None:
    """Say everything that is wrong with a file and the environment. Status 0: nothing is."""
    found = load(file)
    for note in found.notes:
        Console(stderr=True).print(f"[yellow]note[/] {escape(note)}", soft_wrap=True)
    given = sum(1 for name in found.sources if name in SETTINGS)
    where = f"{file} and the environment" if file is not None else "the environment"
    Console().print(f"good: {given} settings from {escape(where)}", soft_wrap=True)


@config.command()
def show(
    config_: Annotated[
        Path | None, typer.Option("--config", help="TOML file.", envvar="OSSICLE_CONFIG")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, as `serve` takes it; repeatable.")
    ] = None,
    changed: Annotated[bool, typer.Option(help="Only what is not the default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show the values in force, and where each came from. Secrets are never shown."""
    found = load(config_, set_ or ())
    rows = [
        (name, plain(found.value(each)), found.source(name))
        for name, each in SETTINGS.items()
        if not changed or name in found.sources
    ]
    rows += [(name, "set, not shown", "environment") for name in SECRETS if os.environ.get(name)]
    if as_json:
        told = {name: {"value": value, "source": source} for name, value, source in rows}
        typer.echo(msgspec.json.encode(told).decode())
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("setting", style="bold", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", style="dim", overflow="fold")
    for name, value, source in rows:
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        table.add_row(escape(name), escape(shown), escape(source))
    Console().print(table)


@config.command(name="schema")
def schema_() -> None:
    """Print the JSON Schema of a configuration file; editors check TOML with it."""
    typer.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode())


def load(file: Path | None, assignments: list[str] | tuple[str, ...] = ()) -> Configuration:
    """What file, environment and flags say; ends the command in words when it cannot be used."""
    try:
        return configure(file, os.environ, assignments=assignments)
    except Misconfigured as error:
        stop(error)


def stop(error: Misconfigured) -> NoReturn:
    """A line for each problem, and status 2."""
    console = Console(stderr=True)
    for problem in error.problems:
        console.print(f"[bold red]error[/] {escape(str(problem))}", soft_wrap=True)
    raise typer.Exit(2)
