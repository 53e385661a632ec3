"""Builds the documentation as a site that needs no network and no server: `build/site/index.html`.

    python scripts/website.py            # build, and check every link
    python scripts/website.py --into DIR

Three steps, each strict. The pages are laid out in a folder of their own, because a site cannot
link out of its root: the news, CONTRIBUTING.md and every file that a page links to come along as
pages. Zensical builds them. Then the result is read as a browser would (`site_links`), since that
is what counts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from site_links import wrong_in

__all__ = ["Unfit", "built", "laid_out", "main"]

ROOT = Path(__file__).resolve().parent.parent
MOVED = {
    "README.md": "index.md",
    "NEWS.md": "project/news.md",
    "CONTRIBUTING.md": "project/contributing.md",
}
"""Files of the project's root, and the pages they are in the site."""
ICON = "src/ossicle/web/playground/icon.svg"
LANGUAGES = {".py": "python", ".html": "html", ".sh": "sh", ".js": "js", ".toml": "toml"}
"""What a file that a page links to is coloured as, by its suffix; else it is plain text."""
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")

MARK = "<!-- the newest version comes below this line -->\n"
COLOUR = re.compile("\x1b\\[[0-9;]*m")


class Unfit(Exception):
    """The pages make no site; one line for each reason."""


def laid_out(root: Path, into: Path) -> None:
    """Lay out the sources of the site.

    Raises:
        Unfit: a link leads to no file of the project, a page is in no menu, or a menu names none.
    """
    docs = into / "docs"
    shutil.copytree(root / "docs", docs)
    shutil.copyfile(root / "zensical.toml", into / "zensical.toml")
    shutil.copyfile(root / ICON, docs / "assets" / "icon.svg")
    wrong: list[str] = []
    shown: set[str] = set()
    pages = {
        path.relative_to(root).as_posix(): path.relative_to(root / "docs").as_posix()
        for path in sorted((root / "docs").rglob("*.md"))
    } | {name: place for name, place in MOVED.items() if name != "README.md"}
    for source, place in pages.items():
        page = docs / place
        page.parent.mkdir(parents=True, exist_ok=True)
        text = (root / source).read_text("utf-8")
        if MARK in text:
            text = _with_draft(root, text)
        page.write_text(_moved(root, source, text, place, shown, wrong), "utf-8")
    for name in sorted(shown):
        page = docs / _source(name)
        page.parent.mkdir(exist_ok=True)
        code = (root / name).read_text("utf-8").rstrip("\n")
        fence = "````" if "```" in code else "```"
        language = LANGUAGES.get(PurePosixPath(name).suffix, "text")
        page.write_text(f"# {name}\n\n{fence}{language}\n{code}\n{fence}\n", "utf-8")
    menu = list(_menu(tomllib.loads((root / "zensical.toml").read_text())["project"]["nav"]))
    wrong += [f"zensical.toml: {name} is no page" for name in menu if name not in pages.values()]
    wrong += [f"zensical.toml: {name} is twice in it" for name in menu if menu.count(name) > 1]
    wrong += [f"{name} is in no menu of zensical.toml" for name in pages.values()
              if name not in menu]  # fmt: skip
    if wrong:
        raise Unfit("\n".join(wrong))


def _menu(entries: Any) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from _menu([below] if isinstance(below, str) else below)


def _source(name: str) -> str:
    return f"source/{re.sub('[/.]', '-', name)}.md"


def _with_draft(root: Path, text: str) -> str:
    """The news, and above them what the next version will bring."""
    draft = _run(root, "towncrier", "build", "--draft", "--version", "next").stdout
    head, mark, versions = text.partition(MARK)
    return f"{head}{mark}\n{draft.strip()}\n{versions}"


def _run(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of the environment, to its end.

    Raises:
        Unfit: it is not there, or it refuses.
    """
    program = shutil.which(name, path=str(Path(sys.executable).parent))
    if program is None:
        raise Unfit(f"{name} is not installed: python scripts/environment.py --dev")
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        # Zensical colours what it finds whatever the environment says, and ends with a traceback.
        said = COLOUR.sub("", done.stdout + done.stderr.partition("Traceback")[0])
        raise Unfit(said.strip() or done.stderr.strip())
    return done


def _moved(
    root: Path, source: str, text: str, place: str, shown: set[str], wrong: list[str]
) -> str:
    """A page whose links lead where their targets are in the site; files of the project beside
    the pages become pages themselves."""

    def link(found: re.Match[str]) -> str:
        before, target, anchor, after = found.groups()
        if re.match(r"[a-z]+:", target):
            return found[0]
        joined = os.path.normpath(PurePosixPath(source).parent / target)
        if joined.startswith("..") or not (root / joined).is_file():
            # Zensical passes over links it takes for files of another kind.
            wrong.append(f"{source}: {target} is not there")
            return found[0]
        path = PurePosixPath(joined)
        if joined in MOVED:
            there = MOVED[joined]
        elif path.parts[0] == "docs":
            there = str(path.relative_to("docs"))
        else:
            shown.add(joined)
            there = _source(joined)
        shorter = os.path.relpath(there, PurePosixPath(place).parent)
        # A line of a file has no place in the page it becomes.
        place_in = "" if joined in shown else anchor or ""
        return f"{before}{shorter}{place_in}{after}"

    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        lines.append(line if fenced else LINK.sub(link, line))
    return "\n".join(lines) + "\n"


def built(root: Path, into: Path) -> None:
    """Build the site of the project at `root`; what was in `into` before is replaced.

    Raises:
        Unfit: as `laid_out`; or Zensical refuses a page, or a link of the result leads nowhere.
    """
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder)
        laid_out(root, sources)
        _run(sources, "zensical", "build", "--strict")
        # It is for a server that has the site at its root; every address in it begins there.
        (sources / "site" / "404.html").unlink()
        if wrong := wrong_in(sources / "site"):
            raise Unfit("\n".join(wrong))
        shutil.rmtree(into, ignore_errors=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(sources / "site", into)


def main(arguments: list[str] | None = None) -> int:
    """Build, or say why not."""
    parser = argparse.ArgumentParser(description="Build the documentation as a site.")
    parser.add_argument("--into", type=Path, default=ROOT / "build" / "site")
    into = parser.parse_args(arguments).into
    try:
        built(ROOT, into)
    except Unfit as error:
        print(error, file=sys.stderr)
        return 1
    print(into / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
