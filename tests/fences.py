"""The fenced blocks of the documents: where they stand, in which language, and what is promised of
them by the comment above.

    <!-- runs -->            it is run by tests/interop/test_examples.py
    <!-- continues -->       the same, after the blocks before it on its page
    <!-- example: FILE -->   it is a part of that file in examples/
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["FENCE", "PAGES", "ROOT", "Block", "blocks"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "NEWS.md", *ROOT.glob("docs/**/*.md")]
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>\S*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    line: int
    mark: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks() -> Iterator[Block]:
    """All of them, page by page."""
    for page in PAGES:
        source = page.read_text("utf-8")
        for found in FENCE.finditer(source):
            line = source.count("\n", 0, found.start()) + 1
            yield Block(page, line, found["mark"] or "", found["language"], found["text"])
