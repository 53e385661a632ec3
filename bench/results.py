"""What a measurement found, and the page that says so.

A `Section` is a table or two, sentences, and `Verdict`s: a target, the value, and whether it was
reached. `write` makes docs/reference/results.md and results.json from them; sections that were not
measured this time keep what the JSON says of them.
"""

import json
import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["Section", "Spread", "Verdict", "Written", "spread", "write"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "results.md"
PACKAGES = (
    "uvloop",
    "picows",
    "grpcio",
    "uvicorn",
    "msgspec",
    "websockets",
    "pocketsphinx",
    "onnxruntime",
)


@dataclass(frozen=True)
class Spread:
    """Median, least and most of some repetitions."""

    median: float
    least: float
    most: float

    def text(self, digits: int = 1, unit: str = "") -> str:
        """`12.3 (11.8-13.0)`."""
        median, least, most = (f"{n:,.{digits}f}" for n in (self.median, self.least, self.most))
        return f"{median}{unit} ({least}-{most})"


def spread(values: Iterable[float]) -> Spread:
    """Of at least one value."""
    held = sorted(values)
    return Spread(statistics.median(held), held[0], held[-1])


@dataclass(frozen=True)
class Verdict:
    """One target."""

    what: str
    value: str
    target: str
    met: bool


@dataclass
class Written:
    """A table of the page. The first row is its head."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)


@dataclass
class Section:
    """One measurement."""

    name: str
    title: str
    text: str
    tables: list[Written] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    measured: str = ""
    command: str = ""


def _load(name: str, kept: dict[str, Any]) -> Section:
    section = Section(**{**kept, "name": name})
    section.tables = [
        Written(tuple(t["head"]), [tuple(r) for r in t["rows"]]) for t in kept["tables"]
    ]
    section.verdicts = [Verdict(**v) for v in kept["verdicts"]]
    return section


def write(sections: list[Section], command: str, order: Iterable[str], page: Path = PAGE) -> None:
    """The page and the JSON beside it."""
    stored = page.with_suffix(".json")
    before: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    held = {name: _load(name, kept) for name, kept in before.get("sections", {}).items()}
    for section in sections:
        section.measured = datetime.now(UTC).strftime("%Y-%m-%d")
        section.command = command
        held[section.name] = section
    held = {name: held[name] for name in order if name in held}
    page.parent.mkdir(parents=True, exist_ok=True)
    where = _where()
    stored.write_text(
        json.dumps(
            {"machine": where, "sections": {n: asdict(s) for n, s in held.items()}}, indent=1
        )
        + "\n"
    )
    page.write_text(_page(list(held.values()), where))


def _where() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{platform.system()} virtual machine, {platform.machine()}, {cores} cores that "
        f"other work shares, {memory:.0f} GiB",
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _page(sections: list[Section], where: dict[str, str]) -> str:
    lines = [
        "# Results",
        "",
        "Written by `make bench`; do not edit. Figures of one table were measured together and can",
        "be compared; figures of different tables, or of another machine, cannot. Every figure is",
        "a median, with the least and the most in brackets where it was measured several times.",
        "",
        f"* Machine: {where['machine']}",
        f"* Versions: {where['versions']}",
        "* Raw figures: [results.json](results.json)",
        "",
        "| | measured | target | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {v.what} | {v.value} | {v.target} | {'reached' if v.met else '**missed**'} |"
        for section in sections
        for v in section.verdicts
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.text]
        for table in section.tables:
            lines += ["", f"| {' | '.join(table.head)} |", "|---" * len(table.head) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in table.rows]
        if section.notes:
            lines += ["", *(f"* {note}" for note in section.notes)]
        lines += ["", f"Measured on {section.measured} with `{section.command}`."]
    return "\n".join(lines) + "\n"
