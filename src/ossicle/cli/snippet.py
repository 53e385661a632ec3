"""`ossicle snippet`: the lines that point an SDK at this gateway."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ossicle.core.errors import OssicleError
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.doors.bind import BINDINGS
from ossicle.gateway.keys.access import loopback
from ossicle.gateway.snippets import TEMPLATES, Address, Snippet, find, snippets

from .config import load

__all__ = ["address", "snippet"]


def snippet(
    sdk: Annotated[str, typer.Option(help="ossicle deepgram assemblyai twilio curl …")] = "",
    language: Annotated[str, typer.Option(help="python javascript shell xml; empty = all.")] = "",
    url: Annotated[
        str, typer.Option(help="The plain door; off = none. Empty = as configured.")
    ] = "",
    tls_url: Annotated[
        str, typer.Option(help="The TLS door; off = none. Empty = as configured.")
    ] = "",
    ca: Annotated[
        str, typer.Option(help="The CA to trust; none = a public one. Empty = as configured.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="TOML file of the gateway.", envvar="OSSICLE_CONFIG")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the SDKs and languages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Print the exact lines that point an SDK at this gateway.

    They read the key from OSSICLE_KEY. `GET /v1/snippets` of a running gateway gives the same.
    """
    here = address(load(config).settings, url, tls_url, ca)
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


def address(settings: GatewaySettings, url: str, tls_url: str, ca: str) -> Address:
    """Where the gateway is, as it is configured or as it was said."""
    host = "localhost" if loopback(settings.host) or settings.host in _ANY else settings.host
    own = settings.certificate is not None
    authority = "" if own else str(settings.state_dir.expanduser().absolute() / "ca.pem")
    return Address(
        _door(url, "http", host, settings.port),
        _door(tls_url, "https", host, settings.tls_port),
        "" if ca == "none" else ca or authority,
        _rpc("grpc", url, host, settings.grpc_port),
        _rpc("grpcs", tls_url or url, host, settings.grpc_tls_port),
    )


def _door(said: str, scheme: str, host: str, port: int | None) -> str:
    """A port of 0 is known only to the gateway that runs: ask it, or say the URL."""
    if said:
        return "" if said == "off" else said.rstrip("/")
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port or 'PORT'}" if port is not None else ""


def _rpc(scheme: str, said: str, host: str, port: int | None) -> str:
    """The gRPC doors stand beside the others: the same name, and the port that is configured."""
    if said == "off" or port is None:
        return ""
    name = urlsplit(said).hostname if said else None
    return _door("", scheme, name or host, port)


_ANY = {"0.0.0.0", "::", "*"}  # noqa: S104  shown, not bound


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
