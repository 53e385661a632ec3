"""The latency ledger for a terminal: one bar a part, against 300 ms."""

from rich.table import Table
from rich.text import Text

from ossicle.core.ledger import LedgerReport

__all__ = ["ledger_table"]

_WIDTH = 40
_FULL_MS = 1_000
_BUDGET_MS = 300

_PARTS = (
    ("setup_ms", "set-up", "before the first audio could be heard", "blue"),
    ("first_partial_ms", "first partial", "a word's end to the partial that holds it", "green"),
    ("end_of_turn_ms", "end of turn", "silence waited through: asked for, not spent", "yellow"),
    ("queue_ms", "queue", "audio waiting for the engine", "magenta"),
    ("convert_ms", "convert", "decoding and resampling, per second of audio", "cyan"),
    ("engine_ms", "engine", "turn over to its final", "green"),
    ("send_ms", "send", "final told to final on the wire", "cyan"),
    ("network_ms", "network", "round trip to the client", "blue"),
    ("playback_ms", "playback", "first sound made to first sound heard", "blue"),
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
    table.add_column("what it is", style="dim")
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
    elif 0 < ms and not filled:
        bar = Text("╸" + bar.plain[1:], colour)
    return bar
