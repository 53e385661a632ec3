"""The documentation becomes a site, and one with a mistake in it does not."""

import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from site_links import wrong_in  # noqa: E402
from website import ICON, MOVED, Unfit, built, laid_out  # noqa: E402

PAGE = "howto/speak.md"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a site is made of, to make mistakes in."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "docs", root / "docs")
    shutil.copytree(ROOT / "examples", root / "examples")
    for name in ("zensical.toml", *MOVED, ICON):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    # without the mark nobody asks for a draft of the next version
    (root / "NEWS.md").write_text("# News\n\nSee the [README](README.md).\n")
    return root


def planted(root: Path, text: str, page: str = PAGE) -> None:
    path = root / "docs" / page
    path.write_text(f"{path.read_text('utf-8')}\n{text}\n", "utf-8")


def test_the_documentation_is_a_site(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "old.html").write_text("<p>of the last time</p>")
    built(ROOT, site)
    assert not (site / "old.html").exists()
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    named = {
        re.sub(r"README$", "index", path.relative_to(ROOT / "docs").with_suffix("").as_posix())
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert {f"{name}.html" for name in named} <= pages
    assert {"project/news.html", "source/examples-stream_file-py.html"} <= pages
    text = (site / "index.html").read_text("utf-8")
    assert 'href="tutorial/your-own-words.html"' in text
    news = (site / "project/news.html").read_text("utf-8")
    assert next((ROOT / "news").glob("*.md"), None) is None or 'id="next"' in news, "the draft"
    assert list((site / "reference").glob("*.json")), "what pages link to comes along"
    assert wrong_in(site) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[gone](gone.md)", "docs/howto/speak.md: gone.md is not there"),
        ("![gone](../images/gone.png)", "docs/howto/speak.md: ../images/gone.png is not there"),
        ("[all](../../../other)", "docs/howto/speak.md: ../../../other is not there"),
        ("[all](../../examples)", "docs/howto/speak.md: ../../examples is not there"),
    ],
)
def test_a_link_that_leads_nowhere(copy: Path, tmp_path: Path, text: str, reason: str) -> None:
    planted(copy, text)
    with pytest.raises(Unfit) as caught:
        built(copy, tmp_path / "site")
    assert str(caught.value) == reason
    assert not (tmp_path / "site").exists()


def test_a_file_that_is_linked_to_becomes_a_page(copy: Path, tmp_path: Path) -> None:
    (copy / "Makefile").write_text("all: # ```\n")
    planted(copy, "[code](../../Makefile#L1)")
    laid_out(copy, tmp_path / "sources")
    page = tmp_path / "sources/docs/source/Makefile.md"
    assert page.read_text("utf-8") == "# Makefile\n\n````text\nall: # ```\n````\n"
    assert "[code](../source/Makefile.md)" in (tmp_path / "sources/docs" / PAGE).read_text("utf-8")


def test_a_place_that_is_not_on_the_page(copy: Path, tmp_path: Path) -> None:
    planted(copy, "[here](configure.md#no-such-heading)")
    with pytest.raises(Unfit, match="no-such-heading"):
        built(copy, tmp_path / "site")


def test_what_only_the_result_shows(copy: Path, tmp_path: Path) -> None:
    """Raw HTML and style sheets, which nobody checks before; and what is asked of other hosts."""
    planted(copy, '<a href="gone.html">raw</a> <a href="configure.html#nowhere">raw</a>')
    planted(copy, '<script src="https://cdn.example.org/x.js"></script>')
    (copy / "docs/assets/site.css").write_text('@import "https://fonts.example.org/a.css";')
    with pytest.raises(Unfit) as caught:
        built(copy, tmp_path / "site")
    assert set(str(caught.value).splitlines()) == {
        "howto/speak.html: gone.html is not there",
        "howto/speak.html: configure.html#nowhere names a place that is not on that page",
        "howto/speak.html: https://cdn.example.org/x.js is asked of another host",
        "assets/site.css: https://fonts.example.org/a.css is asked of another host",
    }


def test_a_page_in_no_menu_and_a_menu_without_its_page(copy: Path, tmp_path: Path) -> None:
    (copy / "docs/howto/alone.md").write_text("# Alone\n")
    (copy / "docs" / PAGE).rename(copy / "docs/howto/talk.md")
    for path in (copy / "docs").rglob("*.md"):
        path.write_text(path.read_text("utf-8").replace("speak.md", "talk.md"), "utf-8")
    with pytest.raises(Unfit) as caught:
        laid_out(copy, tmp_path / "sources")
    assert set(str(caught.value).splitlines()) >= {
        "zensical.toml: howto/speak.md is no page",
        "howto/alone.md is in no menu of zensical.toml",
        "howto/talk.md is in no menu of zensical.toml",
    }


def test_what_a_page_loads_and_what_a_reader_clicks(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.html").write_text(
        '<a href="https://example.org/">may</a> <a href="mailto:me@example.org">may</a>'
        '<a href="#here" id="here">may</a> <a href="b.html#there">may</a> <img src="data:,">'
        '<img src="//example.org/a.png"> <a href="/b.html">no</a> <a href="below">no</a>'
        '<p style="background: url(https://example.org/b.png)">no</p>'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">B</h1>')
    assert wrong_in(tmp_path) == [
        "a.html: //example.org/a.png is asked of another host",
        "a.html: /b.html begins at the root of a server, and the site has to work without one",
        "a.html: below is not there",
        "a.html: https://example.org/b.png is asked of another host",
    ]
