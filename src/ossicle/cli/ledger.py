"""The latency ledger for a terminal: one bar a part, against 300 ms."""

from rich.table import Table
from rich.text import Text

from ossicle.core.ledger import LedgerReport

__all__ = ["ledger_table"]

_WIDTH = 24
_FULL_MS = 1_000
_BUDGET_MS = 300

_PARTS = (
    ("setup_ms", "set-up", "until the engine could hear", "blue"),
    ("first_partial_ms", "first partial", "word ends → partial holds it", "green"),
    ("end_of_turn_ms", "end of turn", "silence asked for, not spent", "yellow"),
    ("queue_ms", "queue", "audio waits for the engine", "magenta"),
    ("convert_ms", "convert", "decode, resample; per second", "cyan"),
    ("engine_ms", "engine", "turn decided → its final", "green"),
    ("send_ms", "send", "final → the wire", "cyan"),
    ("network_ms", "network", "round trip to the client", "blue"),
    ("playback_ms", "playback", "sound made → heard", "blue"),
)


def ledger_table(report: LedgerReport) -> Table:
    """Where the time went: medians over the turns."""
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        title=f"Where the time went ({report.turns} turns, medians; │ = {_BUDGET_MS} ms)",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("part")
    table.add_column("ms", justify="right")
    table.add_column("", width=_WIDTH + 1, no_wrap=True)
    table.add_column("what it is", style="dim", no_wrap=True)
    for name, title, text, colour in _PARTS:
        value = getattr(report, name)
        if value is not None:
            table.add_row(title, f"{value:,.1f}", _bar(value, colour), text)
    return table


def _bar(ms: float, colour: str) -> Text:
    filled = min(_WIDTH, round(ms / _FULL_MS * _WIDTH))
    mark = round(_BUDGET_MS / _FULL_MS * _WIDTH)
    bar = Text()
    for place in range(_WIDTH):
        if place == mark:
            bar.append("│", "dim")
        elif place < filled:
            bar.append("━", colour)
        else:
            bar.append(" ")
    if ms > _FULL_MS:
        bar.append("▸", colour)
    elif ms > 0 and not filled:
        bar = Text("╸" + bar.plain[1:], colour)
    return bar
