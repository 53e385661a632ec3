"""`python -m bench [NAME...] [--quick]`: measure, print, and write docs/reference/results.md.

A quick run prints and leaves the page alone, unless `--write` says otherwise.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.table import Table

from . import (
    adaptation,
    base64,
    browser,
    dialects,
    engine,
    faults,
    grpc,
    looplag,
    memory,
    mux,
    opening,
    relay,
    scale,
    slow,
    sound,
    telephone,
    webrtc,
    websocket,
)
from .progress import Progress
from .results import Section, write

__all__ = ["MEASUREMENTS", "main"]

MEASUREMENTS: dict[str, Callable[..., Section]] = {
    "websocket": websocket.measure,
    "relay": relay.measure,
    "mux": mux.measure,
    "grpc": grpc.measure,
    "dialects": dialects.measure,
    "base64": base64.measure,
    "telephone": telephone.measure,
    "webrtc": webrtc.measure,
    "adaptation": adaptation.measure,
    "memory": memory.measure,
    "opening": opening.measure,
    "looplag": looplag.measure,
    "engine": engine.measure,
    "slow": slow.measure,
    "scale": scale.measure,
    "sound": sound.measure,
    "browser": browser.measure,
    "faults": faults.measure,
}


def show(section: Section, console: Console) -> None:
    """The section in a terminal."""
    for written in section.tables:
        table = Table(title=section.title, title_justify="left")
        for place, name in enumerate(written.head):
            table.add_column(name, justify="left" if place == 0 else "right")
        for row in written.rows:
            table.add_row(*row)
        console.print(table)
    for note in section.notes:
        console.print(f"  {note}", style="dim")
    for verdict in section.verdicts:
        mark = "[green]reached[/]" if verdict.met else "[bold red]missed[/]"
        console.print(f"  {mark}  {verdict.what}: {verdict.value}, target {verdict.target}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--quick", action="store_true", help="under two minutes, rougher figures")
    parser.add_argument("--write", action="store_true", help="write the page after a quick run too")
    parser.add_argument("--minutes", type=float, help="how long faults are made")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"{unknown[0]} is not one of {', '.join(MEASUREMENTS)}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    progress, sections = Progress(console), []
    for name, measure in MEASUREMENTS.items():
        if asked.names and name not in asked.names:
            continue
        run = partial(measure, minutes=asked.minutes) if name == "faults" else measure
        with progress.measuring(name):
            section = run(progress, quick=asked.quick)
        show(section, console)
        sections.append(section)
    if not asked.quick or asked.write:
        write(sections, " ".join(["python -m bench", *sys.argv[1:]]), MEASUREMENTS)
        console.print("written: docs/reference/results.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
