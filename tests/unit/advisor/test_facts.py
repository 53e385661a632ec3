"""The table of facts: whole, dated, and each with a source that is there."""

import datetime as dt
import re
from pathlib import Path

import pytest

from ossicle.advisor.browsers import BROWSERS
from ossicle.advisor.facts import ASPECTS, FACTS, PROVIDERS, WIRES, Fact
from ossicle.core.errors import Refused

ROOT = Path(__file__).resolve().parents[3]
NEWEST = dt.date(2027, 12, 31)

every_fact = pytest.mark.parametrize("fact", FACTS.values(), ids=lambda fact: fact.name)


@pytest.mark.parametrize("wire", WIRES)
def test_every_wire_is_asked_everything(wire: str) -> None:
    missing = [aspect for aspect in ASPECTS if f"{wire}.{aspect}" not in FACTS]
    assert missing == []
    assert all(FACTS[f"{wire}.{aspect}"].mark for aspect in ASPECTS)


def test_every_provider_has_its_wire() -> None:
    assert [name for name in PROVIDERS if f"{name}.wire" not in FACTS] == []


@every_fact
def test_a_fact_is_dated_and_says_something(fact: Fact) -> None:
    assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", fact.date)
    day = dt.date.fromisoformat(fact.date if len(fact.date) > 7 else fact.date + "-01")
    assert dt.date(1990, 1, 1) < day < NEWEST
    assert fact.text.endswith(".")
    assert 0 < len(fact.value) <= 60
    assert fact.dated.endswith(fact.date)


@every_fact
def test_a_source_is_an_address_or_a_page_of_ours(fact: Fact) -> None:
    if not fact.source.startswith("https://"):
        assert (ROOT / fact.source).is_file(), fact.source


@every_fact
def test_a_test_that_is_named_is_there(fact: Fact) -> None:
    if not fact.test:
        return
    path, _, name = fact.test.partition("::")
    text = (ROOT / path).read_text("utf-8")
    assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), fact.test


def test_what_older_texts_deny() -> None:
    """Firefox has WebTransport since 2023 and Safari since 2026."""
    support = BROWSERS.features["webtransport"].support
    assert support["firefox"].version == "114"
    assert support["firefox"].date.startswith("2023")
    assert support["safari"].version == "26.4"
    assert support["safari"].date.startswith("2026")
    assert FACTS["webtransport.browsers"].date == BROWSERS.date
    assert BROWSERS.version in FACTS["webtransport.browsers"].source
    assert "26.4" in FACTS["webtransport.browsers"].text


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        ((), ()),
        (("safari",), ()),
        (("safari 26.4",), ()),
        (("safari 26.3",), ("Safari 26.3",)),
        (("Safari>=26",), ("Safari 26",)),
        (("safari@18.6", "firefox 113", "chrome"), ("Safari 18.6", "Firefox 113")),
        (("ios 17",), ("Safari on iOS 17",)),
    ],
)
def test_browsers_by_version(asked: tuple[str, ...], lacking: tuple[str, ...]) -> None:
    assert BROWSERS.lacking("webtransport", asked) == lacking


@pytest.mark.parametrize("name", ["", "netscape", "safari -1", "safari 26.x", "26.4", "safari 1e9"])
def test_a_browser_that_is_none(name: str) -> None:
    with pytest.raises(Refused, match="there are chrome"):
        BROWSERS.lacking("webtransport", (name,))


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(Refused, match="did you mean 'firefox'"):
        BROWSERS.read("fierfox 100")
