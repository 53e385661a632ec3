"""An advice for a terminal: the answer in a panel, then why, what instead, and what to type.

    show(Console(), answer(asked, address))

Narrow and wide, with and without colours. Knows no question.
"""

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ossicle.advisor import Choice, Inputs
from ossicle.advisor.budget import LIMIT_MS, Part
from ossicle.advisor.inputs import CLIENTS
from ossicle.gateway.measuring.advice import AdviceGiven

__all__ = ["budget_bar", "show"]

_COLOURS = ("blue", "cyan", "magenta", "yellow", "green")
_BAR = 60
_LANGUAGES = {"python": "python", "javascript": "javascript", "shell": "bash", "xml": "xml"}


def show(console: Console, found: AdviceGiven) -> None:
    """The whole answer."""
    console.print(_panel(found))
    if found.contradictions:
        console.print(_section("This cannot be had together", "yellow"))
        for text in found.contradictions:
            console.print(_item(escape(text), "yellow"))
    console.print(_section("Why"))
    for each in found.reasons:
        when = f"read {each.date}" if each.read else each.date
        console.print(_item(escape(each.text)))
        # The date first, and never cut: a long address goes on in the next line.
        where = (each.source, f"link {each.source}")
        console.print(Text.assemble(f"    {when}  ", where, style="dim"), soft_wrap=True)
    for each in found.ruled_out:
        console.print(_item(escape(f"not {each.title}: {each.why}"), "dim"))
    console.print(_section("By these questions"))
    for question, reply in found.steps:
        console.print(_item(f"{question} [bold]{escape(reply)}[/]" if reply else question, "dim"))
    console.print(_section("Look out"))
    for text in found.warnings:
        console.print(_item(escape(text), "yellow"))
    console.print(_section(f"Where {LIMIT_MS} ms go"), budget_bar(found.budget))
    for title, text, language in (
        ("ossicle.toml", found.config, "toml"),
        (found.client_title, found.client, found.client_language),
    ):
        if text:
            console.print(_section(title))
            console.print(_code(text, language), soft_wrap=True)
    console.print(Text(f"\nAsk again: {found.command}", "dim"), soft_wrap=True)


def _panel(found: AdviceGiven) -> RenderableType:
    best = found.recommended
    lines: list[RenderableType] = [
        Text(best.title, "bold green"),
        Text(_question(found.asked), "dim"),
    ]
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column()
    if found.runner_up is not None:
        now = found.runner_up == found.today and not best.built
        rows.add_row("or, and today" if now else "or", _named(found.runner_up))
    if found.today is not None and found.today not in (best, found.runner_up):
        rows.add_row("today", _named(found.today))
    if found.upstream is not None and found.upstream.dialect != best.dialect:
        rows.add_row("behind it", _named(found.upstream))
    if rows.row_count:
        lines += ["", rows]
    return Panel(
        Group(*lines), title="Use", title_align="left", border_style="green", padding=(1, 2)
    )


def _named(choice: Choice) -> Text:
    later = "" if choice.built else "  not in this version"
    return Text.assemble(choice.title, (later, "yellow"))


def _question(asked: Inputs) -> str:
    whom = "an engine of your own" if asked.provider == "own" else asked.provider
    return f"for {CLIENTS[asked.client]}, {whom}, {asked.latency_ms} ms"


def _section(title: str, colour: str = "cyan") -> Text:
    return Text(f"\n{title}", f"bold {colour}")


def _item(text: str, colour: str = "") -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=3, justify="right", style=colour or "green")
    table.add_column()
    table.add_row("•", text)
    return table


def _code(text: str, language: str) -> Text:
    """In no frame and never broken, so that it can be copied."""
    syntax = Syntax("", _LANGUAGES.get(language, language), theme="ansi_dark",
                    background_color="default")  # fmt: skip
    return syntax.highlight(text.rstrip("\n"))


def budget_bar(parts: tuple[Part, ...]) -> RenderableType:
    """One bar of what is likely, against the limit, and the range of each part."""
    bar, legend = Text("  "), Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "left", "right"):
        legend.add_column(justify=justify)
    used = 0.0
    for part, colour in zip(parts, _COLOURS, strict=False):
        before = round(used / LIMIT_MS * _BAR)
        used += part.middle_ms
        bar.append("█" * max(1, round(used / LIMIT_MS * _BAR) - before), colour)
        low, high = f"{part.low_ms:g}", f"{part.high_ms:g}"
        legend.add_row(
            Text("  ■", colour), part.title, f"{low} ms" if low == high else f"{low}-{high} ms"
        )
    bar.append("░" * max(0, _BAR - round(used / LIMIT_MS * _BAR)), "dim")
    bar.append(f"│ {LIMIT_MS} ms", "bold" if used > LIMIT_MS else "dim")
    note = Text("  And the silence that ends a turn, 500 to 800 ms: no wire shortens it.", "dim")
    return Group(bar, legend, note)
