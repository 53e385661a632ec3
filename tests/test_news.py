"""News: every fragment has a name that says what it is, and a version is made of them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"\+[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")
FRAGMENTS = sorted((ROOT / "news").glob("*.md"))
TOWNCRIER = Path(sys.executable).parent / "towncrier"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a version is made of, in a repository of its own."""
    shutil.copytree(ROOT / "news", tmp_path / "news")
    for name in ("pyproject.toml", "NEWS.md"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def build(folder: Path, *more: str) -> str:
    done = subprocess.run(
        [str(TOWNCRIER), "build", *more], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_nothing_else_in_the_folder() -> None:
    there = {path.name for path in (ROOT / "news").iterdir()}
    assert there - {path.name for path in FRAGMENTS} <= {"template.md.jinja", ".gitkeep"}


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_says_what_it_is(path: Path) -> None:
    assert NAME.fullmatch(path.name), (
        "+what-it-is.KIND.md, KIND: added changed fixed removed security"
    )
    text = path.read_text("utf-8").strip()
    assert text, "it says nothing"
    assert len(text) <= 600, "a few sentences; the rest is for docs/"
    assert not text.startswith(("-", "#", "*")), "a sentence; the list is made at the release"


def test_a_draft_holds_every_fragment() -> None:
    draft = " ".join(build(ROOT, "--draft", "--version", "next").split())
    for path in FRAGMENTS:
        assert " ".join(path.read_text("utf-8").split()) in draft, path.name


def test_a_release_moves_them_into_the_news(copy: Path) -> None:
    (copy / "news/+beginning.security.md").write_text("A hole is closed.\nIt was small.\n")
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)
    build(copy, "--yes", "--version", "9.9.9", "--date", "2026-01-31")
    text = (copy / "NEWS.md").read_text("utf-8")
    head, version = text.split("<!-- the newest version comes below this line -->\n")
    assert head == (ROOT / "NEWS.md").read_text("utf-8").partition("<!--")[0]
    assert "\n## 9.9.9 (2026-01-31)\n\n### " in version
    assert "### Security\n\n- A hole is closed.\n  It was small.\n" in version
    assert sorted(path.name for path in (copy / "news").iterdir()) == ["template.md.jinja"]
