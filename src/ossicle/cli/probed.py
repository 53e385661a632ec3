"""The findings of a probe for a terminal: wires, figures with bars, what is wrong, 300 ms.

    show(Console(), found)
    show_advice(Console(), advice)

Narrow and wide, with and without colours. Knows no network.
"""

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ossicle.advisor.findings import BUDGET_MS, Findings, Idle, Rate, Spread, Wire
from ossicle.gateway.measuring.advice import AdviceGiven

__all__ = ["show", "show_advice"]

_STATES = {
    "passes": ("✓", "green"),
    "blocked": ("✗", "red"),
    "broken": ("✗", "red"),
    "not_offered": ("–", "dim"),
    "not_tried": ("·", "dim"),
}
_WORDS = {"not_offered": "not offered by this gateway", "not_tried": "not tried"}
_WEIGHTS = {"fatal": "red", "problem": "yellow", "note": "cyan"}
_COLOURS = ("blue", "cyan", "magenta", "yellow", "green", "red")
_BAR, _BUDGET_BAR = 20, 60


def show(console: Console, found: Findings) -> None:
    """Everything but the advice."""
    console.print(_section(f"From here to {found.host}:{found.port}"), _wires(found))
    if found.rtt is not None or found.datagrams is not None:
        console.print(_section("The way there and back"), _figures(found))
    if found.certificate is not None:
        console.print(_section("Certificate"), _certificate(found))
    console.print(_section("What is in the way"))
    if not found.problems:
        console.print(Text("  nothing was found", "green"))
    for each in found.problems:
        colour = _WEIGHTS[each.weight]
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(width=3, justify="right", style=colour)
        row.add_column()
        row.add_row("•", Text.assemble((each.code, f"bold {colour}"), "  ", each.text))
        if each.way_out:
            row.add_row("", Text(each.way_out, "dim"))
        console.print(row)
    if found.rtt is not None:
        console.print(_section(f"Where {BUDGET_MS} ms go"), _budget(found))


def show_advice(console: Console, advice: AdviceGiven) -> None:
    """For this network, in a few lines; `ossicle advise` says more."""
    console.print(_section("What to use on this network"))
    row = Table.grid(padding=(0, 2, 0, 2))
    row.add_column(style="dim", no_wrap=True)
    row.add_column()
    row.add_row("use", Text(advice.recommended.title, "bold green"))
    if advice.runner_up is not None:
        row.add_row("or", advice.runner_up.title)
    if advice.today is not None and advice.today != advice.recommended:
        row.add_row("today", advice.today.title)
    for each in advice.ruled_out:
        row.add_row("not", escape(f"{each.wire}: {each.why}"))
    for each in advice.reasons[:3]:
        row.add_row("why", escape(each.text))
    console.print(row)


def _section(title: str) -> Text:
    return Text(f"\n{title}", "bold cyan")


def _wires(found: Findings) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("")
    table.add_column("wire")
    table.add_column("set-up, cold", justify="right")
    table.add_column("", width=_BAR, no_wrap=True)
    table.add_column("resumed", justify="right")
    table.add_column("", style="dim")
    longest = max((each.cold_ms or 0.0 for each in found.wires), default=0.0)
    for each in found.wires:
        sign, colour = _STATES[each.state]
        table.add_row(
            Text(sign, colour),
            Text(each.title, "dim" if colour == "dim" else ""),
            _time(each.cold_ms),
            _bar(each.cold_ms or 0.0, longest, "blue"),
            _time(each.resumed_ms),
            _why(each),
        )
    return Padding(table, (0, 0, 0, 2))


def _why(wire: Wire) -> str:
    word = _WORDS.get(wire.state, "")
    return escape(f"{word}: {wire.why}" if word and wire.why else wire.why or word)


