"""`ossicle engines`: what can hear and speak here."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ossicle.engines.open import describe_engines

__all__ = ["engines"]


def engines(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List the engines, and what would make the missing ones work."""
    rows = describe_engines()
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("engine", style="bold")
    table.add_column("")
    table.add_column("what it is, or what it needs", overflow="fold")
    for row in rows:
        mark = "[green]ready[/]" if row.available else "[yellow]not here[/]"
        name = f"{row.name}:{row.argument}" if row.argument else row.name
        table.add_row(name, mark, row.note if row.available else f"{row.why}\n[dim]{row.note}[/]")
    Console().print(table)
