"""`ossicle snippet`: the lines that point an SDK at this gateway."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ossicle.core.errors import OssicleError
from ossicle.gateway.bind import BINDINGS
from ossicle.gateway.snippets import TEMPLATES, Address, Snippet, find, snippets

from .serve import STATE_DIR

__all__ = ["snippet"]


def snippet(
    sdk: Annotated[str, typer.Option(help="ossicle deepgram assemblyai twilio curl …")] = "",
    language: Annotated[str, typer.Option(help="python javascript shell xml; empty = all.")] = "",
    url: Annotated[
        str, typer.Option(help="The plain door of the gateway, or off.", envvar="OSSICLE_URL")
    ] = "http://localhost:8080",
    tls_url: Annotated[
        str, typer.Option(help="The TLS door of the gateway, or off.")
    ] = "https://localhost:8443",
    ca: Annotated[
        str, typer.Option(help="The CA to trust; empty = the local one, none = a public one.")
    ] = "",
    state_dir: Annotated[Path, typer.Option(help="Where the local CA is kept.")] = STATE_DIR,
    list_: Annotated[bool, typer.Option("--list", help="Name the SDKs and languages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Print the exact lines that point an SDK at this gateway.

    They read the key from OSSICLE_KEY. `GET /v1/snippets` of a running gateway gives the same.
    """
    here = Address(
        "" if url == "off" else url.rstrip("/"),
        "" if tls_url == "off" else tls_url.rstrip("/"),
        "" if ca == "none" else ca or str(state_dir.expanduser().absolute() / "ca.pem"),
    )
    paths = _answered()
    try:
        found = find(here, paths, sdk, language) if sdk else snippets(here, paths)
    except OssicleError as error:
        Console(stderr=True).print(f"[bold red]error[/] {error}")
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(msgspec.json.encode({"snippets": found}).decode())
    elif list_ or not sdk:
        _list(paths)
    else:
        typer.echo("\n".join(_shown(each, headed=len(found) > 1) for each in found), nl=False)


def _answered() -> set[str]:
    paths = {binding.path for binding in BINDINGS}
    if files("ossicle").joinpath("web", "ossicle.js").is_file():
        paths.add("/ossicle.js")
    return paths


def _shown(each: Snippet, *, headed: bool) -> str:
    """As it is, so that it can be piped into a file; a heading only between several."""
    return f"── {each.title} ──\n{each.text}" if headed else each.text


def _list(paths: set[str]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("sdk", "language", "ends at", ""):
        table.add_column(heading, style="bold" if heading == "sdk" else "")
    for each in TEMPLATES:
        here = "" if each.path in paths else "not in this version"
        table.add_row(each.sdk, each.language, each.path, here)
    Console().print(table)
