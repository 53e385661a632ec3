"""The `ossicle` command."""

import typer

from .advise import advise
from .certs import certs
from .config import config
from .demo import demo
from .doctor import doctor
from .engines import engines
from .keys import keys
from .probe import probe
from .serve import serve
from .snippet import snippet
from .transcribe import transcribe

__all__ = ["app", "main"]

app = typer.Typer(
    name="ossicle",
    help="Streaming speech: any client, over any wire, to any engine.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
app.command()(serve)
app.command()(transcribe)
app.command()(advise)
app.command()(probe)
app.command()(certs)
app.command()(demo)
app.command()(engines)
app.command()(snippet)
app.add_typer(config, name="config")
app.add_typer(doctor, name="doctor")
app.add_typer(keys, name="keys")


def main() -> None:
    """Entry point."""
    app()
