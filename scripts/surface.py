"""The reference pages about what is run: engines, commands, figures. Used by `reference.py`.

Only what is the same on every machine: whether an engine is installed here is said by
`ossicle engines`.
"""

from __future__ import annotations

import re
import types
import typing

import typer
import typer.core
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ossicle.cli import app
from ossicle.cli.doors import LATER
from ossicle.core.capabilities import Capabilities
from ossicle.core.events import EndReason
from ossicle.core.formats import AudioFormat
from ossicle.core.session import Session
from ossicle.engines.open import describe_engines
from ossicle.engines.pocketsphinx import PocketsphinxEngine
from ossicle.gateway.reports.metrics import Metrics

__all__ = ["command_page", "engine_page", "metric_page"]

CAN = (
    "turns", "interim_results", "word_times", "confidence", "hints", "diarize", "punctuate",
    "profanity_filter", "accurate", "answers",
)  # fmt: skip


def formats(given: tuple[AudioFormat, ...]) -> str:
    """Formats in a cell."""
    return ", ".join(f"`{each.encoding}` {each.sample_rate} Hz" for each in given) or "nothing"


def engine_page(about: dict[str, str]) -> str:
    """Every engine and what it can do. `about`: the sentence of each capability."""
    rows = describe_engines()
    known: dict[str, Capabilities] = {
        row.name: row.capabilities for row in rows if row.capabilities
    }
    known["pocketsphinx"] = PocketsphinxEngine().capabilities
    names = [row.name for row in rows if row.name in known]
    out = [
        "# Engines\n",
        "`ossicle serve --engine NAME[:ARGUMENT]`, and `--voice NAME` for the one that speaks.",
        "`ossicle engines` says which can be used on your machine, and what the others need.\n",
        "| engine | argument | |",
        "|---|---|---|",
    ]
    for row in rows:
        argument = f"`{row.argument}`".replace("|", "\\|") if row.argument else ""
        out.append(f"| `{row.name}` | {argument} | {row.note} |")
    out += [
        "\n## What each can do\n",
        "| | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---|" + "---|" * len(names),
        "| hears | " + " | ".join(formats(known[name].hears) for name in names) + " |",
        "| speaks | " + " | ".join(formats(known[name].speaks) for name in names) + " |",
        "| languages | "
        + " | ".join(", ".join(known[name].languages) or "any" for name in names)
        + " |",
    ]
    for what in CAN:
        cells = ("yes" if getattr(known[name], what) else "" for name in names)
        out.append(f"| `{what}` | " + " | ".join(cells) + " |")
    out += [
        "\nAn option that the engine cannot honour is a notice `option_not_supported`, and an",
        "error under `strict`. Sound is converted to what the engine hears.\n",
        "## Capabilities\n",
        "What an engine of your own declares, in `ossicle.core.capabilities.Capabilities`.\n",
        "| field | |",
        "|---|---|",
        *(f"| `{name}` | {text} |" for name, text in about.items() if name),
    ]
    return "\n".join(out) + "\n"


def commands() -> dict[str, tuple[typing.Any, dict[str, object]]]:
    """Every command by its whole name, with the types of its parameters."""
    found: dict[str, tuple[typing.Any, dict[str, object]]] = {}

    def walk(group: typing.Any, made: typer.Typer, above: str) -> None:
        hints = {
            each.callback.__name__: typing.get_type_hints(each.callback)
            for each in made.registered_commands
            if each.callback is not None
        }
        inner = {each.name: each.typer_instance for each in made.registered_groups}
        for name, command in group.commands.items():
            if name in inner and inner[name] is not None:
                walk(command, inner[name], f"{above}{name} ")
            else:
                found[above + name] = (command, hints[command.callback.__name__])

    walk(typer.main.get_command(app), app, "")
    return found


def command_page() -> str:
    """Every command with its flags."""
    every = commands()
    out = ["# Commands\n", "Each explains itself: `ossicle COMMAND --help`.\n"]
    out += ["| command | |", "|---|---|"]
    out += [
        f"| [`ossicle {name}`](#ossicle-{name.replace(' ', '-')}) "
        f"| {(command.help or '').splitlines()[0]} |"
        for name, (command, _) in every.items()
    ]
    for name, (command, hints) in every.items():
        out += [f"\n## `ossicle {name}`\n", (command.help or "").strip() + "\n"]
        if command.params:
            out += ["| | default | variable | |", "|---|---|---|---|"]
            out += [flag(each, hints.get(each.name or "")) for each in command.params]
    return "\n".join(out) + "\n"


