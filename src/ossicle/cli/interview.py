"""The questions of `ossicle advise`, at a terminal: a number or a few letters, Enter for the usual.

    asked = interview(Console(stderr=True))

Four questions, a fifth for pages. An answer that is none is asked for again, and says what there
is. Knows no answer to them.
"""

from collections.abc import Mapping

import msgspec
from rich.console import Console
from rich.markup import escape

from ossicle.advisor import Inputs, read_inputs
from ossicle.advisor.inputs import FIELDS, LATENCIES, Field
from ossicle.core.errors import OssicleError, Refused

__all__ = ["interview"]

_BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}


def interview(console: Console, start: Inputs | None = None) -> Inputs:
    """Ask until it is known.

    Args:
        start: what is known already, and offered.
    """
    start = start or Inputs()
    console.print("[bold]Which protocol?[/] [dim]A number, or Enter for what is marked.[/]\n")
    said: dict[str, str] = {}
    said["client"] = _choose(console, _BY_NAME["client"].title, _BY_NAME["client"].choices,
                             start.client)  # fmt: skip
    said["latency_ms"] = _choose(
        console, _BY_NAME["latency_ms"].title,
        {str(ms): text for ms, text in LATENCIES.values()},
        str(LATENCIES[start.band][0]), free="latency_ms",
    )  # fmt: skip
    said["provider"] = _choose(console, _BY_NAME["provider"].title, _BY_NAME["provider"].choices,
                               start.provider)  # fmt: skip
    switches = [each for each in FIELDS if each.kind == "switch"]
    true = _tick(console, switches, start)
    said |= dict.fromkeys(true, "yes")
    if said["client"] == "browser":
        said["browsers"] = _line(console, _BY_NAME["browsers"], "all, as they are now")
    found = read_inputs({name: text for name, text in said.items() if text})
    console.print()
    return msgspec.structs.replace(found, without=start.without, wire=start.wire)


def _choose(
    console: Console, title: str, choices: Mapping[str, str], usual: str, free: str = ""
) -> str:
    names = list(choices)
    console.print(f"[bold cyan]{escape(title)}[/]")
    for number, (name, text) in enumerate(choices.items(), 1):
        mark = "[cyan]›[/]" if name == usual else " "
        console.print(f" {mark} [bold]{number}[/] {escape(text)}", highlight=False)
    while True:
        text = console.input("[dim]→[/] ").strip().lower()
        if not text:
            return usual
        # a latency is a number itself, so there only small ones are places in the list
        if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= len(names):
            return names[int(text) - 1]
        near = [name for name in names if name.startswith(text)]
        if len(near) == 1:
            return near[0]
        if free:
            try:
                return str(getattr(read_inputs({free: text}), free))
            except OssicleError as error:
                console.print(f"[yellow]{escape(str(error))}[/]", soft_wrap=True)
                continue
        console.print(f"[yellow]a number from 1 to {len(names)}, or Enter[/]")


def _tick(console: Console, fields: list[Field], start: Inputs) -> list[str]:
    console.print("[bold cyan]Which of these are true?[/] [dim]Numbers; Enter for none.[/]")
    for number, field in enumerate(fields, 1):
        mark = "[cyan]›[/]" if getattr(start, field.name) else " "
        console.print(f" {mark} [bold]{number}[/] {escape(field.title)}", highlight=False)
    while True:
        text = console.input("[dim]→[/] ").replace(",", " ").split()
        if not text:
            return [field.name for field in fields if getattr(start, field.name)]
        if all(t.isascii() and t.isdigit() and 1 <= int(t[:6]) <= len(fields) for t in text):
            return [fields[int(each) - 1].name for each in text]
        console.print(f"[yellow]numbers from 1 to {len(fields)}, with spaces between[/]")


def _line(console: Console, field: Field, usual: str) -> str:
    console.print(f"[bold cyan]{escape(field.title)}[/] [dim]{escape(field.text)}[/]")
    while True:
        text = console.input(f"[dim]{escape(usual)} →[/] ").strip()
        try:
            read_inputs({field.name: text} if text else {})
        except Refused as error:
            console.print(f"[yellow]{escape(str(error))}[/]", soft_wrap=True)
            continue
        return text
