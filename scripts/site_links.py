"""Reads a built site as a browser would: does every address in it lead somewhere, and none to
another host that the page itself would ask?

    wrong_in(Path("build/site"))    →  ["howto/speak.html: ../images/gone.png is not there", …]

A link that a reader clicks may go anywhere; what a page loads by itself may not: scripts, styles,
fonts, pictures. Knows nothing of how the site was made.
"""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["wrong_in"]

STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Address(NamedTuple):
    """One address in a page."""

    url: str
    loaded: bool
    """The page asks for it by itself."""


class Reader(HTMLParser):
    """Collects the addresses of one page, and the places that can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[Address] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (name == "name" and tag == "a"):
                self.places.add(value)
            elif name in {"href", "src", "data", "poster", "action"}:
                self.addresses.append(Address(value, tag not in {"a", "area", "form"}))
            elif name == "srcset":
                self.addresses += [Address(part.split()[0], True) for part in value.split(",")]
            elif name == "style":
                self.addresses += [Address(url, True) for url in in_style(value)]


def in_style(text: str) -> list[str]:
    """The addresses a style sheet loads."""
    found = [first or second for first, second in STYLE.findall(text)]
    return [url for url in found if not url.startswith(("data:", "#"))]


def wrong_in(site: Path) -> list[str]:
    """What leads nowhere, and what would be asked of another host; empty = nothing."""
    pages: dict[Path, Reader] = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = Reader()
        pages[path].feed(path.read_text("utf-8"))
    wrong: list[str] = []
    for path, page in pages.items():
        for url, loaded in page.addresses:
            if reason := _wrong(path, url, loaded, pages):
                wrong.append(f"{path.relative_to(site)}: {url} {reason}")
    for path in sorted(site.rglob("*.css")):
        wrong += [
            f"{path.relative_to(site)}: {url} {reason}"
            for url in in_style(path.read_text("utf-8"))
            if (reason := _wrong(path, url, True, pages))
        ]
    return wrong


def _wrong(page: Path, url: str, loaded: bool, pages: dict[Path, Reader]) -> str:
    parts = urlsplit(url)
    if parts.scheme in {"data", "mailto"}:
        return ""
    if parts.scheme or parts.netloc:
        return "is asked of another host" if loaded else ""
    if parts.path.startswith("/"):
        return "begins at the root of a server, and the site has to work without one"
    target = page
    if parts.path:
        target = Path(os.path.normpath(page.parent / unquote(parts.path)))
        if not target.is_file():
            return "is not there"
    place = unquote(parts.fragment)
    if place and target in pages and place not in pages[target].places:
        return "names a place that is not on that page"
    return ""
