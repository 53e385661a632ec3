"""`ossicle certs`: what a client has to trust, and how to make it."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ossicle.core.errors import OssicleError
from ossicle.gateway.doors.certificates import client_environment, local_certificates

from .serve import STATE_DIR

__all__ = ["certs"]


def certs(
    state_dir: Annotated[
        Path, typer.Option(help="Where the local CA is kept.", envvar="OSSICLE_STATE_DIR")
    ] = STATE_DIR,
    host: Annotated[
        list[str] | None, typer.Option(help="A further name for the certificate; repeatable.")
    ] = None,
) -> None:
    """Print the local CA's path, and the variable that each SDK reads.

    The first line of standard output is the path and nothing else, for scripts:
    export SSL_CERT_FILE="$(ossicle certs | head -1)"
    """
    try:
        files = local_certificates(state_dir.expanduser(), host or ())
    except OssicleError as error:
        Console(stderr=True).print(f"[bold red]error[/] {error}")
        raise typer.Exit(2) from error
    authority = files.authority
    if authority is None:
        raise typer.Exit(1)
    sys.stdout.write(f"{authority}\n")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("variable", style="bold cyan")
    table.add_column("read by")
    table.add_column("trusts", style="dim")
    for variable in client_environment(authority):
        trusts = "this CA besides the usual ones" if variable.adds else "this CA only"
        table.add_row(variable.name, variable.read_by, trusts)
    Console().print(table)
