"""`ossicle keys`: make, list and take back API keys, and see what they used."""

import csv
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ossicle.core.errors import OssicleError
from ossicle.gateway.keys.keyfile import KeyEntry, KeyFile, KeyLimits
from ossicle.gateway.keys.usage import Side, read_lines, totals

__all__ = ["keys"]

STATE_DIR = Path("~/.local/state/ossicle")

StateDir = Annotated[
    Path, typer.Option(help="Where the keys file and the usage are.", envvar="OSSICLE_STATE_DIR")
]
KeysFile = Annotated[
    Path | None,
    typer.Option(help="Another keys file.", envvar="OSSICLE_ACCESS__KEYS_FILE"),
]

keys = typer.Typer(help="API keys: who may use a gateway, and how much.", no_args_is_help=True)


@keys.command()
def add(
    owner: Annotated[str, typer.Argument(help="Whose key it is: a name for lists and figures.")],
    sessions: Annotated[int, typer.Option(min=0, help="Sessions at once; 0 = no limit.")] = 0,
    session_s: Annotated[float, typer.Option(min=0, help="Seconds of one session.")] = 0,
    handshakes_per_s: Annotated[
        float, typer.Option(min=0, help="Sessions begun or joined per second.")
    ] = 0,
    audio_s_per_day: Annotated[
        float, typer.Option(min=0, help="Seconds of audio, heard and spoken, in a day (UTC).")
    ] = 0,
    audio_s_per_month: Annotated[
        float, typer.Option(min=0, help="The same in a calendar month (UTC).")
    ] = 0,
    max_message: Annotated[
        int, typer.Option(min=0, help="Bytes of one WebSocket message, or of one HTTP body.")
    ] = 0,
    state_dir: StateDir = STATE_DIR,
    keys_file: KeysFile = None,
) -> None:
    """Make a key. It is shown once, on standard output, and kept as a digest.

    A running gateway knows it within a second or two.
    """
    limits = KeyLimits(
        sessions=sessions,
        session_s=session_s,
        handshakes_per_s=handshakes_per_s,
        audio_s_per_day=audio_s_per_day,
        audio_s_per_month=audio_s_per_month,
        max_message=max_message,
    )
    book = _book(state_dir, keys_file)
    try:
        new = book.add(owner, limits)
    except (OssicleError, OSError) as error:
        _stop(book, error)
    sys.stdout.write(f"{new.key}\n")
    note = f"key {new.id} of {new.owner}; this is the only time it is shown"
    Console(stderr=True).print(escape(note), soft_wrap=True)


@keys.command(name="list")
def list_(state_dir: StateDir = STATE_DIR, keys_file: KeysFile = None) -> None:
    """Keys in force: ids, owners and limits."""
    book = _book(state_dir, keys_file)
    try:
        held = book.read()
    except OssicleError as error:
        _stop(book, error)
    if not held:
        where = f"no keys in {book.path}; make one with `ossicle keys add NAME`"
        Console(stderr=True).print(escape(where), soft_wrap=True)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "owner", "made", "limits"):
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for each in held:
        made = time.strftime("%Y-%m-%d", time.gmtime(each.made)) if each.made else ""
        table.add_row(each.id, escape(each.owner), made, _limits(each))
    Console().print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Id of a key, or an owner: all its keys.")],
    state_dir: StateDir = STATE_DIR,
    keys_file: KeysFile = None,
) -> None:
    """Take a key back. Its tokens and its running sessions end with it, within a second or two."""
    book = _book(state_dir, keys_file)
    try:
        out = book.revoke(key)
    except (OssicleError, OSError) as error:
        _stop(book, error)
    for each in out:
        typer.echo(f"revoked {each.id} of {each.owner}")


@keys.command()
def usage(
    month: Annotated[str, typer.Option(help="YYYY-MM; empty = all.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    state_dir: StateDir = STATE_DIR,
) -> None:
    """Seconds of audio, heard and spoken, by day (UTC), key and engine."""
    if month and not (len(month) == 7 and month[4] == "-" and month.replace("-", "").isdigit()):
        raise typer.BadParameter(f"{month[:20]!r} is no month: write YYYY-MM")
    try:
        rows = totals(read_lines(state_dir.expanduser() / "usage", month))
    except OSError as error:
        Console(stderr=True).print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from error
    names = ("day", "key", "owner", "engine", "audio_s", "spoken_s")
    amounts: dict[tuple[str, str, str, str], dict[Side, int]] = {}
    for row in rows:
        amounts.setdefault((row.day, row.key, row.owner, row.engine), {})[row.side] = row.ms
    cells = [
        (
            day, key, _plain(owner), engine,
            f"{ms.get('in', 0) / 1000:.3f}", f"{ms.get('out', 0) / 1000:.3f}",
        )
        for (day, key, owner, engine), ms in amounts.items()
    ]  # fmt: skip
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *cells])
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right" if name.endswith("_s") else "left")
    for row in cells:
        table.add_row(*map(escape, row))
    Console().print(table)


def _plain(text: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula."""
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t"} else text


def _limits(entry: KeyEntry) -> str:
    values = [(name, getattr(entry.limits, name)) for name in entry.limits.__struct_fields__]
    return " ".join(f"{name}={value:.10g}" for name, value in values if value)


def _book(state_dir: Path, keys_file: Path | None) -> KeyFile:
    return KeyFile(keys_file or state_dir / "keys.json")


def _stop(book: KeyFile, error: OssicleError | OSError) -> NoReturn:
    text = str(error)
    if isinstance(error, OSError):
        text = f"{book.path} cannot be written ({error.strerror}); the keys are as they were"
    Console(stderr=True).print(f"[bold red]error[/] {escape(text)}", soft_wrap=True)
    raise typer.Exit(2) from error
