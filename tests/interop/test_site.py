"""The built documentation in a browser, from the disk: nothing is asked of a network, both colour
schemes, and a search that finds."""

import sys
from pathlib import Path

import pytest

from chromium import chromium

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from website import built  # noqa: E402

pytestmark = pytest.mark.interop

PAGES = ("index.html", "howto/configure.html", "reference/ossicle-v1.html", "project/news.html")


FOUND = """
[...document.querySelectorAll("*")].some((one) =>
  one.shadowRoot?.querySelector('a[href*="howto/speak.html"]'))
"""
"""The search lives in a shadow tree."""


async def test_pages_and_search_from_the_disk(tmp_path: Path) -> None:
    site = tmp_path / "site"
    built(ROOT, site)
    async with chromium(tmp_path) as browser:
        grounds: set[str] = set()
        for name in PAGES:
            for width, dark in ((1280, False), (390, True)):
                page = await browser.open((site / name).as_uri(), width=width, dark=dark)
                grounds.add(await page.run("getComputedStyle(document.body).backgroundColor"))
                over = await page.run("document.documentElement.scrollWidth - innerWidth")
                assert over <= 0, f"{name} is wider than {width} pixels"
                elsewhere = [url for url in page.requests if not url.startswith(("file:", "data:"))]
                assert elsewhere == [], name
                assert page.complaints == [], name
        assert len(grounds) == 2, "light and dark"

        page = await browser.open((site / "index.html").as_uri())
        assert not await page.run(FOUND)
        await page.click(".md-search__button")
        await page.until("document.activeElement.shadowRoot?.activeElement?.tagName === 'INPUT'")
        await page.ask("Input.insertText", text="espeak")
        await page.until(FOUND)
        assert page.complaints == []
