"""The reference page of the configuration. Used by `reference.py`."""

from __future__ import annotations

import json

from ossicle.gateway.configuration.naming import LATER, SETTINGS, TABLES, Setting, plain
from ossicle.gateway.configuration.sources import SECRETS

__all__ = ["configuration_page"]

ABOUT = """\
The same names in a TOML file, in the environment and on the command line. What is said nearer wins:
**flags, then environment, then file, then defaults**. [How to configure](../howto/configure.md)
shows it at work.

| where | `port` | `idle_s` of `session` |
|---|---|---|
| file (`--config`, or `OSSICLE_CONFIG`) | `port = 8080` | `[session]`, below it `idle_s = 60` |
| environment | `OSSICLE_PORT=8080` | `OSSICLE_SESSION__IDLE_S=60` |
| flag of `ossicle serve` | `--port 8080` | `--set session.idle_s=60` |

Any setting can be given with `--set NAME=VALUE`; those of the first table that have a flag of their
own are in [Commands](cli.md#ossicle-serve). In the environment and in `--set`, items of a list are
separated by commas, routes by semicolons (`OSSICLE_MODELS="nova-*=pocketsphinx; digits=echo"`). A
list replaces the one of a source further away; it is not added to it. A relative path in a file is
meant from the folder of that file. `off` is a door that stays closed, or a thing that is not there.

An unknown name is an error, and so is a value out of its limits. `ossicle config schema` prints the
same as JSON Schema.
"""


def configuration_page() -> str:
    """Every setting, by table."""
    out = ["# Configuration\n", ABOUT]
    for table, text in TABLES.items():
        out += [f"## `[{table}]`\n" if table else "## At the beginning of the file\n"]
        out += [text + "\n"] if table else []
        out += ["| setting | takes | default | |", "|---|---|---|---|"]
        out += [row(each) for each in SETTINGS.values() if each.name.rpartition(".")[0] == table]
        out.append("")
    out += [
        "## Not in the file\n",
        "| variable | holds |",
        "|---|---|",
        *(f"| `{name}` | {what}; never shown |" for name, what in SECRETS.items()),
        "\n## Later\n",
        "Names of doors that are not in this version. They are taken, and one line says so: "
        + " ".join(f"`{name}`" for name in LATER)
        + ".",
    ]
    return "\n".join(out) + "\n"


def row(each: Setting) -> str:
    """One setting."""
    name = each.name.rpartition(".")[2]
    value = each.default
    if each.kind == "table":
        shown = "empty"
    elif value is None:
        shown = "none"
    else:
        shown = f"`{json.dumps(plain(value))}`"
    return f"| `{name}` | {each.accepts()} | {shown} | {each.text} |"