def flag(each: typing.Any, kind: object) -> str:
    """One row of a command. `kind`: the type of its value."""
    if isinstance(each, typer.core.TyperArgument):
        name = f"`{(each.metavar or each.name or '').upper()}`"
    else:
        name = " ".join(f"`{opt}`" for opt in (*each.opts, *each.secondary_opts))
    default = "" if callable(each.default) or each.default in {None, "", False} else each.default
    shown = f"`{default}`" if default != "" else ""
    names = each.envvar if isinstance(each.envvar, str) else " ".join(each.envvar or ())
    text = re.sub(r"\s+", " ", getattr(each, "help", None) or "").replace("|", "\\|")
    if each.name in LATER:
        text += " Not in this version."
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        text = f"{text} One of {', '.join(f'`{choice}`' for choice in choices)}."
    return f"| {name} | {shown} | {f'`{names}`' if names else ''} | {text} |"


class Nobody:
    """A house without sessions, which is all that the names of the figures need."""

    sessions: typing.Mapping[str, Session] = types.MappingProxyType({})


class Seen(CollectorRegistry):
    """A registry that can say what was registered, with the labels."""

    def labelled(self) -> list[tuple[str, str, str, tuple[str, ...], tuple[float, ...]]]:
        """Name, kind, text, labels and bounds of each figure."""
        rows: list[tuple[str, str, str, tuple[str, ...], tuple[float, ...]]] = []
        for figure in self._collector_to_names:
            if not isinstance(figure, Counter | Gauge | Histogram):
                continue
            (described,) = figure.describe()
            suffix = "_total" if isinstance(figure, Counter) else ""
            bounds = tuple(figure._upper_bounds) if isinstance(figure, Histogram) else ()  # noqa: SLF001  no other way to read them
            labels = tuple(figure._labelnames)  # noqa: SLF001  the same
            name = described.name + suffix
            rows.append((name, described.type, described.documentation, labels, bounds))
        return rows


def metric_page(ledger: dict[str, str]) -> str:
    """Every figure at `/metrics`. `ledger`: the sentence of each part of the latency."""
    seen = Seen()
    Metrics(Nobody(), seen)
    out = [
        "# Metrics\n",
        "At `/metrics`, in the text format of Prometheus. Counts and times; never words or",
        "keys: a key is named by its id, and by the owner it was made for.\n",
        "| figure | kind | labels | |",
        "|---|---|---|---|",
    ]
    bounds: tuple[float, ...] = ()
    for name, kind, text, labels, limits in seen.labelled():
        bounds = limits or bounds
        marks = " ".join(f"`{label}`" for label in labels)
        out.append(f"| `{name}` | {kind} | {marks} | {text} |")
    shown = ", ".join(f"{bound:g}" for bound in bounds if bound != float("inf"))
    out += [
        f"\nBuckets of the histograms, in ms: {shown}.\n",
        "## Labels\n",
        "| label | values |",
        "|---|---|",
        "| `transport` | `websocket` `http` |",
        "| `engine` | its [name](engines.md); two as `pocketsphinx+tone`; `none` = not chosen |",
        "| `reason` | " + " ".join(f"`{each}`" for each in typing.get_args(EndReason)) + " |",
        "| `code` | an [error's](ossicle-v1.md#errors) |",
        "| `key` `owner` | id of a key, and whose it is: see `ossicle keys list` |",
        "| `outcome` | `delivered`; `retried`: once more; `rejected`: not wanted; `given_up` |",
        "| `part` | as follows |\n",
        "## Parts of the latency\n",
        "Values of the label `part`. The same as in `ended.ledger`, there with `_ms`.\n",
        "| part | |",
        "|---|---|",
        *(
            f"| `{name.removesuffix('_ms')}` | {text} |"
            for name, text in ledger.items()
            if name.endswith("_ms")
        ),
    ]
    return "\n".join(out) + "\n"