def _figures(found: Findings) -> Padding:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(width=_BAR, no_wrap=True)
    table.add_column(style="dim")
    slowest = max(
        (each.p95_ms for each in (found.rtt, found.datagrams, found.calls) if each is not None),
        default=0.0,
    )
    if found.rtt is not None:
        _spread_rows(table, f"round trip, {found.wire(found.rtt_over).title}", found.rtt, slowest)
    if found.calls is not None:
        _spread_rows(table, "round trip, WebRTC", found.calls, slowest)
    if found.datagrams is not None:
        lost = f"; {found.loss:.1%} lost" if found.loss is not None else ""
        _spread_rows(table, "round trip, UDP", found.datagrams, slowest, lost)
    fastest = max(found.down.kbit_s or 0.0, found.up.kbit_s or 0.0)
    for title, rate in (("down", found.down), ("up", found.up)):
        table.add_row(
            title, _speed(rate), _bar(rate.kbit_s or 0.0, fastest, "green"), escape(rate.why)
        )
    for title, held in (("answers", found.buffers_down), ("bodies", found.buffers_up)):
        said = {True: "collected on the way", False: "come as they are sent", None: "not seen"}
        table.add_row(title, "", "", said[held])
    table.add_row("silence", _idle_time(found.idle), "", _idle(found.idle))
    if found.skew_ms is not None:
        table.add_row("clocks differ", _time(abs(found.skew_ms)), "", "")
    return Padding(table, (0, 0, 0, 2))


def _spread_rows(table: Table, title: str, spread: Spread, most: float, more: str = "") -> None:
    text = f"95 % within {_time(spread.p95_ms)}, jitter {_time(spread.jitter_ms)}{more}"
    table.add_row(title, _time(spread.median_ms), _bar(spread.median_ms, most, "blue"), text)


def _idle_time(idle: Idle) -> str:
    if idle.cut_s is not None:
        return f"{idle.cut_s:g} s"
    return f"{idle.lasts_s:g} s" if idle.lasts_s is not None else ""


def _idle(idle: Idle) -> str:
    if not idle.searched_s:
        return "not looked for"
    if idle.cut_s is None:
        return "and longer: no limit was found" if idle.lasts_s is not None else "not seen"
    kept = {"neither": "neither pings nor data keep it", "unknown": "then it is cut"}
    return kept.get(idle.kept_by, f"then it is cut; {idle.kept_by} keep it open")


def _certificate(found: Findings) -> Padding:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    it = found.certificate
    if it is not None:
        table.add_row("for", escape(", ".join(it.names) or it.subject))
        table.add_row("by", escape(it.issuer))
        table.add_row("until", f"{it.ends} ({it.days_left:.0f} days)")
        table.add_row("TLS", escape(f"{it.version} {it.cipher}"))
    return Padding(table, (0, 0, 0, 2))


def _budget(found: Findings) -> Padding:
    bar, legend = Text(), Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "left", "right", "left"):
        legend.add_column(justify=justify)
    used = 0.0
    for part, colour in zip(found.budget, _COLOURS, strict=False):
        before = round(min(1.0, used / BUDGET_MS) * _BUDGET_BAR)
        used += part.ms
        width = round(min(1.0, used / BUDGET_MS) * _BUDGET_BAR) - before
        bar.append("█" * width, colour)
        how = Text(part.how, "dim" if part.how != "assumed" else "dim italic")
        legend.add_row(Text("■", colour), part.title, _time(part.ms), how)
    bar.append("░" * (_BUDGET_BAR - len(bar.plain)), "dim")
    left = BUDGET_MS - used
    ends = f"{left:.0f} ms left" if left >= 0 else f"{-left:.0f} ms too many"
    bar.append(f"  {ends}", "green" if left >= 0 else "red")
    grid = Table.grid()
    grid.add_row(bar)
    grid.add_row(legend)
    return Padding(grid, (0, 0, 0, 2))


def _bar(value: float, most: float, colour: str) -> Text:
    filled = round(value / most * _BAR) if most > 0 else 0
    return Text("━" * filled or ("╸" if value > 0 else ""), colour)


def _time(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:.1f} ms" if ms < 100 else f"{ms:.0f} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


def _speed(rate: Rate) -> str:
    if rate.kbit_s is None:
        return "?"
    mbit_s = rate.kbit_s / 1000
    return f"{mbit_s:.1f} Mbit/s" if mbit_s >= 1 else f"{rate.kbit_s:.0f} kbit/s"
