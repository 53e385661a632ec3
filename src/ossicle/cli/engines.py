"""`ossicle engines`: what can hear and speak here."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ossicle.engines.open import describe_engines

from .config import load

__all__ = ["engines"]


def engines(
    config: Annotated[
        Path | None, typer.Option(help="TOML file of the gateway.", envvar="OSSICLE_CONFIG")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List the engines, and what would make the missing ones work. With a configuration: which
    model names each hears for."""
    settings = load(config).settings
    heard: dict[str, list[str]] = {}
    for model, spec in (("", settings.engine), *settings.models):
        heard.setdefault(spec.partition(":")[0], []).append(model or "(any other)")
    rows = describe_engines()
    if as_json:
        told = [msgspec.to_builtins(row) | {"models": heard.get(row.name, [])} for row in rows]
        typer.echo(msgspec.json.encode(told).decode())
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("engine", style="bold")
    table.add_column("")
    table.add_column("what it is, or what it needs", overflow="fold")
    table.add_column("models", overflow="fold")
    for row in rows:
        mark = "[green]ready[/]" if row.available else "[yellow]not here[/]"
        name = f"{row.name}:{row.argument}" if row.argument else row.name
        table.add_row(
            name,
            mark,
            row.note if row.available else f"{row.why}\n[dim]{row.note}[/]",
            escape(", ".join(heard.get(row.name, []))),
        )
    Console().print(table)
