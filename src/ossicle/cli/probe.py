"""`ossicle probe`: what the network between here and a gateway lets through."""

import asyncio
import contextlib
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ossicle.advisor.findings import Findings, asked, findings
from ossicle.advisor.inputs import Client, read_inputs
from ossicle.advisor.probe import Told, Wishes
from ossicle.advisor.probe import probe as measure
from ossicle.client.address import DEFAULT_URL
from ossicle.core.errors import OssicleError
from ossicle.gateway.measuring.advice import AdviceGiven, answer
from ossicle.gateway.snippets import Address

from .probed import show, show_advice

__all__ = ["probe"]

_MOST_S = 600.0


class _Printed(msgspec.Struct):
    """What `--json` prints."""

    findings: Findings
    advice: AdviceGiven | None


def probe(
    url: Annotated[str, typer.Argument(help="The gateway.", envvar="OSSICLE_URL")] = DEFAULT_URL,
    idle: Annotated[
        float, typer.Option(help="Seconds of silence to look for; 0 = do not.", min=0, max=_MOST_S)
    ] = 30.0,
    limit: Annotated[
        float, typer.Option(help="Seconds after which it ends; 0 = --idle and 45.", min=0, max=3600)
    ] = 0.0,
    bytes_: Annotated[
        int,
        typer.Option("--bytes", help="At most so many each way.", min=1_000, max=64 << 20),
    ] = 4 << 20,
    client: Annotated[
        str, typer.Option(help="For the advice: " + " ".join(get_args(Client)))
    ] = "server",
    key: Annotated[
        str, typer.Option(help="API key.", envvar="OSSICLE_KEY", show_default=False)
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option(help="A CA to trust; see `ossicle certs`.", envvar="OSSICLE_CA"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Measure the way to a gateway: which wires pass, how fast, how long a silence may last.

    Ends with what to use on this network, and where 300 ms would go.

    Exit codes: 0 nothing is in the way, 1 there is no way to the gateway, 2 wrong use, 3 there is
    a way with problems, 130 stopped with Ctrl-C.
    """
    try:
        inputs = read_inputs([("client", client)])
        wishes = Wishes(idle_s=idle, limit_s=limit, bytes=bytes_, key=key, ca=ca)
        with _progress(quiet=as_json) as told:
            seen = asyncio.run(measure(url, wishes, told))
        found = findings(seen)
        usable = found.exit_code != 1
        advice = answer(asked(found, inputs), _address(url)) if usable else None
    except OssicleError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        printed = msgspec.json.encode(_Printed(found, advice))
        typer.echo(msgspec.json.format(printed, indent=2).decode())
    else:
        show(Console(), found)
        if advice is not None:
            show_advice(Console(), advice)
    raise typer.Exit(found.exit_code)


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Generator[Told]:
    """A line for each part while it is measured, at a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _part, _done: None
        return
    columns: list[Any] = [
        SpinnerColumn(finished_text="[green]✓[/]"), TextColumn("{task.description:<16}"),
        BarColumn(bar_width=24),
    ]  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        rows: dict[str, Any] = {}

        def told(part: str, done: float) -> None:
            if part not in rows:
                rows[part] = progress.add_task(part, total=1.0)
            progress.update(rows[part], completed=done)

        yield told


def _address(url: str) -> Address:
    plain = url.rstrip("/")
    secure = plain.startswith(("https:", "wss:"))
    return Address(https=plain) if secure else Address(http=plain)


def _fail(text: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"[bold red]error[/] {text}", soft_wrap=True)
    raise typer.Exit(2)
